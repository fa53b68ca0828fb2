// The dashboard: one page with its files and its events; off unless asked for.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { channels, integer, readCpuLoad, readTopology } from '../lib/index.js'
import { drawMachine } from './machine.js'
import { readRoute, routeOpts as more } from './options.js'
import { EventStream } from './stream.js'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { FailedMessage, PlanMessage, Topology } from '../lib/index.js'
import type { Pool } from './pool.js'

/** Options of the dashboard. */
export interface DashboardOptions {
  /** path of the page; its files and events are below it */
  url: string
  /** who may see it: as a route's `onRequest`, for the page, its files and its events */
  onRequest?: RouteShorthandOptions['onRequest']
  /** more route options for all of its routes: further hooks, `config`, `logLevel` */
  routeOpts?: RouteShorthandOptions
  /** pause between two events, ms, 100 to 60000 @default 500 */
  intervalMs?: number
}

/** Failures shown. */
const MAX_FAILURES = 20

/** What the page is made of; read at boot, from the package's own folder. */
const files: Readonly<Record<string, string>> = {
  'page.css': 'text/css; charset=utf-8',
  'uplot.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'stream.js': 'text/javascript; charset=utf-8',
  'machine.js': 'text/javascript; charset=utf-8',
  'parts.js': 'text/javascript; charset=utf-8',
  'charts.js': 'text/javascript; charset=utf-8',
  'element.js': 'text/javascript; charset=utf-8',
  'uplot.js': 'text/javascript; charset=utf-8'
}
const folder = join(__dirname, '..', '..', 'plugin', 'dashboard')

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const { version } = require('../../package.json') as { version: string }

/** Add the routes, in a child so that they are the plugin's own. */
export async function registerDashboard (fastify: FastifyInstance, pool: Pick<Pool, 'identity' | 'plan' | 'snapshot'>,
  given: string | DashboardOptions, read: () => Topology = readTopology): Promise<void> {
  const { url, onRequest, routeOpts, intervalMs } = check(given)
  const base = url.replace(/\/$/, '')
  const failures: FailedMessage[] = []
  const onFailed = (message: unknown): void => {
    if ((message as FailedMessage).pool !== pool.identity) return
    failures.unshift(message as FailedMessage)
    failures.length = Math.min(failures.length, MAX_FAILURES)
  }
  channels.failed.subscribe(onFailed)
  let topology = read()
  const instance = randomUUID()
  const hello = (): object => ({
    instance,
    version,
    intervalMs,
    pool: pool.identity.name,
    pid: process.pid,
    node: `Node ${process.versions.node}`,
    strategy: pool.plan.strategy,
    quotaCpus: pool.plan.quotaCpus,
    notes: pool.plan.notes,
    tiers: pool.plan.tiers.map(({ tier, threshold, slots }) => ({ tier, threshold, actors: slots.length })),
    ...drawMachine(topology, pool.plan)
  })
  let loop = performance.eventLoopUtilization()
  const stream = new EventStream(async () => {
    const cpuLoad = await readCpuLoad(topology.online)
    const loopBefore = loop
    loop = performance.eventLoopUtilization()
    return {
      atMs: Date.now(),
      snapshot: pool.snapshot(),
      cpuLoad,
      loop: performance.eventLoopUtilization(loop, loopBefore).utilization,
      errors: failures.map(({ pool, error, ...failure }) => ({ ...failure, ...textOf(error) }))
    }
  }, intervalMs)
  const onPlan = (message: unknown): void => {
    if ((message as PlanMessage).pool !== pool.identity) return
    topology = read()
    stream.send('machine', hello())
  }
  channels.plan.subscribe(onPlan)
  fastify.addHook('preClose', async () => { stream.close() })
  fastify.addHook('onClose', async () => {
    channels.failed.unsubscribe(onFailed)
    channels.plan.unsubscribe(onPlan)
  })

  await fastify.register(async (child) => {
    const options: RouteShorthandOptions = {
      ...routeOpts,
      ...(onRequest !== undefined && { onRequest }),
      schema: { hide: true, ...routeOpts?.schema } as never
    }
    const last = base.slice(base.lastIndexOf('/') + 1)
    const page = readFileSync(join(folder, 'page.html'), 'utf8')
      .replaceAll('{{base}}', base === '' ? '.' : `./${encodeURI(last)}`)
    const sendPage = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
      // the files' paths are relative, so that a proxy may put the page below another path
      const path = request.url.split('?')[0]!
      if (base !== '' && path.endsWith('/')) return reply.redirect(`../${encodeURI(last)}`, 308)
      return secure(reply).type('text/html; charset=utf-8').header('content-security-policy', policy).send(page)
    }
    child.get(base === '' ? '/' : base, options, sendPage)
    const { ignoreTrailingSlash, routerOptions } = fastify.initialConfig as {
      ignoreTrailingSlash?: boolean, routerOptions?: { ignoreTrailingSlash?: boolean }
    }
    const isSame = ignoreTrailingSlash === true || routerOptions?.ignoreTrailingSlash === true
    if (base !== '' && !isSame) child.get(`${base}/`, options, sendPage)
    for (const [file, type] of Object.entries(files)) {
      const content = readFileSync(join(folder, file))
      child.get(`${base}/${file}`, options, (_request, reply) => secure(reply).type(type).send(content))
    }
    child.get(`${base}/events`, { ...options, exposeHeadRoute: false }, (_request, reply) => {
      if (stream.isFull) return reply.code(503).header('retry-after', '5').send(new Error('too many dashboards are open'))
      secure(reply).hijack()
      reply.raw.writeHead(200, {
        ...reply.getHeaders() as Record<string, string>,
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no'
      })
      stream.add(reply.raw, hello())
    })
  })
}

function secure (reply: FastifyReply): FastifyReply {
  return reply.headers({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer'
  })
}

function textOf (error: unknown): { code: string | null, message: string } {
  const { code, message } = Object(error) as { code?: unknown, message?: unknown }
  return { code: typeof code === 'string' ? code : null, message: wordOf(message ?? error).slice(0, 300) }
}

/** A job may throw what has no text: `{ toString: 1 }`. */
function wordOf (value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'no text'
  }
}

function check (given: string | DashboardOptions): Required<Pick<DashboardOptions, 'intervalMs'>> & DashboardOptions {
  return readRoute('dashboard', given, {
    onRequest: [undefined, {
      expected: 'a function or an array of functions',
      test: (value) => [value].flat().every((hook) => typeof hook === 'function')
    }],
    routeOpts: more,
    intervalMs: [500, integer(100, 60_000)]
  }, true)
}
