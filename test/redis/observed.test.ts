// The remote tier as metrics, health, the dashboard's events and traces see it, with a server and a worker.
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import spillover from '#plugin/index'
import { until } from '../fixtures/until'
import { freePort, needsRedis, startRedis } from './server'
import type { RemoteStats } from '#lib/index'

const skip = needsRedis(t)
const jobs = join(__dirname, '../fixtures/jobs.cjs')
const cli = join(__dirname, '../../dist/lib/cli.js')

const exporter = new InMemorySpanExporter()
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))

t.test('a durable job shows in metrics and health, and its spans on the worker are in the trace of the request', { skip }, async (t) => {
  const redis = await startRedis(t)
  const worker = createScheduler({
    jobs,
    name: 'worker',
    tiers: [{ actors: 1 }],
    execArgv: [],
    tracing: true,
    remote: { tier: bullmqTier({ redis: redis.url }), serve: true, queues: ['echo@1'] }
  })
  t.teardown(() => worker.close())
  await worker.ready()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, {
    jobs,
    tiers: [{ actors: 1 }],
    execArgv: [],
    tracing: true,
    metrics: '/metrics',
    health: '/health/tiers',
    remote: bullmqTier({ redis: redis.url }),
    durable: { owner: false }
  })
  app.post('/offload', async (request) => request.offload('echo', request.body, { durable: true }))
  app.post('/handler', app.durableHandler('echo'))
  await app.ready()
  const remote = (): RemoteStats => app.spillover.snapshot().remote as RemoteStats
  await until('the worker to be known', () => remote().shards[0]!.queues['echo@1']!.workers === 1)

  const span = trace.getTracer('test').startSpan('request')
  const headers = { 'content-type': 'application/json' }
  const body = '{"a":1}'
  // an async function: inject starts only when it is awaited
  const own = await context.with(trace.setSpan(context.active(), span), async () =>
    await app.inject({ method: 'POST', url: '/offload', headers, body }))
  t.same(own.json(), { a: 1 })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`
  const handled = await app.inject({ method: 'POST', url: '/handler', headers: { ...headers, traceparent, prefer: 'wait=20' }, body })
  t.same(handled.json(), { a: 1 })
  const runs = (of: string): string[] => exporter.getFinishedSpans()
    .filter((span) => span.spanContext().traceId === of && span.attributes['spillover.pool'] === 'worker').map(({ name }) => name)
  await until('both runs', () => runs(traceId).includes('run echo') && runs(span.spanContext().traceId).includes('run echo'))
  t.same(runs(span.spanContext().traceId).sort(), ['run echo', 'wait echo'])

  const text = (await app.inject('/metrics')).body
  const value = (line: string): number => Number(new RegExp(`^fastify_spillover_${line.replace(/[{}]/g, '\\$&')} (.+)$`, 'm').exec(text)?.[1] ?? NaN)
  t.equal(value('remote_events_total{pool="default",event="submitted"}'), 2)
  t.equal(value('remote_in_flight_jobs{pool="default"}'), 0)
  t.equal(value('remote_breaker_open{pool="default",shard="0"}'), 0)
  t.equal(value('remote_queue_workers{pool="default",shard="0",queue="echo@1"}'), 1)
  t.equal(value('remote_roundtrip_seconds_count{pool="default",job="echo"}'), 2)
  for (const name of ['payload', 'result']) {
    // '{"a":1}', twice
    t.same(['count', 'sum', 'bucket'].map((part) => value(`remote_${name}_bytes_${part}{${part === 'bucket' ? 'le="64",' : ''}pool="default",job="echo"}`)), [2, 14, 2])
  }
  t.ok(value('remote_roundtrip_seconds_sum{pool="default",job="echo"}') > 0)
  t.ok(value('remote_engine_roundtrip_seconds{pool="default",shard="0"}') >= 0)
  // each family has a sample, and promtool has nothing to say of any
  const families = [...text.matchAll(/^# TYPE (fastify_spillover_remote_\S+) /gm)].map(([, name]) => name!)
  t.equal(families.length, 14)
  t.same(families.filter((name) => !text.includes(`\n${name}{`) && !text.includes(`\n${name}_count{`)), ['fastify_spillover_remote_wait_seconds'], 'it is where the jobs run')
  if (spawnSync('promtool', ['--version']).status === 0 || process.env.CI !== undefined) {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    t.same({ status, said: stdout + stderr }, { status: 0, said: '' })
  } else t.comment('promtool not asked: install the Debian package prometheus')
  t.match((await app.inject('/health/tiers')).json().remote, { kind: 'bullmq', inFlight: 0, shards: [{ breaker: 'closed' }] })
})

t.test('worker --health: /metrics has the families of the plugin, and the job it ran; 501 and the way out without prom-client', { skip }, async (t) => {
  const redis = await startRedis(t)
  const start = async (...args: string[]): Promise<string> => {
    const port = await freePort()
    const child = spawn(process.execPath,
      [...args, cli, 'worker', '--jobs', jobs, '--redis', redis.url, '--queues', 'echo@1', '--health', String(port)],
      { stdio: ['ignore', 'ignore', 'pipe'] })
    t.teardown(() => child.kill('SIGKILL'))
    await once(child.stderr, 'data')
    const url = `http://127.0.0.1:${port}`
    await until('the worker to be ready', async () => (await fetch(`${url}/health/ready`).catch(() => undefined))?.status === 200)
    return url
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, { jobs, tiers: [{ actors: 1 }], execArgv: [], metrics: '/metrics', remote: bullmqTier({ redis: redis.url }) })
  await app.ready()
  const worker = await start()
  const remote = (): RemoteStats => app.spillover.snapshot().remote as RemoteStats
  await until('the worker to be known', () => remote().shards[0]!.queues['echo@1']?.workers === 1)
  t.equal(await app.offload('echo', 5, { durable: true }), 5)

  const namesOf = (text: string): string[] => [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!)
  const response = await fetch(`${worker}/metrics`)
  t.match(response.headers.get('content-type'), /^text\/plain; version=/)
  const text = await response.text()
  t.same(namesOf(text), namesOf((await app.inject('/metrics')).body))
  t.match(text, /^fastify_spillover_jobs_settled_total\{[^}]*job="echo",tier="1",outcome="ok"\} 1$/m)
  t.match(text, /^fastify_spillover_remote_wait_seconds_count\{[^}]*job="echo"\} 1$/m)
  t.match(text, /^fastify_spillover_remote_breaker_open\{[^}]*shard="0"\} 0$/m)

  const folder = t.testdir()
  writeFileSync(join(folder, 'without.cjs'), `const Module = require('node:module')
const load = Module._load
Module._load = function (name) {
  if (name === 'prom-client') throw new Error("Cannot find module 'prom-client'")
  return load.apply(this, arguments)
}
`)
  const without = await fetch(`${await start('--require', join(folder, 'without.cjs'))}/metrics`)
  t.equal(without.status, 501)
  t.match(await without.text(), /^\/metrics needs the package prom-client: npm install prom-client\n/)
})
