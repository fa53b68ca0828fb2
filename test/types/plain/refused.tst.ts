// A wrong value of each option does not compile: the tables name every option, so a new one without a line is an error.
import Fastify = require('fastify')
import { expect, test } from 'tstyche'
import spillover = require('fastify-spillover')
import { createScheduler } from 'fastify-spillover/scheduler'
import type { MessagePort } from 'node:worker_threads'
import type { ExplicitTier, JobContext, Options, OffloadOptions, RemoteJobOptions, RemoteOptions } from 'fastify-spillover/scheduler'
import type { BullmqOptions } from 'fastify-spillover/bullmq'

const app = Fastify()
declare const request: Fastify.FastifyRequest

/** Of a wrong value for each option: names whose option takes it, as one that is `any` does, or that there is not. */
type Accepted<Of, Wrong extends Record<keyof Required<Of>, unknown>> = {
  [Name in keyof Wrong]: Name extends keyof Of ? Wrong[Name] extends NonNullable<Of[Name]> ? Name : never : Name
}[keyof Wrong]
type Parts<Name extends keyof spillover.Options> = Extract<NonNullable<spillover.Options[Name]>, object>

interface WrongOptions {
  jobs: 3
  runtime: 'fibers'
  strategy: 'fastest'
  tiers: { actors: 1 }
  thresholds: 2
  reserve: 'all'
  home: '0'
  maxActors: '4'
  metric: 'load'
  pin: 'always'
  claim: 'auto'
  closeDelayMs: '100'
  retireMs: '30s'
  nice: '10'
  maxQueued: '1'
  maxQueueWaitMs: '1s'
  maxPayloadBytes: '1mb'
  keepFreedMemory: 'yes'
  ageMs: '1'
  timeoutMs: '30s'
  queueTimeoutMs: '1'
  graceMs: '1'
  drainMs: '1'
  bootTimeoutMs: '1'
  maxRestarts: '5'
  withinMs: '1'
  backoffMs: '1'
  terminateMs: '1'
  quarantineDeaths: '3'
  quarantineMs: '1'
  recycle: 'daily'
  asyncPerActor: '1'
  blockWhenIdle: 'never'
  spin: 'always'
  watch: 'auto'
  callerStack: 'always'
  warmup: 'add'
  warmupCalls: '1'
  resourceLimits: 512
  env: { A: 1 }
  execArgv: '--expose-gc'
  name: 1
  tracing: 'yes'
  context: { capture: () => number }
  log: { info: 'text' }
  overflow: { take: 1 }
  remote: 'redis://127.0.0.1'
}

interface WrongPlugin extends WrongOptions {
  health: { url: 1 }
  metrics: { url: 1 }
  dashboard: true
  durable: { owner: 1 }
  namespace: 1
}

test('options of the pool and of the plugin', () => {
  expect<Accepted<Options, WrongOptions>>().type.toBe<never>()
  expect<Accepted<spillover.Options, WrongPlugin>>().type.toBe<never>()
})

test('parts of options', () => {
  expect<Accepted<Parts<'recycle'>, { maxHeapMb: '1', maxJobs: '1', maxAgeMs: '1' }>>().type.toBe<never>()
  expect<Accepted<Parts<'context'>, { capture: 1, restore: 1 }>>().type.toBe<never>()
  expect<Accepted<ExplicitTier, { cpus: 1, actors: '1', threshold: '1' }>>().type.toBe<never>()
  expect<Accepted<Parts<'health'>, { url: 1, routeOpts: 1, routeSchemaOpts: 1 }>>().type.toBe<never>()
  expect<Accepted<Parts<'metrics'>, { url: 1, register: {}, routeOpts: 1 }>>().type.toBe<never>()
  expect<Accepted<Parts<'dashboard'>, { url: 1, onRequest: 1, routeOpts: 1, intervalMs: '1' }>>().type.toBe<never>()
  expect<Accepted<Parts<'durable'>, {
    prefix: 1,
    owner: true,
    syncWaitMs: '1',
    maxWaitMs: '1',
    maxStreams: '1',
    limit: { jobs: 1 },
    exposeErrors: 1,
    send: 1,
    routeOpts: 1
  }>>().type.toBe<never>()
})

