// The Fastify plugin: options, decorators, lifecycle; everything else is one floor down.
import fp = require('fastify-plugin')
import { channels, createScheduler, errors, isRecord, optionTable, show } from '../lib/index.js'
import { registerDurable } from './durable.js'
import { decorate } from './offload.js'
import { registerDashboard } from './dashboard.js'
import { checkNames } from './options.js'
import { registerHealth, statusOf } from './health.js'
import { withoutFastifys } from './registration.js'
import { registerMetrics } from './metrics.js'
import type { FastifyPluginAsync, RouteHandlerMethod } from 'fastify'
import type {
  HintMessage, JobContext as Context, JobLog, JobName, JobsOf as Jobs,
  OffloadOptions as CallOptions, Options as PoolOptions, RemoteLog, RemoteOptions, RemoteTier
} from '../lib/index.js'
import type { DurableHandlerOptions, DurableRoutes } from './durable.js'
import type { OffloadHandlerOptions, RouteOffload } from './offload.js'
import type { DashboardOptions } from './dashboard.js'
import type { HealthOptions } from './health.js'
import type { MetricsOptions } from './metrics.js'
import type { Offload as CallOffload, Pool as AppPool } from './pool.js'

/** What has no tier stays as it was given, for the error of it. */
function withLog (remote: RemoteTier | RemoteOptions, log: RemoteLog): RemoteTier | RemoteOptions {
  const options = 'tier' in remote ? remote : { tier: remote }
  return typeof options.tier?.admit === 'function' ? { log, ...options } : remote
}

/** Each `spillover` of an application, and of its contexts that have pools of their own, as made here. */
const registries = new WeakSet<object>()

