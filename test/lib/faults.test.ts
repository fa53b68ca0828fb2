// The fault matrix: whatever one job throws, returns, is given or does to its thread, it fails alone and with a name.
import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { channels, createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Options, OffloadOptions, Scheduler } from '#lib/index'

t.setTimeout(300_000)
const jobs = join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs')
const code = (key: string): { code: string } => ({ code: `FST_ERR_SPILLOVER_${key}` })

async function start (t: Test, options: Partial<Options> = {}): Promise<Scheduler> {
  const pool = createScheduler({
    jobs,
    tiers: [{ actors: 1 }],
    execArgv: [],
    bootTimeoutMs: 60_000,
    graceMs: 20,
    maxRestarts: 10_000,
    quarantineDeaths: 0,
    backoffMs: 0,
    ...options
  })
  t.teardown(() => pool.close())
  await pool.ready()
  return pool
}

/** Run a fault with neighbours before and behind it, and later jobs: all of these must be fine. Gives what it threw. */
async function among (t: Test, pool: Scheduler, job: string, input?: unknown, options?: OffloadOptions): Promise<any> {
  const before = [1, 2, 3].map((n) => pool.offload('good', n))
  const fault = pool.offload(job, input, options)
    .then((value: unknown) => ({ isRejected: false, value }), (value: unknown) => ({ isRejected: true, value }))
  const behind = [4, 5, 6].map((n) => pool.offload('good', n))
  const outcome = await fault
  t.strictSame(await Promise.all([...before, ...behind]), [2, 3, 4, 5, 6, 7], `${job}: the neighbours are fine`)
  t.equal(await pool.offload('good', 7), 8, `${job}: a later job is fine`)
  return outcome
}

t.test('what a job throws: all 17 kinds reject, now or after an await, and say what they were', async (t) => {
  const pool = await start(t)
  const expected: Record<string, unknown> = {
    null: null,
    undefined,
    zero: 0,
    false: false,
    text: 'text',
    symbol: 'Symbol(odd)',
    function: '() => {}',
    proxy: { message: 'inside' },
    hostile: 'a object',
    dom: { name: 'DataCloneError', message: 'no clone' },
    aggregate: { errors: [{ message: 'a' }, { message: 'b' }] },
    circular: { message: 'round' },
    bigint: { message: 'big', n: 10n },
    getter: { message: 'kept' },
    functionCause: { message: 'outer', cause: '() => {}' },
    fs: { code: 'ENOENT', errno: -2, syscall: 'open' },
    deep: { message: 'deep', code: 'E_DEEP', input: undefined }
  }
  for (const [name, value] of Object.entries(expected)) {
    for (const job of ['throw', 'throwAsync']) {
      const outcome = await among(t, pool, job, name)
      t.equal(outcome.isRejected, true, `${job} ${name}`)
      if (value !== null && typeof value === 'object') t.match(outcome.value, value, name)
      else t.strictSame(outcome.value, value, name)
    }
  }
  t.equal(pool.snapshot().counters.restarts, 0)
})

t.test('a result that cannot travel names the path to the bad value', async (t) => {
  const pool = await start(t)
  for (const [name, path] of Object.entries({
    function: '.rows[1].done: a function',
    symbol: '[0][0]: a symbol',
    proxy: '.a: a Proxy',
    weakMap: '["a b"]: a weak collection',
    promise: '.p: a Promise',
    mapped: '<value 0>: a function',
    getter: '.bad: a getter that throws Error: getter'
  })) {
    const { value } = await among(t, pool, 'return', name)
    t.match(value, code('RESULT_UNCLONEABLE'), name)
    t.match(value.message, `(at ${path})`)
  }
  t.equal(pool.snapshot().counters.restarts, 0)
})

t.test('an input that cannot travel names the path, and its job does not run', async (t) => {
  const pool = await start(t)
  const words = new Int32Array(new SharedArrayBuffer(4))
  for (const [path, input] of [
    ['[1].f: a function', [words, { f () {} }]],
    ['.s: a symbol', { words, s: Symbol('s') }],
    ['.p: a Promise', { words, p: Promise.resolve() }],
    ['the value itself: a Proxy', new Proxy({ words }, {})],
    ['.bad: a getter that throws null', { get bad () { throw null } }] // eslint-disable-line no-throw-literal
  ] as const) {
    const { value } = await among(t, pool, 'count', input)
    t.match(value, code('INPUT_UNCLONEABLE'), path)
    t.match(value.message, `(at ${path})`)
  }
  t.equal(words[0], 0)
})

