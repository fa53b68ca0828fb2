// An abort and a deadline in virtual time: what they cost, and when the caller and the slot have their end.
import t from 'tap'
import { planOf, virtualPool } from '../fixtures/virtual'

const never = { runMs: 0, ends: 'never' } as const

t.test('an abort settles the caller at once: in the queue and in a mailbox without a thread, while it runs after graceMs with one', async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([1, 0]), { graceMs: 50, timeoutMs: 0 })
  const cancel = [0, 1, 2].map(() => new AbortController())
  const running = offer(never, { signal: cancel[0]!.signal })
  at(10)
  const queued = offer({ runMs: 1 }, { signal: cancel[1]!.signal })
  t.equal(scheduler.snapshot().backlog, 1)
  cancel[1]!.abort()
  t.strictSame([queued.code, queued.settledAtMs, scheduler.snapshot().backlog], ['CANCELLED', clock.now(), 0])
  t.equal(scheduler.snapshot().counters.kills, 0)
  cancel[0]!.abort()
  const abortedAtMs = clock.now()
  t.strictSame([running.code, running.settledAtMs], ['CANCELLED', abortedAtMs])
  at(abortedAtMs + 49)
  t.equal(scheduler.snapshot().counters.kills, 0)
  at(abortedAtMs + 55)
  t.strictSame([scheduler.snapshot().counters.kills, actors[0]!.state], [1, 'open'])
  const given = offer({ runMs: 1 }, { signal: cancel[2]!.signal })
  t.equal(actors[0]!.mailbox!.depth, 1, 'it is in the mailbox, and its actor has not looked yet')
  cancel[2]!.abort()
  t.strictSame([given.code, actors[0]!.mailbox!.depth], ['CANCELLED', 0])
  at(abortedAtMs + 500)
  t.strictSame([scheduler.snapshot().counters.kills, scheduler.snapshot().counters.restarts], [1, 1])
})

t.test('a job over its 100 ms is told then; its thread is killed 50 ms later and is back within 10 ms, and what waited runs there', async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([1, 0]), { graceMs: 50, timeoutMs: 0 })
  const beganAtMs = clock.now()
  const endless = offer(never, { timeoutMs: 100 })
  const behind = [1, 2, 3].map(() => offer({ runMs: 1 }))
  at(beganAtMs + 99)
  t.equal(endless.code, 'pending')
  at(beganAtMs + 103)
  t.equal(endless.code, 'TIMEOUT')
  at(beganAtMs + 148)
  t.equal(scheduler.snapshot().counters.kills, 0)
  at(beganAtMs + 165)
  t.strictSame([scheduler.snapshot().counters.kills, actors[0]!.state], [1, 'open'])
  t.strictSame(behind.map(({ code }) => code), ['ok', 'ok', 'ok'])
})

t.test('20 jobs one after another that do not end when they are cancelled or over their time: the thread is back within 10 ms each time', async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([1, 0]), { graceMs: 50, timeoutMs: 0 })
  for (let n = 0; n < 20; n++) {
    const beganAtMs = clock.now()
    const cancel = new AbortController()
    const endless = n % 2 === 0 ? offer(never, { timeoutMs: 100 }) : offer(never, { signal: cancel.signal })
    at(beganAtMs + 102)
    cancel.abort()
    const behind = offer({ runMs: 1 })
    at(beganAtMs + 165)
    t.strictSame([endless.code, behind.code], [n % 2 === 0 ? 'TIMEOUT' : 'CANCELLED', 'ok'])
  }
  t.strictSame([scheduler.snapshot().counters.kills, actors[0]!.state], [20, 'open'])
})

t.test('two jobs that one signal cancels and that go on both have their thread ended: that is no death, whichever is told first', async (t) => {
  const told = [1, 0.001]
  const { offer, at, actors, clock } = await virtualPool(planOf([1, 0]),
    { asyncPerActor: 2, graceMs: 5, maxRestarts: 0 }, { toldMs: () => told.shift() ?? 0 })
  const left = new AbortController()
  for (let n = 0; n < 2; n++) {
    offer({ runMs: 1, ends: 'never', isAsync: true }, { signal: left.signal })
    at(clock.now() + 5)
  }
  t.equal(actors[0]!.mailbox!.depth, 2)
  left.abort()
  at(clock.now() + 20)
  t.strictSame([told.length, actors[0]!.state], [0, 'open'])
})
