// How jobs end, in virtual time.
import t from 'tap'
import { planOf, virtualPool } from '../fixtures/virtual'

t.test('a thread that dies hurts the job that it had begun, and none of those behind it in its mailbox', async (t) => {
  const { offer, at, actors, clock } = await virtualPool(planOf([1, 0]), { timeoutMs: 0 })
  for (let n = 0; n < 20; n++) {
    at(clock.now() + 1)
    offer({ runMs: 0.001 })
  }
  at(clock.now() + 1)
  const replied = offer({ runMs: 0.01 })
  const begun = offer({ runMs: 5 })
  const behind = Array.from({ length: 20 }, () => offer({ runMs: 0.001 }))
  at(clock.now() + 0.2)
  const { mailbox } = actors[0]!
  t.strictSame([mailbox!.depth, begun.code], [21, 'pending'])
  ;(mailbox as unknown as { end (reason: Error): void }).end(new Error('killed'))
  at(clock.now() + 100)
  t.strictSame([replied.code, begun.code], ['ok', 'ACTOR_EXIT'])
  t.strictSame(behind.map(({ code }) => code), Array(20).fill('ok'))
})

t.test('a job is not given to an actor that was halted for a cancelled job, although it has just ended another', async (t) => {
  const { offer, at, actors, scheduler } = await virtualPool(planOf([1, 0]), { asyncPerActor: 3, graceMs: 5 })
  offer({ runMs: 0.01 }) // so that jobs of its name are taken for short ones
  at(2)
  const cancel = new AbortController()
  const stuck = offer({ runMs: 100, isAsync: true }, { signal: cancel.signal })
  offer({ runMs: 20, isAsync: true })
  at(2.5)
  offer({ runMs: 40, isAsync: true })
  at(5)
  t.equal(actors[0]!.mailbox!.depth, 3)
  cancel.abort()
  t.equal(stuck.code, 'CANCELLED')
  at(15)
  t.equal(actors[0]!.mailbox!.isHalted, true)
  at(22.2)
  t.equal(actors[0]!.mailbox!.depth, 2, 'one of the three has ended')
  const later = offer({ runMs: 1 })
  t.equal(actors[0]!.mailbox!.depth, 2)
  t.equal(scheduler.snapshot().backlog, 1)
  at(200)
  t.equal(later.code, 'ok')
})

t.test('a job whose actor died runs on an idle one at once, not when its own is back', async (t) => {
  let bootMs = 1
  const { offer, at, actors, clock } = await virtualPool(planOf([2, 0]), {}, { bootMs: () => bootMs })
  const beganAtMs = clock.now()
  bootMs = 50
  const job = offer({ runMs: 1, ends: 'exit' }, { idempotent: true })
  at(beganAtMs + 10)
  t.strictSame([job.code, ...actors.map(({ state }) => state)], ['ACTOR_EXIT', 'opening', 'opening'], 'of its second run')
})

t.test('the limit of 20 ms for its wait is not that of a second run: it waits 50 ms for that', async (t) => {
  let bootMs = 1
  const { offer, at, actors } = await virtualPool(planOf([1, 0]), { backoffMs: 1 }, { bootMs: () => bootMs })
  bootMs = 50
  const job = offer({ runMs: 1, ends: 'exit' }, { idempotent: true, queueTimeoutMs: 20 })
  at(40)
  t.strictSame([actors[0]!.state, job.code], ['opening', 'pending'])
  at(60)
  t.equal(job.code, 'ACTOR_EXIT', 'of its second run')
})

t.test('when the last actor has failed, jobs that wait are told, and new ones are refused until it is tried again', async (t) => {
  let isSick = false
  const { offer, at, actors } = await virtualPool(planOf([1, 0]),
    { maxRestarts: 1, withinMs: 1000, backoffMs: 1 }, { bootDies: () => isSick })
  isSick = true
  const [first, waits] = [offer({ runMs: 1, ends: 'exit' }), offer({ runMs: 1 })]
  at(10)
  t.equal(actors[0]!.state, 'failed')
  t.equal(first.code, 'ACTOR_EXIT')
  t.match(waits, { code: 'UNAVAILABLE', error: { statusCode: 503, retryAfterS: 1, message: /died while it opened/ } })
  t.throws(() => offer({ runMs: 1 }), { code: 'FST_ERR_SPILLOVER_UNAVAILABLE', message: /every actor has failed/ })
  isSick = false
  at(1100)
  t.equal(actors[0]!.state, 'open')
  const later = offer({ runMs: 1 })
  at(1110)
  t.equal(later.code, 'ok')
})
