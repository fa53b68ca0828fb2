// Answers about what went wrong with a durable job, as problem details (RFC 9457).
import { STATUS_CODES } from 'node:http'
import { show } from '../lib/index.js'
import type { FastifyReply } from 'fastify'

/** Statuses that mean one thing for a call and another for a stored job: 499 has no reader, its client is here. */
const CANCELLED = 410

/** Errors that end with what the engine said: it may name addresses, which are not the client's business. */
const fromEngine = /_REMOTE_(?:DOWN|REFUSED|UNCERTAIN)$/

/** Send an error as problem details. What a job or the engine said itself is told only where `isExposed`. */
export function sendProblem (reply: FastifyReply, error: unknown, isExposed: boolean, more: object = {}): FastifyReply {
  const { code, statusCode, message, retryAfterS } = Object(error) as
    { code?: unknown, statusCode?: unknown, message?: unknown, retryAfterS?: number }
  const isOurs = typeof code === 'string' && code.startsWith('FST_ERR_SPILLOVER_')
  const isStatus = Number.isInteger(statusCode) && (statusCode as number) >= 400 && (statusCode as number) < 600
  const status = !isStatus ? 500 : statusCode === 499 ? CANCELLED : statusCode as number
  const text = typeof message === 'string' ? message : show(message) // a job may throw what has no text
  if (retryAfterS !== undefined) reply.header('retry-after', String(retryAfterS))
  return problem(reply, status, {
    ...(isExposed ? { detail: text } : isOurs ? { detail: fromEngine.test(code) ? withoutReason(text) : text } : {}),
    ...(typeof code === 'string' && (isOurs || isExposed) ? { code } : {}),
    ...more
  })
}

/** `job echo: the engine cannot be reached: connect …` without what stands behind the second colon. */
const withoutReason = (text: string): string => text.split(': ', 2).join(': ')

/** Send problem details with a status of ours. */
export function problem (reply: FastifyReply, status: number, more: object): FastifyReply {
  return reply.code(status).header('cache-control', 'no-store').type('application/problem+json')
    .send({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, ...more })
}