for (const levels of [1, 7, 100, 1000, 3000, 4000, 5000, 8000, 20_000]) {
  t.test(`${levels} nested levels, in and out: the value, or a coded error of that job alone`, async (t) => {
    const pool = await start(t)
    const deep = JSON.parse('['.repeat(levels) + ']'.repeat(levels))
    for (const [job, input, key] of [
      ['nest', levels, 'RESULT_UNCLONEABLE'], ['echo', deep, '(IN|RES)(PUT|ULT)_UNCLONEABLE']
    ] as const) {
      const { isRejected, value } = await among(t, pool, job, input)
      if (isRejected) t.match(value.code, new RegExp(`^FST_ERR_SPILLOVER_${key}$`), value.message)
      else t.ok(Array.isArray(value))
      if (levels <= 1000) t.notOk(isRejected, `${levels} levels travel`)
    }
    t.equal(pool.snapshot().counters.restarts, 0)
  })
}

t.test('a key __proto__ of input or result pollutes nothing', async (t) => {
  const pool = await start(t)
  const given = JSON.parse('{"__proto__":{"polluted":1},"a":{"constructor":{"prototype":{"polluted":1}}}}')
  const got = await pool.offload('echo', given)
  t.ok(Object.hasOwn(got, '__proto__'))
  t.equal(got.polluted, undefined)
  t.equal(({} as { polluted?: number }).polluted, undefined)
  t.equal(await pool.offload('isPolluted', 0), false)
})

t.test('transfer lists that are wrong reject that job alone', async (t) => {
  const pool = await start(t)
  const detached = new ArrayBuffer(8)
  const view = new Uint8Array(detached)
  structuredClone(detached, { transfer: [detached] })
  const twice = new ArrayBuffer(8)
  for (const [name, input, transfer] of [
    ['detached', detached, [detached]],
    ['a view of a detached buffer', view, [detached]],
    ['twice', twice, [twice, twice]],
    ['shared', 1, [new SharedArrayBuffer(8)]],
    ['junk', 1, ['junk']]
  ] as const) {
    const { isRejected, value } = await among(t, pool, 'bytes', input, { transfer: transfer as never })
    t.ok(isRejected, name)
    t.match(value, code('INPUT_UNCLONEABLE'), name)
  }
  t.equal(twice.byteLength, 8, 'nothing was moved')
})

t.test('an exit of a job hurts that job: ACTOR_EXIT, and 1 restart each', async (t) => {
  const pool = await start(t)
  for (const job of ['exit', 'exitAsync']) {
    t.match((await among(t, pool, job)).value, { ...code('ACTOR_EXIT'), started: true }, job)
  }
  t.equal(pool.snapshot().counters.restarts, 2)
})

t.test('a full heap is told apart: OUT_OF_MEMORY, counted once', async (t) => {
  const pool = await start(t, { resourceLimits: { maxOldGenerationSizeMb: 24 } })
  const { value } = await among(t, pool, 'memory')
  t.match(value, { ...code('OUT_OF_MEMORY'), started: true, cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } })
  t.match(pool.snapshot().counters, { outOfMemory: 1, restarts: 1 })
})

for (const [job, message] of Object.entries({
  lateExit: /process\.exit\(5\)/,
  lateThrow: /late throw/,
  lateNull: /^null$/,
  lateReject: /late rejection/,
  lateTick: /late tick/,
  lateEmit: /late event/
})) {
  t.test(`${job}: the job that caused it is named, nobody is charged, its actor is replaced`, async (t) => {
    const pool = await start(t, { asyncPerActor: 4 })
    const strays: any[] = []
    const onStray = (stray: unknown): void => { strays.push(stray) }
    channels.stray.subscribe(onStray)
    t.teardown(() => channels.stray.unsubscribe(onStray))
    await pool.offload(job, 0)
    t.strictSame(await Promise.all([30, 31, 32].map((ms) => pool.offload('slow', ms))), [30, 31, 32])
    await until('the stray', () => strays.length > 0)
    t.match(strays, [{ job, slot: 0, tier: 1 }])
    t.match(String(strays[0].error?.message ?? strays[0].error), message)
    await until('the replacement', () => pool.snapshot().tiers[0]!.actors[0]!.restarts === 1 &&
      pool.snapshot().tiers[0]!.actors[0]!.state === 'open')
    t.equal(await pool.offload('good', 1), 2)
    t.match(pool.snapshot().counters, { strays: 1, settled: { exit: 0, error: 0 } })
  })
}

