// Job modules that cannot be loaded: what ready() says is wrong, and where.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { loadJobs } from '#lib/modules'
import { isUnplaced } from '#lib/unloadable'
import type { Options } from '#lib/index'
import type { Test } from 'tap'

t.setTimeout(240_000)

/** What ready() rejects with. */
async function refusal (t: Test, options: Options): Promise<{ code?: string, message: string }> {
  const pool = createScheduler({ tiers: [{ actors: 1 }], execArgv: [], bootTimeoutMs: 60_000, ...options })
  try {
    await pool.ready()
    t.fail('it became ready')
    return { message: '' }
  } catch (error) {
    return error as Error
  } finally {
    await pool.close()
  }
}

t.test('a syntax error is told with its file and line, also in a file that a job module imports, on a thread and inline', async (t) => {
  const folder = t.testdir({
    'own.mjs': 'export function a () { return 1 }\nexport function b () {\n  const x = ;\n}\n',
    'other.mjs': 'import "./own.mjs"\nexport const a = () => 1\n',
    'name.mjs': 'export const a = () => 1\nimport { nothing } from "./good.mjs"\n',
    'good.mjs': 'process.stdout.write("it runs\\n")\nexport const good = 1\n',
    'own.cjs': 'exports.a = () => 1\nconst x = ;\n'
  })
  for (const [file, where] of [['own.mjs', 'own.mjs:3'], ['other.mjs', 'own.mjs:3'], ['name.mjs', 'name.mjs:2'], ['own.cjs', 'own.cjs:2']]) {
    const { code, message } = await refusal(t, { jobs: join(folder, file!) })
    t.equal(code, 'FST_ERR_SPILLOVER_JOB_MODULE')
    t.ok(message.includes(`${file}: SyntaxError: `), message)
    t.ok(message.endsWith(`/${where})`), message)
  }
  const { message } = await refusal(t, { jobs: { one: join(folder, 'good.mjs'), two: join(folder, 'other.mjs') }, runtime: 'inline' })
  t.match(message, /good\.mjs: it exports no function/, 'a module that can be read is not said to have one')
  t.match((await refusal(t, { jobs: join(folder, 'other.mjs'), runtime: 'inline' })).message, /own\.mjs:3\)$/)
})

t.test('a place is asked for where a syntax error is told without one, also before what is said of TypeScript', async (t) => {
  const said = 'job module file:///a.ts: SyntaxError: no enum'
  t.strictSame([said, `${said} (file:///a.ts:1)`, `${said} (file:///a.ts:1). Node only strips types`, 'job module file:///a.ts: Error: no'].map(isUnplaced),
    [true, false, false, false])
})

t.test('a syntax error of what a module reads is none of the module: no place is told', async (t) => {
  const folder = t.testdir({ 'parse.mjs': 'export const a = () => 1\nJSON.parse("{")\n' })
  const { message } = await refusal(t, { jobs: join(folder, 'parse.mjs') })
  t.match(message, /parse\.mjs: SyntaxError: [^()]*(?:\(line 1 column 2\))?$/)
})

t.test('process.exit of a module that is loading, then, later or in its warm-up, is told with its status and place', async (t) => {
  const folder = t.testdir({
    'at-once.mjs': 'export const a = () => 1\nprocess.exit(3)\n',
    'within.cjs': 'exports.a = () => 1\nfunction main () {\n  process.exit(4)\n}\nmain()\n',
    'later.mjs': 'export const a = () => 1\nPromise.reject(new Error("no")).catch(() => process.exit(5))\nawait new Promise(() => {})\n',
    'warm.cjs': 'exports.a = () => process.exit()\n',
    'caught.cjs': 'try { process.exit(1) } catch {}\nexports.a = () => "goes on"\n'
  })
  for (const [file, status, line] of [['at-once.mjs', 3, 2], ['within.cjs', 4, 3], ['later.mjs', 5, 2], ['warm.cjs', '', 1]]) {
    const { code, message } = await refusal(t, { jobs: join(folder, file as string), ...file === 'warm.cjs' && { warmup: { a: 1 } } })
    t.equal(code, 'FST_ERR_SPILLOVER_JOB_MODULE')
    t.ok(message.includes(`process.exit(${status}) was called while the job modules were loading or warming up, at `), message)
    t.match(message, new RegExp(`${file}:${line}:\\d+$`))
  }
  const pool = createScheduler({ jobs: join(folder, 'caught.cjs'), tiers: [{ actors: 1 }], execArgv: [] })
  t.teardown(() => pool.close())
  await pool.ready()
  t.equal(await pool.offload('a', 0), 'goes on')
})

t.test('an error that a module throws while it is loading is told as it is, and its thread ends', async (t) => {
  const folder = t.testdir({ 'late.mjs': 'export const a = () => 1\nsetImmediate(() => { throw new RangeError("too far") })\nawait new Promise(() => {})\n' })
  t.match((await refusal(t, { jobs: join(folder, 'late.mjs') })).message, /: too far$/)
})

t.test('a class cannot be called: it is no job, and a module of classes alone is refused', async (t) => {
  const folder = t.testdir({
    'both.mjs': 'export class Tree {}\nexport const Leaf = class extends Tree {}\nexport function classify () {}\nexport const limit = 5\n',
    'classes.cjs': 'exports.Tree = class {}\n'
  })
  const load = async (name: string): Promise<string[]> =>
    [...(await loadJobs({ modules: [{ prefix: '', href: pathToFileURL(join(folder, name)).href }], names: null })).table.keys()]
  t.strictSame(await load('both.mjs'), ['classify'])
  await t.rejects(load('classes.cjs'), { message: /classes\.cjs: it exports classes, which cannot be called, and no function: / })
})

t.test('warmup of a job that there is not is refused like each unknown job, with the nearest name', async (t) => {
  const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')
  for (const runtime of ['threads', 'inline'] as const) {
    t.match(await refusal(t, { jobs, runtime, warmup: { ehco: 1 } }), {
      code: 'FST_ERR_SPILLOVER_UNKNOWN_JOB', message: 'unknown job ehco (warmup): did you mean echo?'
    })
  }
})
