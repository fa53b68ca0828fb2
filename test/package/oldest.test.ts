// The oldest Fastify 5 and the oldest TypeScript that Fastify's types take, and the newest of both: types, and a job.
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const root = path.resolve(__dirname, '../..')
const modules = path.join(root, 'node_modules')
mkdirSync(path.join(root, 'build'), { recursive: true })
// inside the repository, so that types of dependencies are found
const work = mkdtempSync(path.join(root, 'build', 'oldest-'))
t.teardown(() => rmSync(work, { recursive: true, force: true, maxRetries: 3 }))
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8)/.test(name)))

/** The test runner hooks `require` in its children, and bin/tsc of TypeScript 7 is an ES module without a suffix. */
const launcher = path.join(work, 'tsc.mjs')
writeFileSync(launcher, "import { pathToFileURL } from 'node:url'\nawait import(pathToFileURL(process.argv.splice(2, 1)[0]).href)\n")

interface Ran { status: number, out: string }
const run = (cwd: string, more: object, ...args: string[]): Promise<Ran> => new Promise((resolve) => {
  execFile(process.execPath, args, { cwd, env: { ...env, NO_COLOR: '1', ...more }, maxBuffer: 2 ** 26 }, (error, out, err) =>
    resolve({ status: error === null ? 0 : Number(error.code ?? 1), out: out + err }))
})

