// Prometheus metrics: what they say after known jobs, into which registry they go, and that promtool likes them.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import Fastify from 'fastify'
import fastifyMetrics from 'fastify-metrics'
import { Registry } from 'prom-client'
import t from 'tap'
import { memoryTier, MemoryBroker } from '#lib/index'
import spillover from '#plugin/index'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')
const pool = { jobs, tiers: [{ actors: 1 }, { actors: 2 }], execArgv: [] }

async function build (t: Test, options: object, before?: (app: FastifyInstance) => unknown): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(spillover, { ...pool, ...options })
  return app
}

const isThere = spawnSync('promtool', ['--version']).status === 0
const skip = isThere || process.env.CI !== undefined ? false : 'no promtool: install the Debian package prometheus'
if (skip) t.comment(`skipped: ${skip}`)

async function run (app: FastifyInstance): Promise<void> {
  await app.ready()
  for (let i = 0; i < 3; i++) await app.offload('echo', i)
  await app.offload('fail', { message: 'no' }).catch(() => {})
  await app.offload('exit', 1).catch(() => {})
}

t.test('after 3 jobs, 1 that threw and 1 that killed its actor each number is there once', async (t) => {
  const app = await build(t, { metrics: '/metrics' })
  await run(app)
  const { body, headers, statusCode } = await app.inject('/metrics')
  t.equal(statusCode, 200)
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const lines = body.split('\n')
  const has = (line: string): void => { t.equal(lines.filter((other) => other === line).length, 1, line) }
  has('fastify_spillover_jobs_accepted_total{pool="default"} 5')
  has('fastify_spillover_jobs_settled_total{pool="default",job="echo",tier="1",outcome="ok"} 3')
  has('fastify_spillover_jobs_settled_total{pool="default",job="fail",tier="1",outcome="error"} 1')
  has('fastify_spillover_jobs_settled_total{pool="default",job="exit",tier="1",outcome="exit"} 1')
  has('fastify_spillover_actor_restarts_total{pool="default"} 1')
  has('fastify_spillover_job_run_seconds_count{pool="default",job="echo",tier="1"} 3')
  has('fastify_spillover_job_wait_seconds_bucket{le="+Inf",pool="default",job="echo",tier="1"} 3')
  has('fastify_spillover_tier_open{pool="default",tier="1"} 1')
  const states = lines.filter((line) => line.startsWith('fastify_spillover_actors{pool="default",tier="2"'))
  t.equal(states.length, 6, 'one line a state')
  t.equal(states.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0), 2, 'two actors')
  has('fastify_spillover_backlog_jobs{pool="default"} 0')
  const buckets = lines.filter((line) => line.startsWith('fastify_spillover_job_run_seconds_bucket') && line.includes('"echo"'))
    .map((line) => Number(line.split(' ').at(-1)))
  t.equal(buckets.length, 13)
  t.strictSame(buckets, [...buckets].sort((one, other) => one - other), 'buckets only rise')
})

