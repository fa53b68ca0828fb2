// The example as a newcomer starts it: what it shows, that it leaves nothing running, and what it says without Redis.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t from 'tap'
import { until } from '../fixtures/until'
import { needsRedis } from './server'
import type { AddressInfo } from 'node:net'

const skip = needsRedis(t)
const example = join(__dirname, '../../dist/examples/remote.js')

t.test('20 jobs at once run on server and worker, a durable one is answered 202 and then 200; no process is left', { skip }, async (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [example, '--once'], { encoding: 'utf8', timeout: 60_000 })
  t.equal(status, 0, stderr)
  const [, worker, server] = /worker (\d+), server (\d+)/.exec(stdout)!.map(Number)
  const [, there, here] = /(\d+) of 20 jobs at once ran on the worker\n(\d+) of 20 jobs at once ran on the server/.exec(stdout)!
  t.equal(Number(there) + Number(here), 20)
  t.ok(Number(there) > 0, `${there} went to the worker`)
  t.match(stdout, /POST \/reports: 202, Location: \/jobs\/r1\.00\.grind%401\./)
  t.match(stdout, new RegExp(`/result: 200 \\{"pid":${worker},`))
  for (const pid of [worker!, server!]) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

t.test('a worker that is killed is told of, with what the server says; SIGINT ends the others with status 0, and none is left', { skip }, async (t) => {
  const child = spawn(process.execPath, [example], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGTERM'))
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += String(chunk) })
  await until('all to be shown', () => text.includes('Ctrl-C ends all three.'))
  const [, port, worker, server] = /Redis on port (\d+), worker (\d+), server (\d+)/.exec(text)!.map(Number)
  process.kill(worker!, 'SIGKILL')
  await until('the end of the worker to be told', () => text.includes('[worker] ended with SIGKILL'))
  const redis = new Redis({ port: port!, lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => {}) // it ends
  await redis.shutdown('NOSAVE').catch(() => {})
  await until('the server to say that Redis is away', () => /^\[server\] redis of shard 0 is away: /m.test(text))
  child.kill('SIGINT')
  t.strictSame(await once(child, 'exit'), [0, null])
  t.throws(() => process.kill(server!, 0), { code: 'ESRCH' })
})

t.test('a port that is taken: status 1, the reason, and the others are told to end', { skip }, async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const child = spawn(process.execPath, [example, '--once'], { env: { ...process.env, PORT: String(port) }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { text += String(chunk) })
  t.strictSame(await once(child, 'close'), [1, null])
  t.match(text, new RegExp(`server ended with status 1:\\nlisten EADDRINUSE: address already in use 127.0.0.1:${port}\\n`))
  for (const name of ['worker', 'redis']) t.match(text, new RegExp(`^\\[${name}\\] `, 'm'), `${name} was told to end`)
})

t.test('without redis-server it says what to install', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [example, '--once'], { encoding: 'utf8', env: { PATH: '/nonexistent' } })
  t.equal(status, 1)
  t.match(stderr, /^This example needs redis-server, which is not installed: apt-get install redis-server\n$/)
})
