// `onClose` of a job module: called once in each thread that ends in an orderly way, for a bounded time.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Options, Scheduler } from '#lib/index'
import type { Test } from 'tap'

t.setTimeout(240_000)
const jobs = join(__dirname, '..', 'fixtures', 'closing.cjs')
const [BEGUN, MODE, ENDED, HELD] = [0, 1, 2, 3]

interface Started { pool: Scheduler, words: Int32Array, warnings: string[] }
async function start (t: Test, mode: number, options: Partial<Options> = {}): Promise<Started> {
  const words = new Int32Array(new SharedArrayBuffer(16))
  words[MODE] = mode
  const warnings: string[] = []
  const log = { info () {}, warn: (text: string) => { warnings.push(text) } } as never
  const pool = createScheduler({
    jobs,
    tiers: [{ actors: 1 }],
    execArgv: [],
    bootTimeoutMs: 60_000,
    graceMs: 60_000,
    terminateMs: 60_000,
    warmup: { share: words },
    log,
    ...options
  })
  t.teardown(() => pool.close())
  await pool.ready()
  return { pool, words, warnings }
}

t.test('onClose is no job', async (t) => {
  const { pool } = await start(t, 0)
  t.strictSame(pool.jobs, ['add', 'exit', 'hold', 'share'])
  await t.rejects(pool.offload('onClose', 0), { code: 'FST_ERR_SPILLOVER_UNKNOWN_JOB' })
})

t.test('close() calls it once in each of 2 threads, and waits for it; inline once', async (t) => {
  for (const [runtime, times] of [['threads', 2], ['inline', 1]] as const) {
    const { pool, words, warnings } = await start(t, 0, { runtime, tiers: [{ actors: 2 }] })
    t.equal(await pool.offload('add', { a: 1, b: 2 }), 3)
    t.equal(words[BEGUN], 0)
    await Promise.all([pool.close(), pool.close()])
    t.strictSame([words[BEGUN], words[ENDED], warnings], [times, times, []], runtime)
  }
})

t.test('a thread that is recycled calls it', async (t) => {
  const { pool, words } = await start(t, 0, { recycle: { maxJobs: 3 } })
  for (let count = 0; count < 3; count++) await pool.offload('add', { a: 1, b: 2 })
  await until('the recycled thread has ended', () => words[ENDED] === 1)
  t.equal(pool.snapshot().counters.restarts, 0)
})

t.test('a thread of tier 2 that retires calls it', async (t) => {
  const { pool, words } = await start(t, 0, {
    tiers: [{ actors: 1 }, { actors: 1, threshold: 0 }], retireMs: 1, closeDelayMs: 1
  })
  const held = [pool.offload('hold', 0), pool.offload('hold', 0)]
  await until('both run', () => words[HELD] === 2)
  Atomics.store(words, HELD, -1)
  Atomics.notify(words, HELD)
  await Promise.all(held)
  await until('tier 2 has retired', () => words[ENDED] === 1)
  const states = (): string[] => pool.snapshot().tiers.map(({ actors }) => actors[0]!.state)
  await until('its thread has ended', () => states()[1] !== 'draining')
  t.strictSame(states(), ['open', 'closed'])
})

t.test('a thread that exits does not call it', async (t) => {
  const { pool, words } = await start(t, 0)
  await t.rejects(pool.offload('exit', 0), { code: 'FST_ERR_SPILLOVER_ACTOR_EXIT' })
  await until('the next thread is open', () => pool.snapshot().tiers[0]!.actors[0]!.state === 'open')
  t.equal(words[BEGUN], 0)
  await pool.close()
  t.equal(words[BEGUN], 1)
})

t.test('what it throws is logged, also where it calls process.exit, and the thread has ended', async (t) => {
  for (const runtime of ['threads', 'inline'] as const) {
    const { pool, words, warnings } = await start(t, 1, { runtime })
    await pool.close()
    t.strictSame([words[BEGUN], warnings], [1, ['onClose of a job module: Error: no way out']], runtime)
  }
  const { pool, warnings } = await start(t, 4)
  await pool.close()
  t.strictSame(warnings, ['onClose of a job module: Error: process.exit(1) was called'])
})

t.test('one that does not end, in a loop or an await, is logged after terminateMs, and close() goes on', async (t) => {
  for (const [mode, runtime] of [[2, 'threads'], [3, 'threads'], [3, 'inline']] as const) {
    const { pool, words, warnings } = await start(t, mode, { runtime, terminateMs: 50 })
    await pool.close()
    t.strictSame([words[BEGUN], words[ENDED]], [1, 0])
    t.strictSame(warnings, ['onClose of a job module did not end within 50 ms (terminateMs): its thread is not waited for'])
  }
})

t.test('one that is recycled and does not end has no death to its name, and its replacement takes jobs', async (t) => {
  const { pool, words, warnings } = await start(t, 3, { terminateMs: 50, recycle: { maxJobs: 1 } })
  await pool.offload('add', { a: 1, b: 2 })
  await until('it is given up', () => warnings.length > 0)
  t.equal(await pool.offload('add', { a: 2, b: 2 }), 4)
  t.equal(pool.snapshot().counters.restarts, 0)
  words[MODE] = 0
})

t.test('an onClose that is no function stops the start', async (t) => {
  const folder = t.testdir({ 'wrong.cjs': 'exports.a = () => 1\nexports.onClose = 5\n' })
  const pool = createScheduler({ jobs: join(folder, 'wrong.cjs'), tiers: [{ actors: 1 }], execArgv: [] })
  await t.rejects(pool.ready(), { message: /wrong\.cjs: its export onClose is no function: it is called when the thread ends/ })
  await pool.close()
})