t.test('a job that no other machine was given is counted by its code, in the metrics and in health', async (t) => {
  const broker = new MemoryBroker()
  broker.isDown = true
  const app = await build(t, { metrics: '/metrics', health: '/health', remote: memoryTier(broker) })
  await app.ready()
  await t.rejects(app.offload('echo', 1, { durable: true }), { code: 'FST_ERR_SPILLOVER_REMOTE_DOWN' })
  const lines = (await app.inject('/metrics')).body.split('\n')
  t.same(lines.filter((line) => line.startsWith('fastify_spillover_remote_refusals_total')).map((line) => line.split(/"|} /).slice(3)), [
    ['REMOTE_DOWN', '', '1'], ['REMOTE_FULL', '', '0'], ['NO_WORKER', '', '0'], ['REMOTE_PAYLOAD', '', '0'],
    ['REMOTE_EXPIRED', '', '0'], ['REMOTE_VOLATILE', '', '0']
  ])
  t.equal((await app.inject('/health')).json().remote.refusals.REMOTE_DOWN, 1)
})

t.test('promtool check metrics finds nothing to complain of', { skip }, async (t) => {
  const app = await build(t, { metrics: '/metrics' })
  await run(app)
  const { body } = await app.inject('/metrics')
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' })
  t.equal(stdout + stderr, '')
  t.equal(status, 0)
})

t.test('they go into the registry that is given, and out of it when the server closes; two pools share it', async (t) => {
  const register = new Registry()
  const app = await build(t, { metrics: { register } })
  await app.register(spillover, { ...pool, namespace: 'images', metrics: { register } })
  await run(app)
  const text = await register.metrics()
  t.match(text, 'fastify_spillover_jobs_accepted_total{pool="default"} 5')
  t.match(text, 'fastify_spillover_jobs_accepted_total{pool="images"} 0')
  const other = await build(t, { metrics: { register } })
  await t.rejects(async () => { await other.ready() }, /another pool of the name default/)
  await app.close()
  t.strictSame(register.getMetricsAsArray(), [])
})

t.test('they go into the registry of fastify-metrics, also where it is registered later', async (t) => {
  for (const isFirst of [true, false]) {
    const add = async (app: FastifyInstance): Promise<void> => {
      await app.register(fastifyMetrics, { endpoint: '/all', clearRegisterOnInit: true })
    }
    const app = await build(t, { metrics: true }, isFirst ? add : undefined)
    if (!isFirst) await add(app)
    await run(app)
    const { body } = await app.inject('/all')
    t.match(body, 'fastify_spillover_jobs_accepted_total{pool="default"} 5')
    t.match(body, 'process_cpu_seconds_total')
    await app.close()
  }
})

t.test('the route takes hooks; wrong options stop the boot', async (t) => {
  const onRequest = async (_: unknown, reply: any): Promise<void> => { await reply.code(401).send('who?') }
  const app = await build(t, { metrics: { url: '/metrics', routeOpts: { onRequest } } })
  t.equal((await app.inject('/metrics')).statusCode, 401)
  await t.rejects(async () => { await build(t, { metrics: 'metrics' }) }, /option metrics: expected a path/)
  await t.rejects(async () => { await build(t, { metrics: { register: {} } }) }, /option metrics.register: expected a registry/)
  const neither = await build(t, { metrics: true })
  await t.rejects(async () => { await neither.ready() }, /option metrics: expected a path, or a registry/)
})

t.test('without prom-client the boot fails and names it', async (t) => {
  const code = `
    const Module = require('node:module')
    const load = Module._load
    Module._load = (name, ...rest) => {
      if (name === 'prom-client') throw new Error("Cannot find module 'prom-client'")
      return load(name, ...rest)
    }
    const app = require('fastify')()
    app.register(require('./dist/plugin/index.js'), { jobs: ${JSON.stringify(jobs)}, maxActors: 1, metrics: '/metrics' })
    app.ready().catch((error) => { console.log(error.code, error.message); return app.close() })`
  const { stdout } = spawnSync(process.execPath, ['-e', code], { cwd: join(__dirname, '..', '..'), encoding: 'utf8' })
  t.match(stdout, /^FST_ERR_SPILLOVER_PEER_MISSING option metrics needs the package prom-client, which cannot be loaded: Cannot find module 'prom-client'; npm install prom-client\n$/)
})

t.test('a job of microseconds is hinted at once in the log, the snapshot and on the channel', async (t) => {
  const lines: { level: number, job: string, msg: string }[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(spillover, pool)
  await app.ready()
  for (let i = 0; i < 400; i++) await app.offload('echo', 1)
  t.match(lines, [{ level: 40, job: 'echo', msg: /^job echo: its last 128 runs took \d+ µs each, and \d+ µs more/ }])
  t.equal(lines.length, 1)
  t.match(app.spillover.snapshot().hints, [{ job: 'echo' }])
})
