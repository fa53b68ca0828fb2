// Async jobs that share a thread: how many begin at once, and what becomes of them where a cancelled one blocks it.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import { planOf, virtualPool } from '../fixtures/virtual'

const jobs = join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs')
const never = { runMs: 0, ends: 'never' } as const

t.test('a job without a limit beside an endless loop that timed out settles with ACTOR_EXIT, an idempotent one ends well', async (t) => {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], asyncPerActor: 3, graceMs: 10 })
  t.teardown(() => pool.close())
  await pool.ready()
  const words = new Int32Array(new SharedArrayBuffer(8))
  const beside = pool.offload('begun', words, { timeoutMs: 0 })
  const again = pool.offload('begun', words, { timeoutMs: 0, idempotent: true })
  await until('both have begun', () => words[0] === 2)
  const loop = pool.offload('loop', 0, { timeoutMs: 20 })
  await t.rejects(loop, { code: 'FST_ERR_SPILLOVER_TIMEOUT' })
  await t.rejects(beside, { code: 'FST_ERR_SPILLOVER_ACTOR_EXIT', started: true, cause: /has blocked its event loop/ })
  t.equal(await again, 'ended')
  t.match(pool.snapshot().counters, { kills: 1 })
})

t.test('the thread of a cancelled loop is killed 1 s after the grace time, and not before', async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([1, 0]),
    { asyncPerActor: 2, graceMs: 100, timeoutMs: 0 })
  const beganAtMs = clock.now()
  const beside = offer({ ...never, isAsync: true })
  at(beganAtMs + 1)
  const loop = offer(never, { timeoutMs: 50 })
  t.equal(actors[0]!.mailbox!.depth, 2)
  at(beganAtMs + 1150)
  t.strictSame([loop.code, beside.code, scheduler.snapshot().counters.kills], ['TIMEOUT', 'pending', 0])
  at(beganAtMs + 1160)
  t.strictSame([beside.code, scheduler.snapshot().counters.kills], ['ACTOR_EXIT', 1])
})

t.test('where it may be another job that blocks it after an await, it is killed after 10 s without a turn in between', async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([1, 0]),
    { asyncPerActor: 2, graceMs: 100, timeoutMs: 0 })
  const beside = offer({ ...never, isAsync: true })
  const waiting = offer({ ...never, isAsync: true }, { timeoutMs: 50 })
  const beganAtMs = clock.now() + 151 // the first look after the grace time
  const hears = (isDeaf: boolean): void => {
    Object.defineProperty(actors[0]!.mailbox!, 'isDeaf', { value: isDeaf, configurable: true })
  }
  at(beganAtMs - 20)
  t.strictSame([waiting.code, actors[0]!.mailbox!.depth], ['TIMEOUT', 2])
  hears(true)
  at(beganAtMs + 9950)
  hears(false)
  at(beganAtMs + 10_050)
  hears(true)
  at(beganAtMs + 20_050)
  t.strictSame([beside.code, scheduler.snapshot().counters.kills], ['pending', 0])
  at(beganAtMs + 20_150)
  t.strictSame([beside.code, scheduler.snapshot().counters.kills], ['ACTOR_EXIT', 1])
})

t.test('a cancelled job that only waits beside jobs of others has nobody killed, for how long they take', async (t) => {
  const { offer, at, clock, scheduler } = await virtualPool(planOf([1, 0]),
    { asyncPerActor: 3, graceMs: 100, timeoutMs: 0 })
  const beganAtMs = clock.now()
  const waiting = offer({ ...never, isAsync: true }, { timeoutMs: 50 })
  at(beganAtMs + 1)
  const beside = offer({ runMs: 60_000, isAsync: true })
  at(beganAtMs + 2)
  const long = offer({ runMs: 30_000 })
  at(beganAtMs + 59_000)
  t.strictSame([waiting.code, beside.code, long.code, scheduler.snapshot().counters.kills], ['TIMEOUT', 'pending', 'ok', 0])
  at(beganAtMs + 60_200)
  t.strictSame([beside.code, scheduler.snapshot().counters.kills], ['ok', 1])
})

t.test('asyncPerActor: 4: one actor begins 4 of 9 jobs of 50 ms at once, and the others as these end; with 1 one by one', async (t) => {
  for (const [asyncPerActor, counts, lastMs] of [[4, [4, 8, 9], 150], [1, [1, 2, 3], 450]] as const) {
    const { offer, at, clock } = await virtualPool(planOf([1, 0]), { asyncPerActor, timeoutMs: 0 })
    const beganAtMs = clock.now()
    const all = Array.from({ length: 9 }, () => offer({ runMs: 50, isAsync: true }))
    for (const [round, count] of counts.entries()) {
      at(beganAtMs + 50 * (round + 1) + 15)
      t.equal(all.filter(({ code }) => code === 'ok').length, count)
    }
    at(beganAtMs + lastMs + 25)
    t.ok(all.every(({ code }) => code === 'ok'))
  }
})
