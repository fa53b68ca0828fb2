'use strict'
// Preloaded into each test file by .taprc: TypeScript transpiled once, and children started as users start them.
// tap's loader has the compiler twice in each process, 0.56 s of CPU, and puts another loader into every child, 0.2 s.

const { createHash } = require('node:crypto')
const { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } = require('node:fs')
const Module = require('node:module')
const { dirname, join, relative } = require('node:path')

const root = join(__dirname, '..')
const folder = join(root, 'node_modules', '.spillover', 'transpiled')
const { env } = process

// read by @tapjs/typescript and @tapjs/processinfo, which come after this
env.TAP_TYPE_STRIP_ONLY = '1'
env.__TAPJS_PROCESSINFO_TESTING_NO_REGISTER__ = String(process.pid)

// the entry is asked for as a URL, and Node knows no format for it
const load = (url, context, next) =>
  url.endsWith('.test.ts') ? { format: 'commonjs', source: null, shortCircuit: true } : next(url, context)
// as tap does it from Node 24.13 on and before: hooks of one kind do not see those of the other
const [major, minor] = process.versions.node.split('.').map(Number)
if (major > 24 || (major === 24 && minor >= 13)) Module.registerHooks({ load })
else Module.register(`data:text/javascript,${encodeURIComponent(`export const load = ${load}`)}`)
Module._extensions['.ts'] = (module, file) => {
  // what was preloaded has been: nothing of it is for what the test starts
  delete env.TAP_TYPE_STRIP_ONLY
  delete env.__TAPJS_PROCESSINFO_TESTING_NO_REGISTER__
  process.execArgv.length = 0
  module._compile(transpiled(file), file)
}

/** What follows a file's JavaScript: of which source it is, by which compiler. */
const markOf = (source) => `//# transpiled from ${createHash('sha256').update(compiler).update(source).digest('hex')}\n`
const compiler = readFileSync(__filename, 'utf8') +
  /"version": "(.*)"/.exec(readFileSync(join(root, 'node_modules/typescript/package.json'), 'utf8'))[1]

function transpiled (file) {
  const mark = markOf(readFileSync(file, 'utf8'))
  const place = join(folder, `${relative(root, file)}.js`)
  const kept = existsSync(place) ? readFileSync(place, 'utf8') : ''
  if (kept.includes(mark)) return kept
  // the compiler takes as long to load as all files take it
  for (const each of new Set([file, ...testFiles(join(root, 'test'))])) transpile(each)
  return readFileSync(place, 'utf8')
}

function testFiles (folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFiles(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function transpile (file) {
  const ts = require('typescript')
  const source = readFileSync(file, 'utf8')
  const { outputText, sourceMapText } = ts.transpileModule(source, {
    fileName: file.replace(/ts$/, 'cts'), // all are CommonJS, in which import() stays what it is
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.Node20, sourceMap: true }
  })
  const map = { ...JSON.parse(sourceMapText), file, sources: [file], sourceRoot: undefined }
  const code = outputText.replace(/\/\/# sourceMappingURL=.*\s*$/, '')
  const url = `data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`
  const place = join(folder, `${relative(root, file)}.js`)
  mkdirSync(dirname(place), { recursive: true })
  // in two moves, so that another process never reads a part
  writeFileSync(`${place}.${process.pid}`, `${code}${markOf(source)}//# sourceMappingURL=${url}\n`)
  renameSync(`${place}.${process.pid}`, place)
}
