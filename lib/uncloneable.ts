// Why a value cannot be sent between threads: the path to the first part of it that structured clone refuses.
import { types } from 'node:util'
import { describe } from './errors.js'

/** Parts looked at before the search ends without an answer; chosen: it runs only after a failure. */
const MAX_PARTS = 10_000

/** What structured clone said, and where the bad value is, as in `… (at .rows[3].done: a function)`. */
export function whyUncloneable (error: unknown, value: unknown): string {
  const found = find(value)
  return found === undefined ? describe(error) : `${describe(error)} (at ${found})`
}

function find (root: unknown): string | undefined {
  const seen = new Set<unknown>()
  const waiting: { value: unknown, path: string }[] = [{ value: root, path: '' }]
  for (const { value, path } of waiting) {
    if (seen.size >= MAX_PARTS) return undefined
    const bad = refused(value)
    if (bad !== undefined) return `${path === '' ? 'the value itself' : path}: ${bad}`
    if (value === null || typeof value !== 'object' || seen.has(value)) continue
    seen.add(value)
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) continue
    if (types.isMap(value)) {
      let at = 0
      for (const [key, part] of Map.prototype.entries.call(value)) {
        waiting.push({ value: key, path: `${path}<key ${at}>` }, { value: part, path: `${path}<value ${at++}>` })
      }
    } else if (types.isSet(value)) {
      let at = 0
      for (const part of Set.prototype.values.call(value)) waiting.push({ value: part, path: `${path}<member ${at++}>` })
    }
    for (const key of Object.keys(value)) {
      if (waiting.length >= MAX_PARTS) break
      const step = Array.isArray(value) ? `[${key}]` : /^[\w$]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
      try {
        waiting.push({ value: (value as Record<string, unknown>)[key], path: path + step })
      } catch (error) {
        return `${path + step}: a getter that throws ${describe(error)}`
      }
    }
  }
  return undefined
}

/** What this one value is, where it cannot travel by itself. */
function refused (value: unknown): string | undefined {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol') return 'a symbol'
  if (value === null || typeof value !== 'object') return undefined
  if (types.isProxy(value)) return 'a Proxy'
  if (types.isPromise(value)) return 'a Promise'
  if (types.isWeakMap(value) || types.isWeakSet(value) || value instanceof WeakRef) return 'a weak collection'
  if (types.isGeneratorObject(value)) return 'a generator'
  if (types.isArrayBuffer(value) && 'detached' in value && value.detached === true) return 'a detached ArrayBuffer'
  return undefined
}
