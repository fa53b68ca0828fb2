// Redis full, slow and cut off from the network: local jobs go on, refusals are quick, recovery needs nobody.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { standStill } from './deployment'
import { needsNamespaces } from './hosts'
import { startProxy } from './proxy'
import { needsRedis, startRedis } from './server'
import type { RemoteStats, Scheduler } from '#lib/index'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')

async function pool (t: Test, redis: string, serve: boolean): Promise<Scheduler> {
  const tier = bullmqTier({ redis, lockMs: 2000, stalledMs: 1000, sweepMs: 500, maxInFlight: 200 })
  const remote = { tier, serve }
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], drainMs: 1000, remote })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  await until('the breaker to close', () => isClosed(scheduler))
  return scheduler
}

const stats = (scheduler: Scheduler): RemoteStats => scheduler.snapshot().remote as RemoteStats
const isClosed = (scheduler: Scheduler): boolean => stats(scheduler).shards.every(({ breaker }) => breaker === 'closed')
const settled = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: { code: string }) => error.code)

t.test('a full Redis: the submit is refused with its reason, local jobs go on, and with room all is well again', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = await pool(t, redis.url, false)
  await pool(t, redis.url, true)
  t.equal(await producer.offload('echo', 'before', { durable: true }), 'before')
  await redis.client.config('SET', 'maxmemory', '1')
  await t.rejects(producer.offload('echo', 1, { durable: true }), { code: 'FST_ERR_SPILLOVER_REMOTE_REFUSED', message: /its memory is full \(maxmemory\)/, isCertain: true })
  t.equal(await producer.offload('echo', 'here'), 'here')
  await redis.client.config('SET', 'maxmemory', '0')
  const answers = Array.from({ length: 20 }, (_, at) => producer.offload('echo', at, { durable: true }))
  t.strictSame(await Promise.all(answers), answers.map((_, at) => at))
  t.equal(stats(producer).inFlight, 0)
})

t.test('Redis gets full while 10 jobs run: none is answered wrong, and each has its own result when there is room again', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = await pool(t, redis.url, false)
  await pool(t, redis.url, true)
  const answers = Array.from({ length: 10 }, (_, at) => producer.offload('wait', 300 + at, { durable: true }))
  await until('10 jobs to be handed over', async () =>
    await redis.client.llen('{fs:default:r1:0}:wait@1:active') + await redis.client.llen('{fs:default:r1:0}:wait@1:wait') === 10)
  await redis.client.config('SET', 'maxmemory', '1')
  const ends = Promise.race(answers)
  // longer than each job, and than the lock
  await Promise.race([ends, new Promise((resolve) => setTimeout(resolve, 3000))])
  t.equal(await settled(producer.offload('echo', 1, { durable: true })), 'FST_ERR_SPILLOVER_REMOTE_REFUSED')
  await redis.client.config('SET', 'maxmemory', '0')
  t.strictSame(await Promise.all(answers), answers.map((_, at) => 300 + at))
})

t.test('a Redis 100 ms away works; one slower than the command timeout opens the breaker, and closes it when it is quick again', { skip }, async (t) => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const producer = await pool(t, proxy.url, false)
  await pool(t, redis.url, true)
  proxy.delayMs = 50
  const answers = Array.from({ length: 20 }, (_, at) => producer.offload('echo', at, { durable: true }))
  t.strictSame(await Promise.all(answers), answers.map((_, at) => at))
  proxy.delayMs = 2000
  const slow = await Promise.all(Array.from({ length: 50 }, (_, at) => settled(producer.offload('echo', at, { durable: true }))))
  for (const code of slow) t.match(code, /^FST_ERR_SPILLOVER_REMOTE_(UNCERTAIN|DOWN)$/)
  await until('the breaker to open', () => !isClosed(producer))
  t.equal(await settled(producer.offload('echo', 1, { durable: true })), 'FST_ERR_SPILLOVER_REMOTE_DOWN')
  t.equal(await producer.offload('echo', 'here'), 'here')
  t.equal(stats(producer).inFlight, 0, 'nothing is held')
  proxy.delayMs = 0
  await until('the breaker to close', () => isClosed(producer))
  t.equal(await producer.offload('echo', 'again', { durable: true }), 'again')
})

t.test('an event loop that stands still for 800 ms, longer than the command timeout, before 5 submits leave it or when 5 have left: all are answered', { skip }, async (t) => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const [near, far] = [await pool(t, redis.url, false), await pool(t, proxy.url, false)]
  await pool(t, redis.url, true)
  const send = (producer: Scheduler): Promise<unknown>[] =>
    Array.from({ length: 5 }, (_, at) => settled(producer.offload('echo', at, { durable: true })))
  proxy.delayMs = 20
  // what is given to a connection leaves at the end of the turn, behind this
  const stood = standStill(800)
  const given = send(far)
  await stood
  t.strictSame(await Promise.all(given), [0, 1, 2, 3, 4])
  const sent = send(near)
  await new Promise((resolve) => setImmediate(resolve))
  await standStill(800)
  t.strictSame(await Promise.all(sent), [0, 1, 2, 3, 4])
  for (const producer of [near, far]) t.match(stats(producer), { counters: { uncertain: 0, refused: 0 }, shards: [{ breaker: 'closed' }] })
})

t.test('a network that swallows every packet: in-flight jobs are answered after it, submits meanwhile fail', { skip: needsNamespaces(skip) }, async (t) => {
  const name = `fs-${process.pid}`
  const [here, there] = [`fsh${process.pid}`, `fst${process.pid}`]
  const ip = (...args: string[]): void => { execFileSync('ip', args, { stdio: 'pipe' }) }
  ip('netns', 'add', name)
  // also takes the pair of devices with it
  t.teardown(() => ip('netns', 'del', name))
  ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name)
  ip('addr', 'add', '10.231.77.1/30', 'dev', here)
  ip('link', 'set', here, 'up')
  for (const args of [['addr', 'add', '10.231.77.2/30', 'dev', there], ['link', 'set', there, 'up'], ['link', 'set', 'lo', 'up']]) ip('-n', name, ...args)
  const redis = await startRedis(t, { namespace: name, host: '10.231.77.2' })
  const producer = await pool(t, redis.url, false)
  await pool(t, redis.url, true)
  const early = Array.from({ length: 5 }, (_, at) => producer.offload('wait', 300 + at, { durable: true }))
  await until('5 jobs to be handed over', async () =>
    await redis.client.llen('{fs:default:r1:0}:wait@1:active') + await redis.client.llen('{fs:default:r1:0}:wait@1:wait') === 5)
  // no packet fits through: the sockets stay open, and nothing arrives
  execFileSync('tc', ['qdisc', 'add', 'dev', here, 'root', 'tbf', 'rate', '1kbit', 'burst', '1', 'limit', '1'], { stdio: 'pipe' })
  const cut = await Promise.all([1, 2, 3].map((value) => settled(producer.offload('echo', value, { durable: true }))))
  for (const code of cut) t.match(code, /^FST_ERR_SPILLOVER_REMOTE_(UNCERTAIN|DOWN)$/)
  await until('the breaker to open', () => !isClosed(producer))
  t.equal(await producer.offload('echo', 'here'), 'here')
  execFileSync('tc', ['qdisc', 'del', 'dev', here, 'root'], { stdio: 'pipe' })
  await until('the breaker to close', () => isClosed(producer))
  t.strictSame(await Promise.all(early), [300, 301, 302, 303, 304])
  t.equal(await producer.offload('echo', 'again', { durable: true }), 'again')
})