const plugin: FastifyPluginAsync<spillover.Options> = async (fastify, options) => {
  const ours = withoutFastifys(options)
  checkNames(ours)
  const { health, metrics, dashboard, durable, namespace, ...poolOptions } = ours
  const [, nameCheck] = optionTable.name
  if (namespace !== undefined && !nameCheck.test(namespace)) {
    throw new errors.OPTION('namespace', nameCheck.expected, show(namespace))
  }
  const above: object | null = registries.has(fastify.spillover) ? fastify.spillover : null
  if (above !== null && (namespace ?? 'offload') in above) {
    throw new errors.NAMESPACE_TAKEN(namespace === undefined ? 'a pool without a namespace' : `namespace ${JSON.stringify(namespace)}`)
  }
  const pool: spillover.Pool = {
    get identity () { return scheduler.identity },
    get plan () { return scheduler.plan },
    offload: (name: JobName, input?: unknown, callOptions?: CallOptions) =>
      scheduler.offload(name, input as never, callOptions),
    broadcast: (name, value) => scheduler.broadcast(name, value),
    ready: () => scheduler.ready(),
    drain: () => scheduler.drain(),
    snapshot: () => scheduler.snapshot(),
    healthCheck: async () => {
      await scheduler.ready()
      const status = statusOf(scheduler.snapshot())
      return status !== 'down' && { spillover: status }
    },
    record: (recordOptions) => scheduler.record(recordOptions),
    get jobs () { return scheduler.jobs }
  }
  if (namespace !== undefined && Object.hasOwn(pool, namespace)) {
    throw new errors.OPTION('namespace', 'a name that app.spillover does not have itself', show(namespace))
  }
  const { remote } = poolOptions
  const scheduler = createScheduler({
    log: fastify.log as Partial<JobLog>,
    ...poolOptions,
    ...(isRecord(remote) && { remote: withLog(remote as RemoteTier | RemoteOptions, fastify.log) }),
    ...(namespace !== undefined && { name: namespace })
  })
  // requests in flight still settle: onClose comes after them. Here, for a boot that fails from here on
  fastify.addHook('onClose', async () => { await scheduler.close() })
  const isHere = above !== null && Object.hasOwn(fastify, 'spillover')
  const registry = (isHere ? above : Object.create(above)) as Record<string, unknown>
  if (!isHere) {
    // throws where somebody else has a decorator of this name
    fastify.decorate('spillover', registry as never)
    registries.add(registry)
  }
  if (namespace !== undefined) registry[namespace] = pool
  else Object.defineProperties(registry, Object.getOwnPropertyDescriptors(pool))
  const checkJobs = decorate(fastify, pool, namespace, (name) => scheduler.admit(name))
  if (health !== undefined && health !== false) await registerHealth(fastify, pool, health)
  if (metrics !== undefined && metrics !== false) await registerMetrics(fastify, scheduler, metrics)
  if (dashboard !== undefined && dashboard !== false) await registerDashboard(fastify, pool, dashboard)

  const hasDurable = durable !== undefined && durable !== false
  if (hasDurable && namespace !== undefined) throw new errors.OPTION('durable', 'no value where namespace is set', 'an object')
  const checkDurableNames = hasDurable ? await registerDurable(fastify, scheduler, durable) : undefined

  fastify.addHook('onReady', async () => {
    await scheduler.ready()
    checkJobs(scheduler.jobs)
    checkDurableNames?.(scheduler.jobs)
  })
  const onHint = (message: unknown): void => {
    const { pool: about, text, ...numbers } = message as HintMessage
    if (about === scheduler.identity) fastify.log.warn(numbers, text)
  }
  channels.hint.subscribe(onHint)
  fastify.addHook('onClose', async () => { channels.hint.unsubscribe(onHint) })
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Run a job, bound to no request. */
    offload: spillover.Offload
    /** Make a route handler that runs a job and replies with its result. */
    offloadHandler <Name extends JobName> (name: Name, options?: OffloadHandlerOptions<Name>): RouteHandlerMethod
    /** Make a route handler that hands over a durable job and replies 202 with its place, or with its result. */
    durableHandler <Name extends JobName> (name: Name, options?: DurableHandlerOptions<Name>): RouteHandlerMethod
    /** The pool, and those of other namespaces by name. */
    spillover: spillover.Pool & { readonly [namespace: string]: spillover.Pool }
  }
  interface FastifyRequest {
    /** Run a job for this request: cancelled when the client goes away, with the route's defaults. */
    offload: spillover.Offload
  }
  interface FastifyContextConfig {
    /** Defaults of `request.offload` on this route; `false` forbids it. */
    offload?: RouteOffload | false
  }
}

// the types of the family: `export =` with a namespace, so that require, import x and import { x } are all typed
declare namespace spillover {
  export type Options = PoolOptions & {
    /** route of the health endpoint, or its options; off unless given */
    health?: string | HealthOptions | false
    /**
     * Prometheus metrics through prom-client: the path of a route, or options; true puts them into the registry of
     * a registered metrics plugin without a route. Off unless given.
     */
    metrics?: string | MetricsOptions | boolean
    /** path of the dashboard, or its options; off unless given */
    dashboard?: string | DashboardOptions | false
    /** routes of durable jobs, and `app.durableHandler`; off unless given */
    durable?: DurableRoutes | false
    /** name of this pool, where an application has several */
    namespace?: string
  }
  export type Offload = CallOffload
  export type Pool = AppPool
  export type OffloadOptions = CallOptions
  export type JobContext = Context
  export type JobsOf<Module, Prefix extends string = ''> = Jobs<Module, Prefix>
  export const spillover: FastifyPluginAsync<Options>
  export { spillover as default }
}

const wrapped = fp(plugin, { fastify: '5.x', name: 'fastify-spillover' })
function spillover (...args: Parameters<FastifyPluginAsync<spillover.Options>>): Promise<void> {
  return wrapped.apply(undefined, args) as unknown as Promise<void>
}
Object.assign(spillover, wrapped, { spillover, default: spillover })
// for the eyes of Node's lexer, which gives ES modules the named exports of this one
exports.spillover = exports.default = spillover

export = spillover