for (const what of ['timer', 'microtask']) {
  t.test(`an endless loop that a job leaves behind in a ${what}: its thread is replaced, 3 jobs that wait there run`, async (t) => {
    const pool = await start(t)
    t.equal(await pool.offload('leave', what), 'ended')
    await new Promise((resolve) => setTimeout(resolve, 10)) // so that it has begun
    t.strictSame(await Promise.all([1, 2, 3].map((n) => pool.offload('good', n, { timeoutMs: 0 }))), [2, 3, 4])
    t.match(pool.snapshot().tiers[0]!.actors[0]!, { restarts: 1, reason: /event loop is blocked/ })
  })
}

for (const job of ['loop', 'microtasks', 'wait', 'regexp', 'native', 'never']) {
  t.test(`${job}: stopped by its timeout, those behind it run`, async (t) => {
    const pool = await start(t)
    t.match((await among(t, pool, job, 0, { timeoutMs: 30 })).value, code('TIMEOUT'))
  })
}

t.test('a job that meddles with the port of its thread, or starts its own, is harmless', async (t) => {
  const pool = await start(t)
  for (const job of ['junk', 'spawn', 'dropListeners', 'closePort']) {
    const { isRejected, value } = await among(t, pool, job)
    if (isRejected) t.match(value, code('ACTOR_EXIT'), job)
    else t.pass(job)
  }
})

const broken = {
  'syntax.cjs': ['this is no javascript', /syntax\.cjs/],
  'throws.cjs': ['throw null', /throws\.cjs/],
  'exits.cjs': ['process.exit(7)', /exit/i],
  'rejects.mjs': ['await Promise.reject(new Error("no database"))', /rejects\.mjs.*no database/],
  'missing.cjs': ['require("./gone.cjs")', /missing\.cjs.*gone\.cjs/s]
} as const
for (const [file, [text, message]] of Object.entries(broken)) {
  t.test(`a job module like ${file} fails ready() with the reason, and close() ends`, async (t) => {
    const folder = t.testdir({ [file]: text })
    const pool = createScheduler({
      jobs: join(folder, file), tiers: [{ actors: 2 }], execArgv: [], bootTimeoutMs: 60_000
    })
    await t.rejects(pool.ready(), { ...code('JOB_MODULE'), message })
    await pool.close()
  })
}

for (const [file, text] of Object.entries({ 'loops.cjs': 'for (;;);', 'hangs.mjs': 'await new Promise(() => {})' })) {
  t.test(`a job module like ${file} fails ready() after bootTimeoutMs`, async (t) => {
    const folder = t.testdir({ [file]: text })
    const pool = createScheduler({ jobs: join(folder, file), tiers: [{ actors: 1 }], execArgv: [], bootTimeoutMs: 400 })
    await t.rejects(pool.ready(), /BOOT_TIMEOUT|JOB_MODULE|not get ready|ended/)
    await pool.close()
  })
}

t.test('10,000 jobs on one signal: no warning, all cancelled, no listener left', async (t) => {
  const pool = await start(t, { maxQueued: 20_000, maxQueueWaitMs: 0 })
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const controller = new AbortController()
  const words = new Int32Array(new SharedArrayBuffer(8))
  const blocker = pool.offload('hold', words)
  const all = Array.from({ length: 10_000 }, () => pool.offload('count', words, { signal: controller.signal }))
  controller.abort()
  const results = await Promise.allSettled(all)
  t.equal(results.filter((result) => result.status === 'rejected').length, 10_000)
  Atomics.store(words, 1, 1)
  Atomics.notify(words, 1)
  await blocker
  await pool.offload('good', 0)
  t.strictSame([words[0], warnings, getEventListeners(controller.signal, 'abort')], [0, [], []])
  t.equal(pool.snapshot().counters.kills, 0)
  await t.rejects(pool.offload('count', words, { signal: controller.signal }), code('CANCELLED'))
})

