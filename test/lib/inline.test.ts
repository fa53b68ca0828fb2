// runtime: 'inline': what jobs see and callers get is the same as with threads; each test runs on both.
import { join } from 'node:path'
import { threadId, isMainThread } from 'node:worker_threads'
import Fastify from 'fastify'
import t from 'tap'
import { createScheduler } from '#lib/index'
import spillover from '#plugin/index'
import type { Options } from '#lib/index'
import type { Test } from 'tap'

const fixtures = join(__dirname, '..', 'fixtures')
const jobs = join(fixtures, 'jobs.cjs')
const runtimes = ['inline', 'threads'] as const

async function start (t: Test, options: Partial<Options>): Promise<ReturnType<typeof createScheduler>> {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], graceMs: 20, ...options })
  t.teardown(() => pool.close())
  await pool.ready()
  return pool
}

/** What a promise comes to, without what names threads and files. */
const outcome = async (promise: Promise<unknown>): Promise<unknown> => promise.then(
  (value) => ({ value }),
  (error: Error & { code?: string, statusCode?: number, info?: unknown }) => ({
    name: error.name,
    message: error.message.replace(/slot \d+|after \d+ ms/g, '…'),
    code: error.code,
    statusCode: error.statusCode,
    info: error.info,
    cause: (error.cause as Error | undefined)?.message,
    isError: error instanceof Error
  }))

const same: [what: string, run: (pool: Awaited<ReturnType<typeof start>>) => Promise<unknown>][] = [
  ['a value', (pool) => pool.offload('echo', { a: [1, 'two', null, undefined, 3n], at: new Date(0), set: new Set([1]) })],
  ['a promise', (pool) => pool.offload('wait', 3)],
  ['an error with own properties and a cause', (pool) => pool.offload('fail', { message: 'no', code: 'E_NO', statusCode: 418 })],
  ['an error of an own class', (pool) => pool.offload('failWith', 'class')],
  ['a thrown null', (pool) => pool.offload('failWith', 'null').catch((error: unknown) => ({ error }))],
  ['a result that cannot be sent', (pool) => pool.offload('unsendable', 0)],
  ['an input that cannot be sent', (pool) => pool.offload('echo', { deep: [() => {}] })],
  ['an unknown name', (pool) => pool.offload('nobody', 0)],
  ['a timeout of an async job', (pool) => pool.offload('waitUntilCancelled', 0, { timeoutMs: 10 })],
  ['a signal that is aborted already', (pool) => pool.offload('wait', 5, { signal: AbortSignal.abort(new Error('gone')) })],
  ['3 values of progress before the result', async (pool) => {
    const seen: unknown[] = []
    const result = await pool.offload('steps', { steps: 3 }, { onProgress: (value) => { seen.push(value) } })
    return [...seen, result, await pool.offload('steps', { steps: 2 })]
  }],
  ['the request id', async (pool) => {
    const { requestId, tier } = await pool.offload('where', 0, { requestId: 'r-1' })
    return { requestId, tier }
  }]
]

for (const [what, run] of same) {
  t.test(`${what}: inline as with threads`, async (t) => {
    const [inline, threads] = [await start(t, { runtime: 'inline' }), await start(t, {})]
    const found = await outcome(run(inline))
    t.same(found, await outcome(run(threads)))
    t.equal(inline.snapshot().pending, 0)
  })
}

t.test('inline jobs run in this thread, and neither side sees changes of the other', async (t) => {
  const folder = t.testdir({
    'jobs.cjs': `const { threadId } = require('node:worker_threads')
      exports.thread = () => threadId
      exports.keep = (input) => { exports.kept = input; input.list.push('job'); return input }
      exports.touch = () => { exports.kept.list.push('later') }`
  })
  const pool = await start(t, { runtime: 'inline', jobs: join(folder, 'jobs.cjs') })
  t.equal(await pool.offload('thread', undefined), threadId)
  t.ok(isMainThread)
  const input = { list: ['caller'] }
  const result = await pool.offload('keep', input)
  t.same(input, { list: ['caller'] })
  t.same(result, { list: ['caller', 'job'] })
  await pool.offload('touch', undefined)
  t.same(result, { list: ['caller', 'job'] })
})

