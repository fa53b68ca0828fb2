// Redis killed with and without its data and frozen; a worker process killed: no wrong answer, recovery alone.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Queue } from 'bullmq'
import t from 'tap'
import { createScheduler, Spill } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import { faultsOf } from '../fixtures/traceformat'
import { until } from '../fixtures/until'
import { job, served } from './deployment'
import { startProxy } from './proxy'
import { needsRedis, startRedis } from './server'
import type { RemoteStats, RemoteTier, Scheduler, Trace } from '#lib/index'
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')
const cli = join(__dirname, '../../dist/lib/cli.js')

async function pool (t: Test, redis: string, serve: boolean): Promise<Scheduler> {
  const tier = bullmqTier({ redis, lockMs: 2000, stalledMs: 1000, sweepMs: 500 })
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], drainMs: 1000, remote: { tier, serve, queues: serve ? ['wait@1', 'echo@1'] : null } })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  await until('the breaker to close', () => isClosed(scheduler))
  return scheduler
}

const isClosed = (scheduler: Scheduler): boolean =>
  (scheduler.snapshot().remote as RemoteStats).shards.every(({ breaker }) => breaker === 'closed')
const settled = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: { code: string }) => error.code)

t.test('Redis killed and restarted with its AOF: 10 of 10 durable jobs are answered, and a submit meanwhile is refused', { skip }, async (t) => {
  const redis = await startRedis(t, '--appendfsync', 'always')
  const producer = await pool(t, redis.url, false)
  await pool(t, redis.url, true)
  const answers = Array.from({ length: 10 }, (_, at) => producer.offload('wait', 100 + at, { durable: true }))
  await until('10 jobs in flight', () => (producer.snapshot().remote as RemoteStats).counters.submitted === 10)
  t.equal(await answers[0], 100)
  await redis.kill()
  await until('the breaker to open', () => !isClosed(producer))
  t.equal(await settled(producer.offload('echo', 1, { durable: true })), 'FST_ERR_SPILLOVER_REMOTE_DOWN')
  t.equal(await producer.offload('echo', 'here'), 'here', 'a local job is unaffected')
  await redis.start()
  t.strictSame(await Promise.all(answers), Array.from({ length: 10 }, (_, at) => 100 + at))
})

t.test('Redis restarted without its data: each of 20 waiters gets its own result or an error, none that of another', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = await pool(t, redis.url, false)
  await pool(t, redis.url, true)
  const send = (from: number): Promise<unknown>[] =>
    Array.from({ length: 10 }, (_, at) => settled(producer.offload('wait', from + at, { durable: true })))
  const before = send(100)
  t.equal(await before[0], 100)
  await redis.client.flushall()
  await redis.kill()
  await until('the breaker to open', () => !isClosed(producer))
  await redis.start()
  await until('the breaker to close', () => isClosed(producer))
  const after = send(200)
  for (const [at, value] of (await Promise.all([...before, ...after])).entries()) {
    const own = at < 10 ? 100 + at : 190 + at
    t.ok(value === own || (at < 10 && value === 'FST_ERR_SPILLOVER_REMOTE_LOST'), `${at}: ${String(value)}`)
  }
})

t.test('a frozen Redis: submits are given up, then refused at once, and none is left in the queue after it wakes', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = await pool(t, redis.url, false)
  redis.freeze()
  const first = await Promise.all([1, 2, 3].map((value) => settled(producer.offload('echo', value, { durable: true }))))
  for (const code of first) t.match(code, /^FST_ERR_SPILLOVER_REMOTE_(UNCERTAIN|DOWN)$/)
  await until('the breaker to open', () => !isClosed(producer))
  t.equal(await settled(producer.offload('echo', 4, { durable: true })), 'FST_ERR_SPILLOVER_REMOTE_DOWN')
  redis.thaw()
  await until('the breaker to close', () => isClosed(producer))
  // what was submitted without an answer is taken out again
  await until('no job to be left', async () => await redis.client.llen('{fs:default:r1:0}:echo@1:wait') === 0)
})