/** A TypeScript that is not among the devDependencies: there its tsc would take the place of the other. */
function installed (version: string): { module: string, skip: string | false } {
  const folder = path.join(work, `typescript-${version}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
  const npm = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', `typescript@${version}`],
    { cwd: folder, env, encoding: 'utf8', shell: process.platform === 'win32' })
  const skip = npm.status === 0 ? false : `no TypeScript ${version}: npm could not install it: ${npm.stderr.split('\n')[0]}`
  if (skip !== false) t.comment(`skipped: ${skip}`)
  return { module: path.join(folder, 'node_modules', 'typescript'), skip }
}
const old = installed('5.4.5')
const newest = installed('7')

const files = {
  'package.json': '{ "type": "module" }',
  'jobs.ts': 'export function add ({ a, b }: { a: number, b: number }): number { return a + b }\n',
  'right.ts': `import Fastify from 'fastify'
import spillover from 'fastify-spillover'
import type { JobsOf } from 'fastify-spillover/scheduler'
declare module 'fastify-spillover/scheduler' {
  interface SpilloverJobs extends JobsOf<typeof import('./jobs.js')> {}
}
const app = Fastify()
await app.register(spillover, { jobs: '/jobs.js', health: '/health', runtime: 'inline' })
app.post<{ Body: { a: number, b: number } }>('/add', { config: { offload: { timeoutMs: 5, job: 'add' } } }, async (request) => {
  const sum: number = await request.offload('add', request.body)
  return { sum }
})
app.get('/', app.offloadHandler('add', { input: () => ({ a: 1, b: 2 }) }))
await app.spillover.broadcast('add', { a: 1, b: 2 })
`,
  'wrong.ts': `import Fastify from 'fastify'
import spillover from 'fastify-spillover'
import './right.js'
const app = Fastify()
await app.register(spillover, { jobs: '/jobs.js', strategy: 'fastest' })
await app.offload('sub', { a: 1, b: 2 })
await app.offload('add', { a: 1 })
const text: string = await app.offload('add', { a: 1, b: 2 })
app.offloadHandler('add', { input: () => 'text' })
await app.spillover.broadcast('add', 1)
app.get('/', { config: { offload: { priority: 'highest' } } }, async () => text)
`,
  'run.js': `import Fastify from 'fastify'
import spillover from 'fastify-spillover'
const app = Fastify()
await app.register(spillover, { jobs: new URL('jobs.cjs', import.meta.url), tiers: [{ actors: 1 }], health: '/health' })
app.post('/add', async (request) => ({ sum: await request.offload('add', request.body) }))
const { sum } = (await app.inject({ method: 'POST', url: '/add', body: { a: 1, b: 2 } })).json()
const { status } = (await app.inject('/health')).json()
console.log(JSON.stringify({ version: app.version, sum, status }))
await app.close()
`,
  'jobs.cjs': 'exports.add = ({ a, b }) => a + b\n'
}

for (const [fastify, typescript] of [
  ['fastify-5.0', old.module], ['fastify', path.join(modules, 'typescript')]
] as const) {
  const isOld = fastify === 'fastify-5.0'
  const versionIn = (folder: string): string => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version
  const version = (name: string): string => versionIn(path.join(modules, name))
  const title = `Fastify ${version(fastify)}, TypeScript ${isOld ? '5.4' : versionIn(typescript)}`
  const folder = path.join(work, fastify)
  const own = path.join(folder, 'node_modules', 'fastify-spillover')
  mkdirSync(own, { recursive: true })
  // a copy: from a link, its types would find the other Fastify
  for (const part of ['package.json', 'dist/lib', 'dist/plugin', 'dist/native-affinity', 'plugin/dashboard']) {
    cpSync(path.join(root, part), path.join(own, part), { recursive: true })
  }
  symlinkSync(path.join(modules, fastify), path.join(folder, 'node_modules', 'fastify'), 'junction')
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text)

  compiles(title, folder, typescript, isOld && old.skip)
  // the compiler in native code, which tstyche cannot load
  if (!isOld) compiles(title.replace(/TypeScript .*/, 'TypeScript 7'), folder, newest.module, newest.skip)

  t.test(`${title}: the type tests of tstyche pass, the negative ones too`, { skip: isOld && old.skip }, async (t) => {
    const types = path.join(folder, 'types')
    for (const suite of ['plain', 'registered']) {
      cpSync(path.join(root, 'test/types', suite), path.join(types, suite), { recursive: true })
      // options that the oldest knows
      writeFileSync(path.join(types, suite, 'tsconfig.json'), JSON.stringify({
        compilerOptions: {
          strict: true, noUncheckedIndexedAccess: true, module: 'nodenext', target: 'es2022', noEmit: true, skipLibCheck: true, types: ['node'], typeRoots: [path.join(modules, '@types')]
        },
        include: ['*.ts']
      }))
    }
    writeFileSync(path.join(types, 'tstyche.config.json'), '{}')
    const module = path.join(typescript, 'lib/typescript.js')
    const { status, out } = await run(types, { TSTYCHE_TYPESCRIPT_MODULE: module },
      path.join(modules, 'tstyche/build/bin.js'), '--config', path.join(types, 'tstyche.config.json'))
    t.equal(status, 0, out)
    t.match(out, new RegExp(`uses TypeScript ${versionIn(typescript).replaceAll('.', '\\.')}`), 'the TypeScript it is for')
    const [, passed] = /Assertions: (\d+) passed, \1 total/.exec(out) ?? []
    t.ok(Number(passed) > 40, `${passed} assertions`)
  })

  t.test(`${title}: a job runs and the pool closes`, async (t) => {
    const { status, out } = await run(folder, {}, 'run.js')
    t.equal(status, 0, out)
    t.same(JSON.parse(out), { version: version(fastify), sum: 3, status: 'ok' })
  })
}

function compiles (title: string, folder: string, typescript: string, skip: string | false): void {
  t.test(`${title}: names, inputs, results and options compile, and 7 wrong ones do not`, { skip }, async (t) => {
    const check = (file: string) => run(folder, {}, launcher, path.join(typescript, 'lib/tsc.js'), '--noEmit', '--strict', '--module', 'nodenext',
      '--target', 'es2022', '--types', 'node', '--typeRoots', path.join(modules, '@types'), '--skipLibCheck', '--pretty', 'false',
      ...(typescript === old.module ? [] : ['--ignoreConfig']), file)
    const right = await check('right.ts')
    t.equal(right.out, '')
    t.equal(right.status, 0)
    const wrong = await check('wrong.ts')
    const lines = [...wrong.out.matchAll(/^wrong\.ts\((\d+),/gm)].map(([, line]) => Number(line))
    t.same([...new Set(lines)].sort((one, other) => one - other), [5, 6, 7, 8, 9, 10, 11])
  })
}
