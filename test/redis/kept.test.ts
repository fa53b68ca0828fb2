// What must not get lost of an accepted job: its record, its input, its further runs.
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { echo, job, served } from './deployment'
import { startProxy } from './proxy'
import { needsRedis, startRedis } from './server'
import type { BullmqOptions } from '#lib/remote/bullmq'
import type { RemoteOutcome, RemoteTier, RunResult } from '#lib/index'
import type { Test } from 'tap'

const skip = needsRedis(t)
const log = { info () {}, warn () {}, error () {} }
const slots = (size: number): { size: number, free: () => number } => ({ size, free: () => size })
const key = (name: string): string => `{fs:default:r1:0}:work@1:${name}`
const uniqueOf = (id: string): string => id.split('.').at(-1)!
/** A run that takes no notice of its signal; call what it leaves in the list to end it. */
const heldIn = (ends: ((result: RunResult) => void)[]) => () =>
  new Promise<RunResult>((resolve) => { ends.push(resolve) })
const ok: RunResult = { status: 'ok', codec: 'json', payload: '"done"' }
const thrown: RunResult = { status: 'failed', error: '{"name":"Error","message":"bad","own":{}}' }

async function start (t: Test, options: BullmqOptions, warn: (text: string) => void = log.warn): Promise<RemoteTier> {
  const tier = bullmqTier({ sweepMs: 200, ...options })
  t.teardown(() => tier.close())
  tier.start({ log: { ...log, warn }, served })
  await until('it to be up', () => tier.stats().shards[0]!.breaker === 'closed')
  return tier
}

t.test('durable jobs, kept for a day, that ended 2 min ago stay when spilled ones of the same queue end, kept for 60 s and of which 1 is kept', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url, keepResults: 1 })
  await tier.serve(served, async (taken) => taken.payload === '"bad"' ? thrown : await echo(taken), slots(1))
  await until('the worker to be known', () => tier.stats().shards[0]!.queues['work@1']!.workers === 1)
  const [good, bad] = ['"good"', '"bad"'].map((payload) => tier.submit(job({ payload, resultTtlMs: 86_400_000 })))
  await Promise.all([good!.done, bad!.done])
  const ended = Date.now() - 120_000
  await redis.client.zadd(key('completed'), ended, uniqueOf(good!.id))
  await redis.client.zadd(key('failed'), ended, uniqueOf(bad!.id))

  const spilled = job({ durable: false, reply: 'committed', resultTtlMs: 60_000 })
  const first = tier.submit(spilled)
  await first.done
  for (const payload of ['"good"', '"bad"', '"good"']) await tier.submit({ ...spilled, payload }).done
  t.match(await tier.lookup(good!.id), { state: 'succeeded', outcome: { payload: '"good"' } })
  t.match(await tier.lookup(bad!.id), { state: 'failed' })
  t.equal(await tier.lookup(first.id), null)
  t.strictSame([await redis.client.zcard(key('completed')), await redis.client.zcard(key('failed')), await redis.client.zcard(key('spilled'))], [1, 1, 1])
})

t.test('a key comes again with another input of 20 KB when the record of its failed job is gone: it is run with that input', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url })
  await tier.serve(served, async ({ payload }) => payload.startsWith('"a') ? thrown : { ...ok, payload: payload.slice(0, 2) }, slots(1))
  const keyed = (letter: string): ReturnType<RemoteTier['submit']> => tier.submit(job({
    payload: JSON.stringify(letter.repeat(20_000)),
    key: { scope: 'me', value: 'k', fingerprint: letter }
  }))
  const first = keyed('a')
  t.match(await first.done, { status: 'failed' })
  await redis.client.del(key(uniqueOf(first.id)))
  const second = keyed('b')
  t.equal(second.id, first.id)
  t.match(await second.done, { status: 'ok', payload: '"b' })
})