t.test('a submit without an answer that reaches Redis only after it was looked for is taken out too', { skip }, async (t) => {
  const redis = await startRedis(t, '--appendfsync', 'always')
  const producer = await pool(t, redis.url, false)
  const { durables } = producer.overflow as Spill
  const waiting = (): Promise<string[]> => redis.client.lrange('{fs:default:r1:0}:echo@1:wait', 0, -1)
  const uniqueOf = (id: string): string => id.split('.').at(-1)!
  const known = durables.submit('echo', 1)
  await known.accepted
  const data = JSON.parse((await redis.client.hget(`{fs:default:r1:0}:echo@1:${uniqueOf(known.id)}`, 'data'))!) as object
  redis.freeze()
  const late = durables.submit('echo', 2)
  t.equal(await settled(late.accepted), 'FST_ERR_SPILLOVER_REMOTE_UNCERTAIN')
  await redis.kill()
  await until('the breaker to open', () => !isClosed(producer))
  await redis.start()
  await until('the breaker to close', () => isClosed(producer))
  t.strictSame(await waiting(), [uniqueOf(known.id)])
  const queue = new Queue('echo@1', { connection: redis.client as never, prefix: '{fs:default:r1:0}' })
  await queue.add('echo', data, { jobId: uniqueOf(late.id) })
  t.equal((await waiting()).length, 2)
  await until('the late one to be taken out', async () => (await waiting()).length === 1)
  t.strictSame(await waiting(), [uniqueOf(known.id)])
})

t.test('a second submit with a key that gets no answer does not take the first one\'s job out', { skip }, async (t) => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const [near, far] = [redis.url, proxy.url].map((url) => bullmqTier({ redis: url })) as [RemoteTier, RemoteTier]
  for (const tier of [near, far]) {
    t.teardown(() => tier.close())
    tier.start({ log: { info () {}, warn () {}, error () {} }, served })
    await until('the breaker to close', () => tier.stats().shards[0]!.breaker === 'closed')
  }
  const withKey = job({ payload: '"with a key"', key: { scope: 'me', value: 'k', fingerprint: 'f' } })
  const first = near.submit(withKey)
  await first.accepted
  proxy.hold(/with a key/)
  const second = far.submit(withKey)
  await until('its submit to be held up', () => proxy.isHolding)
  const other = far.submit(job())
  for (const { accepted } of [second, other]) t.equal(await settled(accepted), 'FST_ERR_SPILLOVER_REMOTE_UNCERTAIN')
  proxy.release()
  await until('the other to be taken out', () => far.stats().counters.cancelled === 1)
  t.equal(second.id, first.id)
  t.strictSame(await redis.client.lrange('{fs:default:r1:0}:work@1:wait', 0, -1), [first.id.split('.').at(-1)])
})

t.test('the log says in plain words, once each: a job lost its lock, a job is gone, Redis is away, Redis answers again', { skip }, async (t) => {
  const redis = await startRedis(t)
  const told: string[] = []
  const tell = (text: string): void => { told.push(text) }
  const tier = bullmqTier({ redis: redis.url, lockMs: 2000, stalledMs: 500 })
  t.teardown(() => tier.close())
  tier.start({ log: { info: tell, warn: tell, error: tell }, served })
  await until('the breaker to close', () => tier.stats().shards[0]!.breaker === 'closed')
  const ends: (() => void)[] = []
  await tier.serve(served, () => new Promise((resolve) => {
    ends.push(() => resolve({ status: 'ok', codec: 'json', payload: '1' }))
  }), { size: 1, free: () => 1 })
  const ticket = tier.submit(job())
  const unique = (await ticket.accepted, ticket.id.split('.').at(-1)!)
  await until('it to run', () => ends.length === 1)
  await redis.client.del(`{fs:default:r1:0}:work@1:${unique}:lock`)
  ends[0]!()
  await until('it to run again', () => ends.length === 2)
  await redis.client.flushall()
  ends[1]!()
  await until('it to say so', () => told.some((text) => text.includes('is gone')))
  await redis.kill()
  await until('redis to be away', () => told.some((text) => text.includes('is away')))
  await redis.start()
  await until('it to be back', () => told.filter((text) => text.includes('answers again')).length === 2)
  t.strictSame(told.filter((text) => text.includes(unique)), [
    `worker of shard 0: job ${unique} lost its lock while redis did not answer: what it gave here is dropped, and it runs again`,
    `worker of shard 0: job ${unique} is gone from redis: what it gave here is dropped`
  ])
  const [away, back, ...others] = told.filter((text) => text.startsWith('redis of shard 0'))
  t.match(away, /^redis of shard 0 is away: .+; it gets no jobs until it answers$/)
  t.equal(back, 'redis of shard 0 answers again')
  t.strictSame(others, [])
  t.equal(told.filter((text) => text === 'worker of shard 0: redis answers again').length, 1)
})

