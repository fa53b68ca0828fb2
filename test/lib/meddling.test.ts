// Jobs that break what is around them in their thread: no other job is hurt, the host stays whole, and close() ends.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { until } from '../fixtures/until'
import type { Test } from 'tap'
import type { Options, Scheduler } from '#lib/index'

t.setTimeout(240_000)
const jobs = join(__dirname, '..', 'fixtures', 'faults', 'meddling.cjs')
const { names } = require('../fixtures/faults/meddling.cjs') as { names (): string[] }
/** Breaks what its own reply needs, or tries what is refused. */
const selfish = ['atomicsAll', 'clockThrows', 'bufferMethods', 'contextPrototype']

async function start (t: Test, options: Partial<Options> = {}): Promise<Scheduler> {
  const pool = createScheduler({
    jobs,
    tiers: [{ actors: 1 }],
    execArgv: [],
    graceMs: 20,
    maxRestarts: 1000,
    backoffMs: 0,
    timeoutMs: 2000,
    ...options
  })
  t.teardown(() => pool.close())
  await pool.ready()
  return pool
}
const offload = (pool: Scheduler, job: string, input?: unknown): Promise<any> =>
  pool.offload(job as never, input as never)
const outcomes = async (promises: Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(promises)).map((one) => one.status === 'fulfilled' ? one.value : one.reason)

for (const name of names()) {
  t.test(`${name}: jobs in its mailbox and later ones are fine, and the host is as it was`, async (t) => {
    const pool = await start(t)
    for (let n = 0; n < 100; n++) await offload(pool, 'good', n) // short: the mailbox holds many
    const host = () => [process.env.PATH, process.title, process.cwd(), process.exitCode, ({} as any).polluted]
    const before = host()
    const [meddled, ...beside] = await outcomes([offload(pool, 'meddle', name),
      ...[1, 2, 3].flatMap((n) => [offload(pool, 'good', n), offload(pool, 'object', 'x'), offload(pool, 'later', n)])])
    if (!selfish.includes(name)) t.equal(meddled, 'done')
    const later = await outcomes([offload(pool, 'good', 1), offload(pool, 'object', 'x'), offload(pool, 'later', 1)])
    const object = { value: 'x', list: [1, { a: 'b' }] }
    t.strictSame(beside, [2, object, 2, 3, object, 3, 4, object, 4])
    t.strictSame(later, [2, object, 2])
    t.strictSame(host(), before)
    const { counters, pending } = pool.snapshot()
    t.equal(pending, 0)
    t.equal(Object.values(counters.settled).reduce((sum, count) => sum + count, 0), 113)
  })
}

t.test('a job that breaks Promise.prototype.then: a warning names both, a new thread takes over, then it may', async (t) => {
  const lines: string[] = []
  const write = (text: unknown): void => { lines.push(String(text)) }
  const log = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write }
  const pool = await start(t, { log })
  const thread = await offload(pool, 'thread')
  await offload(pool, 'meddle', 'promiseThen')
  const next = await offload(pool, 'thread')
  t.not(next, thread)
  t.match(lines, [/^after job meddle Promise\.prototype\.then was not what it was: .* slot 0 gets a new thread/])
  t.match(pool.snapshot().counters, { meddled: 1, strays: 0 })
  await offload(pool, 'meddle', 'promiseThenQuiet')
  t.equal(await offload(pool, 'thread'), next)
  t.equal(lines.length, 1)
})

t.test('20 jobs that patch a timer when they first run in a thread: 2 threads, and the patch stays in the second', async (t) => {
  const pool = await start(t)
  const threads = new Set<unknown>()
  for (let n = 0; n < 20; n++) threads.add((await offload(pool, 'patchLazily'))[0])
  t.equal(threads.size, 2)
  t.equal((await offload(pool, 'patchLazily'))[1], 'patched')
})

t.test('what changes while the module loads or in a warm-up is meant', async (t) => {
  const pool = await start(t, { warmup: { patchLazily: 0 } })
  const [thread, is] = await offload(pool, 'patchLazily')
  t.equal(is, 'patched')
  t.equal((await offload(pool, 'patchLazily'))[0], thread)
})

t.test('names that are added to Object.prototype are taken away each time, and cost a thread once', async (t) => {
  const pool = await start(t)
  for (const name of ['objectKey', 'objectThenQuiet', 'objectKey', 'objectSetter']) {
    await offload(pool, 'meddle', name)
    t.strictSame(await offload(pool, 'plain'), [], name)
  }
  t.equal(pool.snapshot().counters.meddled, 1)
})

t.test('a changed environment is noticed within a few looks, and later jobs have the old one', async (t) => {
  const pool = await start(t)
  const path = await offload(pool, 'path')
  await offload(pool, 'meddle', 'env')
  await until('the environment to be as it was', async () => await offload(pool, 'path') === path)
  t.equal(pool.snapshot().counters.meddled, 1)
})
