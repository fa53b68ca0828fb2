// One list of jobs on each tier: what a job gets, returns and throws is the same on all of them.
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { createScheduler, memoryTier, MemoryBroker } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import { Codecs } from '#lib/remote/codecs'
import { msgpackCodec } from '#lib/remote/msgpack'
import { until } from '../fixtures/until'
import { needsRedis, startRedis } from './server'
import type { RemoteTier, Scheduler } from '#lib/index'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')
const shared = { of: 1 }
const holes = [1]
holes[2] = 3

/** Job and input. */
const cases: [job: string, input: unknown][] = [
  ...[
    undefined, null, true, 0, -0, NaN, Infinity, 1.5, 2 ** 53, 10n ** 30n, '', 'text', 'ж\ud800', 'x'.repeat(20_000),
    [], [1, [2, ['three']]], {}, { a: { b: [null, undefined] } }, { '': 1, constructor: 2 }, JSON.parse('{"__proto__":{"a":1}}'),
    new Date(5), new Date(NaN), /a+/gi, new Map<unknown, unknown>([[{ k: 1 }, new Set([1, 'a'])]]), new Set(), holes,
    Buffer.from('bytes'), new Uint8Array([1, 2]), new Float64Array([1.5, NaN]), new DataView(new ArrayBuffer(4)),
    new ArrayBuffer(8), new TypeError('as a value'), { one: shared, other: shared }, Object(1), Object('boxed')
  ].map((input): [string, unknown] => ['echo', input]),
  ['add', { a: 1, b: 2 }],
  ...['aggregate', 'class', 'symbol', 'undefined', 'null', 'textless'].map((kind): [string, unknown] => ['failWith', kind]),
  ['fail', { message: 'no', code: 'E_NO', statusCode: 418, more: { at: new Date(7), list: [1n] } }],
  ['fail', { message: 'no', isCertain: true }],
  ['unsendable', 1],
  ['moved', 5]
]
const codecs = new Codecs([msgpackCodec])
const travelling = cases.filter(([, input]) => codecs.encode(input) !== undefined)

/** What an error says and carries; its stack is that of its thread, and none within a value that travelled. */
function described (error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { stack, cause, ...own } = error as Error & { cause?: unknown, errors?: unknown[] }
  return {
    ...own,
    name: error.name,
    message: error.message,
    hasStack: stack!.includes(error.message),
    cause: described(cause),
    errors: own.errors?.map(described)
  }
}

/** One after the other. */
async function outcomes (scheduler: Scheduler, list: typeof cases): Promise<string[]> {
  const texts: string[] = []
  for (const [job, input] of list) {
    const outcome = await scheduler.offload(job, input)
      .then((value) => ({ ok: described(value) }), (error) => ({ error: described(error) }))
    texts.push(inspect(outcome, { depth: 9 }))
  }
  return texts
}

/** A server with one actor, and a worker; from then on its jobs go to the worker, since the actor has a job. */
async function spilling (t: Test, makeTier: () => RemoteTier): Promise<Scheduler> {
  const options = { jobs, tiers: [{ actors: 1 }], execArgv: [] }
  const worker = createScheduler({ ...options, remote: { tier: makeTier(), serve: true } })
  t.teardown(() => worker.close())
  await worker.ready()
  const tier = makeTier()
  const server = createScheduler({ ...options, maxQueued: 0, remote: { tier, minMeanMs: 0, afterMs: 0 } })
  t.teardown(() => server.close())
  await server.ready()
  // a name that never ran here is not known to be worth it
  for (const name of new Set(cases.map(([name]) => name))) await server.offload(name, 'class').catch(() => {})
  await until('the worker to be known', () =>
    tier.admit({ job: 'echo', version: '1', payloadBytes: 1, durable: false, deadlineMs: 60_000, meanMs: NaN }).ok)
  const words = new Int32Array(new SharedArrayBuffer(64))
  server.offload('latch', words, { timeoutMs: 0 }).catch(() => {})
  await until('the actor to be taken', () => words[1] === 1)
  t.teardown(() => {
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)
  })
  return server
}

const tiers = {
  'an in-memory tier': async () => {
    const broker = new MemoryBroker()
    return () => memoryTier(broker, { codecs: [msgpackCodec] })
  },
  BullMQ: async (t: Test) => {
    const redis = await startRedis(t)
    return () => bullmqTier({ redis: redis.url, env: 'same' })
  }
}

for (const [name, open] of Object.entries(tiers)) {
  t.test(`${travelling.length} jobs end on ${name} as they end here`, { skip: name === 'BullMQ' && skip }, async (t) => {
    const here = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [] })
    t.teardown(() => here.close())
    await here.ready()
    const server = await spilling(t, await open(t))
    const [ours, theirs] = await Promise.all([outcomes(here, travelling), outcomes(server, travelling)])
    for (const [at, [job, input]] of travelling.entries()) t.equal(theirs[at], ours[at], `${job} of ${inspect(input).slice(0, 60)}`)
    t.equal(server.snapshot().counters.spilled, travelling.length)
  })
}
