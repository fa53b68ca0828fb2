// One direction of a mailbox: a ring of records in shared memory, one writer, one reader; lib/README.md, "Records".
import { types } from 'node:util'

/** Bytes of one ring; a power of two, chosen: 4,096 records without payload. */
export const RING_BYTES = 128 * 1024
const MASK = RING_BYTES - 1
const HEADER = 16
/** Longest text in UTF-16 units that goes through the ring; chosen: the worst case is 24 KiB, a fifth of the ring. */
const MAX_TEXT = 8192
/** Most nodes and depth of an object that goes as JSON; above it structured clone is no slower (measured). */
const MAX_NODES = 64
const MAX_DEPTH = 6

const PAD = 0
const UNDEFINED = 1
const NULL = 2
const TRUE = 3
const FALSE = 4
const INT32 = 5
const FLOAT64 = 6
const ASCII = 7
const UTF8 = 8
const JSON_ASCII = 9
const JSON_UTF8 = 10
const PORT = 11

/** States in the low four bits of a record's first word; a reply carries its status there. */
export const QUEUED = 0
export const TAKEN = 1
export const REVOKED = 2

/** A record as its reader sees it. */
export interface RingRecord { word: number, at: number, id: number, meta: number }

/** Sends a value that the ring cannot hold, in the order of the records; may throw what structured clone throws. */
export type Post = (value: unknown) => void
/** Fetches the value of the next record that went by port; throws if it cannot be read. */
export type Fetch = () => unknown

/** Buffer's own readers and writers, which Node documents only in prose; TextDecoder refuses shared memory. */
interface SharedBuffer {
  utf8Write (text: string, offset: number): number
  utf8Slice (start: number, end: number): string
  latin1Slice (start: number, end: number): string
}

/**
 * A record is 16 bytes `[length << 8 | type << 4 | state, id, meta, int32 or byte length]` and its payload, rounded
 * up to 16. Positions are byte counters that wrap as int32; the head is published after the record is whole.
 */
export class Ring {
  readonly #control: Int32Array
  readonly #headWord: number
  readonly #tailWord: number
  readonly #words: Int32Array
  readonly #floats: Float64Array
  readonly #bytes: SharedBuffer
  /** bytes kept free for records without payload, so that a reply always finds room */
  readonly #spare: number
  #head = 0
  #tail = 0
  readonly #record: RingRecord = { word: 0, at: 0, id: 0, meta: 0 }

  constructor (buffer: SharedArrayBuffer, offset: number, control: Int32Array, headWord: number, spare: number) {
    this.#control = control
    this.#headWord = headWord
    this.#tailWord = headWord + 32
    this.#words = new Int32Array(buffer, offset, RING_BYTES / 4)
    this.#floats = new Float64Array(buffer, offset, RING_BYTES / 8)
    this.#bytes = Buffer.from(buffer, offset, RING_BYTES) as unknown as SharedBuffer
    this.#spare = spare
  }

