// Two producers, two worker processes of which one is killed each second, and many jobs with flat memory.
// SECONDS and JOBS make it longer: npm run soak:remote.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { needsRedis, startRedis } from './server'
import type { RemoteStats, Scheduler } from '#lib/index'
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/remotejobs.cjs')
const cli = join(__dirname, '../../dist/lib/cli.js')
const kills = Number(process.env.SECONDS_OF_KILLS ?? 8)
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const many = Number(process.env.JOBS ?? 10_000)

async function pool (t: Test, redis: string, serve: boolean): Promise<Scheduler> {
  const tier = bullmqTier({ redis, lockMs: 2000, stalledMs: 1000, sweepMs: 500, keepResults: 100 })
  const scheduler = createScheduler({
    jobs,
    tiers: [{ actors: 2 }],
    asyncPerActor: 16,
    drainMs: 1000,
    remote: { tier, serve, durableTtlMs: 120_000, attempts: 5 }
  })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  await until('the breaker to close', () => (scheduler.snapshot().remote as RemoteStats).shards[0]!.breaker === 'closed')
  return scheduler
}

t.test(`a worker is killed each second, ${kills} times: answers equal submissions, none is another's, each job ran`, { skip }, async (t) => {
  const redis = await startRedis(t)
  const folder = mkdtempSync(join(tmpdir(), 'spillover-mayhem-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'runs')
  writeFileSync(file, '')
  const producers = [await pool(t, redis.url, false), await pool(t, redis.url, false)]
  const start = (): ChildProcess => {
    const child = spawn(process.execPath, [cli, 'worker', '--jobs', jobs, '--redis', redis.url, '--lock', '2000', '--drain', '0'], { stdio: 'ignore' })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }
  const workers = [start(), start()]
  const over = new AbortController()
  let sent = 0
  const answers = new Map<string, unknown>()
  const lanes = producers.flatMap((producer, at) => Array.from({ length: 10 }, async () => {
    while (!over.signal.aborted) {
      const id = `${at}-${sent++}`
      answers.set(id, await producer.offload('mark', { file, id, ms: 20 }, { durable: true }).catch((error: { code: string }) => error.code))
    }
  }))
  await until('the first answers', () => answers.size > 20)
  for (let kill = 0; kill < kills; kill++) {
    const before = answers.size
    const victim = workers[kill % 2]!
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    workers[kill % 2] = start()
    // one second, or more where the other one has a hard time
    await Promise.all([new Promise((resolve) => setTimeout(resolve, 1000)), until('an answer by the other worker', () => answers.size > before)])
  }
  over.abort()
  await Promise.all(lanes)
  t.equal(answers.size, sent)
  const ran = new Set(readFileSync(file, 'utf8').split('\n'))
  let lost = 0
  for (const [id, answer] of answers) {
    if (!ran.has(id)) t.fail(`${id} never ran`)
    // killed twice under it: given up, and its caller is told
    if (answer === 'FST_ERR_SPILLOVER_REMOTE_LOST') lost++
    else if (answer !== `result of ${id}`) t.fail(`${id} was answered ${String(answer)}`)
  }
  t.ok(lost <= kills, `${sent} jobs, ${lost} given up after two deaths of their workers`)
  for (const worker of workers) worker.kill('SIGTERM')
  await Promise.all(workers.map((worker) => worker.exitCode === null && worker.signalCode === null && once(worker, 'exit')))
})

t.test(`${many} jobs: Redis and this process need no more memory after them than after the first tenth, within 20 MB`, { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = await pool(t, redis.url, false)
  await pool(t, redis.url, true)
  const used = async (): Promise<{ redis: number, own: number }> => {
    collect()
    return { redis: Number(/used_memory:(\d+)/.exec(await redis.client.info('memory'))![1]), own: process.memoryUsage().heapUsed }
  }
  let sent = 0
  let wrong = 0
  const text = 'x'.repeat(1000)
  const run = async (until: number): Promise<void> => {
    await Promise.all(Array.from({ length: 64 }, async () => {
      while (sent < until) {
        const number = sent++
        const answer = await producer.offload('echo', { number, text }, { durable: true }) as { number: number }
        if (answer.number !== number) wrong++
      }
    }))
  }
  await run(many / 10)
  const before = await used()
  await run(many)
  const after = await used()
  t.equal(wrong, 0)
  t.ok(after.redis - before.redis < 20e6, `Redis: ${before.redis} bytes, then ${after.redis}`)
  t.ok(after.own - before.own < 20e6, `heap: ${before.own} bytes, then ${after.own}`)
  t.equal((producer.snapshot().remote as RemoteStats).inFlight, 0)
})
