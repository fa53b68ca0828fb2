// Every error a caller can meet: one table of code, text and status, and the codec that carries a job's own error.
import { types } from 'node:util'
import createError from '@fastify/error'
import type { FastifyErrorConstructor } from '@fastify/error'

/**
 * Code suffix, text and HTTP status of each error; `%s` takes the arguments of the throwing place in order.
 * Codes are `FST_ERR_SPILLOVER_<key>` and are never reused.
 */
export const errorTable = {
  OPTION: ['option %s: expected %s, got %s', 500, TypeError],
  PEER_MISSING: ['%s needs %s, which cannot be loaded: %s; npm install %s', 500, Error],
  UNKNOWN_JOB: ['unknown job %s%s: %s', 500, TypeError],
  JOB_MODULE: ['the jobs could not be loaded: %s', 500, Error],
  TOPOLOGY_ROOT: ['cannot read the machine under %s: %s', 500, Error],
  BOOT_TIMEOUT: ['actor %s did not get ready within %s ms: is a top-level await of a job module pending?', 500, Error],
  NAMESPACE_TAKEN: ['%s is already registered: give each pool a namespace of its own', 500, Error],
  FORBIDDEN: ['route %s forbids offloading (config.offload is false): job %s was not run', 500, Error],
  NOT_READY: ['job %s was offloaded before the actors were ready: await ready() first', 503, Error],
  OVERLOADED: ['job %s: %s open, %s queued, %s; retry after %s s', 503, Error],
  QUEUE_TIMEOUT: ['job %s: not started within %s ms (%s)', 503, Error],
  CLOSED: ['job %s: the pool is closed to new jobs or was closed before the job ended', 503, Error],
  QUARANTINED: ['job %s: refused for %s s: its runs ended %s, the last by: %s', 503, Error],
  UNAVAILABLE: ['job %s: no actor can run it: %s', 503, Error],
  TIMEOUT: ['job %s: still running after %s ms (timeoutMs)', 504, Error],
  CANCELLED: ['job %s: cancelled %s', 499, Error],
  ACTOR_EXIT: ['job %s: its actor (slot %s, tier %s) ended while it ran: %s', 500, Error],
  OUT_OF_MEMORY: ['job %s: its actor (slot %s, tier %s) ran out of memory while it ran: %s', 500, Error],
  PAYLOAD: ['job %s: its input has at least %s bytes, the limit is %s (maxPayloadBytes)', 413, Error],
  INPUT_UNCLONEABLE: ['job %s: its input cannot be sent to a worker thread: %s', 500, TypeError],
  REMOTE_DOWN: ['job %s: the engine cannot be reached: %s', 503, Error],
  REMOTE_FULL: ['job %s: too many jobs of this process are on other machines: %s', 503, Error],
  REMOTE_REFUSED: ['job %s: the engine refused it: %s', 503, Error],
  REMOTE_UNCERTAIN: ['job %s: it is not known whether the engine has it: %s', 503, Error],
  REMOTE_LOST: ['job %s: no result will come: %s', 503, Error],
  REMOTE_VOLATILE: ['job %s is durable: %s', 503, Error],
  REMOTE_PAYLOAD: ['job %s: %s', 413, Error],
  REMOTE_EXPIRED: ['job %s: its deadline passed: %s', 504, Error],
  REMOTE_ENVELOPE: ['job %s: what the engine delivered is not a job of ours: %s', 500, Error],
  NO_WORKER: ['job %s: no living worker serves %s', 503, Error],
  KEY_REUSED: ['job %s: the idempotency key was used with another input', 422, Error],
  KEY_INVALID: ['the header Idempotency-Key: %s', 400, Error],
  NO_OWNER: ['nobody is named as the caller (durable.owner)', 401, Error],
  OWNER_LIMIT: ['the caller has handed over %s jobs within %s ms, which is the limit (durable.limit)', 429, Error],
  RESULT_UNCLONEABLE: ['job %s: its result cannot be sent back: %s', 500, TypeError],
  RESULT_PAYLOAD: ['job %s: what it returned or threw has at least %s bytes, the limit is %s (maxPayloadBytes)', 500, Error]
} as const satisfies Record<string, readonly [text: string, status: number, base: ErrorConstructor]>

export type ErrorKey = keyof typeof errorTable

/** Class of one of our errors: its instances carry a `code` and a `statusCode`. */
export type SpilloverErrorConstructor = FastifyErrorConstructor<{ code: string, statusCode?: number }, unknown[]>

const classes = {} as Record<ErrorKey, SpilloverErrorConstructor>
for (const [key, [text, status, base]] of Object.entries(errorTable)) {
  classes[key as ErrorKey] = createError(`FST_ERR_SPILLOVER_${key}`, text, status, base as ErrorConstructor)
}

/** The error classes by key, for `instanceof`; each instance has `code`, `statusCode` and `message`. */
export const errors: Readonly<Record<ErrorKey, SpilloverErrorConstructor>> = classes

/** What travels instead of an error: structured clone alone would lose its class name, code and own properties. */
export type WireError = { value: unknown } | {
  name: string, message: string, stack?: string, own: Record<string, unknown>, cause?: WireError, errors?: WireError[]
}

