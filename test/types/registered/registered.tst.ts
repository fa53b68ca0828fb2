// With `SpilloverJobs` augmented by two modules, in this folder's program alone, names, inputs and results are checked.
import Fastify = require('fastify')
import { expect, test } from 'tstyche'
import spillover = require('fastify-spillover')
import { createScheduler } from 'fastify-spillover/scheduler'
import type { JobContext, JobInput, JobName, JobResult, JobsOf } from 'fastify-spillover/scheduler'

declare module 'fastify-spillover/scheduler' {
  interface SpilloverJobs extends JobsOf<typeof import('./jobs.js')>, JobsOf<typeof import('./images.js'), 'images'> {}
}

const app = Fastify()
declare const request: Fastify.FastifyRequest

test('the functions of the module are the names', () => {
  expect<JobName>().type.toBe<'add' | 'shout' | 'now' | 'measure' | 'greet' | 'who' | 'same' | 'bytes' | 'images.resize' | 'images.formats'>()
  expect<JobInput<'add'>>().type.toBe<{ a: number, b: number }>()
  expect<JobInput<'shout'>>().type.toBe<string>()
  expect<JobInput<'now'>>().type.toBe<undefined>()
  expect<JobResult<'add'>>().type.toBe<number>()
  expect<JobResult<'shout'>>().type.toBe<{ text: string, tier: number }>()
  expect<JobResult<'now'>>().type.toBe<Date>()
  expect<spillover.JobsOf<{ twice: (n: number) => bigint, size: 3 }>>().type
    .toBe<{ twice: { input: number, result: bigint } }>()
})

test('a default export and a function of two inputs are no names, a prefix is part of the name', () => {
  expect(request.offload).type.not.toBeCallableWith('default', 'a')
  expect(request.offload).type.not.toBeCallableWith('onClose')
  expect(request.offload).type.not.toBeCallableWith('Tree', 1)
  expect(request.offload).type.not.toBeCallableWith('pair', 1, {})
  expect(request.offload).type.not.toBeCallableWith('resize', { bytes: new ArrayBuffer(8), width: 4 })
  expect(request.offload).type.not.toBeCallableWith('images.resize', { bytes: new ArrayBuffer(8) })
  const bytes = new ArrayBuffer(8)
  expect(request.offload('images.resize', { bytes, width: 4 }, { transfer: [bytes] })).type.toBe<Promise<Uint8Array>>()
  expect(request.offload('images.formats')).type.toBe<Promise<string[]>>()
  expect(request.offload).type.not.toBeCallableWith('images.resize', { bytes, width: 4 }, { transfer: [1] })
})

test('a job that moves its result has the result that it gives', () => {
  expect(request.offload('bytes', 8)).type.toBe<Promise<Uint8Array>>()
  expect<JobContext['transfer']>().type.toBeCallableWith('x', [new ArrayBuffer(8), new Uint8Array(8)])
  expect<JobContext['transfer']>().type.not.toBeCallableWith('x', new ArrayBuffer(8))
  expect<JobContext['transfer']>().type.not.toBeCallableWith('x', ['y'])
})

test('unions, optional inputs, jobs of the context alone and generic ones', () => {
  expect(request.offload('measure', 'text')).type.toBe<Promise<number>>()
  expect(request.offload).type.toBeCallableWith('measure', [1])
  expect(request.offload).type.not.toBeCallableWith('measure', ['a'])
  expect(request.offload).type.not.toBeCallableWith('measure')
  expect(request.offload).type.toBeCallableWith('greet')
  expect(request.offload).type.toBeCallableWith('greet', 'you', { key: 'a' })
  expect(request.offload).type.not.toBeCallableWith('greet', 1)
  expect(request.offload('who')).type.toBe<Promise<string | undefined>>()
  expect(request.offload('now')).type.toBe<Promise<Date>>()
  expect(request.offload).type.not.toBeCallableWith('now', 1)
  expect(request.offload('same', 1)).type.toBe<Promise<unknown>>()
})

test('a name that is one of several takes what each of them takes; a wrapper of offload keeps the types', () => {
  expect<JobInput<'shout' | 'measure'>>().type.toBeAssignableFrom('a')
  expect<JobInput<'shout' | 'measure'>>().type.not.toBeAssignableFrom([1])
  expect<JobInput<'shout' | 'add'>>().type.not.toBeAssignableFrom('a')
  const wrap = <Name extends JobName>(name: Name, input: JobInput<Name>): Promise<JobResult<Name>> =>
    app.offload(name, input)
  expect(wrap('add', { a: 1, b: 2 })).type.toBe<Promise<number>>()
  expect(wrap).type.not.toBeCallableWith('add', 'a')
})

