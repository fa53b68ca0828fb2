// The package as a user gets it: packed, installed in an empty project, loaded in each way, type-checked and linted.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'

const root = path.resolve(__dirname, '../..')
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const isWindows = process.platform === 'win32'

// the project must not see what npm and tap set for this process
const ours = /^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8_COVERAGE$|INIT_CWD$|npm_(?!config_)|npm_config_local_prefix$)/
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))

interface Ran { status: number, stdout: string, stderr: string }
const run = (cwd: string, command: string, ...args: string[]): Promise<Ran> => new Promise((resolve) => {
  const child = execFile(command, args, { cwd, env, shell: isWindows, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
    resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }))
  child.stdin?.end()
})
const tool = (name: string, file: string, ...args: string[]) =>
  run(project, process.execPath, path.join(root, 'node_modules', name, file), ...args)

const files: Record<string, string> = {
  'package.json': '{ "name": "project", "private": true }',
  'jobs.cjs': 'exports.add = ({ a, b }) => a + b\n',
  'ask.cjs': `
    const { join } = require('node:path')
    const Fastify = require('fastify')
    const options = { jobs: join(__dirname, 'jobs.cjs'), maxActors: 1 }
    exports.plugin = async (spillover) => {
      const app = Fastify()
      app.register(spillover, options)
      app.get('/add', async (request) => ({ sum: await request.offload('add', { a: 1, b: 2 }) }))
      try {
        return (await app.inject('/add')).json()
      } finally {
        await app.close()
      }
    }
    exports.scheduler = async (createScheduler) => {
      const scheduler = createScheduler(options)
      try {
        await scheduler.ready()
        return { sum: await scheduler.offload('add', { a: 1, b: 2 }) }
      } finally {
        await scheduler.close()
      }
    }`,
  'load.mjs': `
    import spillover, { spillover as named } from 'fastify-spillover'
    import * as all from 'fastify-spillover'
    import { createScheduler } from 'fastify-spillover/scheduler'
    import ask from './ask.cjs'
    console.log(JSON.stringify({
      kind: typeof spillover,
      default: await ask.plugin(spillover),
      named: await ask.plugin(named),
      namespace: await ask.plugin(all.default),
      scheduler: await ask.scheduler(createScheduler)
    }))`,
  'load.cjs': `
    const spillover = require('fastify-spillover')
    const { createScheduler } = require('fastify-spillover/scheduler')
    const ask = require('./ask.cjs')
    const main = async () => console.log(JSON.stringify({
      kind: typeof spillover,
      default: await ask.plugin(spillover.default),
      named: await ask.plugin(spillover.spillover),
      namespace: await ask.plugin(spillover),
      scheduler: await ask.scheduler(createScheduler)
    }))
    main()`,
  'use.mts': `
    import Fastify from 'fastify'
    import spillover, { spillover as named, type Options } from 'fastify-spillover'
    import { createScheduler } from 'fastify-spillover/scheduler'
    const options: Options = { jobs: new URL('jobs.cjs', import.meta.url), strategy: 'tiered', health: '/health' }
    const app = Fastify()
    app.register(spillover, options)
    app.register(named, { jobs: '/jobs.cjs', namespace: 'other' })
    app.get('/', async (request) => request.offload('add', { a: 1, b: 2 }, { timeoutMs: 100 }))
    const sum: number = await createScheduler({ jobs: '/jobs.cjs' }).offload('add', { a: 1, b: 2 })
    export { app, sum }`,
  'use.cts': `
    import Fastify = require('fastify')
    import spillover = require('fastify-spillover')
    import { spillover as named, type Options } from 'fastify-spillover'
    import scheduler = require('fastify-spillover/scheduler')
    const options: Options = { jobs: __filename, strategy: 'tiered', health: '/health' }
    const same: spillover.Options = options
    const app = Fastify()
    app.register(spillover, same)
    app.register(spillover.default, options)
    app.register(named, { jobs: '/jobs.cjs', namespace: 'other' })
    app.get('/', async (request) => request.offload('add', { a: 1, b: 2 }, { timeoutMs: 100 }))
    export const pool: scheduler.Scheduler = scheduler.createScheduler({ jobs: '/jobs.cjs' })`,
  'wrong.mts': `
    import Fastify from 'fastify'
    import spillover from 'fastify-spillover'
    Fastify().register(spillover, { jobs: '/jobs.cjs', strategy: 'fastest' })`,
  'wrong.cts': `
    import Fastify = require('fastify')
    import spillover = require('fastify-spillover')
    Fastify().register(spillover, { jobs: '/jobs.cjs', strategy: 'fastest' })`
}

const project = mkdtempSync(path.join(tmpdir(), 'spillover-package-'))
const tarball = path.join(project, 'pack', `fastify-spillover-${version}.tgz`)
t.setTimeout(240_000)
t.teardown(() => rmSync(project, { recursive: true, force: true, maxRetries: 3 }))

const all = { kind: 'function', default: { sum: 3 }, named: { sum: 3 }, namespace: { sum: 3 }, scheduler: { sum: 3 } }

