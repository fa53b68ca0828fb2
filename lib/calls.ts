// Options of one call: one table of their checks, looked at in each call that has options.
import { either, flag, integer, isRecord, oneOf, show, text, unknownOption } from './checks.js'
import { Departure } from './departure.js'
import { describe, errors } from './errors.js'
import { priorities } from './queue.js'
import type { Check } from './checks.js'
import type { OffloadOptions } from './pending.js'

const ms = integer(0)
const list: Check = { expected: 'an array of ArrayBuffers and ports', test: Array.isArray }

/** The check of every option of a call. */
export const callChecks = {
  signal: { expected: 'an AbortSignal', test: (value) => value instanceof AbortSignal || value instanceof Departure },
  timeoutMs: ms,
  queueTimeoutMs: ms,
  priority: oneOf(...priorities),
  key: text,
  transfer: list,
  idempotent: flag,
  spill: flag,
  durable: flag,
  idempotencyKey: {
    expected: "an object of texts, as in { scope: 'user 7', value: 'order 12' }",
    test: (value) => isRecord(value) && typeof value.scope === 'string' && typeof value.value === 'string'
  },
  traceparent: text,
  // genReqId of Fastify may give numbers
  requestId: either(text, { expected: 'a number', test: (value) => typeof value === 'number' }),
  onProgress: { expected: 'a function', test: (value) => typeof value === 'function' },
  log: { expected: 'a logger with the methods of pino', test: (value) => value !== null && typeof value === 'object' }
} as const satisfies Record<keyof OffloadOptions, Check>

const checks = new Map<string, Check>(Object.entries(callChecks))

/**
 * Check the options of a call. Throws `FST_ERR_SPILLOVER_OPTION`, naming the option, what was expected and got.
 * @returns a copy: the caller may change its own for the next call
 */
export function checkCall (options: OffloadOptions): OffloadOptions {
  if (options === null || typeof options !== 'object') {
    throw new errors.OPTION('options of the call', 'an object', show(options))
  }
  const checked: Record<string, unknown> = {}
  for (const key in options) {
    const check = checks.get(key)
    if (check === undefined) {
      // what somebody has put on Object.prototype is nobody's option
      if (Object.hasOwn(options, key)) throw unknownOption(key, key, [...checks.keys()])
      continue
    }
    let value: unknown
    try {
      value = options[key as keyof OffloadOptions]
      if (value === undefined || check.test(value)) {
        checked[key] = value
        continue
      }
    } catch (error) {
      throw new errors.OPTION(key, check.expected, `a value that throws ${describe(error)}`)
    }
    throw new errors.OPTION(key, check.expected, show(value))
  }
  return checked
}
