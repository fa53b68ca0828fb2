// What reaches Redis, and who: TLS, the ACL rule of docs/remote.md, signatures, limits before parsing.
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { remoteConformance } from '#lib/remote/conformance'
import { until } from '../fixtures/until'
import { makeCertificates } from './certificates'
import {
  deploy, documentedForClusters, documentedForServers, documentedForWorkers, documentedRule, echo, job, served
} from './deployment'
import { freePort, needsRedis, startCluster, startRedis } from './server'
import type { BullmqOptions } from '#lib/remote/bullmq'
import type { RemoteStats, RemoteTier } from '#lib/index'
import type { Test } from 'tap'

const skip = needsRedis(t)

const query = { job: 'work', version: '1', payloadBytes: 1, durable: true, deadlineMs: 20_000, meanMs: NaN }
const slots = { size: 1, free: () => 1 }

async function start (t: Test, options: BullmqOptions): Promise<RemoteTier> {
  const tier = bullmqTier({ sweepMs: 200, ...options })
  t.teardown(() => tier.close())
  tier.start({ log: { info () {}, warn () {}, error () {} }, served })
  await until('the tier to be up', () => tier.admit(query).ok)
  return tier
}

t.test('over TLS, as a user with the documented rule:', { skip }, async (t) => {
  const tls = makeCertificates(t)
  const port = await freePort()
  const redis = await startRedis(t, ...tls.options(port))
  const env = 'prod'
  await redis.client.call('ACL', 'SETUSER', 'spillover', 'on', '>secret', ...documentedRule.split(' '))
  const address = { url: `rediss://spillover:secret@127.0.0.1:${port}`, tls: { ca: tls.ca } }

  t.test('the whole conformance suite passes', async (t) => {
    remoteConformance({
      test: (title, run) => t.test(title, run),
      async make () {
        await redis.client.flushall()
        return deploy(address, env)
      }
    })
  })

  t.test('the user may do nothing else: other keys and channels, their names, what is common to all, and nothing of an administrator', async (t) => {
    const user = new Redis(address.url, { tls: address.tls })
    t.teardown(() => user.disconnect())
    for (const [command, ...args] of [['GET', 'other'], ['SET', '{fs:test:r1:0}:x', '1'], ['PUBLISH', 'other', ''], ['SUBSCRIBE', '*'],
      ['SCAN', '0'], ['RANDOMKEY'], ['DBSIZE'], ['SCRIPT', 'FLUSH'], ['FUNCTION', 'FLUSH'], ['CLIENT', 'LIST'], ['CLIENT', 'KILL', 'ID', '1'],
      ['SWAPDB', '0', '1'], ['FLUSHALL'], ['FLUSHDB'], ['KEYS', '*'], ['CONFIG', 'GET', '*'], ['ACL', 'LIST'], ['SHUTDOWN'], ['DEBUG', 'SLEEP', '0'], ['MONITOR']]) {
      await t.rejects(user.call(command!, ...args), /NOPERM|not allowed/, command!)
    }
  })

  t.test('a server that an unknown authority has signed is never talked to', async (t) => {
    const tier = bullmqTier({ redis: { ...address, tls: { ca: tls.otherCa } }, env })
    t.teardown(() => tier.close())
    tier.start({ log: { info () {}, warn () {}, error () {} }, served })
    const reason = (): string => tier.stats().shards[0]!.reason
    await until('the reason', () => /certificate/.test(reason()))
    t.match(tier.admit(query), { ok: false, code: 'REMOTE_DOWN' })
  })
})

