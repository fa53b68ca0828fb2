// Nothing is kept of a job that has settled: what was given, returned, thrown and listened to can be collected.
import { getEventListeners } from 'node:events'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createScheduler } from '#lib/index'

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')
const JOBS = 1000
/** What V8 may still have on its stack or in its caches. */
const FEW = 20

t.test(`${JOBS} jobs of each kind have settled: their inputs, signals, results and errors are collected`, async (t) => {
  const pool = createScheduler({
    jobs: join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [], maxQueued: 10
  })
  t.teardown(() => pool.close())
  await pool.ready()
  let listeners = 0
  const kept: Record<string, WeakRef<object>[]> = {}
  const note = (kind: string, ...all: unknown[]): void => {
    for (const one of all) if (Object(one) === one) (kept[kind] ??= []).push(new WeakRef(one as object))
  }
  const settle = async (kind: string, job: string, options: object,
    abort?: (controller: AbortController) => void): Promise<void> => {
    const controller = new AbortController()
    const input = { text: 'x'.repeat(100) }
    note(kind, input, controller.signal)
    const outcome = pool.offload(job, input, { signal: controller.signal, ...options })
    abort?.(controller)
    await outcome.then((value) => note(kind, value), (error) => note(kind, error))
    listeners += getEventListeners(controller.signal, 'abort').length
  }
  for (let n = 0; n < JOBS; n++) {
    await settle('returned', 'echo', {})
    await settle('with a key', 'echo', { key: `key ${n % 7}` })
    await settle('thrown', 'throw', {})
    await settle('aborted', 'echo', {}, (controller) => controller.abort())
    await settle('waits for a limited time', 'echo', { queueTimeoutMs: 50_000 + n })
  }
  const words = new Int32Array(new SharedArrayBuffer(8))
  const blocker = pool.offload('hold', words)
  await Promise.all(Array.from({ length: JOBS }, () => settle('refused or aborted in the queue', 'echo', {},
    (controller) => setImmediate(() => controller.abort()))))
  Atomics.store(words, 1, 1)
  Atomics.notify(words, 1)
  await blocker
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    gc()
  }
  t.equal(listeners, 0, 'no listener is left on a signal')
  for (const [kind, refs] of Object.entries(kept)) {
    const left = refs.filter((ref) => ref.deref() !== undefined).length
    t.ok(refs.length >= 2 * JOBS && left <= FEW, `${kind}: ${left} of ${refs.length} are left`)
  }
})
