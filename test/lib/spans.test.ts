// Spans of jobs, the trace in the worker, values carried over, and the caller's own context.
import { AsyncLocalStorage } from 'node:async_hooks'
import { join } from 'node:path'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { Spans } from '#lib/spans'
import { until } from '../fixtures/until'
import type { Test } from 'tap'
import type { Options, Scheduler } from '#lib/index'

const fixture = (name: string): string => join(__dirname, '..', 'fixtures', name)
const exporter = new InMemorySpanExporter()
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
const tracer = trace.getTracer('test')

async function start (t: Test, options: Partial<Options> = {}): Promise<Scheduler> {
  const scheduler = createScheduler({
    jobs: fixture('traced.cjs'), tiers: [{ actors: 1 }], execArgv: [], tracing: true, ...options
  })
  t.teardown(() => scheduler.close())
  await scheduler.ready()
  exporter.reset()
  return scheduler
}

const named = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name)
const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6

t.test('a job has a span for its wait and one for its run, children of the caller\'s; one made inside is a child of the run', async (t) => {
  const scheduler = await start(t)
  const parent = tracer.startSpan('request')
  const inside = await context.with(trace.setSpan(context.active(), parent), () => scheduler.offload('spanHere', 0))
  parent.end()
  const [wait] = named('wait spanHere')
  const [run] = named('run spanHere')
  for (const span of [wait!, run!]) {
    t.equal(span.spanContext().traceId, parent.spanContext().traceId)
    t.equal(span.parentSpanContext?.spanId, parent.spanContext().spanId)
  }
  t.strictSame({ traceId: inside.traceId, parent: inside.parentSpanId, isRemote: inside.isRemote },
    { traceId: parent.spanContext().traceId, parent: run!.spanContext().spanId, isRemote: true })
  t.match(run!.attributes, { 'spillover.pool': 'default', 'spillover.job': 'spanHere', 'spillover.tier': 1, 'spillover.slot': 0, 'spillover.outcome': 'ok' })
  t.strictSame(run!.events.map(({ name }) => name), ['started'])
  t.equal(ms(wait!.endTime), ms(run!.startTime), 'the run begins where the wait ends')
  t.ok(ms(run!.startTime) <= ms(run!.endTime))
  t.ok(Math.abs(ms(run!.endTime) - Date.now()) < 60_000, 'in epoch time')
})

t.test('a job that fails has its error on the run; one that never began has it on the wait, and no run', async (t) => {
  const scheduler = await start(t)
  await t.rejects(scheduler.offload('fails', 0))
  t.match(named('run fails'), [{ status: { code: 2, message: 'RangeError: odd' }, attributes: { 'spillover.outcome': 'error' } }])
  t.equal(named('run fails')[0]!.events.at(-1)!.name, 'exception')
  const controller = new AbortController()
  const held = scheduler.offload('spanHere', 0)
  const waiting = scheduler.offload('spanHere', 1, { signal: controller.signal })
  controller.abort()
  await t.rejects(waiting, { code: 'FST_ERR_SPILLOVER_CANCELLED' })
  await held
  const cancelled = exporter.getFinishedSpans().filter(({ attributes }) => attributes['spillover.outcome'] === 'cancelled')
  t.match(cancelled, [{ status: { code: 2 } }])
})

