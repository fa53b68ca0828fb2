// What each feature costs a no-op job, off and on: `npm run bench:features` writes the table of docs/observability.md.
// --quick takes a tenth of the time and writes nothing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import lib from '../../dist/lib/index.js'
import dashboard from '../../dist/plugin/dashboard.js'
import { addPool } from '../../dist/lib/families.js'
import { describeMachine } from './machine.js'
import { number } from './print.js'
import { rewrite, table } from './rewrite.js'

const { channels, createScheduler } = lib
const fixture = (name) => join(fileURLToPath(import.meta.url), '../../fixtures', name)
const isQuick = process.argv.includes('--quick')
const MS = isQuick ? 100 : 1000
const ROUNDS = Number(process.env.ROUNDS ?? 5)
const base = { jobs: fixture('jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [] }
const input = { id: 1, name: 'a small object', tags: ['one', 'two'] }
/** A limit that is looked at and never reached. */
const NEVER = 2 ** 30

const every = (ms, work) => {
  const timer = setInterval(work, ms)
  return () => clearInterval(timer)
}
const subscribe = (...names) => () => {
  const subscriber = () => {}
  for (const name of names) channels[name].subscribe(subscriber)
  return () => { for (const name of names) channels[name].unsubscribe(subscriber) }
}
const silent = {
  levelVal: 30,
  ...Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [level, () => {}]))
}

/** The dashboard on a server, and a page in a process of its own that reads its events. */
async function openDashboard (pool) {
  const app = Fastify({ forceCloseConnections: true })
  await dashboard.registerDashboard(app, pool, '/spillover')
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const reader = spawn(process.execPath,
    ['-e', `fetch('${address}/spillover/events').then(async ({ body }) => { for await (const part of body) process.stdout.write('.') }).catch(() => {})`],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(reader.stdout, 'data')
  reader.stdout.resume()
  return async () => {
    reader.kill()
    await app.close()
  }
}

/** Name, options of the pool, what is begun beside it (it returns what ends it), and the job where it is another. */
const features = [
  ['off', {}],
  ['off, once more', {}],
  ['metrics, read each second', {}, (pool) => {
    const register = new Registry()
    addPool(register, pool)
    return every(MS, () => register.metrics())
  }],
  ['tracing, no SDK in the process', { tracing: true }],
  ['tracing, with an SDK', { tracing: true }, () => {
    trace.setGlobalTracerProvider(new BasicTracerProvider())
    return () => trace.disable()
  }],
  ['diagnostics channels, a subscriber of settled', {}, subscribe('settled')],
  ['diagnostics channels, a subscriber of each', {}, subscribe(...Object.keys(channels))],
  ['`ctx.log`, nothing logged', { log: silent }],
  ['`ctx.log`, one record a job', { log: silent }, undefined, (pool) => pool.offload('log', 'text')],
  ['health, read each second', {}, (pool) => every(MS, () => JSON.stringify(pool.snapshot()))],
  ['dashboard, registered', {}, async (pool) => {
    const app = Fastify()
    await dashboard.registerDashboard(app, pool, '/spillover')
    return () => app.close()
  }],
  ['dashboard, one page open', {}, openDashboard],
  ['recording', {}, (pool) => {
    const ending = new AbortController()
    const recording = pool.record({ seconds: 3600, signal: ending.signal })
    return async () => {
      ending.abort()
      await recording
    }
  }],
  ['`context` hooks, a short text', { context: { capture: () => 'tenant', restore: fixture('tenant.cjs') } }],
  ['`broadcast`, each second', {}, (pool) => every(MS, () => pool.broadcast('setSetting', 'value'))],
  ['`callerStack: true`', { callerStack: true }],
  ['`maxPayloadBytes: 0` (on by default)', { maxPayloadBytes: 0 }],
  ['`quarantineDeaths: 0` (on by default)', { quarantineDeaths: 0 }],
  ['`watch: false` (on by default)', { watch: false }],
  ['`recycle`, limits not reached', { recycle: { maxJobs: NEVER, maxAgeMs: NEVER, maxHeapMb: NEVER } }],
  ['`warmupCalls: 1000`', { warmup: { echo: input }, warmupCalls: 1000 }]
]

/** Jobs a second with 64 in flight. */
async function run (pool, call, ms) {
  let count = 0
  const endMs = performance.now() + ms
  await Promise.all(Array.from({ length: 64 }, async () => {
    for (; performance.now() < endMs; count++) await call(pool)
  }))
  return count / ms * 1000
}

async function measure ([, options, begin, call = (pool) => pool.offload('echo', input)]) {
  const pool = createScheduler({ ...base, ...options })
  await pool.ready()
  const end = await begin?.(pool)
  await run(pool, call, 0.3 * MS)
  const rate = await run(pool, call, MS)
  await end?.()
  await pool.close()
  return rate
}

const median = (values) => [...values].sort((one, other) => one - other)[values.length >> 1]

const rates = new Map(features.map(([name]) => [name, []]))
for (let round = 0; round < ROUNDS; round++) {
  // each round begins with another one, so that none has always the same neighbour
  const at = round * 5 % features.length
  for (const feature of [...features.slice(at), ...features.slice(0, at)]) {
    rates.get(feature[0]).push(await measure(feature))
  }
}
const off = rates.get('off')
const percent = (ratio) => `${ratio >= 1 ? '+' : '−'}${Math.abs((ratio - 1) * 100).toFixed(0)} %`
const rows = features.map(([name]) => {
  const found = rates.get(name)
  const ratios = found.map((rate, round) => rate / off[round])
  const rate = median(found)
  return [name, number(rate), ...name === 'off'
    ? ['', '', '']
    : [percent(median(ratios)), `${percent(Math.min(...ratios))} to ${percent(Math.max(...ratios))}`,
        ((1 / rate - 1 / median(off)) * 1e6).toFixed(2).replace('-', '−')]]
})
const machine = describeMachine({ node: process.execPath })
const again = rows[1]
const text = `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine.cpu}, ${machine.cpus} CPUs` +
  `${machine.isVirtual ? ' of a virtual machine' : ''}, ${machine.system}, Node ${machine.node}. A job that gives back a ` +
  `small object, 64 in flight, one actor; medians of ${ROUNDS} interleaved rounds of one second, and each round against ` +
  `"off" of the same round. "Off, once more" is the same pool (${again[3]}): what is within that is not shown to cost ` +
  `anything.\n\n${table(['', 'jobs/s', 'against off', 'in the rounds', 'µs more a job'], rows)}`
console.log(text)
if (!isQuick) rewrite('../../docs/observability.md', 'features', text)
