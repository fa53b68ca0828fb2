// Where jobs go when actors fail and tiers open, in virtual time.
import t from 'tap'
import { planOf, virtualPool } from '../fixtures/virtual'
import type { Plan } from '#lib/index'

t.test('a job offered just after the home of its key has failed begins after the one that waited there', async (t) => {
  const { offer, at, actors, clock } = await virtualPool(planOf([2, 0]), { maxRestarts: 0 })
  const first = offer({ runMs: 5, ends: 'exit' }, { key: 'k' })
  const home = actors.find(({ mailbox }) => mailbox!.depth === 1)!
  const second = offer({ runMs: 3 }, { key: 'k' })
  while (home.state !== 'failed') clock.step()
  const third = offer({ runMs: 3 }, { key: 'k' })
  at(50)
  t.strictSame([first.code, second.code, third.code], ['ACTOR_EXIT', 'ok', 'ok'])
  t.ok(second.settledAtMs < third.settledAtMs, `settled at ${second.settledAtMs} and ${third.settledAtMs} ms`)
})

t.test('2 jobs whose waiting opens a tier go at once behind the short one that its actor runs', async (t) => {
  const { offer, at, actors, scheduler } = await virtualPool(planOf([1, 0], [1, 2]), { closeDelayMs: 1 })
  offer({ runMs: 0.01 }, {}, 'other') // so that jobs of its name are taken for short ones
  at(2)
  offer({ runMs: 100 })
  offer({ runMs: 0.8 }, {}, 'other')
  offer({ runMs: 50 }, {}, 'other')
  at(4.2)
  t.match(scheduler.snapshot(), { openTier: 1, backlog: 0 })
  t.equal(actors[1]!.mailbox!.depth, 1, 'it has begun one of which nobody knows yet that it is long')
  offer({ runMs: 0.01 }, {}, 'other')
  t.match(scheduler.snapshot(), { openTier: 1, backlog: 1 })
  offer({ runMs: 0.01 }, {}, 'other')
  t.match(scheduler.snapshot(), { openTier: 2, backlog: 0 })
  t.equal(actors[1]!.mailbox!.depth, 3)
})

t.test('a job with buffers to move that was given to tier 2 begins there, although the tier closes while its actor wakes', async (t) => {
  let wakeMs = 0.01
  const { offer, at, actors, scheduler } = await virtualPool(planOf([2, 0], [1, 1]),
    { closeDelayMs: 1 }, { wakeMs: () => wakeMs })
  for (let n = 0; n < 3; n++) offer({ runMs: 3 })
  at(20)
  t.match(scheduler.snapshot(), { openTier: 1, pending: 0 })
  t.equal(actors[2]!.state, 'open', 'its thread has been started')
  for (let n = 0; n < 2; n++) offer({ runMs: 2 })
  wakeMs = 10
  const moved = offer({ runMs: 1 }, { transfer: [] })
  t.equal(actors[2]!.mailbox!.depth, 1)
  at(28)
  t.match(scheduler.snapshot(), { openTier: 1, pending: 1 })
  at(32)
  t.equal(moved.code, 'ok')
  t.equal(actors[2]!.mailbox!.depth, 0)
})

t.test('of 2 jobs of a key that wait, the second runs at once where the first cannot be cloned', async (t) => {
  const { offer, at } = await virtualPool(planOf([1, 0]))
  const first = offer({ runMs: 5 }, { key: 'k' })
  const [second, third] = [offer({ runMs: 1, isUncloneable: true }, { key: 'k' }), offer({ runMs: 1 }, { key: 'k' })]
  at(6.5)
  t.strictSame([first.code, second.code, third.code], ['ok', 'INPUT_UNCLONEABLE', 'pending'])
  at(7.2)
  t.equal(third.code, 'ok')
})

t.test('an actor that does not wake up loses what it has not begun once, and keeps the first', async (t) => {
  let wakeMs = 0.01
  const { offer, at, actors, scheduler } = await virtualPool(planOf([1, 0]), {}, { wakeMs: () => wakeMs })
  offer({ runMs: 0.01 }) // so that jobs of its name are taken for short ones
  at(2)
  wakeMs = 200
  const jobs = [1, 2, 3].map(() => offer({ runMs: 0.01 }))
  t.equal(actors[0]!.mailbox!.depth, 3)
  at(100)
  wakeMs = 0.01
  t.match(scheduler.snapshot(), { backlog: 2, counters: { takenBack: 2 } })
  t.equal(actors[0]!.mailbox!.depth, 1)
  at(210)
  t.strictSame(jobs.map(({ code }) => code), ['ok', 'ok', 'ok'])
})