t.test('a key whose job was cancelled comes again, and its job throws at first: it is run again, and not taken for the cancelled one', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url })
  const keyed = job({ attempts: 3, key: { scope: 'me', value: 'k', fingerprint: 'f' } })
  const first = tier.submit(keyed)
  await first.accepted
  t.equal(await tier.cancel(first.id, 'not wanted'), 'removed')
  const second = tier.submit(keyed)
  await second.accepted
  t.equal(second.id, first.id)
  await tier.serve(served, async ({ attempt }) => attempt === 1 ? { ...thrown, mayRetry: true } : ok, slots(1))
  t.strictSame(await second.done, ok)
})

t.test('the check of a key is not answered: its caller is told so, with status 503, and who asks again gets the job', { skip }, async (t) => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const tier = await start(t, { redis: proxy.url })
  const keyed = job({ key: { scope: 'me', value: 'k', fingerprint: 'f' } })
  proxy.hold(/\r\nhget\r\n/)
  await t.rejects(tier.submit(keyed).accepted, { code: 'FST_ERR_SPILLOVER_REMOTE_UNCERTAIN', statusCode: 503, isCertain: false, retryAfterS: 1 })
  proxy.release()
  await until('it to be up again', () => tier.admit({ ...keyed, payloadBytes: 1, meanMs: NaN }).ok)
  const again = tier.submit(keyed)
  await again.accepted
  await tier.serve(served, async () => ok, slots(1))
  t.strictSame(await again.done, ok)
})

t.test('a job that lost its lock is fetched again by the worker that still runs it: its second run begins after the first, and keeps its lock', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url, lockMs: 5000, stalledMs: 200 })
  const ends: (() => void)[] = []
  // it does not listen to its signal
  await tier.serve(served, () => new Promise((resolve) => { ends.push(() => resolve(ok)) }), slots(2))
  const ticket = tier.submit(job())
  await until('it to run', () => ends.length === 1)
  const lock = key(`${uniqueOf(ticket.id)}:lock`)
  await redis.client.del(lock)
  await until('it to be fetched again', async () => await redis.client.exists(lock) === 1)
  t.equal(ends.length, 1)
  ends[0]!()
  await until('it to run again', () => ends.length === 2)
  let last = Infinity
  let renewals = 0
  await until('its lock to be renewed twice', async () => {
    const leftMs = await redis.client.pttl(lock)
    if (leftMs > last) renewals++
    last = leftMs
    return renewals === 2
  })
  ends[1]!()
  t.strictSame(await ticket.done, ok)
  t.match(tier.stats().counters, { stalled: 1, lost: 0 })
  t.equal(ends.length, 2)
})

for (const signingKey of [undefined, 'a shared secret of ours']) {
  t.test(`a worker that lost its lock ends with a result of 20 KB after another has${signingKey === undefined ? '' : ', signed'}: that of the other stays`, { skip }, async (t) => {
    const redis = await startRedis(t)
    const options = { redis: redis.url, lockMs: 5000, stalledMs: 200, ...(signingKey !== undefined && { signingKey }) }
    const told: string[] = []
    const [first, second] = [await start(t, options, (text) => told.push(text)), await start(t, options)]
    const [one, two]: ((result: RunResult) => void)[][] = [[], []]
    const result = (letter: string): RunResult => ({ ...ok, payload: JSON.stringify(letter.repeat(20_000)) })
    await first.serve(served, heldIn(one!), slots(1))
    const ticket = first.submit(job())
    await until('it to run', () => one!.length === 1)
    await redis.client.del(key(`${uniqueOf(ticket.id)}:lock`))
    await second.serve(served, heldIn(two!), slots(1))
    await until('it to run on the other', () => two!.length === 1)
    two![0]!(result('b'))
    const letterOf = (outcome: RemoteOutcome | undefined): string => outcome?.status === 'ok' ? outcome.payload[1]! : String(outcome?.error)
    t.equal(letterOf(await ticket.done), 'b')
    one![0]!(result('a'))
    await until('the first to be refused', () => told.some((text) => /lost its lock/.test(text)))
    t.equal(letterOf((await second.lookup(ticket.id))?.outcome), 'b')
  })
}