t.test('the worker command: its durable job survives two kills -9 of it, the next one is lost with the third; SIGTERM ends it with status 0 and a trace', { skip }, async (t) => {
  const redis = await startRedis(t)
  // its job runs until it is told to end
  const folder = t.testdir({
    'jobs.cjs': `const { existsSync } = require('node:fs')
      exports.wait = async (value) => {
        while (!existsSync(__dirname + '/end')) await new Promise((resolve) => setTimeout(resolve, 5))
        return value
      }`
  })
  const [file, end] = [join(folder, 'trace.json'), join(folder, 'end')]
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath,
      [cli, 'worker', '--jobs', join(folder, 'jobs.cjs'), '--redis', redis.url, '--queues', 'wait@1', '--lock', '2000', '--trace', file],
      { stdio: ['ignore', 'ignore', 'pipe'] })
    t.teardown(() => child.kill('SIGKILL'))
    await once(child.stderr!, 'data')
    return child
  }
  const locks = async (): Promise<number> => (await redis.client.keys('{fs:default:r1:0}:wait@1:*:lock')).length
  const killUnderIt = async (times: number): Promise<void> => {
    for (let kill = 0; kill < times; kill++) {
      const child = await start()
      await until('the job to run', async () => await locks() === 1)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await until('its lock to end', async () => await locks() === 0)
    }
  }
  const producer = await pool(t, redis.url, false)
  const answer = producer.offload('wait', 1500, { durable: true })
  await killUnderIt(2)
  const second = await start()
  await until('the job to run', async () => await locks() === 1)
  writeFileSync(end, '')
  t.equal(await answer, 1500)
  second.kill('SIGTERM')
  t.strictSame(await once(second, 'exit'), [0, null])
  const text = readFileSync(file, 'utf8')
  t.strictSame(faultsOf(text), [])
  const [run, ...others] = (JSON.parse(text) as Trace).traceEvents.filter(({ ph }) => ph === 'X')
  t.match(run, { name: 'wait', args: { outcome: 'ok' } })
  t.strictSame(others, [])

  rmSync(end)
  const lost = producer.offload('wait', 1501, { durable: true })
  await killUnderIt(3)
  await start()
  await t.rejects(lost, { code: 'FST_ERR_SPILLOVER_REMOTE_LOST', message: /3 of its workers died under it/ })
})

t.test('SIGTERM while Redis is gone: a worker of more than 10 queues without a job ends with status 0, no warning, and does not wait for its --drain of 10 minutes', { skip }, async (t) => {
  const redis = await startRedis(t)
  const child = spawn(process.execPath, [cli, 'worker', '--jobs', jobs, '--redis', redis.url, '--drain', '600000'], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  child.stderr.on('data', (chunk: Buffer) => { text += String(chunk) })
  const alive = async (): Promise<number> => (await redis.client.keys('{fs:default:r1:0}:alive:*')).length
  await until('it to serve more than 10 queues', async () => await alive() > 10)
  await redis.kill()
  await until('it to see that', () => /connection refused at /.test(text))
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [0, null])
  t.notMatch(text, /Warning/)
})
