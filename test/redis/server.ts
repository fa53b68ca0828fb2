// A real redis-server of one test: started on a free port, killed, frozen, restarted with or without its data.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { until } from '../fixtures/until'
import type { ChildProcess } from 'node:child_process'
import type { Test } from 'tap'

/** Is there a redis-server to test with? Says so on screen where not; in CI that is a failure. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

/** Options of a test that needs Redis: the reason to skip it, if there is one. */
export function needsRedis (t: Test): false | string {
  if (hasRedis) return false
  const reason = 'redis-server is not installed (apt-get install redis-server)'
  if (process.env.CI) t.fail(`${reason}: in CI these tests must run`)
  return reason
}

/** A server ends with its test's process, also if that is killed (setpriv of util-linux; else only teardown). */
const diesWithUs = spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : []

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly folder: string
  readonly pid: number
  /** client of the test itself */
  readonly client: Redis
  kill (signal?: NodeJS.Signals): Promise<void>
  start (...args: string[]): Promise<void>
  freeze (): void
  thaw (): void
}

/** Start a redis-server that ends with the test. `args` are its options. */
export async function startRedis (t: Test, ...given: (string | { namespace: string, host: string })[]):
Promise<RedisServer> {
  const args = given.filter((arg) => typeof arg === 'string')
  // in a network namespace of its own, which only this machine can reach
  const { namespace, host = '127.0.0.1' } = given.find((arg) => typeof arg === 'object') ?? {}
  const [program, ...before] = [...diesWithUs, ...namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace], 'redis-server']
  const folder = await mkdtemp(join(tmpdir(), 'spillover-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined
  const client = new Redis({ port, host, lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => {}) // the test kills it
  const server: RedisServer = {
    port,
    folder,
    url: `redis://${host}:${port}`,
    client,
    get pid () { return child!.pid! },
    async start (...more) {
      child = spawn(program!, [...before, '--port', String(port), '--bind', host, '--protected-mode', 'no', '--dir', folder, '--save', '', '--appendonly', 'yes',
        '--maxmemory-policy', 'noeviction', '--daemonize', 'no', ...args, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
      await new Promise<void>((resolve, reject) => {
        let text = ''
        child!.stdout!.on('data', (chunk: Buffer) => {
          text += String(chunk)
          if (/Ready to accept connections/.test(text)) resolve()
        })
        child!.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${text.slice(-500)}`)))
      })
    },
    async kill (signal = 'SIGKILL') {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill(signal)
      if (signal !== 'SIGKILL') child.kill('SIGCONT')
      await exit
    },
    freeze () { child!.kill('SIGSTOP') },
    thaw () { child!.kill('SIGCONT') }
  }
  await server.start()
  t.teardown(async () => {
    client.disconnect()
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return server
}

/** Start a Redis Cluster of 3 nodes, each with a third of the slots and no replica. */
export async function startCluster (t: Test): Promise<RedisServer[]> {
  const nodes: RedisServer[] = []
  for (let node = 0; node < 3; node++) nodes.push(await startRedis(t, '--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'))
  execFileSync('redis-cli', ['--cluster', 'create', ...nodes.map(({ port }) => `127.0.0.1:${port}`), '--cluster-yes'], { stdio: 'pipe' })
  for (const { client } of nodes) await until('the cluster to agree', async () => /cluster_state:ok/.test(await client.cluster('INFO')))
  return nodes
}