t.test('packs and installs', async (t) => {
  mkdirSync(path.join(project, 'pack'))
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(project, name), text)
  const packed = await run(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', path.dirname(tarball))
  if (!t.equal(packed.status, 0, 'npm pack')) return t.comment(packed.stderr)
  const [report] = Object.values(JSON.parse(packed.stdout)) as { files: { path: string }[] }[]
  const names = report!.files.map((file) => file.path)
  for (const name of ['dist/plugin/index.js', 'dist/plugin/index.d.ts', 'dist/lib/index.js', 'dist/lib/cli.js', 'LICENSE']) {
    t.ok(names.includes(name), `has ${name}`)
  }
  const binaries = names.filter((name) => /^prebuilds\/[a-z0-9-]+\/fastify-spillover[a-z.]*\.node$/.test(name))
  const platform = `${process.platform}-${process.arch}`
  // set-up said why where it could not build one
  if (existsSync(path.join(root, 'prebuilds', platform)) || process.env.CI === 'true') {
    t.ok(binaries.some((name) => name.startsWith(`prebuilds/${platform}/`)), 'has the affinity addon for this platform')
  } else {
    t.comment('not checked: no affinity addon was built here')
  }
  t.same(names.filter((name) => /\.o$|\/build\//.test(name)), [], 'has nothing that a build left')
  t.same(names.filter((name) => /^(?:test|examples|dist\/examples|node_modules|\.)/.test(name)).sort(),
    ['test/benchmark/README.md', 'test/benchmark/latest.svg'], 'has nothing else but what the documents link to')
  const documents = names.filter((name) => /^(?:README|(?:docs|lib)\/[\w/-]+)\.md$/.test(name))
  t.ok(documents.includes('docs/choosing.md') && documents.includes('lib/README.md'))
  for (const document of documents) {
    for (const [, to] of readFileSync(path.join(root, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      const target = path.posix.join(path.posix.dirname(document), to!)
      t.ok(names.some((name) => name === target || name.startsWith(`${target}/`)), `${document}: ${to} is packed`)
    }
  }
  const { dependencies, devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  t.notOk('fastify' in dependencies, 'brings no Fastify of its own')
  const installed = await run(project, 'npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline',
    tarball, `fastify@${devDependencies.fastify}`)
  if (!t.equal(installed.status, 0, 'npm install')) t.comment(installed.stderr)
})

t.test('no script runs at installation, so that it never compiles and never fails', async (t) => {
  const installed = JSON.parse(readFileSync(path.join(project, 'node_modules/fastify-spillover/package.json'), 'utf8'))
  t.equal(installed.gypfile, false)
  t.same(Object.keys(installed.scripts).filter((name) => /install|^prepare$/.test(name)), [])
})

for (const [how, file] of [['import', 'load.mjs'], ['require', 'load.cjs']] as const) {
  t.test(`${how} gives the plugin under each name, and the scheduler: each runs a job`, async (t) => {
    const { status, stdout, stderr } = await run(project, process.execPath, file)
    t.equal(stderr, '')
    t.equal(status, 0)
    t.same(JSON.parse(stdout || 'null'), all)
  })
}

t.test('without bullmq and ioredis their import, and the commands, say what to install', async (t) => {
  const said = 'the remote tier (fastify-spillover/bullmq) needs bullmq and ioredis, which cannot be loaded: ' +
    "Cannot find module 'bullmq'; npm install bullmq ioredis\n"
  const code = "import('fastify-spillover/bullmq').catch(({ code, message }) => console.log(code, message))"
  const { stdout } = await run(project, process.execPath, '-e', code)
  t.equal(stdout, `FST_ERR_SPILLOVER_PEER_MISSING ${said}`)
  for (const args of [['doctor'], ['worker', '--jobs', 'jobs.cjs']]) {
    const { status, stderr } = await run(project, 'npx', '--no-install', 'fastify-spillover', ...args, '--redis', 'redis://127.0.0.1:1')
    t.strictSame([status, stderr], [1, `fastify-spillover: ${said}`])
  }
})

t.test('the command is installed', async (t) => {
  const { status, stdout, stderr } = await run(project, 'npx', '--no-install', 'fastify-spillover', 'plan', '--json')
  t.equal(status, 0, stderr)
  t.match(JSON.parse(stdout || 'null'), { strategy: String, tiers: [{ tier: 1 }], maxActors: Number })
})

for (const module of ['node20', 'nodenext']) {
  t.test(`types, from ES modules and CommonJS: module ${module}`, async (t) => {
    const check = (...names: string[]) => tool('typescript', 'bin/tsc', '--noEmit', '--strict', '--module', module,
      '--target', 'es2023', '--typeRoots', path.join(root, 'node_modules/@types'), '--types', 'node',
      '--skipLibCheck', '--ignoreConfig', '--pretty', 'false', ...names)
    const [right, wrong] = await Promise.all([check('use.mts', 'use.cts'), check('wrong.mts', 'wrong.cts')])
    t.equal(right.stdout, '', 'right options')
    t.equal(right.status, 0)
    t.not(wrong.status, 0, 'wrong options')
    for (const name of ['wrong.mts', 'wrong.cts']) {
      t.match(wrong.stdout, new RegExp(`^${name.replace('.', '\\.')}\\(4,\\d+\\): error`, 'm'), name)
    }
    t.match(wrong.stdout, /"fastest"/)
  })
}

t.test('are the types wrong? no', async (t) => {
  const { stdout, stderr } = await tool('@arethetypeswrong/cli', 'dist/index.js', tarball, '-f', 'json')
  const { analysis, problems } = JSON.parse(stdout || '{}')
  if (!t.ok(analysis, 'attw ran')) return t.comment(stderr)
  const entries = ['.', './bullmq', './package.json', './remote-conformance', './scheduler']
  t.same(Object.keys(analysis.entrypoints).sort(), entries)
  // node10 knows no "exports"; the oldest Node that we support does
  const found = Object.values(problems).flat() as { resolutionKind?: string }[]
  t.same(found.filter((problem) => problem.resolutionKind !== 'node10'), [])
})

t.test('publint has nothing to say', async (t) => {
  const { status, stdout, stderr } = await tool('publint', 'src/cli.js', 'run', tarball, '--strict')
  t.equal(status, 0, stdout + stderr)
  t.match(stdout, /All good/)
})
