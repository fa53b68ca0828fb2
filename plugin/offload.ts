// What a route can do: request.offload, offloadHandler and config.offload; compiled once, at boot.
import { errors, unknownJob } from '../lib/index.js'
import { isLast, signalOf, watchClient } from './client.js'
import { Pacing } from './pacing.js'
import { checkHandler, checkRoute } from './options.js'
import { addResponses } from './responses.js'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { Departure, JobInput, JobName, OffloadOptions } from '../lib/index.js'
import type { Pool } from './pool.js'

/** Defaults of the jobs of one route. */
export type RouteOffload = Pick<OffloadOptions, 'timeoutMs' | 'queueTimeoutMs' | 'priority' | 'idempotent'> & {
  /** name of the job this route offloads to; checked at boot */
  job?: JobName
}

/** Options of `offloadHandler`. */
export interface OffloadHandlerOptions<Name> extends Omit<RouteOffload, 'job'> {
  /** makes the job's input from the request @default the body */
  input? (request: FastifyRequest): JobInput<Name> | Promise<JobInput<Name>>
}

/** The reply of a request, and of a reply what tells that its client goes away: made with the request's first job. */
const kReply = Symbol('fastify-spillover.reply')
const kDeparture = Symbol('fastify-spillover.departure')
type Answered = FastifyRequest & { [kReply]?: WatchedReply | null }
type WatchedReply = FastifyReply & { [kDeparture]?: Departure | null }

type AnyFunction = (this: FastifyRequest, ...args: any[]) => unknown

/**
 * Add the decorators of one pool. `admit` throws what a job would be refused with. Returns the check of all job names
 * that routes mention, to be called when they are known.
 */
export function decorate (fastify: FastifyInstance, pool: Pool, namespace: string | undefined,
  admit: (name: string) => void): (known: readonly string[]) => void {
  const mentioned: { job: string, where: string }[] = []
  const handlers = new WeakMap<object, string>()
  const pacing = new Pacing()
  let isClosing = false

  fastify.addHook('onRoute', (route) => {
    const config = route.config?.offload
    const job = handlers.get(route.handler)
    if (job !== undefined) {
      // behind the hooks that say who may ask, before the body is read; other handlers may not offload each time
      route.preParsing = [...[route.preParsing ?? []].flat(), (_request, reply, _payload, done) => {
        try {
          admit(job)
        } catch (error) {
          hold(error, reply).then(() => done(error as Error), done)
          return
        }
        done()
      }]
      addResponses(route)
    }
    if (config === undefined || config === false) return
    const where = `${String(route.method)} ${route.url}`
    checkRoute(config, where)
    if (namespace === undefined) addResponses(route)
    if (config.job !== undefined && namespace === undefined) mentioned.push({ job: config.job, where })
  })

  /** Where it is a refusal, wait for its turn, and say when to come again. */
  const hold = async (error: unknown, reply: FastifyReply | undefined): Promise<void> => {
    const refusal = error as { retryAfterS?: number }
    if (refusal.retryAfterS === undefined) return
    const heldS = await pacing.turn() / 1000
    refusal.retryAfterS = Math.max(1, Math.round(refusal.retryAfterS - heldS))
    reply?.header('retry-after', String(refusal.retryAfterS))
  }

  const offloadFor = (request: FastifyRequest, reply: WatchedReply | undefined) =>
    async (name: string, input: unknown, options?: OffloadOptions): Promise<unknown> => {
      const { config: { offload: route }, handlerTimeout } = request.routeOptions
      if (route === false) throw new errors.FORBIDDEN(request.routeOptions.url ?? request.url, name)
      const { job, ...defaults } = route ?? {}
      const hasTimeout = handlerTimeout > 0
      const departure = reply === undefined ? undefined : reply[kDeparture] ??= watchClient(request, reply, hasTimeout)
      try {
        return await pool.offload(name, input, {
          ...defaults,
          requestId: request.id,
          log: request.log as never,
          ...options,
          signal: signalOf(departure, options?.signal) as never
        })
      } catch (error) {
        await hold(error, reply)
        throw error
      } finally {
        // a keep-alive connection would hold the close for the length of the keep-alive timeout
        if (isClosing && reply?.sent === false && isLast(request)) reply.header('connection', 'close')
      }
    }

  const handler = (name: string, options: OffloadHandlerOptions<string> = {}): RouteHandlerMethod => {
    checkHandler(options, 'offloadHandler', name)
    const { input, ...defaults } = options
    mentioned.push({ job: name, where: 'offloadHandler' })
    const handle: RouteHandlerMethod = async (request, reply) => {
      const value = input === undefined ? request.body : await input(request)
      return await (offloadFor(request, reply))(name, value, defaults as OffloadOptions)
    }
    handlers.set(handle, name)
    return handle
  }

  if (namespace === undefined) {
    fastify.decorate('offload', pool.offload)
    fastify.decorate('offloadHandler', handler as never)
    fastify.addHook('preClose', async () => {
      isClosing = true
      pacing.close()
    })
    fastify.decorateRequest(kReply, null)
    fastify.decorateReply(kDeparture, null)
    // not async, and a property instead of a map: this runs for routes that do not offload, too
    fastify.addHook('onRequest', (request: Answered, reply, done) => {
      request[kReply] = reply
      done()
    })
    fastify.decorateRequest('offload', function (this: FastifyRequest, name: string, input: unknown, options) {
      return offloadFor(this, (this as Answered)[kReply] ?? undefined)(name, input, options) as never
    } as AnyFunction as never)
  }

  return (known) => {
    for (const { job, where } of mentioned) {
      if (!known.includes(job)) throw unknownJob(job, ` (${where})`, known)
    }
  }
}
