// Job modules: TypeScript with and without a loader, what is said where there is none, and the calls that warm jobs up.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { loadJobs, warmUp } from '#lib/modules'
import type { JobContext } from '#lib/index'
import type { Test } from 'tap'

const fixtures = join(__dirname, '..', 'fixtures')
const typescript = join(fixtures, 'ts', 'jobs.ts')
const loader = pathToFileURL(join(fixtures, 'ts', 'loader.mjs')).href
const strips = Boolean((process.features as { typescript?: unknown }).typescript)

async function start (t: Test, options: object): Promise<ReturnType<typeof createScheduler>> {
  const pool = createScheduler({ jobs: typescript, tiers: [{ actors: 1 }], execArgv: [], ...options })
  t.teardown(() => pool.close())
  await pool.ready()
  return pool
}

t.test('a job file in TypeScript runs where a loader is given to the threads', async (t) => {
  const pool = await start(t, { execArgv: ['--import', loader] })
  t.equal(await pool.offload('add', { a: 1, b: 2 }), '3 in tier 1')
})

t.test('without a loader it runs where Node strips types; elsewhere ready() says what to do', async (t) => {
  if (strips) {
    const pool = await start(t, {})
    t.equal(await pool.offload('add', { a: 1, b: 2 }), '3 in tier 1')
    return
  }
  await t.rejects(start(t, {}), {
    code: 'FST_ERR_SPILLOVER_JOB_MODULE',
    message: new RegExp(`ts/jobs\\.ts: this Node \\(${process.versions.node}\\) does not load TypeScript\\. ` +
      'Node 22\\.18 and later do; else give the threads a loader by the option execArgv')
  })
})

t.test('a file that fails for another reason is named with that reason alone', async (t) => {
  const folder = t.testdir({ 'broken.cjs': 'exports.a = ', 'absent.cjs': "require('./nothing')" })
  const href = (name: string): string => pathToFileURL(join(folder, name)).href
  const load = (name: string): Promise<unknown> => loadJobs({ modules: [{ prefix: '', href: href(name) }], names: null })
  await t.rejects(load('broken.cjs'), { message: /broken\.cjs: SyntaxError: / })
  await t.rejects(load('absent.cjs'), { message: /absent\.cjs: Error: Cannot find module '\.\/nothing'/ })
  for (const name of ['broken.cjs', 'absent.cjs']) {
    await load(name).catch((error: Error) => t.notMatch(error.message, 'TypeScript'))
  }
})

t.test('a module without a job stops the start and is named: no function, or only a default export', async (t) => {
  const folder = t.testdir({
    'empty.cjs': 'module.exports = { limit: 5 }',
    'default.mjs': 'export default (input) => input',
    'whole.cjs': 'module.exports = (input) => input',
    'some.cjs': 'exports.add = (input) => input'
  })
  for (const [file, why] of [
    ['empty.cjs', /empty\.cjs: it exports no function: each job is an export with a name/],
    ['default.mjs', /default\.mjs: its only function is the default export, which is no job/],
    ['whole.cjs', /whole\.cjs: its only function is the default export, which is no job/]
  ] as const) {
    await t.rejects(start(t, { jobs: join(folder, file) }), { code: 'FST_ERR_SPILLOVER_JOB_MODULE', message: why })
  }
  const jobs = { some: join(folder, 'some.cjs'), none: join(folder, 'empty.cjs') }
  await t.rejects(start(t, { jobs, runtime: 'inline' }), { message: /empty\.cjs: it exports no function/ })
})

t.test('a Node option that threads do not take fails ready() and is named; nothing is rejected unheard when it closes', async (t) => {
  const scheduler = createScheduler({ jobs: join(__dirname, '../fixtures/jobs.cjs'), execArgv: ['--max-old-space-size=200'] })
  await t.rejects(scheduler.ready(), {
    code: 'FST_ERR_SPILLOVER_JOB_MODULE', message: /invalid execArgv flags: --max-old-space-size=200/
  })
  await scheduler.close()
  await new Promise((resolve) => setImmediate(resolve))
})

t.test('a job module that makes a pool of itself while it is loaded, as the file of a server does, fails ready() and is named', async (t) => {
  const lib = require.resolve('#lib/index')
  const folder = t.testdir({
    'server.cjs': `require(${JSON.stringify(lib)}).createScheduler({ jobs: __filename })\nexports.job = () => 1\n`,
    'later.cjs': `exports.job = async () => {
      const pool = require(${JSON.stringify(lib)}).createScheduler({ jobs: ${JSON.stringify(join(fixtures, 'jobs.cjs'))}, tiers: [{ actors: 1 }], execArgv: [] })
      await pool.ready()
      return await pool.offload('echo', 'of a pool of its own').finally(() => pool.close())
    }`
  })
  const scheduler = createScheduler({ jobs: join(folder, 'server.cjs'), tiers: [{ actors: 1 }], execArgv: [] })
  await t.rejects(scheduler.ready(), {
    code: 'FST_ERR_SPILLOVER_JOB_MODULE',
    message: /server\.cjs: .*option jobs: expected a module of jobs alone, got one that makes a pool while it is loaded: is it the file of the server\?/
  })
  await scheduler.close()
  const pool = await start(t, { jobs: join(folder, 'later.cjs') })
  t.equal(await pool.offload('job', 0), 'of a pool of its own', 'a job may')
})

t.test('warmupCalls: 3 calls each job of warmup 3 times, one after the other; an unknown name is left to who knows all', async (t) => {
  const calls: unknown[] = []
  const table = new Map([
    ['one', async (input: unknown) => { calls.push(['one', input]) }],
    ['two', (input: unknown) => { calls.push(['two', input]) }]
  ])
  const context = {} as JobContext
  await warmUp(table, { warmup: { two: 2, one: 1 }, warmupCalls: 3 }, context)
  t.same(calls, [...Array(3).fill(['two', 2]), ...Array(3).fill(['one', 1])])
  await warmUp(table, { warmup: { three: 3 }, warmupCalls: 1 }, context)
  t.equal(calls.length, 6)
  table.set('four', () => { throw new TypeError('no four') })
  await t.rejects(warmUp(table, { warmup: { four: 4 }, warmupCalls: 1 }, context), { message: 'warm-up of job four: TypeError: no four' })
})

t.test('an actor has made its 7 warm-up calls when the first job runs', async (t) => {
  const jobs = join(fixtures, 'jobs.cjs')
  const words = new Int32Array(new SharedArrayBuffer(4))
  await start(t, { jobs, warmup: { count: words }, warmupCalls: 7 })
  t.equal(words[0], 7)
})
