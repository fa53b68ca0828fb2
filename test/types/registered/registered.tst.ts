// With `SpilloverJobs` augmented, in this folder's program alone, names, inputs and results are checked.
import Fastify = require('fastify')
import { expect, test } from 'tstyche'
import spillover = require('fastify-spillover')
import { createScheduler } from 'fastify-spillover/scheduler'
import type { JobInput, JobName, JobResult, JobsOf } from 'fastify-spillover/scheduler'

declare module 'fastify-spillover/scheduler' {
  interface SpilloverJobs extends JobsOf<typeof import('./jobs.js')> {}
}

const app = Fastify()
declare const request: Fastify.FastifyRequest

test('the functions of the module are the names', () => {
  expect<JobName>().type.toBe<'add' | 'shout' | 'now'>()
  expect<JobInput<'add'>>().type.toBe<{ a: number, b: number }>()
  expect<JobInput<'shout'>>().type.toBe<string>()
  expect<JobInput<'now'>>().type.toBe<undefined>()
  expect<JobResult<'add'>>().type.toBe<number>()
  expect<JobResult<'shout'>>().type.toBe<{ text: string, tier: number }>()
  expect<JobResult<'now'>>().type.toBe<Date>()
  expect<spillover.JobsOf<{ twice: (n: number) => bigint, size: 3 }>>().type
    .toBe<{ twice: { input: number, result: bigint } }>()
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
  expect(app.offloadHandler).type.not.toBeCallableWith('whisper')
})

test('config.offload takes a registered name', () => {
  expect<Fastify.FastifyContextConfig>().type.toBeAssignableFrom({ offload: { job: 'add' as const } })
  expect<Fastify.FastifyContextConfig>().type.not.toBeAssignableFrom({ offload: { job: 'subtract' as const } })
})
