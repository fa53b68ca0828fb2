// The whole scheduler with real threads: settling, placing, tiers, cancellation, deaths, close.
import { join } from 'node:path'
import { fork } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Scheduler, Options } from '#lib/index'

const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')

async function start (t: Test, options: Partial<Options> = {}): Promise<Scheduler> {
  const scheduler = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], bootTimeoutMs: 60_000, ...options })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  return scheduler
}

const code = (key: string): { code: string } => ({ code: `FST_ERR_SPILLOVER_${key}` })
const sharedWords = (count: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(count * 4))

/** A job that runs until `open()`. */
function hold (scheduler: Scheduler): { ended: Promise<unknown>, open (): void } {
  const words = sharedWords(8)
  return {
    ended: scheduler.offload('latch', words),
    open () {
      Atomics.store(words, 0, 1)
      Atomics.notify(words, 0)
    }
  }
}

t.test('values of both lanes come back as structured clone would give them', async (t) => {
  const scheduler = await start(t)
  const values = [1, -0, 1.5, NaN, 'text', 'ü€😀', '\ud800', null, undefined, true, { a: [1, { b: 'c' }] },
    new Map([[1, new Date(5)]]), 10n, new Uint8Array([1, 2]), 'x'.repeat(100_000), { big: 'y'.repeat(9000) }]
  const results = await Promise.all(values.map((value) => scheduler.offload('echo', value)))
  t.strictSame(results, values.map((value) => structuredClone(value)))
  t.ok(Object.is(results[1], -0))
})

t.test('errors of a job keep name, code, statusCode, cause and own properties, and tell both stacks', async (t) => {
  const scheduler = await start(t)
  const error = await scheduler.offload('fail', { message: 'no', code: 'X', statusCode: 418, own: { deep: 1 } })
    .then(() => t.fail('resolved'), (error: any) => error)
  t.type(error, TypeError)
  t.match(error, { message: 'no', code: 'X', statusCode: 418, own: { deep: 1 } })
  t.type(error.cause, RangeError)
  t.match(error.stack, /jobs\.cjs/)
  t.match(error.stack, /scheduler\.test/)
  t.match(await scheduler.offload('failWith', 'class').catch((error) => error), { name: 'OddError', info: { deep: [1, 2] } })
  t.match(await scheduler.offload('failWith', 'aggregate').catch((error) => error.errors.length), 2)
  t.equal(await scheduler.offload('failWith', 'null').then(() => 'resolved', (error) => error), null)
  t.equal(await scheduler.offload('failWith', 'undefined').then(() => 'resolved', (error) => error), undefined)
})

t.test('what cannot travel rejects that job alone', async (t) => {
  const scheduler = await start(t)
  const neighbour = scheduler.offload('echo', 'fine')
  await t.rejects(scheduler.offload('echo', () => {}), code('INPUT_UNCLONEABLE'))
  await t.rejects(scheduler.offload('unsendable', 0), code('RESULT_UNCLONEABLE'))
  t.equal(await neighbour, 'fine')
})

t.test('a wrong call rejects and never throws', async (t) => {
  const scheduler = await start(t)
  await t.rejects(scheduler.offload('missing', 0), code('UNKNOWN_JOB'))
  await t.rejects(scheduler.offload('toString', 0), code('UNKNOWN_JOB'))
  await t.rejects(scheduler.offload('echo', 0, { timeoutMs: -1 }), code('OPTION'))
  await t.rejects(scheduler.offload('echo', 0, { priority: 'urgent' as 'high' }), code('OPTION'))
  await t.rejects(scheduler.offload('echo', 0, { signal: {} as AbortSignal }), code('OPTION'))
  const closed = createScheduler({ jobs, tiers: [{ actors: 1 }] })
  await t.rejects(closed.offload('echo', 0), code('NOT_READY'))
  await closed.close()
  await t.rejects(closed.offload('echo', 0), code('CLOSED'))
})

