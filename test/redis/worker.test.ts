// The command `worker` as its operator sees it: the probes of --health with Redis, without it, and with it again.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../fixtures/until'
import { freePort, needsRedis, startRedis } from './server'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')
const cli = join(__dirname, '../../dist/lib/cli.js')

/** A worker that ends with the test. */
function start (t: Test, redis: string, port: number, host?: string) {
  const child = spawn(process.execPath, [cli, 'worker', '--jobs', jobs, '--redis', redis, '--queues', 'echo@1', '--health', host === undefined ? `${port}` : `${host}:${port}`],
    { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const told: string[] = []
  child.stderr.on('data', (chunk: Buffer) => told.push(String(chunk)))
  /** 0 while nobody listens */
  const ask = async (path: string): Promise<{ status: number, text: string }> => {
    const response = await fetch(`http://${host ?? '127.0.0.1'}:${port}${path}`).catch(() => undefined)
    return { status: response?.status ?? 0, text: await response?.text() ?? '' }
  }
  return { child, ask, text: () => told.join('') }
}

t.test('probes and metrics of a worker, with Redis, without it, and with it again', { skip }, async (t) => {
  const redis = await startRedis(t)
  const { child, ask } = start(t, redis.url, await freePort())
  await until('it to be ready', async () => (await ask('/health/ready')).status === 200)
  t.equal((await ask('/health/live')).status, 200)
  t.equal((await ask('/health/other')).status, 404)
  const tiers = await ask('/health/tiers')
  t.equal(tiers.status, 200)
  t.match(JSON.parse(tiers.text), { state: 'open', remote: { kind: 'bullmq' } })
  const metrics = await ask('/metrics')
  t.equal(metrics.status, 200)
  t.match(metrics.text, /^fastify_spillover_active_actors\{pool="default"\} 0$/m)
  t.match(metrics.text, /^fastify_spillover_remote_breaker_open\{pool="default",shard="0"\} 0$/m)

  await redis.kill()
  await until('it to say that it is not ready', async () => (await ask('/health/ready')).status === 503)
  t.equal((await ask('/health/live')).status, 200)
  t.match((await ask('/metrics')).text, /^fastify_spillover_remote_breaker_open\{pool="default",shard="0"\} 1$/m)
  await redis.start()
  await until('it to be ready again', async () => (await ask('/health/ready')).status === 200)
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [0, null])
})

t.test('--health HOST:PORT answers at that address only, IPv6 in brackets too', { skip }, async (t) => {
  const nobody = `redis://127.0.0.1:${await freePort()}`
  for (const host of ['127.0.0.2', '[::1]']) {
    const port = await freePort()
    const { ask } = start(t, nobody, port, host)
    await until(`it to live at ${host}`, async () => (await ask('/health/live')).status === 200)
    await t.rejects(fetch(`http://127.0.0.1:${port}/health/live`))
  }
})

t.test('without Redis the probes answer, and a port that is taken ends the command at once, naming it', { skip }, async (t) => {
  const nobody = `redis://127.0.0.1:${await freePort()}`
  const port = await freePort()
  const { ask, child } = start(t, nobody, port)
  await until('it to live', async () => (await ask('/health/live')).status === 200)
  t.equal((await ask('/health/ready')).status, 503)
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [0, null])

  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const taken = (other.address() as AddressInfo).port
  const late = start(t, nobody, taken)
  t.strictSame(await once(late.child, 'exit'), [1, null])
  t.match(late.text(), new RegExp(`^fastify-spillover: option --health: cannot listen on port ${taken}: .*EADDRINUSE`))
  t.equal(late.text().trim().split('\n').length, 1)
})
