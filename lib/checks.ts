// What an option may be, in words and as a test, and the reading of options by a table of these.
import { inspect } from 'node:util'
import { describe, errors } from './errors.js'

/**
 * What is expected, in words, and the test; a test never throws for what it is given by `readOptions`. A secret is not
 * shown where it is wrong.
 */
export interface Check {
  readonly expected: string
  readonly test: (value: unknown) => boolean
  readonly isSecret?: boolean
}

/** Default and check of each option; a default of undefined means: not set. */
export type Table = Readonly<Record<string, readonly [otherwise: unknown, check: Check]>>

/** An object of named parts; no array, map, date or the like, which would be read as one without parts. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && /^\[object (Object|Module)\]$/.test(Object.prototype.toString.call(value))

export const integer = (from: number, to = 2 ** 31 - 1): Check => ({
  expected: to === 2 ** 31 - 1 ? `an integer of at least ${from}` : `an integer from ${from} to ${to}`,
  test: (value) => Number.isInteger(value) && (value as number) >= from && (value as number) <= to
})
export const oneOf = (...values: unknown[]): Check => ({
  expected: `one of ${values.map((value) => inspect(value)).join(', ')}`,
  test: (value) => values.includes(value)
})
export const either = (one: Check, other: Check): Check => ({
  expected: `${one.expected} or ${other.expected}`,
  test: (value) => one.test(value) || other.test(value)
})
/** Holes count as what they read as: undefined. */
export const every = (value: unknown, test: (part: unknown) => boolean): boolean =>
  Array.isArray(value) && Array.from(value).every(test)
export const listOf = (check: Check, what: string): Check => ({
  expected: `an array of 1 to 3 ${what}`,
  test: (value) => Array.isArray(value) && value.length > 0 && value.length < 4 && every(value, check.test)
})
/** No bound but that it is a number. */
export const atLeast = (least: number): Check => ({
  expected: `a number of at least ${least}`,
  test: (value) => typeof value === 'number' && value >= least
})
export const method: Check = { expected: 'a function', test: (value) => typeof value === 'function' }
export const record: Check = { expected: 'an object', test: isRecord }
export const flag: Check = oneOf(true, false)
export const text: Check = { expected: 'a text', test: (value) => typeof value === 'string' }
export const texts: Check = {
  expected: 'an object of strings',
  test: (value) => isRecord(value) && Object.values(value).every((text) => typeof text === 'string')
}

/**
 * Read options by their table: each value once, defaults for what is left out or undefined. Throws
 * `FST_ERR_SPILLOVER_OPTION` for an unknown name, a wrong value, and a getter that throws. `nameOf` gives the name in
 * messages, `others` are names that the caller reads itself.
 */
export function readOptions (given: Record<string, unknown>, table: Table, nameOf = (key: string) => key,
  others: readonly string[] = []): Record<string, unknown> {
  const known = [...others, ...Object.keys(table)]
  for (const key of keysOf(given, nameOf('*'))) {
    if (typeof key === 'string' && known.includes(key)) continue
    if (!Object.prototype.propertyIsEnumerable.call(given, key)) continue
    throw unknownOption(nameOf(String(key)), String(key), known)
  }
  const read: Record<string, unknown> = Object.create(null)
  for (const [key, [otherwise, check]] of Object.entries(table)) {
    const value = readOption(given, key, check, nameOf(key))
    read[key] = value === undefined ? otherwise : value
  }
  return read
}

/** Own keys, of whatever it is. */
export function keysOf (given: object, name: string): (string | symbol)[] {
  try {
    return Reflect.ownKeys(given)
  } catch (error) {
    throw new errors.OPTION(name, 'an object', `one that throws ${describe(error)}`)
  }
}

/** One option, as `readOptions` reads it; undefined where it is not given. */
export function readOption (given: object, key: string, check: Check, name = key): unknown {
  let value: unknown
  let isRight = true
  try {
    value = Object.hasOwn(given, key) ? (given as Record<string, unknown>)[key] : undefined
    isRight = value === undefined || check.test(value)
  } catch (error) {
    throw new errors.OPTION(name, check.expected, `a value that throws ${describe(error)}`)
  }
  if (!isRight) throw new errors.OPTION(name, check.expected, check.isSecret === true ? `a ${typeof value}` : show(value))
  return value
}

/** The error of a name that is no option: with the one that is meant, or with all that there are. */
export function unknownOption (name: string, key: string, known: readonly string[]): Error {
  const meant = nearest(key, known)
  const hint = meant === undefined ? ` (known: ${known.join(', ')})` : `: did you mean ${meant}?`
  return new errors.OPTION(name, 'a known option', `an unknown one${hint}`)
}

/** The error of a name that is no job; `where` it stands, as in ` (durableHandler)`, and why there are `none`. */
export function unknownJob (name: string, where: string, known: readonly string[], none = 'the modules export no function'): Error {
  return new errors.UNKNOWN_JOB(name, where, known.length === 0 ? `expected none: ${none}` : suggest(name, known))
}

/** `did you mean --json?`, or all that could be meant. */
export function suggest (word: string, known: readonly string[], prefix = ''): string {
  const meant = nearest(word, known)
  return meant !== undefined
    ? `did you mean ${prefix}${meant}?`
    : `expected one of ${known.map((name) => prefix + name).join(', ')}`
}

/** A value in a few words of one line, whatever it is and does. */
export function show (value: unknown): string {
  try {
    const line = inspect(value, { depth: 1, maxStringLength: 100, maxArrayLength: 10, breakLength: Infinity })
    return line.length > 200 ? `${line.slice(0, 200)}…` : line
  } catch {
    return describe(value) // it throws when it is looked at
  }
}

/** The known name that few changes make of this one; undefined where none is near. */
function nearest (name: string, known: readonly string[]): string | undefined {
  if (name.length > 40) return undefined
  const most = Math.max(1, Math.floor(name.length / 3))
  let best: string | undefined
  let least = most + 1
  for (const other of known) {
    const low = [name.toLowerCase(), other.toLowerCase()] as const
    // the unit is forgotten more often than a letter is mistaken
    const count = low[1] === `${low[0]}ms` ? 0 : changes(...low)
    if (count < least) [best, least] = [other, count]
  }
  return best
}

/** Letters to put in, take out, replace, or swap with their neighbour to make one of the other. */
function changes (one: string, other: string): number {
  let before: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1]
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1))
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      if (isSwapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    before = last
    last = row
  }
  return last[other.length]!
}