t.test('a user for servers and one for workers, with what the page takes from each:', { skip }, async (t) => {
  const redis = await startRedis(t)
  const users = { spillover: '', server: documentedForServers, worker: documentedForWorkers }
  for (const [name, more] of Object.entries(users)) {
    await redis.client.call('ACL', 'SETUSER', name, 'on', '>secret', ...`${documentedRule} ${more}`.trim().split(' '))
  }
  const as = (name: keyof typeof users): string => redis.url.replace('//', `//${name}:secret@`)

  t.test('the whole conformance suite passes', async (t) => {
    remoteConformance({
      test: (title, run) => t.test(title, run),
      async make () {
        await redis.client.flushall()
        return deploy(as('spillover'), 'prod', { server: as('server'), worker: as('worker') })
      }
    })
  })

  t.test('a server fetches nothing, a worker hands nothing over, and neither hinders the other', async (t) => {
    await redis.client.flushall()
    const [server, worker] = [await start(t, { redis: as('server'), env: 'prod' }), await start(t, { redis: as('worker'), env: 'prod' })]
    const seen: string[] = []
    const serve = (tier: RemoteTier, name: string): unknown => tier.serve(served, async (taken) => {
      seen.push(name)
      return await echo(taken)
    }, slots)
    await serve(server, 'server')
    const refused = async (): Promise<unknown[]> => (await redis.client.call('ACL', 'LOG') as unknown[][]).map((entry) => `${String(entry[9])} ${String(entry[7])}`)
    await until('the server to be refused', async () => (await refused()).includes('server bzpopmin') || (await refused()).includes('server rpoplpush'))
    await t.rejects(worker.submit(job()).done, { code: 'FST_ERR_SPILLOVER_REMOTE_REFUSED', message: /can't run this command|has no permissions to run the 'incr' command/ })
    const ticket = server.submit(job())
    await ticket.accepted
    await serve(worker, 'worker')
    t.match(await ticket.done, { payload: '1' })
    t.strictSame(seen, ['worker'])
  })
})

t.test('with a signing key: what others put in, change or swap is never run and never a result', { skip }, async (t) => {
  const redis = await startRedis(t)
  const key = 'a shared secret of ours'
  const producer = await start(t, { redis: redis.url, signingKey: key })
  const worker = await start(t, { redis: redis.url, signingKey: key })
  const seen: string[] = []
  const record = (id: string): string => `{fs:default:r1:0}:work@1:${id.split('.').at(-1)}`

  // changed and unsigned jobs, before a worker is there
  const changed = producer.submit(job({ payload: '"mine"' }))
  await changed.accepted
  const data = JSON.parse((await redis.client.hget(record(changed.id), 'data'))!) as object
  await redis.client.hset(record(changed.id), 'data', JSON.stringify({ ...data, p: '"theirs"' }))
  const stranger = await start(t, { redis: redis.url, signingKey: 'another secret of theirs' })
  const foreign = stranger.submit(job({ payload: '"foreign"' }))
  const unsigned = (await start(t, { redis: redis.url })).submit(job({ payload: '"unsigned"' }))
  await Promise.all([foreign.accepted, unsigned.accepted])
  await worker.serve(served, async (taken) => {
    seen.push(taken.payload)
    return await echo(taken)
  }, slots)
  const envelope = { code: 'FST_ERR_SPILLOVER_REMOTE_ENVELOPE' }
  const errorOf = async (done: Promise<{ status: string }>): Promise<object> =>
    JSON.parse((await done as unknown as { error: string }).error).own
  t.match(await errorOf(changed.done), envelope)
  t.match(await errorOf(unsigned.done), envelope)
  // the stranger does not even believe the refusal, which it cannot verify
  t.match(await errorOf(foreign.done), envelope)
  t.strictSame(seen, [])

  // results swapped, and a hint that anyone could send
  const [one, two] = [producer.submit(job({ payload: '"one"' })), producer.submit(job({ payload: '"two"' }))]
  t.match(await Promise.all([one.done, two.done]), [{ payload: '"one"' }, { payload: '"two"' }])
  await redis.client.hset(record(one.id), 'returnvalue', (await redis.client.hget(record(two.id), 'returnvalue'))!)
  t.match(await errorOf(producer.attach(one.id).done), envelope)
  const slow = producer.submit(job({ payload: '"three"', reply: 'fast' }))
  const [channel] = (await redis.client.pubsub('CHANNELS', '*:r:*') as string[]).filter((name) => name.startsWith('{fs:default:r1:0}:r:'))
  for (const name of await redis.client.pubsub('CHANNELS', '*:r:*') as string[]) {
    await redis.client.publish(name, JSON.stringify({ i: slow.id, o: { v: 1, st: 'ok', c: 'json', p: '"evil"' } }))
  }
  t.ok(channel)
  t.match(await slow.done, { payload: '"three"' })
})

t.test('a job of 20 MB that is no JSON fails unparsed, hints of any form harm nobody, and the worker goes on', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = await start(t, { redis: redis.url })
  const worker = await start(t, { redis: redis.url })
  const connection = new Redis(redis.url)
  const queue = new Queue('work@1', { connection: connection as never, prefix: '{fs:default:r1:0}' })
  queue.on('error', () => {})
  t.teardown(async () => {
    await queue.close()
    connection.disconnect()
  })
  await queue.add('work', {}, { jobId: 'abcdefghijklmnopqrstuvwxyz-_01' })
  await redis.client.hset('{fs:default:r1:0}:work@1:abcdefghijklmnopqrstuvwxyz-_01', 'data', `{${'x'.repeat(20 * 2 ** 20)}`)
  for (const data of [null, 1, [], { v: 2 }, { v: 1, c: 'json' }, { v: 1, c: 'json', p: 'x'.repeat(300_000), d: 1, t: 1, at: 1, rt: '', f: 0, du: 0 }]) {
    await queue.add('work', data, {})
  }
  await worker.serve(served, echo, slots)
  const counters = (tier: RemoteTier): RemoteStats['counters'] => tier.stats().counters
  await until('7 bad envelopes', () => counters(worker).badEnvelopes === 7)
  const [channel] = await redis.client.pubsub('CHANNELS', '*:r:*') as string[]
  const hints = ['', 'null', '[]', '{', '{"i":1}', '{"i":"x"}', `{"i":"${'x'.repeat(1000)}"}`, 'x'.repeat(10_000_000)]
  for (const hint of hints) await redis.client.publish(channel!, hint)
  const answers = Array.from({ length: 20 }, (_, at) => producer.submit(job({ payload: `${at}` })).done)
  t.strictSame((await Promise.all(answers)).map((outcome) => outcome.status === 'ok' && outcome.payload), answers.map((_, at) => `${at}`))
  await until(`${hints.length} bad hints`, () => (counters(producer).badHints ?? 0) + (counters(worker).badHints ?? 0) === hints.length)
})

t.test('progress of 20 KB is neither written nor read, what is told before and after it is', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url })
  const told: (() => void)[] = []
  await tier.serve(served, ({ progress }) => new Promise((resolve) => {
    for (const value of ['first', 'x'.repeat(20_000), 'last']) told.push(() => progress(value))
    told.push(() => resolve({ status: 'ok', codec: 'json', payload: '1' }))
  }), slots)
  const ticket = tier.submit(job())
  const seen = async (): Promise<unknown> => (await tier.lookup(ticket.id))?.progress
  await until('it to run', () => told.length === 4)
  told[0]!()
  await until('the first', async () => await seen() === 'first')
  told[1]!()
  // its turn is over when a later one is written
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(await seen(), 'first')
  told[2]!()
  await until('the last', async () => await seen() === 'last')
  const record = `{fs:default:r1:0}:work@1:${ticket.id.split('.').at(-1)}`
  await redis.client.hset(record, 'progress', JSON.stringify('x'.repeat(20_000)))
  t.equal(await seen(), undefined)
  told[3]!()
  await ticket.done
})

