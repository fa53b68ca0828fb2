// Actors whose event loop something blocks that a job left behind, and those that have not caught up, in virtual time.
import t from 'tap'
import { UNSEEN } from '#lib/mailbox'
import { planOf, virtualPool } from '../fixtures/virtual'

const blocks = { runMs: 0.1, blocks: true }

t.test('an actor is ended that begins none of the jobs which are given up there one after the other', async (t) => {
  const { offer, at, actors, clock } = await virtualPool(planOf([1, 0]))
  const beganAtMs = clock.now()
  offer(blocks)
  for (let second = 0; second < 6; second++) {
    at(beganAtMs + second * 1000 + 100)
    const job = offer({ runMs: 1 }, { queueTimeoutMs: 950 })
    t.equal(actors[0]!.mailbox!.depth, 1)
    at(beganAtMs + second * 1000 + 990)
    t.equal(job.code, 'pending')
  }
  at(beganAtMs + 6100)
  t.equal(actors[0]!.restarts, 1)
  const later = offer({ runMs: 1 })
  at(beganAtMs + 6110)
  t.equal(later.code, 'ok')
})

t.test(`a blocked actor has ${UNSEEN} jobs taken back that are given up, and gets no more: they wait, and run on its next thread`, async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([1, 0]))
  const beganAtMs = clock.now()
  offer(blocks)
  at(beganAtMs + 5)
  const given: number[] = []
  for (let n = 0; n < 20; n++) {
    const cancel = new AbortController()
    const job = offer({ runMs: 1 }, { signal: cancel.signal })
    given.push(actors[0]!.mailbox!.depth)
    cancel.abort()
    t.equal(job.code, 'CANCELLED')
  }
  t.equal(given.reduce((sum, one) => sum + one), UNSEEN)
  const waits = offer({ runMs: 1 })
  t.match(scheduler.snapshot(), { backlog: 1, tiers: [{ actors: [{ depth: 0, restarts: 0 }] }] })
  at(beganAtMs + 7000)
  t.equal(waits.code, 'ok')
  t.equal(actors[0]!.restarts, 1)
})

t.test('what a blocked actor gets no more goes to another one at once, a job with a key waits for its home', async (t) => {
  const { offer, at, actors, clock } = await virtualPool(planOf([2, 0]))
  const beganAtMs = clock.now()
  const key = ['a', 'b', 'c', 'd', 'e', 'f'].find((key) => {
    offer({ runMs: 0.01 }, { key })
    const isHome = actors[0]!.mailbox!.depth === 1
    at(clock.now() + 1)
    return isHome
  })!
  offer(blocks)
  at(beganAtMs + 15)
  for (let n = 0; n < UNSEEN; n++) {
    const cancel = new AbortController()
    offer({ runMs: 1 }, { signal: cancel.signal })
    cancel.abort()
  }
  const [other, keyed] = [offer({ runMs: 1 }), offer({ runMs: 1 }, { key })]
  at(beganAtMs + 20)
  t.strictSame([other.code, keyed.code], ['ok', 'pending'])
  t.equal(actors[0]!.mailbox!.depth, 0)
  at(beganAtMs + 7000)
  t.equal(keyed.code, 'ok')
})

t.test('a job for which an actor that is behind has no room goes to the next one that idles, in the same turn', async (t) => {
  const { offer, at, actors, clock } = await virtualPool(planOf([2, 0]))
  const mailbox = actors[0]!.mailbox!
  let tries = 0
  mailbox.give = () => { tries++; return false }
  Object.defineProperty(mailbox, 'isBehind', { get: () => tries > 1 })
  const job = offer({ runMs: 0.1 })
  t.strictSame([tries, actors[1]!.mailbox!.depth], [2, 1])
  at(clock.now() + 1)
  t.equal(job.code, 'ok')
})

t.test('an actor that has passed what was taken back is given jobs again, also where its tier was closed meanwhile', async (t) => {
  let wakeMs = 0.01
  const { offer, at, actors, clock } = await virtualPool(planOf([1, 0], [1, 1]), { closeDelayMs: 1, retireMs: 0 },
    { wakeMs: () => wakeMs })
  const flood = (many: number): void => {
    for (let n = 0; n < many; n++) {
      const cancel = new AbortController()
      offer({ runMs: 1 }, { signal: cancel.signal })
      cancel.abort()
    }
  }
  const beganAtMs = clock.now()
  flood(UNSEEN)
  const job = offer({ runMs: 1 })
  t.equal(actors[0]!.mailbox!.depth, 0)
  at(beganAtMs + 5)
  t.equal(job.code, 'ok')
  for (let n = 0; n < 4; n++) offer({ runMs: 3 })
  at(beganAtMs + 30)
  t.equal(actors[1]!.state, 'open')
  // tier 2 opens and closes again before its actor has looked
  wakeMs = 10
  offer({ runMs: 2 })
  flood(UNSEEN)
  offer({ runMs: 1 })
  at(beganAtMs + 60)
  wakeMs = 0.01
  const all = Array.from({ length: 4 }, () => offer({ runMs: 1 }))
  at(beganAtMs + 70)
  t.ok(all.every(({ code }) => code === 'ok'))
})

t.test('a broadcast does not wait for ever for an actor that is blocked and has no jobs', async (t) => {
  const { offer, at, actors, clock, scheduler } = await virtualPool(planOf([2, 0]))
  const beganAtMs = clock.now()
  offer({ runMs: 1 })
  offer(blocks)
  at(beganAtMs + 5)
  const told = { isDone: false }
  scheduler.broadcast('job' as never, 1 as never).then(() => { told.isDone = true }, t.error)
  at(beganAtMs + 2900)
  await new Promise(setImmediate)
  t.strictSame([told.isDone, actors.map(({ restarts }) => restarts)], [false, [0, 0]])
  at(beganAtMs + 6100)
  await new Promise(setImmediate)
  t.strictSame([told.isDone, actors.map(({ restarts }) => restarts)], [true, [0, 1]])
})
