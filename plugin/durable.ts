// Durable jobs over HTTP: the handler that answers 202. The routes of each job are in jobroutes.
import { errors, Spill, unknownJob } from '../lib/index.js'
import { checkDurable, ownerOf } from './durableoptions.js'
import { registerJobRoutes } from './jobroutes.js'
import { OwnerLimit } from './ownerlimit.js'
import { linksOf, schemas } from './jobview.js'
import { checkHandler } from './options.js'
import { sendProblem } from './problem.js'
import { readKey, readPrefer } from './prefer.js'
import { waitFor } from './waiting.js'
import type { FastifyInstance, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { DurableOptions as CallOptions, Durables, JobInput, Scheduler } from '../lib/index.js'
import type { DurableChecked, DurableRoutes } from './durableoptions.js'

export type { DurableRoutes } from './durableoptions.js'

/** Options of `durableHandler`. */
export interface DurableHandlerOptions<Name> {
  /** makes the job's input from the request @default the body */
  input? (request: FastifyRequest): JobInput<Name> | Promise<JobInput<Name>>
  /** how long it may wait and run @default that of remote.durableTtlMs */
  deadlineMs?: number
  /** longest run @default none */
  timeoutMs?: number
  priority?: CallOptions['priority']
}

/** Add the routes and `durableHandler`. Returns the check of the jobs that handlers name, to be called when known. */
export async function registerDurable (fastify: FastifyInstance, scheduler: Scheduler, given: DurableRoutes):
Promise<(known: readonly string[]) => void> {
  const checked = checkDurable(given)
  const { prefix } = checked
  const options = { ...checked, prefix: fastify.prefix + prefix }
  const { overflow } = scheduler
  if (!(overflow instanceof Spill)) throw new errors.OPTION('durable', 'no value where remote is not set', 'an object')
  const { durables } = overflow
  const limit = options.limit === null ? undefined : new OwnerLimit(options.limit)
  const names = new Set<string>()
  for (const schema of Object.values(schemas)) fastify.addSchema(schema)
  fastify.decorate('durableHandler', ((name: string, handlerOptions: DurableHandlerOptions<string> = {}) => {
    checkHandler(handlerOptions, 'durableHandler', name)
    names.add(name)
    return handlerOf(durables, options, limit, name, handlerOptions)
  }) as never)
  await fastify.register(async (child) => { registerJobRoutes(child, durables, options, prefix) })
  return (known) => {
    for (const name of names) {
      if (!known.includes(name)) throw unknownJob(name, ' (durableHandler)', known)
      checkLength(fastify, name)
    }
  }
}

function handlerOf (durables: Durables, options: DurableChecked, limit: OwnerLimit | undefined, name: string,
  { input, ...callOptions }: DurableHandlerOptions<string>): RouteHandlerMethod {
  const { prefix, syncWaitMs, maxWaitMs, exposeErrors } = options
  return async (request, reply) => {
    reply.header('cache-control', 'no-store')
    try {
      const owner = await ownerOf(options, request)
      const key = readKey(request.headers['idempotency-key'])
      if (key !== undefined && owner === undefined) throw new errors.KEY_INVALID('it needs the option durable.owner')
      limit?.take(owner!, Date.now())
      const { isAsync, waitS } = readPrefer(request.headers.prefer)
      const traceparent = request.headers.traceparent
      const sinceMs = performance.now()
      const ticket = durables.submit(name, input === undefined ? request.body : await input(request), {
        ...callOptions,
        owner,
        requestId: request.id,
        ...(typeof traceparent === 'string' && { traceparent }),
        ...(key !== undefined && { idempotencyKey: { scope: owner!, value: key } })
      })
      try {
        await ticket.accepted
        const waitMs = durables.isCrowded || (isAsync && waitS === undefined)
          ? 0
          : waitS !== undefined
            ? Math.min(waitS * 1000, maxWaitMs)
            : durables.mayEndWithin(name, syncWaitMs) ? syncWaitMs : 0
        const applied = [...(isAsync ? ['respond-async'] : []), ...(waitS === undefined ? [] : [`wait=${waitMs / 1000}`])]
        const links = linksOf(prefix, ticket.id)
        // a key's job may have ended long ago: then its result is there, and is the answer
        const ended = await waitFor(ticket.done, key !== undefined && !isAsync ? Math.max(1, waitMs) : waitMs, reply)
        if (ended !== undefined) {
          if (waitS !== undefined) reply.header('preference-applied', `wait=${waitMs / 1000}`)
          reply.header('content-location', links.result)
          if ('error' in ended) return sendProblem(reply, ended.error, exposeErrors, { id: ticket.id })
          return await options.send(reply, ended.value, name)
        }
        if (waitMs > 0) durables.outlasted(name, performance.now() - sinceMs)
        if (applied.length > 0) reply.header('preference-applied', applied.join(', '))
        const state = key === undefined ? 'queued' : (await durables.lookup(ticket.id))?.state ?? 'queued'
        const estimateMs = durables.estimateMs(name)
        const retryAfterS = Math.min(30, Math.max(1, Math.ceil((estimateMs ?? 0) / 1000)))
        return reply.code(202).headers({ location: links.self, 'retry-after': String(retryAfterS) })
          .send({ id: ticket.id, state, ...(estimateMs !== undefined && { estimateMs: Math.ceil(estimateMs) }), links })
      } finally {
        ticket.detach()
      }
    } catch (error) {
      // it may be there: its status tells
      const { isCertain, jobId } = Object(error) as { isCertain?: boolean, jobId?: string }
      return sendProblem(reply, error, exposeErrors, isCertain === false ? { id: jobId } : {})
    }
  }
}

/** An id is a parameter of a route, and Fastify answers 404 where one is longer than its limit. */
function checkLength (fastify: FastifyInstance, name: string): void {
  const { maxParamLength, routerOptions } = fastify.initialConfig as
    { maxParamLength?: number, routerOptions?: { maxParamLength?: number } }
  const limit = routerOptions?.maxParamLength ?? maxParamLength ?? 100
  // region, shard, version and key, at their usual lengths
  const length = name.length + 64
  if (length > limit) throw new errors.OPTION('maxParamLength', `at least ${length} for ids of the job ${name}`, String(limit))
}
