// Log records of jobs: levels, what travels, and that each record is written before its job settles.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { logLevelOf, logLevels, makeLog, SILENT, writeLog } from '#lib/log'
import { startPool } from '../fixtures/pool'
import { until } from '../fixtures/until'
import type { LogRecord } from '#lib/log'

const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')

/** A logger that keeps what it is given, in order. */
function keeper (levelVal?: number): { seen: unknown[][], log: object } {
  const seen: unknown[][] = []
  const methods = logLevels.map((level) => [level, (...args: unknown[]) => { seen.push([level, ...args]) }])
  return { seen, log: { ...Object.fromEntries(methods), ...(levelVal !== undefined && { levelVal }) } }
}

t.test('a logger\'s level as an index: pino\'s 10 is 0, 35 is 3, silent is 6; of another logger all is wanted', async (t) => {
  const noop = () => {}
  const levels = [10, 5, 30, 35, 60, 61, Infinity]
  t.strictSame(levels.map((levelVal) => logLevelOf({ levelVal } as object)), [0, 0, 2, 3, 5, 6, 6])
  t.equal(logLevelOf(undefined), SILENT)
  t.equal(logLevelOf({ info: () => {} }), 0)
  t.equal(logLevelOf({ info: noop, fatal: noop }), SILENT, 'Fastify\'s logger where there is none')
})

t.test('records below the level are not sent; the others are, with all their arguments', async (t) => {
  const sent: LogRecord[] = []
  const log = makeLog(7, 3, (record) => { sent.push(record) })
  for (const level of logLevels) log[level]({ level }, 'to %s and %s', 'a', 'b')
  t.strictSame(sent.map(({ id, level, args }) => [id, level, args.length]), [[7, 3, 4], [7, 4, 4], [7, 5, 4]])
})

t.test('an error comes out as an error with its name and code, and a function as a description', async (t) => {
  const { seen, log } = keeper()
  const port = (record: LogRecord): void => writeLog(log, structuredClone(record))
  const jobLog = makeLog(1, 0, port)
  jobLog.error(Object.assign(new RangeError('odd'), { code: 'E_ODD' }), 'text')
  jobLog.warn({ err: new TypeError('inner'), id: 7, call: () => 1 }, 'more')
  jobLog.info(() => 1)
  const [error, warn, info] = seen as [string, any, string][]
  t.match(error, ['error', { err: { name: 'RangeError', message: 'odd', code: 'E_ODD' } }, 'text'])
  t.type(error![1].err, RangeError)
  t.match(warn, ['warn', { id: 7, call: '() => 1', err: { name: 'TypeError', message: 'inner' } }, 'more'])
  t.match(info, ['info', '() => 1'])
})

t.test('2000 jobs at once with 3 records each: each caller has its 3, in order, when its promise settles', async (t) => {
  const scheduler = await startPool(t)
  const complete = await Promise.all(Array.from({ length: 2000 }, async () => {
    const { seen, log } = keeper()
    await scheduler.offload('logEach', { levels: ['info', 'warn', 'info'] }, { log })
    return JSON.stringify(seen.map(([level, first]) => [level, (first as { index: number }).index]))
  }))
  t.strictSame([...new Set(complete)], ['[["info",0],["warn",1],["info",2]]'])
})

for (const then of ['throw', 'exit']) {
  t.test(`100 records are written in order before a job that then ends by ${then} rejects`, async (t) => {
    const scheduler = await startPool(t)
    const { seen, log } = keeper()
    await t.rejects(scheduler.offload('logEach', { levels: Array(100).fill('info'), then }, { log }))
    t.strictSame(seen.map(([, first]) => (first as { index: number }).index), Array.from({ length: 100 }, (_, i) => i))
  })
}

t.test('20 records of jobs that exit while the main thread is busy reach the loggers of their calls', async (t) => {
  const scheduler = await startPool(t, { backoffMs: 0, maxRestarts: 20, quarantineDeaths: 0 })
  const { seen, log } = keeper()
  for (let job = 0; job < 20; job++) {
    const ends = t.rejects(scheduler.offload('logEach', { levels: ['info'], then: 'exit' }, { log }))
    await new Promise(setImmediate)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100) // so that record and exit lie there together
    await ends
  }
  t.equal(seen.length, 20)
})

t.test('the call\'s level counts, else the pool\'s; without a logger nothing is sent', async (t) => {
  const pool = keeper(40)
  const scheduler = await startPool(t, { log: pool.log })
  const all = { levels: [...logLevels] }
  const own = keeper(20)
  await scheduler.offload('logEach', all, { log: own.log })
  t.strictSame(own.seen.map(([level]) => level), ['debug', 'info', 'warn', 'error', 'fatal'])
  t.strictSame(pool.seen, [])
  await scheduler.offload('logEach', all)
  t.strictSame(pool.seen.map(([level]) => level), ['warn', 'error', 'fatal'])
})

t.test('a record of a job that has settled goes to the pool\'s logger', async (t) => {
  const pool = keeper()
  const scheduler = await startPool(t, { log: pool.log })
  const own = keeper()
  await scheduler.offload('logAfter', 0, { log: own.log })
  await until('the late record', () => pool.seen.length > 0)
  t.strictSame([pool.seen, own.seen], [[['info', 'late']], []])
})

t.test('console.log of a job appears: one line, and 5 lines before process.exit', async (t) => {
  const file = join(t.testdir({
    'main.cjs': `const { createScheduler } = require(${JSON.stringify(join(__dirname, '../../dist/lib/index.js'))})
const main = async () => {
  const scheduler = createScheduler({ jobs: ${JSON.stringify(jobs)}, tiers: [{ actors: 1 }] })
  await scheduler.ready()
  await scheduler.offload('print', 'one line')
  await scheduler.offload('printAndExit', 5).catch((error) => console.log(error.code))
  await scheduler.close()
}
main()`
  }), 'main.cjs')
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 30_000 })
  t.strictSame(stdout.trim().split('\n').sort(),
    ['FST_ERR_SPILLOVER_ACTOR_EXIT', 'line 0', 'line 1', 'line 2', 'line 3', 'line 4', 'one line'])
})
