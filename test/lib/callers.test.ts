// What a caller's own code does while its job is given, runs and ends: no promise is lost, and nobody else is hurt.
import t from 'tap'
import { startPool } from '../fixtures/pool'
import { until } from '../fixtures/until'

for (const runtime of ['threads', 'inline'] as const) {
  for (const more of [{}, { map: new Map([[1, 'one']]) }]) {
    t.test(`${runtime}: a getter of an input ${'map' in more ? 'with a map ' : ''}that offloads: both jobs give back what they were given`, async (t) => {
      const scheduler = await startPool(t, { runtime })
      let inner: Promise<unknown> | undefined
      const outer = scheduler.offload('echo', { ...more, get a () { inner ??= scheduler.offload('echo', 'inner'); return 5 } })
      t.strictSame(await outer, { ...more, a: 5 })
      t.equal(await inner, 'inner')
      t.equal(scheduler.snapshot().pending, 0)
    })
  }

  t.test(`${runtime}: an onProgress that throws or rejects, or a logger: the job rejects with that and is told to end`, async (t) => {
    const scheduler = await startPool(t, { runtime, graceMs: 10_000 })
    const mine = new RangeError('mine')
    for (const onProgress of [() => { throw mine }, async () => { throw mine }]) {
      t.equal(await scheduler.offload('steps', { steps: 3, untilCancelled: true }, { onProgress }).catch((error) => error), mine)
    }
    const log = { info () { throw mine } }
    t.equal(await scheduler.offload('logAndWait', 0, { log }).catch((error) => error), mine)
    t.equal(await scheduler.offload('echo', 'another'), 'another')
    await until('the jobs to end', () => scheduler.snapshot().tiers[0]!.depth === 0)
    t.match(scheduler.snapshot(), { pending: 0, counters: { kills: 0, restarts: 0, settled: { error: 3 } } })
  })

  t.test(`${runtime}: a pool's logger that throws for a job that has settled is a warning`, async (t) => {
    const scheduler = await startPool(t, { runtime, log: { info () { throw new Error('full') } } })
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => { warnings.push(warning) }
    process.on('warning', onWarning)
    t.teardown(() => process.off('warning', onWarning))
    await scheduler.offload('logAfter', 0)
    await until('the warning', () => warnings.length > 0)
    t.match(warnings, [{ name: 'SpilloverWarning', message: 'a logger threw Error: full' }])
  })

  t.test(`${runtime}: a job that was cancelled in its 2nd of 5 steps tells no 3rd`, async (t) => {
    const scheduler = await startPool(t, { runtime })
    const caller = new AbortController()
    const seen: number[] = []
    const onProgress = ({ step }: { step: number }): void => {
      seen.push(step)
      if (step === 2) caller.abort()
    }
    await t.rejects(scheduler.offload('steps', { steps: 5, untilCancelled: true }, { onProgress: onProgress as never, signal: caller.signal }),
      { code: 'FST_ERR_SPILLOVER_CANCELLED' })
    await until('its end', () => scheduler.snapshot().tiers[0]!.depth === 0)
    t.strictSame(seen, [1, 2])
  })

  t.test(`${runtime}: options that are used again with another key or signal belong to their call`, async (t) => {
    const scheduler = await startPool(t, { runtime })
    const options: { key?: string, signal?: AbortSignal } = {}
    const keyed = ['a', 'b', 'c'].map((key) => scheduler.offload('wait', 2, Object.assign(options, { key })))
    t.strictSame(await Promise.all(keyed), [2, 2, 2])
    const callers = [new AbortController(), new AbortController()]
    const [first, second] = callers.map(({ signal }) => scheduler.offload('wait', 50, Object.assign(options, { key: undefined, signal })))
    callers[0]!.abort()
    await t.rejects(first!, { code: 'FST_ERR_SPILLOVER_CANCELLED' })
    t.equal(await second, 50)
    t.equal(scheduler.snapshot().pending, 0)
  })
}