  /** Writer: append a record and publish it; returns its position, or undefined when there is no room. */
  write (id: number, meta: number, state: number, value: unknown, post: Post, mustPost: boolean): number | undefined {
    const room = RING_BYTES - ((this.#head - Atomics.load(this.#control, this.#tailWord)) | 0)
    let type = PORT
    let text = ''
    let payload = 0
    let small = 0
    if (!mustPost) {
      switch (typeof value) {
        case 'undefined': type = UNDEFINED; break
        case 'boolean': type = value ? TRUE : FALSE; break
        case 'number':
          type = (value | 0) === value && !Object.is(value, -0) ? INT32 : FLOAT64
          if (type === INT32) small = value
          else payload = 8
          break
        case 'string':
          if (value.length <= MAX_TEXT) {
            type = UTF8
            text = value
          }
          break
        case 'object':
          if (value === null) type = NULL
          else if (isPlain(value)) {
            text = JSON.stringify(value)
            if (text.length <= MAX_TEXT) type = JSON_UTF8
          }
      }
    }
    const isText = type === UTF8 || type === JSON_UTF8
    if (isText) payload = text.length * 3
    let at = this.#head & MASK
    let need = HEADER + ((payload + 15) & ~15)
    let pad = need > RING_BYTES - at ? RING_BYTES - at : 0
    if (need + pad > room - this.#spare && payload > 0) {
      type = PORT
      need = HEADER
      pad = 0
    }
    if (need + pad > room) return undefined
    if (pad > 0) {
      this.#words[at >> 2] = pad << 8 | PAD << 4
      at = 0
    }
    if (type === FLOAT64) this.#floats[(at + HEADER) >> 3] = value as number
    else if (isText && type !== PORT) {
      small = this.#bytes.utf8Write(text, at + HEADER)
      if (small === text.length) type = type === UTF8 ? ASCII : JSON_ASCII
      else if (type === UTF8 && /\p{Surrogate}/u.test(text)) type = PORT // UTF-8 has no lone surrogates
      need = HEADER + ((small + 15) & ~15)
    }
    if (type === PORT) {
      need = HEADER
      post(value)
    }
    const word = at >> 2
    this.#words[word + 1] = id
    this.#words[word + 2] = meta
    this.#words[word + 3] = small
    this.#words[word] = need << 8 | type << 4 | state
    const position = (this.#head + pad) | 0
    this.#head = (position + need) | 0
    Atomics.store(this.#control, this.#headWord, this.#head)
    return position
  }

  /** Reader: is there a record, be it revoked? */
  get hasRecord (): boolean { return Atomics.load(this.#control, this.#headWord) !== this.#tail }

  /** Reader: the next record, or undefined. It stays until `advance`; the object is reused. */
  next (): RingRecord | undefined {
    while (this.hasRecord) {
      const at = this.#tail & MASK
      const word = Atomics.load(this.#words, at >> 2)
      if (((word >> 4) & 15) !== PAD) {
        this.#record.word = word
        this.#record.at = at
        this.#record.id = this.#words[(at >> 2) + 1]!
        this.#record.meta = this.#words[(at >> 2) + 2]!
        return this.#record
      }
      this.#pass(word >>> 8)
    }
    return undefined
  }

  /** Reader: claim the record for a run; false when its writer revoked it. */
  claim (record: RingRecord): boolean {
    return (record.word & 15) === QUEUED &&
      Atomics.compareExchange(this.#words, record.at >> 2, record.word, record.word | TAKEN) === record.word
  }

  /** Reader: pass the record over, fetching away the value that went by port. */
  skip (record: RingRecord, fetch: Fetch): void {
    const { word } = record
    this.#pass(word >>> 8)
    if (((word >> 4) & 15) === PORT) {
      try {
        fetch()
      } catch {
        // unreadable, and nobody wants it
      }
    }
  }

  /** Reader: the record's value; passes the record over whatever happens. */
  read (record: RingRecord, fetch: Fetch): unknown {
    const { at, word } = record
    const start = at + HEADER
    const small = this.#words[(at >> 2) + 3]!
    let value: unknown
    switch ((word >> 4) & 15) {
      case NULL: value = null; break
      case TRUE: value = true; break
      case FALSE: value = false; break
      case INT32: value = small; break
      case FLOAT64: value = this.#floats[start >> 3]; break
      case ASCII: value = this.#bytes.latin1Slice(start, start + small); break
      case UTF8: value = this.#bytes.utf8Slice(start, start + small); break
      case JSON_ASCII: value = JSON.parse(this.#bytes.latin1Slice(start, start + small)); break
      case JSON_UTF8: value = JSON.parse(this.#bytes.utf8Slice(start, start + small)); break
      case PORT:
        this.#pass(word >>> 8)
        return fetch()
    }
    this.#pass(word >>> 8)
    return value
  }

  /** Writer: take a record back; true when the reader had not claimed it and now never will. */
  revoke (position: number): boolean {
    if (((position - Atomics.load(this.#control, this.#tailWord)) | 0) < 0) return false
    const at = (position & MASK) >> 2
    const word = Atomics.load(this.#words, at)
    return (word & 15) === QUEUED && Atomics.compareExchange(this.#words, at, word, word | REVOKED) === word
  }

  #pass (length: number): void {
    this.#tail = (this.#tail + length) | 0
    Atomics.store(this.#control, this.#tailWord, this.#tail)
  }
}

const objectPrototype: unknown = Object.prototype
const arrayPrototype: unknown = Array.prototype
/** the objects on the way, to find those that are met twice */
const seen: unknown[] = new Array(MAX_NODES).fill(undefined)
let seenCount = 0
let nodes = 0

/**
 * True where JSON text means the same as structured clone; everything doubtful is false and goes by port. Runs once a
 * value on both sides of the border: 130 ns for a small object, where reading property descriptors took 840.
 */
export function isPlain (value: object): boolean {
  nodes = 0
  seenCount = 0
  try {
    return isPlainObject(value, 0)
  } finally {
    seen.fill(undefined, 0, seenCount)
  }
}

function isPlainNode (value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string': case 'boolean': return true
    case 'number': return value - value === 0 && !Object.is(value, -0)
    case 'object': return value === null || isPlainObject(value, depth)
    default: return false
  }
}

function isPlainObject (value: object, depth: number): boolean {
  if (depth === MAX_DEPTH || seenCount === MAX_NODES || types.isProxy(value)) return false
  for (let at = 0; at < seenCount; at++) if (seen[at] === value) return false
  seen[seenCount++] = value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === arrayPrototype) return isPlainArray(value, depth)
  if (prototype !== objectPrototype) return false
  let isFirst = true
  for (const key in value) {
    if (isFirst) {
      isFirst = false
      // strings and typed arrays list their places
      if (key === '0' && hasSlots(value)) return false
    }
    if (++nodes >= MAX_NODES || !isPlainNode((value as Record<string, unknown>)[key], depth + 1)) return false
  }
  // maps, dates and the like list nothing
  if (isFirst && hasSlots(value)) return false
  return (value as { toJSON?: unknown }).toJSON === undefined
}

/** Dense, and with nothing but its elements: a hole reads as undefined, which is not plain. */
function isPlainArray (value: object, depth: number): boolean {
  if (!Array.isArray(value)) return false
  const { length } = value
  if ((nodes += length) >= MAX_NODES) return false
  for (let at = 0; at < length; at++) if (!isPlainNode(value[at], depth + 1)) return false
  return Object.keys(value).length === length && (value as { toJSON?: unknown }).toJSON === undefined
}

/** An object that structured clone knows by its internal slots, whatever its prototype was set to. */
function hasSlots (value: object): boolean {
  return Object.prototype.toString.call(value) !== '[object Object]' || types.isMap(value) || types.isSet(value) ||
    types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value) || types.isExternal(value)
}
