// Prometheus metrics of a pool: into the registry that is there, or into one of its own; off unless asked for.
import { addPool, errors, newRegistry } from '../lib/index.js'
import { readRoute, routeOpts as more } from './options.js'
import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import type { Measured, MetricRegistry } from '../lib/index.js'

/** Options of the metrics. */
export interface MetricsOptions {
  /** path of the route; without one there is no route, and the registry's owner shows them */
  url?: string
  /** registry to put them in @default that of a metrics plugin (`app.metrics.client.register`), else a new one */
  register?: MetricRegistry
  /** more route options: hooks for who may see it, `config`, `logLevel` */
  routeOpts?: RouteShorthandOptions
}

/** Add the metrics of a pool, and the route where one is asked for. */
export async function registerMetrics (fastify: FastifyInstance, pool: Measured, given: string | MetricsOptions | true):
Promise<void> {
  const options = check(given)
  let registry: MetricRegistry | undefined
  let remove = (): void => {}
  // a metrics plugin may be registered after this one
  fastify.addHook('onReady', async () => {
    registry = options.register ?? registeredPlugin(fastify) ?? ownRegistry(options)
    remove = addPool(registry, pool)
  })
  fastify.addHook('onClose', async () => { remove() })
  const { url } = options
  if (url === undefined) return
  await fastify.register(async (child) => {
    child.get(url, { ...options.routeOpts, schema: { hide: true, ...options.routeOpts?.schema } as never },
      async (_request, reply) => {
        reply.type(registry!.contentType).header('cache-control', 'no-store')
        return await registry!.metrics()
      })
  })
}

function check (given: string | MetricsOptions | true): MetricsOptions {
  return readRoute('metrics', given === true ? {} : given, {
    register: [undefined, {
      expected: 'a registry of prom-client',
      test: (value) => typeof (value as MetricRegistry | null)?.registerMetric === 'function'
    }],
    routeOpts: more
  }, false)
}

/** The registry of a plugin such as fastify-metrics. */
function registeredPlugin (fastify: FastifyInstance): MetricRegistry | undefined {
  const { metrics } = fastify as { metrics?: { client?: { register?: MetricRegistry } } }
  const register = metrics?.client?.register
  return typeof register?.registerMetric === 'function' ? register : undefined
}

function ownRegistry ({ url }: MetricsOptions): MetricRegistry {
  if (url === undefined) {
    throw new errors.OPTION('metrics', 'a path, or a registry: no metrics plugin is registered', 'neither')
  }
  return newRegistry('metrics')
}
