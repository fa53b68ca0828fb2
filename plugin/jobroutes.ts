// The routes of each durable job: status, result, events and cancel. Others than its owner get 404.
import { errors } from '../lib/index.js'
import { ownerOf } from './durableoptions.js'
import { JobStreams } from './jobstream.js'
import { isFinal, linksOf, retryAfterOf, tagOf, viewOf } from './jobview.js'
import { problem, sendProblem } from './problem.js'
import { readPrefer } from './prefer.js'
import { waitFor } from './waiting.js'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { DurableChecked } from './durableoptions.js'
import type { Durables, RemoteStatus } from '../lib/index.js'

type Asked = FastifyRequest<{ Params: { id: string }, Querystring: { redirect?: string } }>

/** Add them below `path`; `options.prefix` is what clients see, with the prefixes of the plugins around. */
export function registerJobRoutes (fastify: FastifyInstance, durables: Durables, options: DurableChecked,
  path: string): void {
  const { prefix, maxWaitMs, exposeErrors, routeOpts } = options
  const streams = new JobStreams(durables, prefix, options.maxStreams)
  fastify.addHook('preClose', async () => { streams.close() })
  fastify.setErrorHandler((error, _request, reply) => sendProblem(reply, error, exposeErrors))

  /** The job, if it is there and the caller's; else the answer was sent. */
  const find = async (request: Asked, reply: FastifyReply): Promise<RemoteStatus | undefined> => {
    reply.header('cache-control', 'no-store')
    const owner = await ownerOf(options, request)
    const status = await durables.lookup(request.params.id)
    if (status !== null && status.owner === owner) return status
    if (status === null && durables.isGone(request.params.id, owner)) {
      problem(reply, 410, { detail: 'the job is no longer kept', id: request.params.id })
      return undefined
    }
    // one answer for both, so that nobody learns which ids exist
    problem(reply, 404, { detail: 'there is no such job, or it is not yours' })
    return undefined
  }

  const described = (summary: string, response: object): RouteShorthandOptions => ({
    ...routeOpts,
    schema: {
      summary,
      params: { type: 'object', properties: { id: { type: 'string' } } },
      ...routeOpts?.schema,
      response: { ...response, '4xx': { $ref: 'fastify-spillover/problem#' }, '5xx': { $ref: 'fastify-spillover/problem#' } }
    } as never
  })
  const job = { $ref: 'fastify-spillover/job#' }

  fastify.get(`${path}/:id`, described('Status of a durable job', { 200: job, 303: job }), async (given, reply) => {
    const request = given as Asked
    let status = await find(request, reply)
    if (status === undefined) return reply
    const { waitS } = readPrefer(request.headers.prefer)
    if (waitS !== undefined && !isFinal(status) && !durables.isCrowded) {
      const waitMs = Math.min(waitS * 1000, maxWaitMs)
      const ticket = durables.attach(status.id)
      await waitFor(ticket.done, waitMs, reply)
      ticket.detach()
      status = await durables.lookup(status.id) ?? status
      reply.header('preference-applied', `wait=${waitMs / 1000}`)
    }
    const tag = `"${tagOf(status)}"`
    reply.header('etag', tag)
    if (!isFinal(status)) reply.header('retry-after', String(retryAfterOf(status)))
    if (status.state === 'succeeded' && request.query.redirect !== '0') {
      return reply.code(303).header('location', linksOf(prefix, status.id).result).send(viewOf(prefix, status))
    }
    if (request.headers['if-none-match'] === tag) return reply.code(304).send()
    return reply.send(viewOf(prefix, status))
  })

  fastify.get(`${path}/:id/result`, described('Result of a durable job', {}), async (given, reply) => {
    const status = await find(given as Asked, reply)
    if (status === undefined) return reply
    const { id, state, outcome } = status
    if (!isFinal(status)) {
      reply.header('retry-after', String(retryAfterOf(status)))
      return problem(reply, 409, { detail: 'the job has not ended', id, state })
    }
    if (durables.isPast(status)) return problem(reply, 410, { detail: 'the result is no longer kept', id, state })
    try {
      if (outcome === undefined) throw new errors.REMOTE_EXPIRED(status.job, 'before it started')
      return await options.send(reply, durables.valueOf(status.job, outcome), status.job)
    } catch (error) {
      return sendProblem(reply, error, exposeErrors, { id, state })
    }
  })

  fastify.get(`${path}/:id/events`, { ...described('Changes of a durable job as server-sent events', {}), exposeHeadRoute: false }, async (given, reply) => {
    const request = given as Asked
    const status = await find(request, reply)
    if (status === undefined) return reply
    if (streams.isFull) return problem(reply.header('retry-after', '5'), 503, { detail: 'too many streams are open here' })
    const last = request.headers['last-event-id']
    reply.hijack()
    reply.raw.writeHead(200, {
      ...reply.getHeaders() as Record<string, string>,
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no'
    })
    // there may be nothing to say for a while
    reply.raw.flushHeaders()
    streams.add(status.id, typeof last === 'string' ? last : '', reply.raw)
    return reply
  })

  fastify.delete(`${path}/:id`, described('Cancel a durable job', { 200: job, 202: job }), async (given, reply) => {
    const status = await find(given as Asked, reply)
    if (status === undefined) return reply
    const done = isFinal(status) ? 'finished' : await durables.cancel(status.id, 'its owner cancelled it')
    const after = await durables.lookup(status.id) ?? status
    return reply.code(done === 'finished' ? 200 : 202).send(viewOf(prefix, after))
  })
}