test('options of the remote tier and of the one on BullMQ', () => {
  expect<Accepted<RemoteOptions, {
    tier: 'bullmq',
    minMeanMs: '1',
    afterMs: '1',
    serve: 'always',
    attempts: '3',
    durableTtlMs: '1',
    resultTtlMs: '1',
    strictEncoding: 'yes',
    jobs: { resize: { version: 2 } },
    queues: 'resize@2',
    log: {}
  }>>().type.toBe<never>()
  expect<Accepted<RemoteJobOptions, { version: 2, also: { 1: 1 }, spill: 'no', validate: 1 }>>().type.toBe<never>()
  type Texts = 'env' | 'region' | 'signingKey' | 'instance'
  expect<Accepted<BullmqOptions, { [Name in keyof Required<BullmqOptions>]: Name extends Texts | 'redis' ? 1 : 'much' }>>()
    .type.toBe<never>()
})

test('options of one call, of a route and of a handler', () => {
  expect<Accepted<OffloadOptions, {
    signal: EventTarget,
    timeoutMs: '5',
    queueTimeoutMs: '5',
    priority: 'highest',
    key: 1,
    transfer: [1],
    idempotent: 'yes',
    spill: 'no',
    durable: 'yes',
    idempotencyKey: 'order 12',
    traceparent: 1,
    requestId: 1,
    onProgress: 1,
    log: { info: 1 }
  }>>().type.toBe<never>()
  expect<Accepted<Extract<Fastify.FastifyContextConfig['offload'], object>, {
    job: 1, timeoutMs: '5', queueTimeoutMs: '5', priority: 'highest', idempotent: 'yes'
  }>>().type.toBe<never>()
  type HandlerOptions = NonNullable<Parameters<typeof app.offloadHandler>[1]>
  expect<Accepted<HandlerOptions, {
    input: 1, timeoutMs: '5', queueTimeoutMs: '5', priority: 'highest', idempotent: 'yes'
  }>>().type.toBe<never>()
  type DurableOptions = NonNullable<Parameters<typeof app.durableHandler>[1]>
  expect<Accepted<DurableOptions, { input: 1, deadlineMs: '5', timeoutMs: '5', priority: 'highest' }>>().type.toBe<never>()
})

test('offload is the same wherever it stands, and its options are checked', () => {
  const scheduler = createScheduler({ jobs: '/jobs.js' })
  expect(app.offload).type.toBe<spillover.Offload>()
  expect(request.offload).type.toBe<spillover.Offload>()
  expect(app.spillover.offload).type.toBe<spillover.Offload>()
  expect(scheduler.offload).type.not.toBeCallableWith('add', 1, { timeout: 5 })
  expect(scheduler.offload).type.not.toBeCallableWith(1, 1)
  expect(request.offload).type.not.toBeCallableWith('add', 1, { timeout: 5 })
  expect(request.offload).type.not.toBeCallableWith(1, 1)
})

test('what a job is given: each member is what it is, and read only', () => {
  expect<JobContext>().type.toBe<{
    readonly cancelled: boolean
    readonly signal: AbortSignal
    throwIfCancelled: () => void
    readonly deadline: number | undefined
    readonly log: Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', (...args: unknown[]) => void>
    progress: (value: unknown) => void
    transfer: <Value>(value: Value, parts: readonly (ArrayBuffer | MessagePort | ArrayBufferView)[]) => Value
    readonly requestId: string | undefined
    readonly tier: number
    readonly cpu: number | null
  }>()
})

test('the pool: what its functions take and give', () => {
  expect(app.spillover.healthCheck()).type.toBe<Promise<false | { spillover: 'ok' | 'degraded' }>>()
  expect(app.spillover.ready()).type.toBe<Promise<void>>()
  expect(app.spillover.jobs).type.toBe<readonly string[]>()
  expect(app.spillover.identity).type.toBe<{ readonly name: string }>()
  expect(app.spillover.broadcast('add', 1)).type.toBe<Promise<void>>()
  expect(app.spillover.broadcast).type.not.toBeCallableWith(1, 1)
  expect(app.spillover.record).type.not.toBeCallableWith({ seconds: '5' })
  expect(app.offloadHandler('add')).type.toBe<Fastify.RouteHandlerMethod>()
  expect(app.durableHandler('add')).type.toBe<Fastify.RouteHandlerMethod>()
  expect(app.offloadHandler).type.not.toBeCallableWith('add', { timeout: 5 })
  expect(app.durableHandler).type.not.toBeCallableWith('add', { deadline: 5 })
})
