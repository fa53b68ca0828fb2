// A Redis Cluster named on the command line: `worker` and `doctor` with a server, its nodes and a worker killed.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { createScheduler, Spill } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { standStill } from './deployment'
import { needsRedis, startCluster } from './server'
import type { RemoteStats, Scheduler } from '#lib/index'
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')
const cli = join(__dirname, '../../dist/lib/cli.js')
const numbers = Array.from({ length: 30 }, (_, at) => at)
const stats = (scheduler: Scheduler): RemoteStats => scheduler.snapshot().remote as RemoteStats
const isUp = (scheduler: Scheduler): boolean => stats(scheduler).shards.every(({ breaker }) => breaker === 'closed')

t.test('worker --cluster and doctor --cluster on 3 nodes:', { skip }, async (t) => {
  const nodes = await startCluster(t)
  // one node is enough to find the others, but not while it is away
  const urls = nodes.map(({ url }) => url).join(',')
  const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const startWorker = async (t: Test): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [cli, 'worker', '--jobs', jobs, '--cluster', '--redis', urls, '--region', 'eu1', '--lock', '2000', '--queues', 'echo@1,wait@1'],
      { stdio: ['ignore', 'ignore', 'pipe'] })
    t.teardown(() => child.kill('SIGKILL'))
    t.match(String((await once(child.stderr!, 'data'))[0]), /^fastify-spillover worker: serves .* from cluster of redis:/)
    return child
  }
  const startProducer = async (): Promise<Scheduler> => {
    const tier = bullmqTier({ redis: { cluster }, region: 'eu1', sweepMs: 500 })
    const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], drainMs: 1000, remote: { tier } })
    t.teardown(() => scheduler.close())
    await scheduler.ready()
    await until('the three shards to be up', () => isUp(scheduler))
    return scheduler
  }
  const worker = await startWorker(t)
  const [producer, other] = [await startProducer(), await startProducer()]

  t.test('30 durable jobs go over three hash tags and come back by hints; another server reads and cancels by id', async (t) => {
    const { durables } = producer.overflow as Spill
    const tickets = numbers.map((value) => durables.submit('echo', { value }))
    t.strictSame(await Promise.all(tickets.map(({ done }) => done)), numbers.map((value) => ({ value })))
    t.strictSame(new Set(tickets.map(({ id }) => id.split('.')[1])), new Set(['00', '01', '02']))
    const keys = await Promise.all(nodes.map(({ client }) => client.dbsize()))
    t.ok(keys.every((count) => count > 0), `keys of each node: ${keys.join(', ')}`)
    t.match(stats(producer).counters, { badHints: 0, lost: 0 })
    t.ok(stats(producer).counters.hints! >= 30, `${stats(producer).counters.hints} hints`)

    const there = (other.overflow as Spill).durables
    t.match(await there.lookup(tickets[7]!.id), { state: 'succeeded', job: 'echo' })
    t.strictSame(await there.attach(tickets[7]!.id).done, { value: 7 })
    const long = durables.submit('wait', 60_000)
    await until('it to run', async () => (await there.lookup(long.id))?.state === 'running')
    t.equal(await there.cancel(long.id, 'not wanted'), 'signalled')
    await t.rejects(long.done, { code: 'FST_ERR_SPILLOVER_CANCELLED' })
  })

  t.test('an event loop that stands still for 800 ms when 30 submits have left: all are answered', async (t) => {
    const answers = numbers.map((value) => producer.offload('echo', value, { durable: true }))
    await new Promise((resolve) => setImmediate(resolve))
    await standStill(800)
    t.strictSame(await Promise.all(answers), numbers)
  })

  t.test('doctor finds three shards and nothing wrong; one node with eviction is found', async (t) => {
    const doctor = (...args: string[]): { status: number | null, stdout: string } =>
      spawnSync(process.execPath, [cli, 'doctor', '--cluster', '--redis', nodes[0]!.url, '--region', 'eu1', ...args], { encoding: 'utf8', timeout: 60_000 })
    const { status, stdout } = doctor()
    t.equal(status, 0, stdout)
    t.match(stdout, new RegExp(`^shard 0: cluster of redis://127.0.0.1:${nodes[0]!.port}\\n`))
    t.match(stdout, /shard 2: [^]*ok +queue echo@1: 0 jobs, 0 failed ones kept, 1 workers\n/)
    await nodes[2]!.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    t.match(doctor(), { status: 1, stdout: /WRONG +maxmemory-policy: allkeys-lru/ })
    await nodes[2]!.client.config('SET', 'maxmemory-policy', 'noeviction')
  })

  t.test('the worker and then a node are killed -9 under 12 jobs: each comes back as its own', async (t) => {
    const answers = numbers.slice(0, 12).map((at) => producer.offload('wait', 500 + at, { durable: true }))
    await until('a job to run', async () =>
      (await Promise.all(nodes.map(({ client }) => client.keys('*wait@1:*:lock')))).flat().length > 0)
    worker.kill('SIGKILL')
    await once(worker, 'exit')
    const second = await startWorker(t)
    await nodes[1]!.kill()
    await until('a breaker to open', () => !isUp(producer))
    t.equal(await producer.offload('echo', 'here'), 'here')
    await nodes[1]!.start()
    t.strictSame(await Promise.all(answers), numbers.slice(0, 12).map((at) => 500 + at))
    await until('the three shards to be up', () => isUp(producer))
    second.kill('SIGTERM')
    t.strictSame(await once(second, 'exit'), [0, null])
  })
})
