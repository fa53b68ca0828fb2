// How large a value is at least, as far as that can be seen quickly: texts and buffers, and those in its first parts.
import { types } from 'node:util'

/** Parts looked at; chosen: some 30 µs. What lies behind them is not counted. */
const MAX_PARTS = 1000

/** An input or result over the limit. */
export class TooLarge extends Error {
  constructor (readonly bytes: number, readonly limit: number) {
    super(`${bytes} bytes, limit ${limit}`)
  }
}

/** Throws `TooLarge` where the value surely has more bytes than the limit; `moved` are buffers that are not copied. */
export function checkSize (value: unknown, limit: number, moved: readonly unknown[] | undefined): void {
  const bytes = bytesAtLeast(value, limit, moved)
  if (bytes > limit) throw new TooLarge(bytes, limit)
}

/** A lower bound: a text counts one byte a character, a view counts the whole buffer that structured clone copies. */
export function bytesAtLeast (root: unknown, enough = Infinity, moved: readonly unknown[] = []): number {
  let bytes = 0
  const waiting: unknown[] = [root]
  const seen = new Set<unknown>(moved)
  for (let at = 0; at < waiting.length && bytes <= enough; at++) {
    const value = waiting[at]
    if (typeof value === 'string') bytes += value.length
    if (value === null || typeof value !== 'object' || types.isProxy(value)) continue
    // most values; there is no need to know whether one was seen where its parts are not looked at
    if (isOrdinary(value) && waiting.length >= MAX_PARTS) continue
    if (seen.has(value)) continue
    seen.add(value)
    if (ArrayBuffer.isView(value)) {
      if (waiting.length < MAX_PARTS) waiting.push(value.buffer)
    } else if (types.isArrayBuffer(value)) {
      bytes += value.byteLength
    } else if (!types.isSharedArrayBuffer(value)) {
      pushParts(waiting, value)
    }
  }
  return bytes
}

/** By its prototype. A lower bound may pass over a buffer that was given this one. */
function isOrdinary (value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === Array.prototype
}

/** Parts of an object, up to what is looked at; getters are left alone, since structured clone will run them. */
function pushParts (waiting: unknown[], value: object): void {
  if (types.isMap(value)) {
    for (const [key, part] of Map.prototype.entries.call(value)) {
      if (waiting.length >= MAX_PARTS) return
      waiting.push(key, part)
    }
  } else if (types.isSet(value)) {
    for (const part of Set.prototype.values.call(value)) {
      if (waiting.length >= MAX_PARTS) return
      waiting.push(part)
    }
  }
  if (Array.isArray(value)) {
    // a loop over the keys of a long array would make a text of each
    for (let at = 0; at < value.length && waiting.length < MAX_PARTS; at++) waiting.push(value[at])
    return
  }
  for (const key in value) {
    if (waiting.length >= MAX_PARTS) return
    const descriptor = Object.getOwnPropertyDescriptor(value, key)
    if (descriptor !== undefined && 'value' in descriptor) waiting.push(descriptor.value)
  }
}
