'use strict'
// Brings a clone to the state in which it can be run and tested; a step whose inputs have not changed is not repeated.

const { execFileSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs')
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
  writeFileSync(stamp, hash)
}

const run = (command, ...args) =>
  execFileSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })

step('install', ['package-lock.json'], 'node_modules', () =>
  run(npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'))
const sources = ['lib', 'plugin', 'native-affinity', 'examples', 'tsconfig.json', 'package.json', 'package-lock.json']
step('build', sources, 'dist', () => run(process.execPath, join('node_modules', 'typescript', 'bin', 'tsc')))
