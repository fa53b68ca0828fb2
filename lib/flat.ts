// Plain values as 32-bit words: one pass finds out whether a value is plain and writes it; lib/README.md, "Records".
import { types } from 'node:util'
import { EMPTY, ShapeReader, ShapeWriter } from './shapes.js'
import type { Shape } from './shapes.js'

/** Words of the longest value; chosen: a quarter of a ring. */
const MAX_WORDS = 8192
/** Most nodes, objects and depth of a value; chosen: larger ones are for structured clone. */
const MAX_NODES = 4096
const MAX_OBJECTS = 1024
const MAX_DEPTH = 16
/** After one that was too large, so many are tried up to so many nodes: the next is mostly as large. Chosen. */
const WARY_TRIES = 15
const WARY_NODES = 256
/** Objects that are looked for one by one; the further ones lie in a set. Chosen. */
const FEW = 32
/** Longest text that is copied unit by unit; chosen: 11 units so take 20 ns, a call into Node 60. */
const SHORT = 32

/** What a word says in its low four bits; the others are a number that goes with it. */
const UNDEFINED = 0
const NULL = 1
const TRUE = 2
const FALSE = 3
const INTEGER = 4
/** two words follow */
const DOUBLE = 5
/** text of so many units, as bytes or as 16-bit units */
const BYTES = 6
const UNITS = 7
/** so many values follow */
const ARRAY = 8
/** the values of the keys of this shape follow */
const OBJECT = 9
/** so many values follow, and then their keys as texts */
const KEYED = 10

/** Buffer's own readers and writers, which Node documents only in prose; TextDecoder refuses shared memory. */
export interface SharedBuffer {
  utf8Write (text: string, offset: number): number
  ucs2Write (text: string, offset: number): number
  latin1Slice (start: number, end: number): string
  ucs2Slice (start: number, end: number): string
}

const objectPrototype: unknown = Object.prototype
const arrayPrototype: unknown = Array.prototype

/** Where values are written before it is known how long they are; one for all writers of a thread. */
export const scratch = new Int32Array(MAX_WORDS)
const scratchBytes = new Uint8Array(scratch.buffer)
const scratchUnits = new Uint16Array(scratch.buffer)
const scratchTexts = Buffer.from(scratch.buffer) as unknown as SharedBuffer
const double = new Float64Array(1)
const halves = new Int32Array(double.buffer)
/** a getter of a value may give another job while its own is written */
let isBusy = false

/** Writes plain values into `scratch`; what is not plain is for structured clone. */
export class FlatWriter {
  readonly #shapes: ShapeWriter
  /** the shapes of the last value, object by object: the next one is mostly the same */
  readonly #guesses: Shape[] = new Array(MAX_OBJECTS).fill(EMPTY)
  /** the objects on the way, to find those that are met twice */
  readonly #seen: unknown[] = new Array(FEW).fill(undefined)
  readonly #seenLater = new Set<unknown>()
  #wary = 0
  #mostNodes = MAX_NODES
  #objects = 0
  #nodes = 0
  #at = 0

  constructor (buffer: SharedArrayBuffer, shapesOffset: number) {
    this.#shapes = new ShapeWriter(buffer, shapesOffset)
  }

