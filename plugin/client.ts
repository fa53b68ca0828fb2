// The client that goes away, or whose time is up, while a job runs for it: for HTTP/1, also in a pipeline, and HTTP/2.
import { Departure } from '../lib/index.js'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'

/**
 * What tells when the client goes away. `close` of the response while it is not finished is the one event that tells so
 * for requests with a body too: `request.signal` also aborts when the body has been read. Where the route has a
 * `handlerTimeout` that signal tells of it, and nobody is left to take the result.
 */
export function watchClient (request: FastifyRequest, { raw }: FastifyReply, hasTimeout: boolean): Departure {
  const departure = new Departure()
  // a response of HTTP/2 does not say that it is destroyed, nor that to a HEAD that it has closed; and one that the
  // client has reset counts as finished, though nobody has ended it
  const { stream } = raw as Partial<Pick<Http2ServerResponse, 'stream'>>
  const onClose = (): void => {
    const isAnswered = stream === undefined ? raw.writableFinished : raw.writableEnded
    if (!isAnswered && !departure.aborted) departure.abort(new Error('the client closed the connection'))
  }
  if (hasTimeout) {
    const { signal } = request
    const onTimeout = (): void => {
      if (signal.reason?.code === 'FST_ERR_HANDLER_TIMEOUT' && !departure.aborted) departure.abort(signal.reason)
    }
    if (signal.aborted) onTimeout()
    else signal.addEventListener('abort', onTimeout)
  }
  if (stream === undefined && raw.socket === null) whenClosed(request.raw.socket, raw, onClose)
  else if ((stream ?? raw).destroyed) onClose()
  else (stream ?? raw).once('close', onClose)
  return departure
}

/** What fires when the client goes away or the given signal does. What is no signal is refused by the pool, by name. */
export function signalOf (departure: Departure | undefined, given: unknown): unknown {
  if (given === undefined) return departure
  if (departure === undefined || !(given instanceof AbortSignal)) return given
  const controller = new AbortController()
  const onGone = (): void => controller.abort(departure.reason)
  if (departure.aborted) onGone()
  else departure.addEventListener('abort', onGone)
  return AbortSignal.any([controller.signal, given])
}

/**
 * May the connection end with the answer to this request? Not where another one has come behind it, whose answer would
 * be lost, and not one of HTTP/2. Node does not document `parser`; without it the answer is yes.
 */
export function isLast ({ raw }: FastifyRequest): boolean {
  const { parser } = raw.socket as { parser?: { incoming?: unknown } | null }
  return raw.httpVersionMajor < 2 && (parser?.incoming ?? raw) === raw
}

/** Of each connection with requests in a queue: whom to tell of its end. */
const queued = new WeakMap<Socket, Set<() => void>>()

/**
 * Call when the connection closes while the response is not sent. For one that waits for those to earlier requests of
 * its connection: it has no socket yet, so it does not hear of its end.
 */
function whenClosed (socket: Socket, response: ServerResponse, listener: () => void): void {
  if (socket.destroyed) return listener()
  let listeners = queued.get(socket)
  if (listeners === undefined) {
    const all = listeners = new Set()
    queued.set(socket, all)
    // one for all of them: there may be more than Node takes for a leak
    socket.once('close', () => { for (const tell of all) tell() })
  }
  listeners.add(listener)
  response.once('close', () => { listeners.delete(listener) })
}