t.test('a propagator that is set is used, else W3C is written; a traceparent of the call is the parent', async (t) => {
  const scheduler = await start(t)
  const traceId = 'a'.repeat(32)
  const inside = await scheduler.offload('spanHere', 0, { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` })
  t.equal(inside.traceId, traceId)
  t.equal(named('run spanHere')[0]!.parentSpanContext?.spanId, 'b'.repeat(16))
  let injected = 0
  propagation.setGlobalPropagator({ inject: () => { injected++ }, extract: (context) => context, fields: () => [] })
  t.teardown(() => propagation.disable())
  t.match(await scheduler.offload('spanHere', 0), { isRemote: true })
  t.equal(injected, 1)
})

t.test('without tracing there are no spans and nothing travels', async (t) => {
  const scheduler = await start(t, { tracing: false })
  t.match(await scheduler.offload('spanHere', 0), { parentSpanId: undefined })
  t.strictSame(exporter.getFinishedSpans(), [])
})

t.test('capture and restore: 20 calls in 20 contexts at once, each job sees its own, now and after an await', async (t) => {
  const { tenant } = require(fixture('tenant.cjs')) as { tenant: AsyncLocalStorage<string> }
  const scheduler = await start(t, {
    jobs: fixture('tenant.cjs'),
    tiers: [{ actors: 2 }],
    asyncPerActor: 8,
    context: { capture: () => tenant.getStore(), restore: fixture('tenant.cjs') }
  })
  const seen = await Promise.all(Array.from({ length: 20 }, (_, index) => tenant.run(`tenant ${index}`, async () => {
    const name = index % 2 === 0 ? 'tenantNow' : 'tenantLater'
    return [await scheduler.offload(name, 0), tenant.getStore()]
  })))
  t.strictSame(seen, Array.from({ length: 20 }, (_, index) => [`tenant ${index}`, `tenant ${index}`]))
})

t.test('the caller\'s AsyncLocalStorage is its own again after the job, also where the job failed', async (t) => {
  const scheduler = await start(t, { tracing: false })
  const store = new AsyncLocalStorage<number>()
  const seen = await Promise.all([1, 2, 3].map((id) => store.run(id, async () => {
    await scheduler.offload(id === 2 ? 'fails' : 'spanHere', 0).catch(() => {})
    return store.getStore()
  })))
  t.strictSame(seen, [1, 2, 3])
})

t.test('a context module without restore, or that is not there, stops the pool and is named', async (t) => {
  const create = (restore: string): Scheduler =>
    createScheduler({ jobs: fixture('jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [], context: { capture: () => 1, restore } })
  t.throws(() => create('/nowhere.js'), /option context\.restore: expected the path or file: URL of a module that exists/)
  const scheduler = create(fixture('jobs.cjs'))
  t.teardown(() => scheduler.close())
  await t.rejects(scheduler.ready(), /context module .*jobs\.cjs: it exports no function restore/)
})

t.test('a recording: 3 jobs are 3 slices of 2 lanes, with tier 2 open, counters, and the file is JSON', async (t) => {
  const scheduler = await start(t, { jobs: fixture('jobs.cjs'), tracing: false, tiers: [{ actors: 1 }, { actors: 1 }] })
  const controller = new AbortController()
  const recording = scheduler.record({ seconds: 60, signal: controller.signal })
  const words = new Int32Array(new SharedArrayBuffer(32))
  const running = [scheduler.offload('latch', words), scheduler.offload('latch', words)]
  await until('both to run', () => words[1] === 2)
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await Promise.all(running)
  await scheduler.offload('echo', 1, { requestId: 'r-9' })
  controller.abort()
  const file = JSON.parse(JSON.stringify(await recording))
  const slices = file.traceEvents.filter(({ ph, cat }: { ph: string, cat: string }) => ph === 'X' && cat === 'job')
  t.strictSame(slices.map(({ name }: { name: string }) => name).sort(), ['echo', 'latch', 'latch'])
  t.strictSame([...new Set(slices.map(({ pid }: { pid: number }) => pid))].sort(), [1, 2])
  t.match(slices.find(({ name }: { name: string }) => name === 'echo').args, { outcome: 'ok', requestId: 'r-9' })
  t.ok(file.traceEvents.some(({ name }: { name: string }) => name === 'tier 2 open'))
  t.ok(file.traceEvents.some(({ name, args }: any) => name === 'active' && args.actors >= 1))
  t.equal(file.otherData.eventsLeftOut, 0)
  await t.rejects(scheduler.record({ seconds: 0 }), /option seconds: expected a number above 0/)
})

t.test('without an SDK no traceparent of zeros travels; a trace that comes from outside does', async (t) => {
  const provider = trace.getTracerProvider()
  trace.disable()
  t.teardown(() => trace.setGlobalTracerProvider(provider))
  const spans = new Spans('default', 0)
  t.same(spans.accepted('job', 0).given(0, 1, 0), {})
  t.equal(spans.traceparent(), undefined)
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  t.same(spans.accepted('job', 0, traceparent).given(0, 1, 0), { traceparent })
})