t.test('a module that cannot be loaded fails ready() with the file and the reason', async (t) => {
  const folder = t.testdir({ 'broken.cjs': 'throw new Error("no such database")', 'hangs.mjs': 'await new Promise(() => setInterval(() => {}, 1e6))' })
  const broken = createScheduler({ jobs: join(folder, 'broken.cjs'), tiers: [{ actors: 2 }], execArgv: [], bootTimeoutMs: 60_000 })
  await t.rejects(broken.ready(), { ...code('JOB_MODULE'), message: /broken\.cjs: .*no such database/ })
  await broken.close()
  const hangs = createScheduler({ jobs: join(folder, 'hangs.mjs'), tiers: [{ actors: 1 }], execArgv: [], bootTimeoutMs: 300 })
  await t.rejects(hangs.ready(), code('BOOT_TIMEOUT'))
  await hangs.close()
})

t.test('several modules: names are prefix.export; ESM and warm-up work', async (t) => {
  const folder = t.testdir({ 'esm.mjs': 'let calls = 0\nexport const calledBefore = () => calls++\nexport default 1' })
  const scheduler = await start(t, { jobs: { a: jobs, b: join(folder, 'esm.mjs') }, warmup: { 'b.calledBefore': 0 } })
  t.equal(await scheduler.offload('a.echo', 1), 1)
  t.equal(await scheduler.offload('b.calledBefore', 0), 1)
})

t.test('8 + 8 + 16 slots: tier 2 opens with the 7th active actor, tier 3 with the 15th; all close again', async (t) => {
  const scheduler = await start(t, {
    tiers: [{ actors: 8, threshold: 0 }, { actors: 8, threshold: 6 }, { actors: 16, threshold: 14 }],
    closeDelayMs: 20,
    // a thread of tier 3 may be slow to boot
    maxQueueWaitMs: 0
  })
  const words = sharedWords(8)
  const ran = (tier: number): number => Atomics.load(words, 2 + tier)
  const running: Promise<number>[] = []
  const add = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) running.push(scheduler.offload('latch', words))
    await until(`${running.length} running jobs`, () => Atomics.load(words, 1) === running.length)
  }
  await add(6)
  t.equal(scheduler.snapshot().openTier, 1)
  t.equal(scheduler.snapshot().active, 6)
  t.strictSame([ran(1), ran(2), ran(3)], [6, 0, 0])
  await add(1)
  t.equal(scheduler.snapshot().openTier, 2)
  await add(7)
  t.strictSame([ran(1), ran(2), ran(3)], [8, 6, 0])
  t.equal(scheduler.snapshot().openTier, 2)
  await add(1)
  t.equal(scheduler.snapshot().openTier, 3)
  t.strictSame([ran(1), ran(2), ran(3)], [8, 7, 0])
  await add(17)
  t.strictSame([ran(1), ran(2), ran(3)], [8, 8, 16])
  t.equal(scheduler.snapshot().active, 32)
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await Promise.all(running)
  await until('tiers 2 and 3 to close', () => scheduler.snapshot().openTier === 1)
  t.equal(scheduler.snapshot().active, 0)
})

