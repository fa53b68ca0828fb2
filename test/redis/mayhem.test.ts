// Two producers and two workers as processes, of which one is killed each second, and many jobs with flat memory.
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
const producerFile = join(__dirname, '../fixtures/remoteproducer.cjs')
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
    execArgv: [],
    asyncPerActor: 16,
    drainMs: 1000,
    bootTimeoutMs: 60_000,
    remote: { tier, serve, durableTtlMs: 120_000, attempts: 5 }
  })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  await until('the breaker to close', () => (scheduler.snapshot().remote as RemoteStats).shards[0]!.breaker === 'closed')
  return scheduler
}

/** Words of the lines of a file. */
const linesOf = (file: string): string[][] =>
  readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => line.split(' '))

t.test(`one of two producers or two workers is killed each second, ${kills} times: every job accepted ran, every answer is its own`, { skip }, async (t) => {
  const redis = await startRedis(t)
  const folder = mkdtempSync(join(tmpdir(), 'spillover-mayhem-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [runs, ledger] = [join(folder, 'runs'), join(folder, 'ledger')]
  for (const file of [runs, ledger]) writeFileSync(file, '')
  const spawned = (...args: string[]): ChildProcess => {
    const child = spawn(process.execPath, args, { stdio: 'ignore' })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }
  let number = 0
  const worker = (): ChildProcess => spawned(cli, 'worker', '--jobs', jobs, '--redis', redis.url, '--lock', '2000', '--drain', '0')
  const producer = (): ChildProcess => spawned(producerFile, redis.url, `p${number++}`, ledger, runs)
  const makers = [worker, producer, worker, producer]
  const children = makers.map((make) => make())
  const answered = (): number => linesOf(ledger).filter(([what]) => what === 'answered').length
  await until('the first answers', () => answered() > 20)
  for (let kill = 0; kill < kills; kill++) {
    const before = answered()
    const victim = children[kill % 4]!
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    children[kill % 4] = makers[kill % 4]!()
    // a second each, and longer on a machine that has a hard time
    await Promise.all([new Promise((resolve) => setTimeout(resolve, 1000)), until('an answer by the others', () => answered() > before)])
  }
  const end = async (at: number): Promise<void> => {
    children[at]!.kill('SIGTERM')
    await once(children[at]!, 'exit')
  }
  await Promise.all([end(1), end(3)])
  // all lists at one moment: a job given back goes from one that was not read yet to one that was
  const key = (list: string): string => `{fs:default:r1:0}:mark@1:${list}`
  const lists = async (): Promise<Record<string, number>> => {
    const found = await redis.client.multi().llen(key('wait')).llen(key('paused')).llen(key('active'))
      .zcard(key('delayed')).zcard(key('prioritized')).exec()
    return Object.fromEntries(['wait', 'paused', 'active', 'delayed', 'prioritized'].map((name, at) => [name, found![at]![1] as number]))
  }
  const none = { wait: 0, paused: 0, active: 0, delayed: 0, prioritized: 0 }
  await until('no job to wait, run or be tried again', async () => Object.values(await lists()).every((length) => length === 0))
  await Promise.all([end(0), end(2)])
  t.strictSame(await lists(), none, 'nothing is left in the queue')

  const ran = new Set(linesOf(runs).map(([id]) => id))
  const accepted = new Set<string>()
  const answers = new Map<string, string>()
  for (const [what, id, answer] of linesOf(ledger)) {
    if (what === 'accepted') accepted.add(id!)
    else answers.set(id!, answer!)
  }
  const never = [...accepted].filter((id) => !ran.has(id))
  t.strictSame(never, [], `${accepted.size} jobs accepted, ${answers.size} answered, the others were those of killed producers`)
  const foreign = [...answers].filter(([id, answer]) => answer !== `result-of-${id}`)
  t.strictSame(foreign, [], `${answers.size} answers, each its own`)
  const alive = [...accepted].filter((id) => id.startsWith(`p${number - 1}-`) || id.startsWith(`p${number - 2}-`))
  t.strictSame(alive.filter((id) => !answers.has(id)), [], `${alive.length} jobs of the last two producers, each answered`)
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
