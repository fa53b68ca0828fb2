// What the numbers were measured on: processor, system, Node and the versions of the peers.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'

const here = new URL('.', import.meta.url)
const peers = ['piscina', 'tinypool', 'workerpool', 'poolifier', 'knitting']

export function describeMachine ({ node }) {
  const [first] = os.cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cpus: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release().split('-')[0]} ${os.arch()}`,
    isVirtual: /^flags.*\bhypervisor\b/m.test(read('/proc/cpuinfo')),
    node: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(),
    load: os.loadavg()[0]
  }
}

/** Versions by name; what is not installed is missing. */
export function readVersions () {
  const versions = { 'fastify-spillover': versionOf(new URL('../../package.json', here)) }
  for (const name of peers) {
    const file = new URL(`node_modules/${name}/package.json`, here)
    if (existsSync(file)) versions[name] = versionOf(file)
  }
  const fastify = new URL('../../node_modules/fastify/package.json', here)
  if (existsSync(fastify)) versions.fastify = versionOf(fastify)
  return versions
}

function versionOf (file) {
  return JSON.parse(readFileSync(file, 'utf8')).version
}

function read (path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // not Linux
  }
}