t.test('10,000 jobs with random errors, cancels, timeouts and exits settle 10,000 times', async (t) => {
  const tiers = [{ actors: 2 }, { actors: 1 }]
  const scheduler = await start(t, { tiers, graceMs: 10, maxRestarts: 10_000, backoffMs: 0, maxQueueWaitMs: 0 })
  let settled = 0
  let seed = 7
  const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647
  const all: Promise<unknown>[] = []
  for (let n = 0; n < 10_000; n++) {
    const dice = random()
    const controller = new AbortController()
    const promise = dice < 0.7
      ? scheduler.offload('echo', { n })
      : dice < 0.9
        ? scheduler.offload('failWith', 'class')
        : dice < 0.98
          ? scheduler.offload('echo', { n }, { signal: controller.signal })
          : dice < 0.999
            ? scheduler.offload('spinUntilCancelled', 5, { timeoutMs: 1 })
            : scheduler.offload('exit', 1)
    if (dice >= 0.9 && dice < 0.98) setTimeout(() => controller.abort(), random() * 100)
    all.push(promise.then(() => settled++, () => settled++))
    if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(all)
  t.equal(settled, 10_000)
  const { counters, pending, backlog } = scheduler.snapshot()
  t.equal(counters.accepted, 10_000)
  t.equal(Object.values(counters.settled).reduce((sum, count) => sum + count, 0), 10_000)
  t.strictSame([pending, backlog], [0, 0])
})

t.test('an exit hurts the job that ran and nobody else; an idempotent one runs again', async (t) => {
  const scheduler = await start(t)
  const words = sharedWords(1)
  const guilty = scheduler.offload('exit', 3)
  const innocent = Array.from({ length: 50 }, () => scheduler.offload('count', words))
  await t.rejects(guilty, { ...code('ACTOR_EXIT'), started: true })
  await Promise.all(innocent)
  t.equal(Atomics.load(words, 0), 50)
})

t.test('an exit beside another async job is an error of the job that called it, and the other one ends', async (t) => {
  const scheduler = await start(t, { asyncPerActor: 2 })
  const words = sharedWords(3)
  const exits = scheduler.offload('endAs', { words, number: 1, end: 'exit' })
  const other = scheduler.offload('endAs', { words, number: 2 })
  await until('both have begun', () => words[1] === 1 && words[2] === 1)
  words[0] = 1
  await t.rejects(exits, { name: 'Error', message: 'process.exit(3) was called' })
  words[0] = 2
  t.equal(await other, 2)
  t.equal(await scheduler.offload('echo', 4), 4)
  t.strictSame([...words], [2, 1, 1], 'each began once')
  t.match(scheduler.snapshot(), { pending: 0, counters: { settled: { ok: 2, error: 1, exit: 0 } } })
})

t.test('a thread that dies with 3 async jobs: 2 reject as started, the idempotent one runs again', async (t) => {
  const scheduler = await start(t, { asyncPerActor: 3 })
  const words = sharedWords(4)
  const [dies, other] = [{ number: 1, end: 'die' }, { number: 2 }].map((input) =>
    scheduler.offload('endAs', { words, ...input }))
  const again = scheduler.offload('endAs', { words, number: 3 }, { idempotent: true })
  await until('all have begun', () => words[1] === 1 && words[2] === 1 && words[3] === 1)
  words[0] = 1
  await t.rejects(dies!, { ...code('ACTOR_EXIT'), started: true })
  await t.rejects(other!, { ...code('ACTOR_EXIT'), started: true })
  await until('its second run', () => words[3] === 2)
  words[0] = 3
  t.equal(await again, 3)
  t.strictSame([...words], [3, 1, 1, 2])
  t.match(scheduler.snapshot(), { pending: 0, counters: { restarts: 1, settled: { ok: 1, error: 0, exit: 2 } } })
})

t.test('an idempotent job that is cancelled while it waits for its second run is not said to have never started', async (t) => {
  const scheduler = await start(t, { backoffMs: 600_000 })
  const controller = new AbortController()
  // the first death opens a new thread at once, the second waits
  await t.rejects(scheduler.offload('exit', 3), code('ACTOR_EXIT'))
  const job = scheduler.offload('exit', 3, { idempotent: true, signal: controller.signal })
  await until('the second death', () => scheduler.snapshot().counters.restarts === 2)
  controller.abort()
  await t.rejects(job, { ...code('CANCELLED'), message: /while it waited to run again/ })
  t.equal(scheduler.snapshot().pending, 0)
})

t.test('a job that waits is cancelled without a restart; one that runs is told, then its thread is killed', async (t) => {
  const scheduler = await start(t, { graceMs: 60_000 })
  const words = sharedWords(1)
  const first = new AbortController()
  const second = new AbortController()
  const running = scheduler.offload('waitUntilCancelled', 0, { signal: first.signal })
  const waiting = scheduler.offload('count', words, { signal: second.signal })
  second.abort()
  await t.rejects(waiting, code('CANCELLED'))
  first.abort(new Error('enough'))
  await t.rejects(running, { ...code('CANCELLED'), cause: { message: 'enough' } })
  await scheduler.offload('echo', 1)
  t.equal(scheduler.snapshot().counters.restarts, 0)
  t.equal(Atomics.load(words, 0), 0)
  await t.rejects(scheduler.offload('spinUntilCancelled', 60_000, { timeoutMs: 20 }), code('TIMEOUT'))
  await scheduler.offload('echo', 1)
  t.equal(scheduler.snapshot().counters.kills, 0)
  const strict = await start(t, { graceMs: 20 })
  await t.rejects(strict.offload('forever', 0, { timeoutMs: 20 }), { ...code('TIMEOUT'), statusCode: 504 })
  await strict.offload('echo', 1)
  t.equal(strict.snapshot().counters.kills, 1)
  t.strictSame([...getEventListeners(first.signal, 'abort'), ...getEventListeners(second.signal, 'abort')], [])
})

t.test('the run clock starts with the run, the queue clock ends with it', async (t) => {
  const scheduler = await start(t)
  const long = hold(scheduler)
  const offeredAtMs = performance.now()
  const behind = scheduler.offload('wait', 50, { timeoutMs: 1000 })
  const late = scheduler.offload('echo', 1, { queueTimeoutMs: 30 })
  await t.rejects(late, code('QUEUE_TIMEOUT'))
  await until('more time to pass than the run may take', () => performance.now() > offeredAtMs + 1000)
  long.open()
  t.equal(await long.ended, 1)
  t.equal(await behind, 50)
})

t.test('what waits for maxQueueWaitMs is told so then, with 503 and when to come again, and never runs; with 0 it waits', async (t) => {
  const scheduler = await start(t, { maxQueueWaitMs: 300 })
  const words = sharedWords(1)
  const long = hold(scheduler)
  const late = [{}, { key: 'a' }, { queueTimeoutMs: 60_000 }].map((options) => scheduler.offload('count', words, options))
  for (const one of late) {
    await t.rejects(one, { ...code('QUEUE_TIMEOUT'), statusCode: 503, retryAfterS: 1, message: /within 300 ms \(maxQueueWaitMs\)/ })
  }
  long.open()
  t.equal(await long.ended, 1)
  t.equal(Atomics.load(words, 0), 0)
  t.equal(scheduler.snapshot().counters.settled.expired, 3)
  const patient = await start(t, { maxQueueWaitMs: 0 })
  t.equal(patient.snapshot().retryAfterS, 1, 'before anything has waited')
  t.strictSame(await Promise.all([patient.offload('wait', 100), patient.offload('echo', 1)]), [100, 1])
})

t.test('a full queue refuses with 503 and whole seconds to wait, and what was refused never runs', async (t) => {
  const scheduler = await start(t, { maxQueued: 2 })
  const words = sharedWords(1)
  const held = hold(scheduler)
  const { signal } = new AbortController()
  const all = Promise.allSettled(Array.from({ length: 6 }, () => scheduler.offload('count', words, { signal })))
  held.open()
  const results = await all
  await held.ended
  const refused = results.filter((result) => result.status === 'rejected')
  t.ok(refused.length >= 3)
  const message = 'job count: 1 actor open, 2 jobs queued, limit 2 (maxQueued); retry after 1 s'
  for (const { reason } of refused) t.match(reason, { ...code('OVERLOADED'), statusCode: 503, retryAfterS: 1, message })
  t.equal(Atomics.load(words, 0), 6 - refused.length)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('jobs of one key run in order on one actor, and so do 500 of one mailbox', async (t) => {
  const scheduler = await start(t, { tiers: [{ actors: 3 }] })
  const order: number[] = []
  await Promise.all(Array.from({ length: 20 }, (_, n) =>
    scheduler.offload('wait', n % 2, { key: 'a' }).then(() => order.push(n))))
  t.strictSame(order, Array.from({ length: 20 }, (_, n) => n))
  const single = await start(t)
  const words = new Int32Array(new SharedArrayBuffer(4))
  const ranks = await Promise.all(Array.from({ length: 500 }, () => single.offload('rank', words)))
  t.strictSame(ranks, Array.from({ length: 500 }, (_, n) => n))
})

t.test('priority high overtakes low', async (t) => {
  const scheduler = await start(t)
  const order: string[] = []
  const held = hold(scheduler)
  const all = ['low', 'normal', 'high'].map((priority) =>
    scheduler.offload('wait', 1, { priority: priority as 'low' }).then(() => order.push(priority)))
  held.open()
  await Promise.all([...all, held.ended])
  t.strictSame(order, ['high', 'normal', 'low'])
})

t.test('a transferred buffer is moved, a plain one copied', async (t) => {
  const scheduler = await start(t)
  const moved = new ArrayBuffer(64 * 1024)
  const copied = new ArrayBuffer(64 * 1024)
  t.equal(await scheduler.offload('size', moved, { transfer: [moved] }), 65536)
  t.equal(await scheduler.offload('size', copied), 65536)
  t.equal(moved.byteLength, 0)
  t.equal(copied.byteLength, 65536)
})

t.test('ctx tells tier, request id and deadline, and logs to the caller\'s logger', async (t) => {
  const scheduler = await start(t)
  const seen: unknown[] = []
  const where = await scheduler.offload('where', 0, { requestId: 'r-1', timeoutMs: 5000 })
  t.match(where, { tier: 1, cpu: null, requestId: 'r-1' })
  t.ok(Math.abs(where.deadline - Date.now() - 5000) < 1000)
  await scheduler.offload('log', 'hello', { log: { info: (...args: unknown[]) => { seen.push(args) } } })
  await until('the log record', () => seen.length > 0)
  t.strictSame(seen, [[{ text: 'hello' }, 'from the job']])
})

t.test('a recording of an hour ends when the pool is closed, by its end or as `await using` does', async (t) => {
  for (const close of ['close', Symbol.asyncDispose] as const) {
    const scheduler = await start(t)
    const recording = scheduler.record({ seconds: 3600 })
    await scheduler.offload('echo', 1)
    await scheduler[close]()
    t.equal(scheduler.snapshot().state, 'closed')
    t.equal((await recording).traceEvents.filter(({ cat }) => cat === 'job').length, 1)
    t.equal((await scheduler.record({ seconds: 3600 })).traceEvents.filter(({ cat }) => cat === 'job').length, 0)
  }
})

t.test('close waits for accepted jobs up to drainMs, rejects the rest, and refuses new ones', async (t) => {
  const scheduler = await start(t, { drainMs: 1000 })
  const running = hold(scheduler)
  const never = scheduler.offload('wait', 60_000)
  const rejected = t.rejects(never, code('CLOSED'))
  const closing = scheduler.close()
  await t.rejects(scheduler.offload('echo', 1), code('CLOSED'))
  running.open()
  t.equal(await running.ended, 1)
  await rejected
  await closing
  t.equal(scheduler.snapshot().pending, 0)
})

t.test('an idle pool does not hold the process, a pending job does', async (t) => {
  const file = join(t.testdir({
    'main.cjs': `const { createScheduler } = require(${JSON.stringify(join(__dirname, '../../dist/lib/index.js'))})
const scheduler = createScheduler({ jobs: ${JSON.stringify(jobs)}, tiers: [{ actors: 2 }] })
scheduler.ready().then(() => { scheduler.offload('wait', 50).then((value) => { process.send(value); process.disconnect() }) })`
  }), 'main.cjs')
  const child = fork(file)
  const message = once(child, 'message')
  const exit = once(child, 'exit')
  t.equal((await message)[0], 50)
  t.equal((await exit)[0], 0)
})
