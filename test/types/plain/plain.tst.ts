// Without an augmentation of `SpilloverJobs` a job's name is any string; options are checked.
import Fastify = require('fastify')
import { Registry } from 'prom-client'
import { expect, test } from 'tstyche'
import spillover = require('fastify-spillover')
import { spillover as named } from 'fastify-spillover'
import { createScheduler } from 'fastify-spillover/scheduler'
import type { FastifyPluginAsync } from 'fastify'
import type { JobInput, JobName, JobResult, Options, Plan, Snapshot, Trace } from 'fastify-spillover/scheduler'

const app = Fastify()
declare const request: Fastify.FastifyRequest

test('the plugin, under each of its names', () => {
  expect(spillover).type.toBeAssignableTo<FastifyPluginAsync<spillover.Options>>()
  expect(named).type.toBe<FastifyPluginAsync<spillover.Options>>()
  expect(spillover.spillover).type.toBe<FastifyPluginAsync<spillover.Options>>()
  expect(spillover.default).type.toBe<FastifyPluginAsync<spillover.Options>>()
  expect(app.register).type.toBeCallableWith(spillover, { jobs: '/jobs.js' })
  expect(app.register).type.not.toBeCallableWith(spillover, { jobs: 3 })
  expect(app.register).type.not.toBeCallableWith(spillover, { jobs: '/jobs.js', strategy: 'fastest' })
})

test('options', () => {
  expect<spillover.Options>().type.toBeAssignableFrom({ jobs: '/jobs.js' })
  expect<spillover.Options>().type.toBeAssignableFrom({ jobs: new URL('file:///jobs.js') })
  expect<spillover.Options>().type.toBeAssignableFrom({ jobs: { image: '/image.js', text: new URL('file:///t.js') } })
  expect<spillover.Options>().type.toBeAssignableFrom({
    jobs: '/jobs.js',
    strategy: 'even-odd' as const,
    thresholds: [0, 2, 4],
    reserve: 'auto' as const,
    pin: false,
    nice: [0, 5, 10],
    warmup: { add: { a: 1, b: 2 } },
    health: '/health',
    namespace: 'images'
  })
  expect<spillover.Options>().type.toBeAssignableFrom({ jobs: '/jobs.js', health: { url: '/health' } })
  expect<spillover.Options>().type.toBeAssignableFrom({ jobs: '/jobs.js', health: false as const })
  expect<spillover.Options>().type.not.toBeAssignableFrom({})
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: ['/jobs.js'] })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', strategy: 'fastest' })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', pin: 'always' })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', thresholds: 2 })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', health: {} })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', namespace: 1 })
  expect<spillover.Options>().type.toBeAssignableFrom({
    jobs: '/jobs.js',
    metrics: { url: '/metrics', register: new Registry() },
    dashboard: { url: '/spillover', onRequest: async () => {}, intervalMs: 1000 },
    tracing: true,
    context: { capture: () => 1, restore: new URL('file:///context.js') }
  })
  expect<spillover.Options>().type.toBeAssignableFrom({ jobs: '/jobs.js', metrics: true, dashboard: '/spillover' })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', metrics: { register: {} } })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', dashboard: true })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', dashboard: { intervalMs: 500 } })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', tracing: 'yes' })
  expect<spillover.Options>().type.not.toBeAssignableFrom({ jobs: '/jobs.js', context: { capture: () => 1 } })
  expect(app.spillover.record({ seconds: 1 })).type.toBe<Promise<Trace>>()
  expect(app.spillover.record).type.not.toBeCallableWith({})
  expect<Options>().type.toBeAssignableFrom<spillover.Options>()
  expect<Options>().type.not.toHaveProperty('health')
})

test('any name, input and result', () => {
  expect<JobName>().type.toBe<string>()
  expect<JobInput<'add'>>().type.toBe<any>()
  expect<JobResult<'add'>>().type.toBe<any>()
  expect(request.offload('add', { a: 1 })).type.toBe<Promise<any>>()
  expect(app.offload('any name', 1)).type.toBe<Promise<any>>()
  expect(app.offload).type.not.toBeCallableWith(1, 1)
  expect(app.offload).type.toBeCallableWith('now')
})

test('options of one call', () => {
  const { signal } = new AbortController()
  expect(app.offload).type.toBeCallableWith('add', 1, { signal, timeoutMs: 5, queueTimeoutMs: 5, key: 'a' })
  expect(app.offload).type.toBeCallableWith('add', 1, { priority: 'high', idempotent: true })
  expect(app.offload).type.toBeCallableWith('add', 1, { transfer: [new ArrayBuffer(8)] })
  expect(app.offload).type.not.toBeCallableWith('add', 1, { timeoutMs: '5' })
  expect(app.offload).type.not.toBeCallableWith('add', 1, { priority: 'highest' })
  expect(app.offload).type.not.toBeCallableWith('add', 1, { timeout: 5 })
})

test('routes', () => {
  expect(app.offloadHandler('add')).type.toBeAssignableTo<Fastify.RouteHandlerMethod>()
  expect(app.offloadHandler).type.toBeCallableWith('add', { input: (r: Fastify.FastifyRequest) => r.id })
  expect(app.get).type.toBeCallableWith('/', { config: { offload: { job: 'add', timeoutMs: 5 } } }, async () => 1)
  expect(app.get).type.toBeCallableWith('/', { config: { offload: false } }, async () => 1)
  expect<Fastify.FastifyContextConfig>().type.not.toBeAssignableFrom({ offload: true })
  expect<Fastify.FastifyContextConfig>().type.not.toBeAssignableFrom({ offload: { timeoutMs: '5' } })
})

test('pools', () => {
  expect(app.spillover).type.toBeAssignableTo<spillover.Pool>()
  expect(app.spillover.images).type.toBe<spillover.Pool | undefined>()
  expect(app.spillover.plan).type.toBe<Plan>()
  expect(app.spillover.snapshot()).type.toBe<Snapshot>()
  expect(app.spillover.drain()).type.toBe<Promise<void>>()
  expect(createScheduler).type.toBeCallableWith({ jobs: '/jobs.js' })
  expect(createScheduler).type.not.toBeCallableWith({ jobs: '/jobs.js', health: '/health' })
  expect(createScheduler({ jobs: '/jobs.js' }).offload('add', 1)).type.toBe<Promise<any>>()
})

test('the context of a job', () => {
  expect<spillover.JobContext>().type.toHaveProperty('throwIfCancelled')
  expect<spillover.JobContext['cancelled']>().type.toBe<boolean>()
  expect<spillover.JobContext['signal']>().type.toBe<AbortSignal>()
  expect<spillover.JobContext['deadline']>().type.toBe<number | undefined>()
  expect<spillover.JobContext['cpu']>().type.toBe<number | null>()
})