t.test('an actor whose async jobs wait is given others once while its event loop does not turn', async (t) => {
  let wakeMs = 0.01
  const { offer, at, actors, scheduler } = await virtualPool(planOf([1, 0]), { asyncPerActor: 4 },
    { wakeMs: () => wakeMs })
  const first = offer({ runMs: 300, isAsync: true })
  at(5)
  wakeMs = 200
  const jobs = [1, 2, 3].map(() => offer({ runMs: 0.01 }, {}, 'other'))
  t.equal(actors[0]!.mailbox!.depth, 4)
  at(100)
  wakeMs = 0.01
  t.match(scheduler.snapshot(), { backlog: 3, counters: { takenBack: 3 } })
  at(220)
  t.strictSame([first, ...jobs].map(({ code }) => code), ['pending', 'ok', 'ok', 'ok'])
})

t.test('what is taken back from an actor whose cpu is gone, once its moved buffers are used, goes to an idle one', async (t) => {
  const layout = planOf([2, 0])
  const planFor = (...cpus: number[]): Plan => ({
    ...layout, tiers: [{ tier: 1, cpus, threshold: 0, slots: cpus.map((cpu, id) => ({ id, cpu, tier: 1 })) }]
  })
  let wakeMs = 0.01
  const { scheduler, offer, at, clock, actors } = await virtualPool(planFor(0, 1), {}, { wakeMs: () => wakeMs })
  const beganAtMs = clock.now()
  const after = (ms: number) => at(beganAtMs + ms)
  offer({ runMs: 19.5 })
  wakeMs = 5
  const moved = offer({ runMs: 1 }, { transfer: [new ArrayBuffer(8)] })
  scheduler.replan(planFor(0))
  after(19)
  t.strictSame([moved.code, actors[1]!.state], ['ok', 'open'], 'its slot is looked at again 20 ms after the change')
  const late = offer({ runMs: 1 })
  wakeMs = 0.01
  after(22)
  t.strictSame([actors[1]!.mailbox!.depth, actors[1]!.state, late.code], [0, 'draining', 'ok'])
})

/** A pool that has seen 20 jobs of 5 ms. */
async function trained (plan: Plan): ReturnType<typeof virtualPool> {
  const pool = await virtualPool(plan)
  for (let n = 0; n < 20; n++) pool.offer({ runMs: 5 })
  while (pool.scheduler.snapshot().pending > 0) pool.clock.step()
  return pool
}

t.test('a job follows at once on another that runs for about 5 ms, as all before, and on no other', async (t) => {
  const { offer, at, clock, actors, scheduler } = await trained(planOf([1, 0]))
  const startMs = clock.now()
  for (let n = 0; n < 3; n++) offer({ runMs: 5 })
  at(startMs + 1)
  offer({ runMs: 5 }, {}, 'other') // what waits is looked at
  t.equal(actors[0]!.mailbox!.depth, 2)
  t.match(scheduler.snapshot(), { backlog: 2, active: 1 })
  at(startMs + 5.1)
  t.equal(actors[0]!.mailbox!.depth, 2, 'the third follows on the second')
  at(startMs + 10.1)
  t.equal(actors[0]!.mailbox!.depth, 1, 'nobody knows how long the other takes')
  at(startMs + 30)
  for (let n = 0; n < 20; n++) offer({ runMs: n % 4 === 0 ? 20 : 1 })
  while (scheduler.snapshot().pending > 0) {
    clock.step()
    if (scheduler.snapshot().pending < 10 && actors[0]!.mailbox!.depth > 1) return t.fail('one follows on a job that may take 1 or 20 ms')
  }
})

