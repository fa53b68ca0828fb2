// broadcast(): reaches actors that sleep, wait, run and open later; what it does when the function throws.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Test } from 'tap'

const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')

async function start (t: Test, options: object = {}): Promise<ReturnType<typeof createScheduler>> {
  const pool = createScheduler({ jobs, tiers: [{ actors: 2 }], execArgv: [], graceMs: 20, ...options })
  t.teardown(() => pool.close())
  await pool.ready()
  return pool
}

type Pool = ReturnType<typeof createScheduler>
/** What each actor of tier 1 says; `latch` holds the first while the second is asked. */
async function settings (pool: Pool): Promise<unknown[]> {
  const words = new Int32Array(new SharedArrayBuffer(32))
  const first = pool.offload('latch', words)
  await until('the first actor to be held', () => Atomics.load(words, 1) === 1)
  const second = await pool.offload('getSetting', undefined)
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await first
  return [second, await pool.offload('getSetting', undefined)]
}

t.test('both actors, asleep, have the value when the promise resolves; 20 times', async (t) => {
  const pool = await start(t)
  for (let round = 0; round < 20; round++) {
    await pool.broadcast('setSetting', `round ${round}`)
    t.same(await settings(pool), [`round ${round}`, `round ${round}`])
  }
})

t.test('no job is counted or left pending by it, and an async function is awaited', async (t) => {
  const pool = await start(t)
  const sent = pool.broadcast('setSettingLater', 'later')
  t.equal(pool.snapshot().pending, 1, 'the process is held meanwhile')
  await sent
  t.same(await settings(pool), ['later', 'later'])
  const { counters, pending } = pool.snapshot()
  t.equal(pending, 0)
  t.equal(counters.accepted, 3, 'the 3 that asked')
})

t.test('an actor that runs a job has the value before its next one', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }] })
  const running = pool.offload('spin', 50)
  const queued = pool.offload('getSetting', undefined)
  await pool.broadcast('setSetting', 'new')
  t.equal(await queued, 'new')
  await running
})

t.test('an actor with an async job pending has it too', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }] })
  const words = new Int32Array(new SharedArrayBuffer(32))
  const held = pool.offload('latch', words)
  await until('the job to wait', () => Atomics.load(words, 1) === 1)
  await pool.broadcast('setSetting', 'meanwhile')
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await held
  t.equal(await pool.offload('getSetting', undefined), 'meanwhile')
})

t.test('an actor of a tier that opens later has the last value of each name', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }, { actors: 1, threshold: 0 }] })
  await pool.broadcast('setSetting', 'old')
  await pool.broadcast('setSetting', 'last')
  const words = new Int32Array(new SharedArrayBuffer(32))
  const held = pool.offload('latch', words)
  await until('the first actor to be held', () => Atomics.load(words, 1) === 1)
  const other = pool.offload('getSetting', undefined)
  t.equal(await other, 'last')
  t.equal(pool.snapshot().tiers[1]!.run.count, 1, 'in tier 2')
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await held
})

t.test('the thread that replaces a dead one has the value', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }] })
  await pool.broadcast('setSetting', 'kept')
  await t.rejects(pool.offload('exit', 1), { code: 'FST_ERR_SPILLOVER_ACTOR_EXIT' })
  t.equal(await pool.offload('getSetting', undefined), 'kept')
})

t.test('a broadcast ends when an actor dies under it, and its successor has the value', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }] })
  const dying = pool.offload('forever', 0, { timeoutMs: 20 })
  const sent = pool.broadcast('setSetting', 'survives')
  await t.rejects(dying, { code: 'FST_ERR_SPILLOVER_TIMEOUT' })
  await sent
  t.equal(await pool.offload('getSetting', undefined), 'survives')
})

t.test('what the function throws rejects the promise, and later actors get the value before', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }] })
  await pool.broadcast('setSetting', 'good')
  await t.rejects(pool.broadcast('setSetting', 'bad'), { name: 'RangeError', message: 'a bad setting', code: 'E_BAD' })
  await t.rejects(pool.offload('exit', 1))
  t.equal(await pool.offload('getSetting', undefined), 'good')
})

t.test('two that fail at once leave the value before them, so that threads still open', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 1 }] })
  await pool.broadcast('setSetting', 'good')
  const bad = { name: 'RangeError' }
  await Promise.all([t.rejects(pool.broadcast('setSetting', 'bad'), bad), t.rejects(pool.broadcast('setSetting', 'bad'), bad)])
  await t.rejects(pool.offload('exit', 1))
  t.equal(await pool.offload('getSetting', undefined), 'good')
})

t.test('refused: an unknown name, a value that cannot be cloned, a pool not ready or closed', async (t) => {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [] })
  await t.rejects(pool.broadcast('setSetting', 1), { code: 'FST_ERR_SPILLOVER_NOT_READY' })
  await pool.ready()
  await t.rejects(pool.broadcast('nobody', 1), { code: 'FST_ERR_SPILLOVER_UNKNOWN_JOB' })
  await t.rejects(pool.broadcast('setSetting', { f () {} }), { code: 'FST_ERR_SPILLOVER_INPUT_UNCLONEABLE' })
  t.equal(pool.snapshot().pending, 0)
  t.equal(await pool.offload('getSetting', undefined), 'none')
  await pool.close()
  await t.rejects(pool.broadcast('setSetting', 1), { code: 'FST_ERR_SPILLOVER_CLOSED' })
})