t.test('a worker that lost its lock ends when nobody has taken its job of 20 KB yet: it is run again, with its input', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url, lockMs: 5000, stalledMs: 200 })
  const ends: ((result: RunResult) => void)[] = []
  const payload = JSON.stringify('x'.repeat(20_000))
  const seen: string[] = []
  await tier.serve(served, (taken) => {
    seen.push(taken.payload)
    return heldIn(ends)()
  }, slots(1))
  const ticket = tier.submit(job({ payload }))
  await until('it to run', () => ends.length === 1)
  await redis.client.del(key(`${uniqueOf(ticket.id)}:lock`))
  await until('it to wait again', async () => await redis.client.llen(key('wait')) === 1)
  ends[0]!(ok)
  await until('it to run again', () => ends.length === 2)
  ends[1]!(ok)
  t.strictSame(await ticket.done, ok)
  t.strictSame(seen, [payload, payload])
  await until('the input to be removed', async () => (await redis.client.keys('*:pay:*')).length === 0)
})

t.test('a full Redis does not take the result of 20 KB of a job with one attempt: it is put back, and answered when there is room', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url })
  let release!: () => void
  const released = new Promise<void>((resolve) => { release = resolve })
  let runs = 0
  const result: RunResult = { ...ok, payload: JSON.stringify('x'.repeat(20_000)) }
  await tier.serve(served, async () => {
    runs++
    await released
    return result
  }, slots(1))
  const ticket = tier.submit(job())
  await until('it to run', () => runs === 1)
  await redis.client.config('SET', 'maxmemory', '1')
  release()
  await until('it to be put back', () => tier.stats().counters.putBack === 1)
  await redis.client.config('SET', 'maxmemory', '0')
  t.strictSame(await ticket.done, result)
})

t.test('an input of 20 KB does not stay where Redis refused its job', { skip }, async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-evalsha', '-eval')
  const tier = await start(t, { redis: redis.url.replace('//', '//app:secret@') })
  await t.rejects(tier.submit(job({ payload: JSON.stringify('x'.repeat(20_000)) })).accepted, { code: 'FST_ERR_SPILLOVER_REMOTE_REFUSED' })
  await until('it to be removed', async () => (await redis.client.keys('*:pay:*')).length === 0)
})

t.test('a worker that cannot run what it fetched gives it back and looks again in 50 ms: 10 times take 300 ms or more, and the job is run', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url })
  let fetches = 0
  await tier.serve(served, async () => ++fetches <= 10 ? { ...thrown, putBack: true } : ok, slots(1))
  await until('the worker to be known', () => tier.stats().shards[0]!.queues['work@1']!.workers === 1)
  const sentAtMs = performance.now()
  t.strictSame(await tier.submit(job()).done, ok)
  const tookMs = performance.now() - sentAtMs
  t.ok(tookMs >= 300, `${Math.round(tookMs)} ms`)
  t.match(tier.stats().counters, { putBack: 10, failed: 0 })
})

t.test('a full Redis refuses the fetch of a worker 8 times in 1 s or more, not as fast as it can; with room the job is run', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = await start(t, { redis: redis.url })
  const ticket = tier.submit(job())
  await ticket.accepted
  await redis.client.config('SET', 'maxmemory', '1')
  await redis.client.config('RESETSTAT')
  const sinceMs = performance.now()
  await tier.serve(served, echo, slots(1))
  const refused = async (): Promise<number> =>
    Number(/^cmdstat_evalsha:.*failed_calls=(\d+)/m.exec(await redis.client.info('commandstats'))?.[1] ?? 0)
  await until('8 refusals', async () => await refused() >= 8)
  const tookMs = performance.now() - sinceMs
  t.ok(tookMs >= 1000, `${Math.round(tookMs)} ms`)
  await redis.client.config('SET', 'maxmemory', '0')
  t.match(await ticket.done, { status: 'ok' })
})
