// The key lists of objects that cross the border, written once into shared memory instead of with every object.

/** Bytes of one table; chosen: some hundred lists of ordinary keys. */
export const SHAPES_BYTES = 16 * 1024
/** Most lists of one table, and most that are remembered as seen once; chosen. */
const MAX_SHAPES = 512
const MAX_SEEN = 1024
/** Longest list of keys that is entered, in UTF-16 units of its text; chosen. */
const MAX_UNITS = 1024
/** Between the keys of a list where they are one text; keys that have it are no danger, they only share an entry. */
const BETWEEN = '\0'

/** The keys of a kind of object in their order; `id` is its place in the table. */
export interface Shape { readonly id: number, readonly keys: readonly string[] }

export const EMPTY: Shape = { id: 0, keys: [] }

/**
 * The writer's end. A table is 16-bit units, one list after the other: how many keys, and each key as its length and
 * its units. It is written before the record that names the list is published, and only grows.
 */
export class ShapeWriter {
  readonly #units: Uint16Array
  #used = 0
  #count = 1
  /** by the text of all keys; null: seen once */
  readonly #known = new Map<string, Shape | null>()
  /** the last one used, by its first key: spares the text where kinds of objects take turns */
  readonly #recent = new Map<string, Shape>()

  constructor (buffer: SharedArrayBuffer, offset: number) {
    this.#units = new Uint16Array(buffer, offset, SHAPES_BYTES / 2)
  }

  /** The shape with these keys, at the second meeting at the earliest; undefined: write the keys with the object. */
  find (keys: readonly string[]): Shape | undefined {
    if (keys.length === 0) return EMPTY
    const first = keys[0]!
    const recent = this.#recent.get(first)
    if (recent !== undefined && isSame(recent.keys, keys)) return recent
    const text = keys.join(BETWEEN)
    let shape = this.#known.get(text)
    if (shape === undefined) {
      if (this.#known.size < MAX_SEEN && text.length <= MAX_UNITS) this.#known.set(text, null)
      return undefined
    }
    if (shape === null) {
      shape = this.#enter(keys)
      if (shape === undefined) return undefined
      this.#known.set(text, shape)
    } else if (!isSame(shape.keys, keys)) return undefined
    this.#recent.set(first, shape)
    return shape
  }

  #enter (keys: readonly string[]): Shape | undefined {
    const units = this.#units
    let at = this.#used
    const size = keys.reduce((sum, key) => sum + 1 + key.length, 1)
    if (this.#count === MAX_SHAPES || at + size > units.length) return undefined
    units[at++] = keys.length
    for (const key of keys) {
      units[at++] = key.length
      for (let unit = 0; unit < key.length; unit++) units[at++] = key.charCodeAt(unit)
    }
    this.#used = at
    return { id: this.#count++, keys: [...keys] }
  }
}

/** The reader's end: reads a list when a record names it for the first time. */
export class ShapeReader {
  readonly #units: Uint16Array
  #used = 0
  readonly #keys: (readonly string[])[] = [EMPTY.keys]

  constructor (buffer: SharedArrayBuffer, offset: number) {
    this.#units = new Uint16Array(buffer, offset, SHAPES_BYTES / 2)
  }

  keysOf (id: number): readonly string[] {
    while (this.#keys.length <= id) this.#keys.push(this.#next())
    return this.#keys[id]!
  }

  #next (): readonly string[] {
    const count = this.#units[this.#used++]!
    return Array.from({ length: count }, () => {
      const start = this.#used + 1
      this.#used = start + this.#units[this.#used]!
      return String.fromCharCode(...this.#units.subarray(start, this.#used))
    })
  }
}

function isSame (one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}