t.test('signals whose reason and methods throw: their jobs settle, in the queue and while they run, and nobody else is hurt', async (t) => {
  const pool = await start(t, { maxQueued: 10 })
  const fail = (): never => { throw new Error('hostile') }
  const hostile = (...names: string[]): AbortController => {
    const controller = new AbortController()
    for (const name of names) {
      Object.defineProperty(controller.signal, name, name === 'reason' ? { get: fail } : { value: fail })
    }
    return controller
  }
  const words = new Int32Array(new SharedArrayBuffer(8))
  const controller = hostile('reason', 'removeEventListener')
  const all = [pool.offload('begun', words, { signal: controller.signal }),
    pool.offload('begun', words, { signal: controller.signal }), pool.offload('good', 1, { signal: controller.signal })]
  const other = pool.offload('good', 1)
  await until('the first runs', () => words[0] === 1)
  controller.abort()
  for (const one of all) await t.rejects(one, { ...code('CANCELLED'), cause: { message: 'hostile' } })
  t.equal(await other, 2)
  t.equal(await pool.offload('good', 1, { signal: hostile('removeEventListener').signal }), 2, 'its end takes nothing along')
  await t.rejects(pool.offload('good', 1, { signal: hostile('addEventListener').signal }), { message: 'hostile' })
  t.equal(await pool.offload('good', 1), 2)
  t.equal(pool.snapshot().pending, 0)
})

t.test('20,000 waiting jobs cancelled newest first never run', async (t) => {
  const pool = await start(t, { maxQueued: 30_000, maxQueueWaitMs: 0 })
  const words = new Int32Array(new SharedArrayBuffer(8))
  const blocker = pool.offload('hold', words)
  const controllers = Array.from({ length: 20_000 }, () => new AbortController())
  const all = controllers.map(({ signal }) => pool.offload('count', words, { signal }))
  for (const controller of controllers.reverse()) controller.abort()
  const results = await Promise.allSettled(all)
  t.equal(results.filter((result) => result.status === 'rejected').length, 20_000)
  Atomics.store(words, 1, 1)
  Atomics.notify(words, 1)
  await blocker
  await pool.offload('good', 0)
  t.equal(words[0], 0)
})

t.test('inputs whose getters offload a job, cancel their own or close the pool: each job gets its own result, and close() ends', async (t) => {
  const pool = await start(t)
  const controller = new AbortController()
  const inner = new Map<number, Promise<unknown>>()
  let made = 0
  const another = (): void => {
    const number = ++made
    inner.set(number, pool.offload('echo', number).catch((error: any) => error.code))
  }
  let closing: Promise<void> | undefined
  const results = await Promise.allSettled([
    pool.offload('echo', { get a () { another(); return 1 } }),
    pool.offload('echo', { get a () { another(); return 2 }, other: new Map() }),
    pool.offload('echo', { get a () { controller.abort(); return 3 } }, { signal: controller.signal }),
    pool.offload('echo', { get a () { closing ??= pool.close(); return 4 } })
  ])
  t.match(results, [{ value: { a: 1 } }, { value: { a: 2 } }, {}, { value: { a: 4 } }])
  t.ok(made >= 2)
  t.equal(await inner.get(1), 1)
  // one that was given twice, the second time while the pool closed, has offloaded twice
  for (const [number, result] of inner) t.ok([number, code('CLOSED').code].includes(await result as any), `${number}`)
  t.equal(getEventListeners(controller.signal, 'abort').length, 0)
  await closing
})

t.test('close waits for 3 running jobs of different length; during and after it jobs are refused', async (t) => {
  const pool = await start(t, { tiers: [{ actors: 3 }] })
  const running = [20, 60, 120].map((ms) => pool.offload('slow', ms))
  const closing = pool.close()
  await t.rejects(pool.offload('good', 1), code('CLOSED'))
  t.strictSame(await Promise.all(running), [20, 60, 120])
  await closing
  await t.rejects(pool.offload('good', 1), code('CLOSED'))
})