  /** How many words the value takes, 0 where it is not plain. Throws what a getter of the value throws. */
  write (value: object): number {
    if (isBusy || hasInheritedKeys()) return 0
    isBusy = true
    this.#objects = this.#nodes = this.#at = 0
    this.#mostNodes = this.#wary > 0 ? WARY_NODES : MAX_NODES
    if (this.#wary > 0) this.#wary--
    try {
      return this.#object(value, 0) ? this.#at : 0
    } finally {
      isBusy = false
      const few = Math.min(this.#objects, FEW)
      for (let at = 0; at < few; at++) this.#seen[at] = undefined
      if (this.#objects > FEW) this.#seenLater.clear()
    }
  }

  /** There is no room for another node. */
  #tooLarge (): false {
    if (this.#mostNodes === MAX_NODES) this.#wary = WARY_TRIES
    return false
  }

  #node (value: unknown, depth: number): boolean {
    if (this.#at > MAX_WORDS - 4 || ++this.#nodes > this.#mostNodes) return this.#tooLarge()
    switch (typeof value) {
      case 'number': return this.#number(value)
      case 'string': return this.#text(value)
      case 'object':
        if (value !== null) return this.#object(value, depth)
        scratch[this.#at++] = NULL
        return true
      case 'boolean':
        scratch[this.#at++] = value ? TRUE : FALSE
        return true
      case 'undefined':
        scratch[this.#at++] = UNDEFINED
        return true
      default: return false
    }
  }

  #number (value: number): boolean {
    if (value << 4 >> 4 === value && (value !== 0 || 1 / value > 0)) {
      scratch[this.#at++] = value << 4 | INTEGER
      return true
    }
    double[0] = value
    const at = this.#at
    scratch[at] = DOUBLE
    scratch[at + 1] = halves[0]!
    scratch[at + 2] = halves[1]!
    this.#at = at + 3
    return true
  }

  #text (text: string): boolean {
    const { length } = text
    const start = this.#at + 1
    // at worst UTF-8 takes three bytes a unit before it is known to be no ASCII
    if (length * 3 > (MAX_WORDS - start) * 4) return false
    let isNarrow = true
    if (length <= SHORT) {
      const bytes = scratchBytes
      let all = 0
      for (let unit = 0, at = start * 4; unit < length; unit++, at++) {
        const code = text.charCodeAt(unit)
        all |= code
        bytes[at] = code
      }
      isNarrow = all < 256
    } else isNarrow = scratchTexts.utf8Write(text, start * 4) === length
    if (isNarrow) {
      scratch[start - 1] = length << 4 | BYTES
      this.#at = start + ((length + 3) >> 2)
      return true
    }
    if (length <= SHORT) {
      for (let unit = 0; unit < length; unit++) scratchUnits[start * 2 + unit] = text.charCodeAt(unit)
    } else scratchTexts.ucs2Write(text, start * 4)
    scratch[start - 1] = length << 4 | UNITS
    this.#at = start + ((length + 1) >> 1)
    return true
  }

  #object (value: object, depth: number): boolean {
    const order = this.#objects
    if (depth === MAX_DEPTH || types.isProxy(value)) return false
    const seen = this.#seen
    for (let at = 0; at < order && at < FEW; at++) if (seen[at] === value) return false
    if (order < FEW) seen[order] = value
    else if (order === MAX_OBJECTS) return this.#tooLarge()
    else if (this.#seenLater.add(value).size !== order - FEW + 1) return false
    this.#objects = order + 1
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === arrayPrototype) return this.#array(value, depth)
    if (prototype !== objectPrototype) return false
    const start = this.#at++
    const guess = this.#guesses[order]!.keys
    let keys: string[] | undefined
    let count = 0
    for (const key in value) {
      // strings and typed arrays list their places
      if (count === 0 && key === '0' && hasSlots(value)) return false
      if (keys === undefined && key !== guess[count]) keys = guess.slice(0, count)
      if (keys !== undefined) keys.push(key)
      count++
      if (!this.#node((value as Record<string, unknown>)[key], depth + 1)) return false
    }
    // maps, dates and the like list nothing
    if (count === 0 && hasSlots(value)) return false
    if (keys === undefined && count === guess.length) {
      scratch[start] = this.#guesses[order]!.id << 4 | OBJECT
      return true
    }
    return this.#named(start, order, keys ?? guess.slice(0, count))
  }

  /** The keys are not those that were guessed: find their shape, or write them behind the values. */
  #named (start: number, order: number, keys: readonly string[]): boolean {
    // such as __proto__ and constructor: to set them is not always to store them
    if (keys.some((key) => key in Object.prototype)) return false
    const shape = this.#shapes.find(keys)
    if (shape !== undefined) {
      this.#guesses[order] = shape
      scratch[start] = shape.id << 4 | OBJECT
      return true
    }
    scratch[start] = keys.length << 4 | KEYED
    return keys.every((key) => this.#at < MAX_WORDS && this.#text(key))
  }

  /** Dense, and with nothing but its elements. */
  #array (value: object, depth: number): boolean {
    if (!Array.isArray(value)) return false
    const { length } = value
    if (length > MAX_NODES) return false
    scratch[this.#at++] = length << 4 | ARRAY
    for (let at = 0; at < length; at++) {
      const element: unknown = value[at]
      if ((element === undefined && !Object.hasOwn(value, at)) || !this.#node(element, depth + 1)) return false
    }
    // the values of keys are counted too; listing the keys would make a text of each place
    return Object.values(value).length === length
  }
}

/** Reads what the writer at the other end of the border wrote. */
export class FlatReader {
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #texts: SharedBuffer
  readonly #shapes: ShapeReader
  #at = 0

  constructor (buffer: SharedArrayBuffer, shapesOffset: number, words: Int32Array, texts: SharedBuffer) {
    this.#words = words
    this.#bytes = new Uint8Array(buffer, words.byteOffset, words.byteLength)
    this.#texts = texts
    this.#shapes = new ShapeReader(buffer, shapesOffset)
  }

  /** The value that begins at this word. */
  read (at: number): unknown {
    this.#at = at
    return this.#value()
  }

  #value (): unknown {
    const word = this.#words[this.#at++]!
    const more = word >> 4
    switch (word & 15) {
      case NULL: return null
      case TRUE: return true
      case FALSE: return false
      case INTEGER: return more
      case DOUBLE:
        halves[0] = this.#words[this.#at++]!
        halves[1] = this.#words[this.#at++]!
        return double[0]
      case BYTES: return this.#narrow(more)
      case UNITS: return this.#wide(more)
      case ARRAY: return this.#array(more)
      case OBJECT: {
        const keys = this.#shapes.keysOf(more)
        const object: Record<string, unknown> = {}
        for (let at = 0; at < keys.length; at++) object[keys[at]!] = this.#value()
        return object
      }
      case KEYED: {
        const values: unknown[] = []
        for (let left = more; left > 0; left--) values.push(this.#value())
        const object: Record<string, unknown> = {}
        for (const value of values) object[this.#value() as string] = value
        return object
      }
    }
    return undefined
  }

  #array (length: number): unknown[] {
    // an array that grows from nothing takes room for 17
    switch (length) {
      case 0: return []
      case 1: return [this.#value()]
      case 2: return [this.#value(), this.#value()]
      case 3: return [this.#value(), this.#value(), this.#value()]
    }
    const array = [this.#value(), this.#value(), this.#value(), this.#value()]
    for (let left = length - 4; left > 0; left--) array.push(this.#value())
    return array
  }

  #narrow (length: number): string {
    const start = this.#at * 4
    this.#at += (length + 3) >> 2
    if (length > 16) return this.#texts.latin1Slice(start, start + length)
    if (length === 0) return ''
    // one call for up to 16 units costs half of a call into Node; what lies behind the text is cut off
    const b = this.#bytes
    const all = String.fromCharCode(b[start]!, b[start + 1]!, b[start + 2]!, b[start + 3]!, b[start + 4]!,
      b[start + 5]!, b[start + 6]!, b[start + 7]!, b[start + 8]!, b[start + 9]!, b[start + 10]!, b[start + 11]!,
      b[start + 12]!, b[start + 13]!, b[start + 14]!, b[start + 15]!)
    return length === 16 ? all : all.slice(0, length)
  }

  #wide (length: number): string {
    const start = this.#at * 4
    this.#at += (length + 1) >> 1
    return this.#texts.ucs2Slice(start, start + length * 2)
  }
}

/** Somebody gave all objects or arrays a key that loops list. */
function hasInheritedKeys (): boolean {
  const keys: string[] = []
  for (const key in Array.prototype) keys.push(key)
  return keys.length > 0
}

/** An object that structured clone knows by its internal slots, whatever its prototype was set to. */
function hasSlots (value: object): boolean {
  return Object.prototype.toString.call(value) !== '[object Object]' || types.isMap(value) || types.isSet(value) ||
    types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value) || types.isExternal(value)
}