t.test('transfer moves the buffer, inline too', async (t) => {
  const pool = await start(t, { runtime: 'inline' })
  const buffer = new ArrayBuffer(8)
  t.equal(await pool.offload('size', buffer, { transfer: [buffer] }), 8)
  t.equal(buffer.byteLength, 0)
})

for (const runtime of runtimes) {
  t.test(`${runtime}: a job is told that it is cancelled; the caller has the reason`, async (t) => {
    const pool = await start(t, { runtime })
    const controller = new AbortController()
    const job = pool.offload('waitUntilCancelled', 0, { signal: controller.signal })
    await new Promise((resolve) => setImmediate(resolve))
    controller.abort(new Error('enough'))
    await t.rejects(job, { code: 'FST_ERR_SPILLOVER_CANCELLED', cause: { message: 'enough' } })
    t.equal(await pool.offload('echo', 'free again'), 'free again')
  })

  t.test(`${runtime}: one that does not end after its timeout is given up, and its slot opens again`, async (t) => {
    const pool = await start(t, { runtime })
    await t.rejects(pool.offload('wait', 10_000, { timeoutMs: 10 }), { code: 'FST_ERR_SPILLOVER_TIMEOUT', statusCode: 504 })
    t.equal(await pool.offload('echo', 'next'), 'next')
    t.equal(pool.snapshot().counters.kills, 1)
  })

  t.test(`${runtime}: with one actor and maxQueued 1, the third of three jobs is refused`, async (t) => {
    const pool = await start(t, { runtime, maxQueued: 1 })
    const jobs = await Promise.all([1, 2, 3].map((ms) => outcome(pool.offload('wait', ms))))
    t.match(jobs, [{ value: 1 }, { value: 2 }, { code: 'FST_ERR_SPILLOVER_OVERLOADED', statusCode: 503 }])
  })

  t.test(`${runtime}: broadcast, log and context reach the job`, async (t) => {
    const records: unknown[] = []
    const log = Object.assign({ levelVal: 20 }, Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal']
      .map((level) => [level, (...args: unknown[]) => records.push([level, ...args])])))
    const restore = join(fixtures, 'tenant.cjs')
    const pool = await start(t, { runtime, log: log as never, context: { capture: () => 'a tenant', restore } })
    await pool.broadcast('setSetting', 'shared')
    t.equal(await pool.offload('getSetting', undefined), 'shared')
    await t.rejects(pool.broadcast('setSetting', 'bad'), { code: 'E_BAD' })
    await pool.offload('log', 'hello')
    t.same(records, [['info', { text: 'hello' }, 'from the job']])
    t.equal(await pool.offload('getSetting', undefined), 'shared')
  })
}

t.test('a broken module or warm-up fails ready() inline with the same codes', async (t) => {
  for (const [code, warmup] of [['UNKNOWN_JOB', { nobody: 1 }], ['JOB_MODULE', { fail: { message: 'cold' } }]] as const) {
    const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], runtime: 'inline', warmup })
    await t.rejects(pool.ready(), { code: `FST_ERR_SPILLOVER_${code}` })
    await pool.close()
  }
})

t.test('app.inject works inline: routes, errors, health and close, without a thread', async (t) => {
  const app = Fastify()
  await app.register(spillover, { jobs, runtime: 'inline', health: '/health' })
  app.post('/echo', async (request) => request.offload('echo', request.body))
  app.get('/own', async (request) => request.offload('failWith', 'class'))
  t.same((await app.inject({ method: 'POST', url: '/echo', body: { a: 1 } })).json(), { a: 1 })
  t.equal((await app.inject('/own')).statusCode, 422)
  const health = (await app.inject('/health')).json()
  t.match(health, { status: 'ok', pinning: { isOn: false, reason: 'the runtime is inline: there are no threads' } })
  t.notOk(process.getActiveResourcesInfo().includes('MessagePort') && process.getActiveResourcesInfo().includes('Worker'))
  await app.close()
  t.equal(app.spillover.snapshot().state, 'closed')
})
