// The command `worker`: runs the registered functions for other machines, on the same pool, until SIGTERM.
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { resolve } from 'node:path'
import { addPool, createScheduler, newRegistry } from '../index.js'
import { readPlace, redisHelp, redisOptions } from './redis.js'
import { readSecret } from './secret.js'
import type { Server, ServerResponse } from 'node:http'
import type { Flags } from './flags.js'
import type { MetricRegistry, Scheduler } from '../index.js'

/** Flags of the command. */
export const workerOptions = {
  jobs: { type: 'string' },
  ...redisOptions,
  queues: { type: 'string' },
  drain: { type: 'string' },
  lock: { type: 'string' },
  health: { type: 'string' },
  trace: { type: 'string' }
} as const

/** What is printed of them. */
export const workerHelp = `Usage: fastify-spillover worker --jobs FILE --redis URL [options]

Runs jobs of other machines, taken from Redis, until SIGTERM.

Options:
  --jobs FILE       module whose exported functions are the jobs
${redisHelp}  --queues LIST     what to serve, as in resize@2,pdf@1 (default: every job)
  --drain MS        time for jobs that run at SIGTERM (default: 25000)
  --lock MS         run a dead worker's jobs again after this (default: 15000)
  --health PORT     /health/live, /health/ready and /health/tiers on 127.0.0.1,
                    and /metrics where prom-client is installed; HOST:PORT for
                    another address, as 0.0.0.0:9090 in a container
  --trace FILE      record from the start, at most 200,000 jobs; at the end
                    write a trace that Chrome and Perfetto open
  -h, --help        print this text

SPILLOVER_SIGNING_KEY has the key of signed jobs, or the file that
SPILLOVER_SIGNING_KEY_FILE names.
`

/** Run until SIGTERM or SIGINT. Resolves, with nothing to print, when all is closed. */
export async function runWorker (flags: Flags): Promise<string> {
  if (typeof flags.jobs !== 'string') throw new Error('option --jobs: expected a file, got none')
  const { shown, ...place } = readPlace(flags)
  const signingKey = readSecret('SPILLOVER_SIGNING_KEY')
  const drainMs = Number(flags.drain ?? 25000)
  if (!Number.isInteger(drainMs) || drainMs < 0) throw new Error(`option --drain: expected milliseconds, got "${flags.drain}"`)
  const lockMs = Number(flags.lock ?? 15000)
  if (!Number.isInteger(lockMs) || lockMs < 1000) throw new Error(`option --lock: expected milliseconds, at least 1000, got "${flags.lock}"`)
  const health = flags.health === undefined ? undefined : readAddress(String(flags.health))
  if (flags.trace !== undefined) mustBeWritable(String(flags.trace))
  const write = (text: string): void => { process.stderr.write(`fastify-spillover worker: ${text}\n`) }
  const { bullmqTier } = await import('../remote/bullmq.js')
  const isToEnd = new Promise<void>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve())
  })
  // the port before the pool: with Redis away the close of a pool takes long
  const served: { scheduler?: Scheduler } = {}
  const server = health === undefined ? undefined : await serveHealth(served, health)
  const tier = bullmqTier({
    ...place,
    lockMs,
    stalledMs: Math.ceil(lockMs / 3),
    ...(signingKey !== undefined && { signingKey })
  })
  const scheduler = createScheduler({
    jobs: resolve(flags.jobs),
    drainMs,
    remote: {
      tier,
      serve: true,
      queues: typeof flags.queues === 'string' ? flags.queues.split(',') : null,
      log: { info: write, warn: write, error: write }
    }
  })
  served.scheduler = scheduler
  try {
    await scheduler.ready()
  } catch (error) {
    // the connections to Redis would keep the process
    await scheduler.close()
    server?.close()
    throw error
  }
  const recording = flags.trace === undefined ? undefined : scheduler.beginRecording()
  write(`serves ${scheduler.jobs.join(', ')} from ${[...new Set(shown)].join(', ')}`)
  // a worker without a connection still waits for one
  const hold = setInterval(() => {}, 2 ** 30)
  await isToEnd
  write('ends: it takes no more jobs')
  await scheduler.close()
  if (recording !== undefined) writeFileSync(String(flags.trace), JSON.stringify(recording.end()))
  server?.close()
  clearInterval(hold)
  return ''
}

/** `PORT`, `HOST:PORT` or `[HOST]:PORT`. */
function readAddress (text: string): { host: string, port: number } {
  const [, six, host, port] = /^(?:(?:\[([\da-f:.]+)\]|([^:]+)):)?(\d{1,5})$/i.exec(text) ?? []
  if (port === undefined || Number(port) > 65535) {
    throw new Error(`option --health: expected PORT or HOST:PORT, got "${text}"`)
  }
  return { host: six ?? host ?? '127.0.0.1', port: Number(port) }
}

/** The trace is written at the end, which may be days away. */
function mustBeWritable (file: string): void {
  try {
    closeSync(openSync(file, 'a'))
  } catch (error) {
    throw new Error(`option --trace: cannot write the file: ${(error as Error).message}`)
  }
}

/**
 * 200 while the pool is open and one breaker is closed, else 503; `/metrics` is 501 without prom-client. Rejects where
 * the port is taken.
 */
async function serveHealth (served: { scheduler?: Scheduler }, address: { host: string, port: number }):
Promise<Server> {
  let metrics: MetricRegistry | string | undefined
  const server = createServer((request, response) => {
    const { scheduler } = served
    if (request.url === '/metrics' && scheduler !== undefined) {
      metrics ??= metricsOf(scheduler)
      return sendMetrics(response, metrics)
    }
    const snapshot = scheduler?.snapshot()
    const shards = (snapshot?.remote as { shards: { breaker: string }[] } | undefined)?.shards ?? []
    const isReady = snapshot?.state === 'open' && shards.some(({ breaker }) => breaker === 'closed')
    const isAlive = request.url === '/health/live'
    const isKnown = isAlive || request.url === '/health/ready' || request.url === '/health/tiers' ||
      request.url === '/metrics'
    response.writeHead(!isKnown ? 404 : isAlive || isReady ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify(request.url === '/health/tiers' && snapshot !== undefined ? snapshot : { status: isReady ? 'ok' : 'down' }))
  })
  server.listen(address).unref()
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new Error(`option --health: cannot listen on port ${address.port}: ${(error as Error).message}`)
  }
  return server
}

/** The registry of the pool, or why there is none. */
function metricsOf (scheduler: Scheduler): MetricRegistry | string {
  try {
    const registry = newRegistry('--health')
    addPool(registry, scheduler)
    return registry
  } catch (error) {
    return `/metrics needs the package prom-client: npm install prom-client\n${(error as Error).message}\n`
  }
}

async function sendMetrics (response: ServerResponse, metrics: MetricRegistry | string): Promise<void> {
  if (typeof metrics === 'string') {
    response.writeHead(501, { 'content-type': 'text/plain' }).end(metrics)
    return
  }
  const text = await metrics.metrics()
  response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text)
}