test('the warm-up takes names and inputs of jobs, broadcast an input', () => {
  expect(createScheduler).type.toBeCallableWith({ jobs: '/jobs.js', warmup: { add: { a: 1, b: 2 }, greet: undefined } })
  expect(createScheduler).type.not.toBeCallableWith({ jobs: '/jobs.js', warmup: { subtract: 1 } })
  expect(createScheduler).type.not.toBeCallableWith({ jobs: '/jobs.js', warmup: { add: 'a' } })
  expect(app.spillover.broadcast).type.toBeCallableWith('greet', 'a')
  expect(app.spillover.broadcast).type.not.toBeCallableWith('greet', 1)
  expect(app.spillover.broadcast).type.not.toBeCallableWith('subtract', 1)
})

test('request.offload infers the result and rejects what is wrong', () => {
  expect(request.offload('add', { a: 1, b: 2 })).type.toBe<Promise<number>>()
  expect(request.offload('shout', 'a', { timeoutMs: 5 })).type.toBe<Promise<{ text: string, tier: number }>>()
  expect(request.offload).type.toBeCallableWith('now', undefined)
  expect(request.offload).type.not.toBeCallableWith('subtract', { a: 1, b: 2 })
  expect(request.offload).type.not.toBeCallableWith('limits', undefined)
  expect(request.offload).type.not.toBeCallableWith('add', { a: 1 })
  expect(request.offload).type.not.toBeCallableWith('add', { a: 1, b: '2' })
  expect(request.offload).type.not.toBeCallableWith('add', 'a')
  expect(request.offload).type.not.toBeCallableWith('add')
})

test('so do the offload of the application, of a pool and of a scheduler', () => {
  const scheduler = createScheduler({ jobs: '/jobs.js' })
  expect(app.offload('add', { a: 1, b: 2 })).type.toBe<Promise<number>>()
  expect(app.spillover.offload('add', { a: 1, b: 2 })).type.toBe<Promise<number>>()
  expect(app.spillover.images!.offload('add', { a: 1, b: 2 })).type.toBe<Promise<number>>()
  expect(scheduler.offload('add', { a: 1, b: 2 })).type.toBe<Promise<number>>()
  expect(app.offload).type.not.toBeCallableWith('subtract', 1)
  expect(app.spillover.offload).type.not.toBeCallableWith('subtract', 1)
  expect(scheduler.offload).type.not.toBeCallableWith('subtract', 1)
})

test('offloadHandler takes an input of the job', () => {
  expect(app.offloadHandler).type.toBeCallableWith('shout')
  expect(app.offloadHandler).type.toBeCallableWith('shout', { input: () => 'a' })
  expect(app.offloadHandler).type.toBeCallableWith('shout', { input: async () => 'a', timeoutMs: 5 })
  expect(app.offloadHandler).type.not.toBeCallableWith('shout', { input: () => 1 })
  expect(app.offloadHandler).type.toBeCallableWith('shout', {
    input: (request: Fastify.FastifyRequest<{ Params: { text: string } }>) => request.params.text
  })
  expect(app.offloadHandler).type.not.toBeCallableWith('shout', {
    input: (request: Fastify.FastifyRequest<{ Params: { text: number } }>) => request.params.text
  })
  expect(app.offloadHandler).type.not.toBeCallableWith('whisper')
  expect(app.durableHandler).type.toBeCallableWith('shout', {
    input: (request: Fastify.FastifyRequest<{ Params: { text: string } }>) => request.params.text, deadlineMs: 5
  })
  expect(app.durableHandler).type.not.toBeCallableWith('shout', { input: () => 1 })
  expect(app.durableHandler).type.not.toBeCallableWith('whisper')
})

test('config.offload takes a registered name', () => {
  expect<Fastify.FastifyContextConfig>().type.toBeAssignableFrom({ offload: { job: 'add' as const } })
  expect<Fastify.FastifyContextConfig>().type.not.toBeAssignableFrom({ offload: { job: 'subtract' as const } })
})
