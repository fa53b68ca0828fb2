// The default codec: JSON where JSON gives back what structured clone would, and safe parsing.
import type { Codec } from './contract.js'

/** Nesting that is followed; deeper values and cycles go by another codec. Chosen. */
const MAX_DEPTH = 100
/** Longest array looked at for names among its keys, as a RegExp's match has; on long ones it costs what JSON does. */
const MAX_MATCH = 32

/** JSON. The empty text is undefined, which jobs without an input or a result have. */
export const jsonCodec: Codec = {
  name: 'json',
  encode (value) {
    if (value === undefined) return ''
    return isPlain(value, 0) ? JSON.stringify(value) : undefined
  },
  decode: (text) => text === '' ? undefined : parseSafely(text)
}

/** Does the value come back from JSON as it is? */
function isPlain (value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string': case 'boolean': return true
    case 'number': return Number.isFinite(value) && !Object.is(value, -0)
    case 'object': break
    default: return false
  }
  if (value === null) return true
  if (depth === MAX_DEPTH) return false
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (!isPlain(value[at], depth + 1)) return false
    return value.length > MAX_MATCH || Object.keys(value).length === value.length
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  for (const key of Reflect.ownKeys(value)) {
    if (typeof key === 'symbol' || key === '__proto__' || key === 'constructor' || key === 'toJSON') return false
    const { get, enumerable } = Object.getOwnPropertyDescriptor(value, key)!
    if (get !== undefined || enumerable !== true) return false
    if (!isPlain((value as Record<string, unknown>)[key], depth + 1)) return false
  }
  return true
}

/** JSON.parse without keys that would change a prototype where the value is merged into another. */
export function parseSafely (text: string): unknown {
  // an escape can spell the word too
  if (!/__proto__|constructor|\\u00/i.test(text)) return JSON.parse(text)
  return JSON.parse(text, (key, value: unknown) => {
    if (key === '__proto__') return undefined
    if (key === 'constructor' && value !== null && typeof value === 'object' && Object.hasOwn(value, 'prototype')) {
      return undefined
    }
    return value
  })
}
