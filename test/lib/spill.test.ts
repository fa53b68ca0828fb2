// The overflow made of a remote tier, on the in-memory one: what it counts.
import t from 'tap'
import { memoryTier, MemoryBroker } from '#lib/index'
import { Spill } from '#lib/remote/spill'
import type { OverflowCall, OverflowPool } from '#lib/index'

const pool: OverflowPool = { jobs: ['work'], run: async (_job, input) => input, idle: () => 1, size: 1 }

const call = (more: Partial<OverflowCall> = {}): OverflowCall => ({
  job: 'work',
  input: 1,
  meanMs: 100,
  waitMs: 1000,
  isRefused: true,
  timeoutMs: 0,
  queueTimeoutMs: 0,
  options: {},
  runHere: async () => 'here',
  ...more
})

t.test('jobs that are not taken are counted by the code of the refusal: 2 NO_WORKER, 1 PAYLOAD, 1 FULL, 2 DOWN', async (t) => {
  const broker = new MemoryBroker()
  const spill = new Spill({ tier: memoryTier(broker, { maxPayloadBytes: 100, maxInFlight: 1 }), attempts: 1 })
  t.teardown(() => spill.close(0))
  spill.open(pool)
  t.equal(spill.take(call()), undefined)
  t.equal(spill.take(call()), undefined)
  await t.rejects(spill.keep(call({ input: 'x'.repeat(100) })), { code: 'FST_ERR_SPILLOVER_REMOTE_PAYLOAD' })
  const kept = spill.durables.submit('work', 1)
  await t.rejects(spill.keep(call()), { code: 'FST_ERR_SPILLOVER_REMOTE_FULL' })
  kept.detach()
  broker.isDown = true
  t.equal(spill.take(call()), undefined)
  await t.rejects(spill.keep(call()), { code: 'FST_ERR_SPILLOVER_REMOTE_DOWN' })
  t.same(spill.stats().refusals, {
    REMOTE_DOWN: 2, REMOTE_FULL: 1, NO_WORKER: 2, REMOTE_PAYLOAD: 1, REMOTE_EXPIRED: 0, REMOTE_VOLATILE: 0
  })
})
