'use strict'
// Brings a clone to the state in which it can be run and tested; a step whose inputs have not changed is not repeated.

const { execFileSync, spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')

const root = join(__dirname, '..')
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

const filesUnder = (path) => {
  const full = join(root, path)
  if (!existsSync(full)) return []
  try {
    return readdirSync(full, { withFileTypes: true })
      .filter((entry) => entry.name !== 'node_modules' && entry.name !== 'build')
      .flatMap((entry) => filesUnder(join(path, entry.name)))
  } catch {
    return [path]
  }
}

const hashOf = (paths) => {
  const hash = createHash('sha256').update(process.version + process.platform + process.arch)
  for (const path of paths.flatMap(filesUnder).sort()) hash.update(path).update(readFileSync(join(root, path)))
  return hash.digest('hex')
}

const step = (name, inputs, output, work) => {
  const stamp = join(root, 'node_modules', '.spillover', name)
  const hash = hashOf(inputs)
  if (existsSync(join(root, output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  console.log(`set-up: ${name}`)
  work()
  mkdirSync(join(root, 'node_modules', '.spillover'), { recursive: true })
  // in two moves, so that a stamp is whole, and never written through a hard link into another clone
  writeFileSync(`${stamp}.new`, hash)
  renameSync(`${stamp}.new`, stamp)
}

const run = (command, ...args) =>
  execFileSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })

step('install', ['package-lock.json'], 'node_modules', () =>
  run(npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'))
const sources = ['lib', 'plugin', 'native-affinity', 'examples', 'tsconfig.json', 'package.json', 'package-lock.json']
step('build', sources, 'dist', () => run(process.execPath, join('node_modules', 'typescript', 'bin', 'tsc')))

// The affinity addon is built where that needs nothing from outside; without it all works, and health says why.
const headers = process.env.npm_config_nodedir ?? join(process.execPath, '..', '..')
const answers = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const missing = [
  [existsSync(join(headers, 'include', 'node', 'node_api.h')), `Node's headers in ${join(headers, 'include', 'node')}`],
  [answers(process.env.CC ?? 'cc', '--version') && answers(process.env.CXX ?? 'c++', '--version'), 'a C compiler'],
  [answers('make', '--version'), 'make'],
  [['python3', 'python'].some((python) => answers(python, '--version')), 'Python']
].filter(([isThere]) => !isThere).map(([, what]) => what)
if (missing.length === 0) {
  const folder = join(root, 'native-affinity')
  const inputs = readdirSync(folder).filter((name) => /\.(c|h|gyp)$/.test(name)).map((name) => join('native-affinity', name))
  step('addon', inputs, join('prebuilds', `${process.platform}-${process.arch}`), () => {
    process.env.npm_config_nodedir = headers // or node-gyp would download them
    run(npm, 'run', '--silent', 'addon', '--', '--quiet', ...(process.platform === 'linux' ? ['--tag-libc'] : []))
    rmSync(join(folder, 'build'), { recursive: true, force: true })
  })
} else {
  console.log(`set-up: no affinity addon, because these are missing: ${missing.join(', ')}`)
  // a test run that is to be complete does not do without
  if (process.env.CI === 'true') process.exitCode = 1
}
