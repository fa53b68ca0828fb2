// Every error a caller can meet: one table of code, text and status, and the codec that carries a job's own error.
import createError from '@fastify/error'
import type { FastifyErrorConstructor } from '@fastify/error'

/**
 * Code suffix, text and HTTP status of each error; `%s` takes the arguments of the throwing place in order.
 * Codes are `FST_ERR_SPILLOVER_<key>` and are never reused.
 */
export const errorTable = {
  OPTION: ['option %s: expected %s, got %s', 500, TypeError],
  UNKNOWN_JOB: ['unknown job %s%s: expected one of %s', 500, TypeError],
  JOB_MODULE: ['job module %s could not be loaded: %s', 500, Error],
  TOPOLOGY_ROOT: ['cannot read the machine under %s: %s', 500, Error],
  BOOT_TIMEOUT: ['actor %s did not get ready within %s ms: is a top-level await of a job module pending?', 500, Error],
  NAMESPACE_TAKEN: ['namespace %s is already registered: give each pool a namespace of its own', 500, Error],
  FORBIDDEN: ['route %s forbids offloading (config.offload is false): job %s was not run', 500, Error],
  NOT_READY: ['job %s was offloaded before the actors were ready: await ready() first', 503, Error],
  OVERLOADED: ['job %s: %s actors open, %s jobs queued, limit %s; retry after %s s', 503, Error],
  QUEUE_TIMEOUT: ['job %s: not started within %s ms (queueTimeoutMs)', 503, Error],
  CLOSED: ['job %s: the pool is closed to new jobs or was closed before the job ended', 503, Error],
  UNAVAILABLE: ['job %s: no actor can run it: %s', 503, Error],
  TIMEOUT: ['job %s: still running after %s ms (timeoutMs)', 504, Error],
  CANCELLED: ['job %s: cancelled %s', 499, Error],
  ACTOR_EXIT: ['job %s: its actor (slot %s, tier %s) ended while it ran: %s', 500, Error],
  INPUT_UNCLONEABLE: ['job %s: its input cannot be sent to a worker thread: %s', 500, TypeError],
  RESULT_UNCLONEABLE: ['job %s: its result cannot be sent back: %s', 500, TypeError]
} as const satisfies Record<string, readonly [text: string, status: number, base: ErrorConstructor | TypeErrorConstructor]>

export type ErrorKey = keyof typeof errorTable

/** Class of one of our errors: its instances carry a `code` and a `statusCode`. */
export type SpilloverErrorConstructor = FastifyErrorConstructor<{ code: string, statusCode?: number }, unknown[]>

const classes = {} as Record<ErrorKey, SpilloverErrorConstructor>
for (const [key, [text, status, base]] of Object.entries(errorTable)) {
  classes[key as ErrorKey] = createError(`FST_ERR_SPILLOVER_${key}`, text, status, base as ErrorConstructor)
}

/** The error classes by key, for `instanceof`; each instance has `code`, `statusCode` and `message`. */
export const errors: Readonly<Record<ErrorKey, SpilloverErrorConstructor>> = classes
