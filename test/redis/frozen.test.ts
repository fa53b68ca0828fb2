// A worker that stands still past its lock, a Redis whose host is lost and replaced, a server that starts before Redis.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import spillover from '#plugin/index'
import { until } from '../fixtures/until'
import { echo, job, served } from './deployment'
import { makeHosts, needsNamespaces } from './hosts'
import { needsRedis, startRedis } from './server'
import type { ChildProcess } from 'node:child_process'
import type { RemoteTier } from '#lib/index'
import type { BullmqOptions } from '#lib/remote/bullmq'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')
const cli = join(__dirname, '../../dist/lib/cli.js')
const log = { info () {}, warn () {}, error () {} }

async function start (t: Test, options: BullmqOptions, list = served): Promise<RemoteTier> {
  const tier = bullmqTier({ sweepMs: 200, ...options })
  t.teardown(() => tier.close())
  tier.start({ log, served: list })
  await until('it to be up', () => tier.stats().shards[0]!.breaker === 'closed')
  return tier
}

t.test('a worker stopped past its lock under a job: another runs it, its answer is the only one, and what the first gives when it goes on is dropped', { skip }, async (t) => {
  const redis = await startRedis(t)
  const folder = t.testdir({
    runs: '',
    'jobs.cjs': `const { appendFileSync, existsSync } = require('node:fs')
      exports.run = async () => {
        appendFileSync(__dirname + '/runs', process.pid + '\\n')
        while (!existsSync(__dirname + '/end')) await new Promise((resolve) => setTimeout(resolve, 5))
        return process.pid
      }`
  })
  const runs = (): number[] => readFileSync(join(folder, 'runs'), 'utf8').split('\n').filter(Boolean).map(Number)
  const worker = (): ChildProcess & { said: string } => {
    const child = spawn(process.execPath, [cli, 'worker', '--jobs', join(folder, 'jobs.cjs'), '--redis', redis.url, '--lock', '2000'], { stdio: ['ignore', 'ignore', 'pipe'] })
    t.teardown(() => child.kill('SIGKILL'))
    const told = Object.assign(child, { said: '' })
    child.stderr.on('data', (chunk: Buffer) => { told.said += String(chunk) })
    return told
  }
  const producer = await start(t, { redis: redis.url }, [{ job: 'run', version: '1' }])
  const first = worker()
  const ticket = producer.submit(job({ job: 'run', attempts: 3 }))
  await until('it to run', () => runs().length === 1)
  first.kill('SIGSTOP')
  const second = worker()
  await until('it to run again', () => runs().length === 2)
  t.strictSame(runs(), [first.pid, second.pid])
  writeFileSync(join(folder, 'end'), '')
  const answer = { status: 'ok', codec: 'json', payload: String(second.pid) }
  t.strictSame(await ticket.done, answer)
  first.kill('SIGCONT')
  await until('the first to see that', () => /lost its lock while redis did not answer: what it gave here is dropped/.test(first.said))
  t.match(await producer.lookup(ticket.id), { state: 'succeeded', outcome: answer })
  t.strictSame(await redis.client.zrange('{fs:default:r1:0}:run@1:completed', '0', '-1'), [ticket.id.split('.').at(-1)])
})

t.test('the host of Redis is lost without a word and one with its data takes the address: 5 of 5 jobs in flight are answered, and new ones too', { skip: needsNamespaces(skip), timeout: 120_000 }, async (t) => {
  const [host] = makeHosts(t, 1)
  const redis = await startRedis(t, { namespace: host!.namespace, host: host!.address })
  const producer = await start(t, { redis: redis.url })
  const worker = await start(t, { redis: redis.url, lockMs: 2000, stalledMs: 1000 })
  let release!: () => void
  const released = new Promise<void>((resolve) => { release = resolve })
  await worker.serve(served, async (taken) => {
    await released
    return await echo(taken)
  }, { size: 5, free: () => 5 })
  const tickets = [0, 1, 2, 3, 4].map((payload) => producer.submit(job({ payload: String(payload), attempts: 3 })))
  await until('5 jobs to run', () => worker.stats().counters.taken === 5)
  // no FIN and no RST of the old server reaches anybody
  host!.cut()
  await redis.kill()
  await until('the breaker to open', () => producer.stats().shards[0]!.breaker !== 'closed')
  await t.rejects(producer.submit(job()).done, { code: 'FST_ERR_SPILLOVER_REMOTE_DOWN' })
  release()
  await redis.start()
  host!.mend()
  const outcomes = await Promise.all(tickets.map(({ done }) => done))
  t.strictSame(outcomes.map((outcome) => outcome.status === 'ok' && outcome.payload), ['0', '1', '2', '3', '4'])
  await until('the breaker to close', () => producer.stats().shards[0]!.breaker === 'closed')
  t.match(await producer.submit(job({ payload: '"new"' })).done, { payload: '"new"' })
})

t.test('a server starts while Redis is away: jobs run here, durable ones are 503 without an address, and 200 when Redis has come', { skip }, async (t) => {
  const redis = await startRedis(t)
  await redis.kill()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, { jobs, tiers: [{ actors: 1 }], execArgv: [], remote: { tier: bullmqTier({ redis: redis.url }), serve: true, queues: ['echo@1'] }, durable: { owner: false } })
  app.post('/local', async (request) => request.offload('echo', request.body))
  app.post('/durable', async (request) => request.offload('echo', request.body, { durable: true }))
  app.post('/handler', app.durableHandler('echo'))
  await app.ready()
  const post = (url: string) => app.inject({ method: 'POST', url, payload: { a: 1 }, headers: { prefer: 'wait=20' } })
  t.strictSame((await post('/local')).json(), { a: 1 })
  await until('a reason', async () => !/not connected yet/.test((await post('/durable')).body))
  const refused = await post('/durable')
  t.match([refused.statusCode, refused.headers['retry-after'], refused.json().message],
    [503, '1', 'job echo: the engine cannot be reached: the connection is refused'])
  t.match((await post('/handler')).json(), { status: 503, detail: 'job echo: the engine cannot be reached' })
  await redis.start()
  await until('the handler to answer', async () => (await post('/handler')).statusCode === 200)
  t.strictSame((await post('/durable')).json(), { a: 1 })
})

for (const signingKey of [undefined, 'a shared secret of ours']) {
  t.test(`10 results of 1 MB${signingKey === undefined ? '' : ', signed'}: each is its own, and the stream of events stays below 100 KB`, { skip }, async (t) => {
    const redis = await startRedis(t)
    const options = { redis: redis.url, ...(signingKey !== undefined && { signingKey }) }
    const [producer, worker] = [await start(t, options), await start(t, options)]
    const result = (payload: string): string => JSON.stringify(payload.repeat(2 ** 20))
    await worker.serve(served, async ({ payload }) => ({ status: 'ok', codec: 'json', payload: result(payload) }), { size: 2, free: () => 2 })
    const tickets = Array.from({ length: 10 }, (_, at) => producer.submit(job({ payload: String(at), reply: at % 2 === 0 ? 'fast' : 'committed' })))
    const outcomes = await Promise.all(tickets.map(({ done }) => done))
    t.strictSame(outcomes.map((outcome, at) => outcome.status === 'ok' && outcome.payload === result(String(at))), outcomes.map(() => true))
    const bytes = Number(await redis.client.call('MEMORY', 'USAGE', '{fs:default:r1:0}:work@1:events'))
    t.ok(bytes < 100_000, `${bytes} bytes`)
    t.match(await producer.lookup(tickets[3]!.id), { state: 'succeeded', outcome: { payload: result('3') } })
  })
}
