// The no-op job with each feature of docs/observability.md off and on, in turns: node test/benchmark/features.js

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { Registry } from 'prom-client'
import lib from '../../dist/lib/index.js'
import { addPool } from '../../dist/plugin/families.js'

const { channels, createScheduler } = lib
const fixture = (name) => join(fileURLToPath(import.meta.url), '../../fixtures', name)
const jobs = fixture('jobs.cjs')
const base = { jobs, tiers: [{ actors: 1 }], execArgv: [] }
const ROUNDS = Number(process.env.ROUNDS ?? 5)

/** Each makes a pool as it is used with the feature, and says what ends it. */
const kinds = {
  off: () => ({}),
  'off again': () => ({}),
  'metrics, read each second': (pool) => {
    const register = new Registry()
    addPool(register, pool)
    return every(1000, () => register.metrics())
  },
  'dashboard, one page open': (pool) => every(500, () => JSON.stringify(pool.snapshot())),
  recording: (pool) => {
    const recording = pool.record({ seconds: 1.4 })
    return { end: () => recording }
  },
  'health, read each second': (pool) => every(1000, () => JSON.stringify(pool.snapshot())),
  'broadcast, each second': (pool) => every(1000, () => pool.broadcast('setSetting', 'value')),
  'channels, one subscriber': () => {
    const subscriber = () => {}
    channels.settled.subscribe(subscriber)
    return { end: () => channels.settled.unsubscribe(subscriber) }
  },
  'a logger, nothing logged': () => ({}),
  'warm-up, 1000 calls': () => ({}),
  context: () => ({}),
  'tracing, no SDK': () => ({}),
  'tracing, SDK': () => ({})
}
const silent = Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [level, () => {}]))
const options = {
  'a logger, nothing logged': { log: { ...silent, levelVal: 30 } },
  'warm-up, 1000 calls': { warmup: { echo: 1 }, warmupCalls: 1000 },
  context: { context: { capture: () => 'tenant', restore: fixture('tenant.cjs') } },
  'tracing, no SDK': { tracing: true },
  'tracing, SDK': { tracing: true }
}

const every = (ms, work) => {
  const timer = setInterval(work, ms)
  return { end: () => clearInterval(timer) }
}

/** Jobs a second with 64 in flight. */
const run = async (pool, ms) => {
  let count = 0
  const endMs = performance.now() + ms
  await Promise.all(Array.from({ length: 64 }, async () => {
    for (; performance.now() < endMs; count++) await pool.offload('echo', 1)
  }))
  return Math.round(count / ms * 1000)
}

const main = async () => {
  const rates = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]))
  // what the dashboard listens to for its list of errors; nothing fails here
  channels.failed.subscribe(() => {})
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, begin] of Object.entries(kinds)) {
      if (kind === 'tracing, SDK') trace.setGlobalTracerProvider(new BasicTracerProvider())
      const pool = createScheduler({ ...base, ...options[kind] })
      await pool.ready()
      const { end } = begin(pool)
      await run(pool, 300)
      rates[kind].push(await run(pool, 1000))
      await end?.()
      await pool.close()
      trace.disable()
    }
  }
  for (const [kind, found] of Object.entries(rates)) {
    const sorted = found.sort((one, other) => one - other)
    console.log(kind.padEnd(28), `${sorted[ROUNDS >> 1]}/s (${sorted[0]} to ${sorted.at(-1)})`)
  }
}

main()
