// What becomes of threads: new ones after a late error, zombies; with real threads.
import { getPriority } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Test } from 'tap'
import type { Options, Scheduler } from '#lib/index'

t.setTimeout(240_000)
const jobs = join(__dirname, '..', 'fixtures', 'supervised.cjs')

async function start (t: Test, options: Partial<Options> = {}): Promise<Scheduler> {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], graceMs: 20, backoffMs: 1, ...options })
  t.teardown(() => pool.close())
  await pool.ready()
  return pool
}
const actorOf = (pool: Scheduler) => pool.snapshot().tiers[0]!.actors[0]!
const offload = (pool: Scheduler, job: string, input?: unknown, options?: object): Promise<any> =>
  pool.offload(job as never, input as never, options)

t.test('a job that closes the ports of its thread: it and later jobs settle without any timeout, on a new thread', async (t) => {
  const pool = await start(t, { timeoutMs: 0 })
  const [first] = await offload(pool, 'thread')
  const closing = offload(pool, 'closePorts')
  const later = [1, 2, 3].map(() => offload(pool, 'thread'))
  await closing
  // those that had begun on the deaf thread have replied in shared memory
  const threads = (await Promise.all(later)).map(([thread]) => thread)
  await until('the thread to be replaced', () => actorOf(pool).restarts === 1 && actorOf(pool).state === 'open')
  t.not((await offload(pool, 'thread'))[0], first)
  t.equal(threads.length, 3)
})

t.test('a job that replaces postMessage of all ports: later jobs are heard without any timeout, on another thread', async (t) => {
  const pool = await start(t, { timeoutMs: 0 })
  const [first] = await offload(pool, 'thread')
  await offload(pool, 'mutePorts')
  for (let n = 0; n < 3; n++) t.not((await offload(pool, 'thread'))[0], first)
  t.equal(actorOf(pool).restarts, 1)
})

t.test('after a late error the slot has a new thread, with module state of its own', async (t) => {
  const pool = await start(t)
  const [first, count] = await offload(pool, 'thread')
  t.equal(count, 1)
  t.equal((await offload(pool, 'thread'))[1], 2)
  await offload(pool, 'late')
  await until('the actor to be replaced', () => actorOf(pool).restarts === 1 && actorOf(pool).state === 'open')
  const [second, fresh] = await offload(pool, 'thread')
  t.not(second, first)
  t.equal(fresh, 1)
})

t.test('a thread loads its modules and warms up at the priority of the process, and runs its first job at its nice', async (t) => {
  if (process.platform !== 'linux') return t.pass('not a value of each thread here')
  const own = getPriority(0)
  const tiers = [{ actors: 1 }]
  const pool = await start(t, { tiers, nice: 3, warmup: { priority: 0 }, recycle: { maxJobs: 1 } })
  const [first, ...priorities] = await offload(pool, 'priority')
  t.strictSame(priorities, [own, own, Math.min(19, own + 3)])
  // a replacement boots beside the actor, and waits for its end
  await until('another thread', () => pool.snapshot().counters.recycled === 1 && actorOf(pool).state === 'open')
  const [second, ...again] = await offload(pool, 'priority')
  t.not(second, first)
  t.strictSame(again, priorities)
  const plain = await start(t, { nice: 0 })
  t.strictSame((await offload(plain, 'priority')).slice(1), [own, own])
})

t.test('3 late errors with a budget of 2 fail the slot: health shows it, and the tier is degraded', async (t) => {
  const pool = await start(t, { maxRestarts: 2, withinMs: 600_000, quarantineDeaths: 0 })
  for (let late = 1; late <= 3; late++) {
    await offload(pool, 'late')
    await until('the end of the actor', () => actorOf(pool).state === 'failed' || actorOf(pool).restarts === late)
    await until('it to open or fail', () => /open|failed/.test(actorOf(pool).state))
  }
  t.match(actorOf(pool), { state: 'failed', reason: /^3 deaths in 600000 ms, the last: a late error of late/ })
  t.equal(pool.snapshot().tiers[0]!.isDegraded, true)
})

t.test('a thread inside native code for longer than terminateMs is a zombie until it exits; its slot works meanwhile', async (t) => {
  const pool = await start(t, { terminateMs: 50 })
  const [first] = await offload(pool, 'thread')
  await t.rejects(offload(pool, 'native', undefined, { timeoutMs: 20 }), { code: 'FST_ERR_SPILLOVER_TIMEOUT' })
  await until('the zombie', () => actorOf(pool).zombies === 1)
  await until('another thread', () => actorOf(pool).state === 'open')
  t.not((await offload(pool, 'thread'))[0], first)
  await until('its exit', () => actorOf(pool).zombies === 0)
})

t.test('close() says which threads it could not end, and does not wait for them', async (t) => {
  const lines: unknown[] = []
  const write = (text: unknown): void => { lines.push(text) }
  const log = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write }
  const pool = await start(t, { log, tiers: [{ actors: 2 }] })
  await t.rejects(offload(pool, 'native', 8, { timeoutMs: 20 }), { code: 'FST_ERR_SPILLOVER_TIMEOUT' })
  await pool.close()
  t.strictSame(lines, ['1 thread could not be ended: native code cannot be interrupted'])
  const other = await start(t, { log })
  await other.close()
  t.equal(lines.length, 1)
})