t.test('a job that follows on one which takes longer than twice the mean waits again, and goes to an idle actor before', async (t) => {
  const { offer, at, clock, actors, scheduler } = await trained(planOf([1, 0]))
  const startMs = clock.now()
  offer({ runMs: 100 })
  at(startMs + 1)
  offer({ runMs: 5 })
  t.equal(actors[0]!.mailbox!.depth, 2)
  at(startMs + 9)
  t.equal(actors[0]!.mailbox!.depth, 2)
  at(startMs + 13)
  t.match(scheduler.snapshot(), { backlog: 1, counters: { takenBack: 1 } })
  t.equal(actors[0]!.mailbox!.depth, 1)

  const two = await trained(planOf([2, 0]))
  two.offer({ runMs: 100 })
  two.offer({ runMs: 5 })
  two.at(two.clock.now() + 1)
  const follower = two.offer({ runMs: 5 })
  const offeredAtMs = two.clock.now()
  t.strictSame(two.actors.map(({ mailbox }) => mailbox!.depth), [2, 1])
  two.at(two.clock.now() + 20)
  t.ok(follower.settledAtMs - offeredAtMs < 4 + 5 + 1, `it took ${follower.settledAtMs - offeredAtMs} ms, 4 of them until the other actor idled`)
})

t.test('no job follows while a tier is closed that its waiting may open, or while one waits whose key is at home there', async (t) => {
  const { offer, at, clock, actors, scheduler } = await trained(planOf([1, 0], [1, 1]))
  at(clock.now() + 5000)
  t.equal(scheduler.snapshot().openTier, 1)
  offer({ runMs: 5 })
  at(clock.now() + 1)
  offer({ runMs: 5 })
  t.match(scheduler.snapshot(), { backlog: 1, openTier: 1 })
  t.equal(actors[0]!.mailbox!.depth, 1)

  const keyed = await trained(planOf([1, 0]))
  keyed.offer({ runMs: 5 })
  keyed.at(keyed.clock.now() + 1)
  keyed.offer({ runMs: 5 }, { key: 'k' })
  keyed.offer({ runMs: 5 })
  t.equal(keyed.actors[0]!.mailbox!.depth, 1)
})

t.test('a job with a key has its turn at its home while others wait for any actor', async (t) => {
  const { offer, at } = await virtualPool(planOf([1, 0]))
  offer({ runMs: 5 })
  const keyed = offer({ runMs: 5 }, { key: 'k' })
  const others = Array.from({ length: 10 }, () => offer({ runMs: 5 }))
  at(12)
  t.strictSame([keyed.code, others[0]!.code], ['ok', 'pending'])
})

t.test('jobs with buffers to move that were given to tiers 2 and 3 begin there, although both close while the actors wake', async (t) => {
  let wakeMs = 0.01
  const { offer, at, actors, scheduler } = await virtualPool(planOf([3, 0], [1, 2], [1, 3]),
    { closeDelayMs: 1 }, { wakeMs: () => wakeMs })
  for (let n = 0; n < 7; n++) offer({ runMs: 3 })
  at(30)
  t.match(scheduler.snapshot(), { openTier: 1, pending: 0 })
  t.ok(actors.every(({ state }) => state === 'open'), 'all threads have been started')
  for (let n = 0; n < 3; n++) offer({ runMs: 2 })
  wakeMs = 20
  const moved = [offer({ runMs: 1 }, { transfer: [] }), offer({ runMs: 1 }, { transfer: [] })]
  t.strictSame(actors.map(({ mailbox }) => mailbox!.depth), [1, 1, 1, 1, 1])
  at(45)
  t.match(scheduler.snapshot(), { openTier: 1, pending: 2 })
  at(60)
  t.strictSame(moved.map(({ code }) => code), ['ok', 'ok'])
})

t.test('a job that is offered while an async one begins joins it within 5 ms, although nobody tells that this awaits something', async (t) => {
  const { offer, at, clock } = await virtualPool(planOf([1, 0]), { asyncPerActor: 2 }, { stepMs: () => 0.5 })
  const beganAtMs = clock.now()
  const long = offer({ runMs: 100, isAsync: true })
  at(beganAtMs + 0.3)
  const joins = offer({ runMs: 1, isAsync: true })
  at(beganAtMs + 5)
  t.strictSame([long.code, joins.code], ['pending', 'ok'])
})

t.test('an actor that passes what was taken back just while it is looked at gets the next job', async (t) => {
  const { offer, at, actors } = await virtualPool(planOf([1, 0]))
  const first = offer({ runMs: 1 })
  let looks = 0
  Object.defineProperty(actors[0]!.mailbox!, 'isBehind', { get: () => looks++ === 0 })
  at(20)
  t.equal(first.code, 'ok')
  t.ok(looks > 0)
  const second = offer({ runMs: 1 })
  at(60)
  t.equal(second.code, 'ok')
})
