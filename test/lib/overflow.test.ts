// When the scheduler asks its overflow, what it tells it, and what it does with the answer.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Test } from 'tap'
import type { Options, Overflow, OverflowCall, OverflowPool, Scheduler } from '#lib/index'

const jobs = join(__dirname, '../fixtures/jobs.cjs')
const code = (key: string) => ({ code: `FST_ERR_SPILLOVER_${key}` })

interface Fake extends Overflow { calls: OverflowCall[], pool?: OverflowPool, closed: number }

function fake (take: (call: OverflowCall) => Promise<unknown> | undefined): Fake {
  const calls: OverflowCall[] = []
  return {
    calls,
    closed: 0,
    take (call) {
      calls.push(call)
      return take(call)
    },
    keep: async (call) => ['kept', call.job, call.input],
    open (pool) { this.pool = pool },
    async close () { this.closed++ },
    stats: () => ({ kind: 'fake' })
  }
}

/** One actor, kept busy until `end` is called. */
async function busy (t: Test, overflow: Overflow, options: Partial<Options> = {}):
Promise<{ scheduler: Scheduler, end: () => Promise<void> }> {
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], overflow, ...options })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  const words = new Int32Array(new SharedArrayBuffer(64))
  const running = scheduler.offload('latch', words)
  await until('the actor to be busy', () => Atomics.load(words, 1) === 1)
  return {
    scheduler,
    async end () {
      Atomics.store(words, 0, 1)
      Atomics.notify(words, 0)
      await running
    }
  }
}

t.test('a job that finds 1 of 1 actors busy is offered with its job, input and times, and the answer is its result', async (t) => {
  const overflow = fake(async () => 'from elsewhere')
  const { scheduler, end } = await busy(t, overflow)
  t.equal(await scheduler.offload('echo', 7, { timeoutMs: 500, queueTimeoutMs: 40, idempotent: true }), 'from elsewhere')
  t.match(overflow.calls, [{ job: 'echo', input: 7, meanMs: NaN, isRefused: false, timeoutMs: 500, queueTimeoutMs: 40 }])
  t.equal(overflow.calls[0]!.options.idempotent, true)
  t.equal(scheduler.snapshot().counters.spilled, 1)
  await end()
})

t.test('undefined means no: the job runs here; 0 calls for spill: false, a key or a transfer list', async (t) => {
  const overflow = fake(() => undefined)
  const { scheduler, end } = await busy(t, overflow)
  const buffer = new ArrayBuffer(8)
  const here = [
    scheduler.offload('echo', 1, { spill: false }),
    scheduler.offload('echo', 2, { key: 'k' }),
    scheduler.offload('size', buffer, { transfer: [buffer] })
  ]
  t.equal(overflow.calls.length, 0)
  const asked = scheduler.offload('echo', 3)
  t.equal(overflow.calls.length, 1)
  await end()
  t.strictSame(await Promise.all([...here, asked]), [1, 2, 8, 3])
})

t.test('a job over maxQueued 0 is offered as refused, and refused when nobody takes it', async (t) => {
  const overflow = fake(() => undefined)
  const { scheduler, end } = await busy(t, overflow, { maxQueued: 0 })
  await t.rejects(scheduler.offload('echo', 1), code('OVERLOADED'))
  t.match(overflow.calls, [{ isRefused: true }])
  await end()
})

t.test('runHere runs the job on the pool, and is not offered again', async (t) => {
  const overflow = fake((call) => call.runHere())
  const { scheduler, end } = await busy(t, overflow)
  const result = scheduler.offload('echo', 'home')
  t.equal(overflow.calls.length, 1)
  await end()
  t.equal(await result, 'home')
})

t.test('a durable job always goes to keep; without one it is refused as a wrong option', async (t) => {
  const overflow = fake(() => undefined)
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], overflow })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  t.strictSame(await scheduler.offload('echo', 1, { durable: true }), ['kept', 'echo', 1])
  t.equal(overflow.calls.length, 0)
  const plain = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [] })
  t.teardown(() => plain.close())
  await plain.ready()
  await t.rejects(plain.offload('echo', 1, { durable: true }), code('OPTION'))
  t.equal(plain.snapshot().remote, null)
})

t.test('the overflow is given the pool when it is ready, counts 1 idle of 1, and is closed once', async (t) => {
  const overflow = fake(() => undefined)
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], overflow })
  await scheduler.ready()
  t.strictSame(scheduler.snapshot().remote, { kind: 'fake' })
  t.equal(overflow.pool!.size, 1)
  t.equal(overflow.pool!.idle(), 1)
  t.ok(overflow.pool!.jobs.includes('echo'))
  t.equal(await overflow.pool!.run('echo', 5, { timeoutMs: 1000 }), 5)
  await scheduler.close()
  t.equal(overflow.closed, 1)
})

t.test('an overflow whose close rejects is a warning, and the pool closes all the same', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const overflow = { take: () => undefined, close: async () => { throw new Error('no') } }
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], overflow })
  await scheduler.ready()
  await scheduler.close()
  t.match(scheduler.snapshot(), { state: 'closed', tiers: [{ actors: [{ state: 'closed' }] }] })
  t.match(warnings, [{ name: 'SpilloverWarning', message: 'the overflow did not close: Error: no' }])
})