/** Depth of `cause` and `errors` chains, and own properties of one error, that are kept; chosen: both are bounded. */
const MAX_DEPTH = 5
const MAX_OWN = 32
/** Errors in all that one thrown error may bring along: `errors` that hold each other would double at each level. */
const MAX_ERRORS = 64
/** Levels of a value that an error brings along; the host's stack is enough to read 3000. */
const MAX_LEVELS = 1000

/** Take apart whatever a job threw. Never throws: what cannot be read or cloned is left out or described. */
export function encodeError (thrown: unknown, depth = 0, budget = { left: MAX_ERRORS }): WireError {
  budget.left--
  if (!isError(thrown)) {
    const value = cloneable(thrown)
    return { value: value === undefined && thrown !== undefined ? describe(thrown) : value }
  }
  const own: Record<string, unknown> = Object.create(null)
  let kept = 0
  for (const key of attempt(() => Object.keys(thrown)) ?? []) {
    if (key === 'cause' || (key === 'errors' && attempt(() => Array.isArray((thrown as AggregateError).errors)) !== false) || key === 'stack' || key === 'message' || kept === MAX_OWN) continue
    const value = cloneable(attempt(() => (thrown as unknown as Record<string, unknown>)[key]))
    if (value !== undefined) {
      own[key] = value
      kept++
    }
  }
  for (const key of ['code', 'statusCode'] as const) {
    const value = attempt(() => (thrown as unknown as Record<string, unknown>)[key])
    if (!(key in own) && (typeof value === 'string' || typeof value === 'number')) own[key] = value
  }
  const errors = attempt(() => {
    const { errors } = thrown as AggregateError
    // an array may have methods of its own
    return Array.isArray(errors)
      ? Array.from({ length: Math.min(errors.length, MAX_OWN) }, (_, at): unknown => errors[at])
      : undefined
  })
  const cause = attempt(() => Object.hasOwn(thrown, 'cause') ? { of: thrown.cause } : undefined)
  return {
    name: text(attempt(() => thrown.name), 'Error'),
    message: text(attempt(() => thrown.message), ''),
    stack: attempt(() => typeof thrown.stack === 'string' ? thrown.stack : undefined),
    own,
    ...(cause !== undefined && depth < MAX_DEPTH && budget.left > 0 && {
      cause: encodeError(cause.of, depth + 1, budget)
    }),
    ...(errors !== undefined && depth < MAX_DEPTH && {
      errors: errors.flatMap((error) => budget.left > 0 ? [encodeError(error, depth + 1, budget)] : [])
    })
  }
}

const builtIn = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }

/** Put together again what `encodeError` took apart; `callerStack` is appended to the worker's stack. */
export function decodeError (wire: WireError, callerStack?: string): unknown {
  if (!('own' in wire)) return wire.value
  const error = wire.errors !== undefined
    ? new AggregateError(wire.errors.map((part) => decodeError(part)), wire.message)
    : new (Object.hasOwn(builtIn, wire.name) ? builtIn[wire.name as keyof typeof builtIn] : Error)(wire.message)
  for (const [key, value] of Object.entries(wire.own)) define(error, key, value, true)
  if (error.name !== wire.name) define(error, 'name', wire.name, false)
  if (wire.cause !== undefined) define(error, 'cause', decodeError(wire.cause), false)
  const from = callerStack === undefined ? '' : `\n    at [the worker thread was called from]${callerStack}`
  define(error, 'stack', `${wire.stack ?? `${wire.name}: ${wire.message}`}${from}`, false)
  return error
}

/** One line about anything, whatever it does when it is looked at. */
export function describe (thing: unknown): string {
  return attempt(() => isError(thing) ? `${thing.name}: ${thing.message}` : String(thing)) ?? `a ${typeof thing}`
}

/** `1 job`, `2 jobs`. */
export function counted (count: number, noun: string): string { return `${count} ${noun}${count === 1 ? '' : 's'}` }

/** One of another realm is no instance of ours. */
function isError (thing: unknown): thing is Error {
  return attempt(() => thing instanceof Error || types.isNativeError(thing)) === true
}

function define (target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true })
}

function text (value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise
}

function cloneable (value: unknown): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')) {
    return value
  }
  return attempt(() => {
    const clone = structuredClone(value)
    return isDeep(clone, MAX_LEVELS, new Set()) ? undefined : clone
  })
}

/** Has a clone more levels? Each part is looked at once, in the order of the serializer, which goes as deep. */
function isDeep (value: unknown, levels: number, seen: Set<unknown>): boolean {
  if (value === null || typeof value !== 'object' || seen.has(value) || ArrayBuffer.isView(value)) return false
  if (levels === 0) return true
  seen.add(value)
  const parts = types.isMap(value) ? [...value].flat() : types.isSet(value) ? [...value] : Object.values(value)
  return parts.some((part) => isDeep(part, levels - 1, seen))
}

function attempt<T> (read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // a hostile getter or proxy: the property counts as absent
  }
}
