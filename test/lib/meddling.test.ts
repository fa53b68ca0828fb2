// Jobs that break what is around them in their thread: later jobs settle, the host stays whole, and close() ends.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'

t.setTimeout(240_000)
const jobs = join(__dirname, '..', 'fixtures', 'faults', 'meddling.cjs')
const { names } = require('../fixtures/faults/meddling.cjs') as { names (): string[] }
/** Breaks Node's own code in the thread: the process may end with it, which no pool of threads can hinder. */
const beyond = ['objectThen', 'portPrototype']
/** Breaks what jobs and structured clone use: later jobs of this thread fail, each with an error of its own. */
const hurtful = ['promiseThen', 'atomicsAll', 'objectThenQuiet', 'arrayMethods', 'arrayIterator', 'mapMethods',
  'clockThrows', 'bufferMethods', 'storage', 'allHandlesClosed', 'contextPrototype']

for (const name of names()) {
  if (beyond.includes(name)) continue
  const isHurtful = hurtful.includes(name)
  t.test(`${name}: later jobs ${isHurtful ? 'settle' : 'are fine'}`, async (t) => {
    const pool = createScheduler({
      jobs, tiers: [{ actors: 1 }], execArgv: [], graceMs: 20, maxRestarts: 1000, backoffMs: 0, timeoutMs: 2000
    })
    t.teardown(() => pool.close())
    await pool.ready()
    const before = [process.env.PATH, process.title, process.cwd(), process.exitCode, ({} as any).polluted]
    const meddled = await pool.offload('meddle', name).then((value: unknown) => value, (error: unknown) => error)
    if (!isHurtful) t.equal(meddled, 'done')
    const later = await Promise.allSettled([
      pool.offload('good', 1), pool.offload('object', 'x'), pool.offload('later', 2), pool.offload('good', 3)
    ])
    t.equal(later.length, 4, 'all settled')
    if (!isHurtful) {
      t.strictSame(later.map((one) => one.status === 'fulfilled' ? one.value : one.reason),
        [2, { value: 'x', list: [1, { a: 'b' }] }, 3, 4])
    }
    t.strictSame([process.env.PATH, process.title, process.cwd(), process.exitCode, ({} as any).polluted], before,
      'the host is as it was')
    const { counters, pending } = pool.snapshot()
    t.equal(pending, 0)
    t.equal(Object.values(counters.settled).reduce((sum, count) => sum + count, 0), 5)
  })
}