t.test('a cluster, with the documented rule but INFO: nothing is written to the console, one line to the log a shard, and a job comes back by its hint', { skip }, async (t) => {
  const nodes = await startCluster(t)
  const rule = `${documentedRule} ${documentedForClusters} -info`.split(' ')
  for (const { client } of nodes) await client.call('ACL', 'SETUSER', 'spillover', 'on', '>secret', ...rule)
  const said = ['log', 'warn', 'error'].map((name) => t.capture(console, name as 'log', () => {}))
  const warned: string[] = []
  const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const tier = bullmqTier({ redis: { cluster, redisOptions: { username: 'spillover', password: 'secret' } }, env: 'prod', sweepMs: 60_000, allowVolatile: true })
  t.teardown(() => tier.close())
  tier.start({ log: { info () {}, warn: (text) => { warned.push(text) }, error () {} }, served })
  await until('the shards to be up', () => tier.stats().shards.every(({ breaker }) => breaker === 'closed'))
  await tier.serve(served, echo, slots)
  t.match(await tier.submit(job()).done, { payload: '1' })
  t.strictSame(said.flatMap((calls) => calls().map(({ args }) => args)), [])
  const told = warned.filter((text) => /^redis of shard \d: its user may not run INFO/.test(text))
  t.equal(told.length, 3)
})
