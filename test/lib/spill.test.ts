// The overflow made of a remote tier, on the in-memory one: what it counts, and what it refuses in development.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler, memoryTier, MemoryBroker } from '#lib/index'
import { jsonCodec } from '#lib/remote/json'
import { msgpackCodec } from '#lib/remote/msgpack'
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

t.test('strictEncoding refuses an input and a result that would not travel, with nobody to travel to; spill: false is let through', async (t) => {
  const file = join(t.testdir({ 'jobs.cjs': 'exports.one = (input) => input\nexports.sparse = () => { const a = [1]; a[2] = 3; return a }\nexports.near = (input) => input\n' }), 'jobs.cjs')
  const scheduler = createScheduler({
    jobs: file,
    tiers: [{ actors: 1 }],
    execArgv: [],
    remote: { tier: memoryTier(), strictEncoding: true, jobs: { near: { spill: false } } }
  })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  const minusZero = { of: -0 }
  t.same(await scheduler.offload('one', { a: [1, 'x'] }), { a: [1, 'x'] })
  await t.rejects(scheduler.offload('one', minusZero), { code: 'FST_ERR_SPILLOVER_INPUT_UNCLONEABLE', message: /remote\.strictEncoding/ })
  await t.rejects(scheduler.offload('sparse', 1), { code: 'FST_ERR_SPILLOVER_RESULT_UNCLONEABLE', message: /remote\.strictEncoding/ })
  t.same(await scheduler.offload('one', minusZero, { spill: false }), minusZero)
  t.same(await scheduler.offload('near', minusZero), minusZero)
  t.same(await scheduler.offload('one', minusZero, { key: 'k' }), minusZero)
  const { settled } = scheduler.snapshot().counters
  t.equal(settled.ok, 5, 'the job itself has ended well')
})

t.test('what JSON would change goes by no JSON: names among the keys of an array, and what reading it would leave out', async (t) => {
  const match = /b/.exec('abc')!
  const odd = { constructor: { prototype: 1 } }
  t.strictSame([match, odd, [1, 2]].map((value) => jsonCodec.encode(value)), [undefined, undefined, '[1,2]'])
})

t.test('a view of shared memory does not travel, where it would be a copy; views of memory of its own do, as they are', async (t) => {
  t.equal(msgpackCodec.encode({ of: new Int32Array(new SharedArrayBuffer(8)) }), undefined)
  for (const value of [new Int32Array([1, 2]), Buffer.from('abc'), new DataView(new ArrayBuffer(4)), new Map([[{ a: 1n }, new Date(5)]]), new TypeError('x')]) {
    t.same(msgpackCodec.decode(msgpackCodec.encode(value)!), structuredClone(value))
  }
})
