// One direction of a mailbox: a ring of records in shared memory, one writer, one reader; lib/README.md, "Records".
import { FlatReader, FlatWriter, scratch } from './flat.js'
import { SHAPES_BYTES } from './shapes.js'
import type { SharedBuffer } from './flat.js'

/** Bytes of one ring; a power of two, chosen: 8,192 records without payload. */
export const RING_BYTES = 128 * 1024
/** What a ring takes of the shared memory. */
export const RING_SPACE = RING_BYTES + SHAPES_BYTES
const MASK = RING_BYTES - 1
/** Bytes that a reader may have passed without saying so: it says so sooner only when it finds nothing. Chosen. */
export const UNTOLD_BYTES = 4096
const HEADER = 16
/** Longest text in UTF-16 units that goes through the ring; chosen: the worst case is 24 KiB, a fifth of the ring. */
const MAX_TEXT = 8192

const PAD = 0
const UNDEFINED = 1
const NULL = 2
const TRUE = 3
const FALSE = 4
const INT32 = 5
const FLOAT64 = 6
const ASCII = 7
const UTF16 = 8
const FLAT = 9
const PORT = 10

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
  readonly #buffer: SharedArrayBuffer
  readonly #shapesOffset: number
  #flatWriter: FlatWriter | undefined
  #flatReader: FlatReader | undefined
  #head = 0
  #tail = 0
  /** the other side's word as it was last read: a look at it costs a cache line that the other side writes */
  #seenHead = 0
  #seenTail = 0
  /** the tail as it was last published */
  #toldTail = 0
  readonly #record: RingRecord = { word: 0, at: 0, id: 0, meta: 0 }

  /** At `offset` lie the records and, behind them, the key lists of their objects: RING_SPACE bytes. */
  constructor (buffer: SharedArrayBuffer, offset: number, control: Int32Array, headWord: number, spare: number) {
    this.#buffer = buffer
    this.#shapesOffset = offset + RING_BYTES
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
            type = ASCII
            text = value
            payload = value.length * 3 // at worst, before it is known to be no ASCII
          }
          break
        case 'object':
          if (value === null) type = NULL
          else {
            this.#flatWriter ??= new FlatWriter(this.#buffer, this.#shapesOffset)
            payload = this.#flatWriter.write(value) * 4
            if (payload > 0) type = FLAT
          }
      }
    }
    // after the value was read: its getters may have written here
    let at = this.#head & MASK
    let need = HEADER + ((payload + 15) & ~15)
    let pad = need > RING_BYTES - at ? RING_BYTES - at : 0
    if (need + pad > this.#room - this.#spare) {
      this.#seenTail = Atomics.load(this.#control, this.#tailWord)
      if (need + pad > this.#room - this.#spare && payload > 0) {
        type = PORT
        need = HEADER
        pad = 0
      }
      if (need + pad > this.#room) return undefined
    }
    if (pad > 0) {
      this.#words[at >> 2] = pad << 8 | PAD << 4
      at = 0
    }
    const start = at + HEADER
    if (type === FLAT) this.#copy(start >> 2, payload >> 2)
    else if (type === FLOAT64) this.#floats[start >> 3] = value as number
    else if (type === ASCII) {
      small = this.#bytes.utf8Write(text, start)
      if (small !== text.length) {
        type = UTF16
        small = this.#bytes.ucs2Write(text, start)
      }
      need = HEADER + ((small + 15) & ~15)
    }
    if (type === PORT) {
      post(value)
      at = this.#head & MASK // the value's getters may have written here
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
  get hasRecord (): boolean {
    if (this.#seenHead === this.#tail) this.#seenHead = Atomics.load(this.#control, this.#headWord)
    return this.#seenHead !== this.#tail
  }

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
    if (this.#toldTail !== this.#tail) this.#tellTail()
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
      case UTF16: value = this.#bytes.ucs2Slice(start, start + small); break
      case FLAT:
        this.#flatReader ??= new FlatReader(this.#buffer, this.#shapesOffset, this.#words, this.#bytes)
        value = this.#flatReader.read(start >> 2)
        break
      case PORT:
        this.#pass(word >>> 8)
        return fetch()
    }
    this.#pass(word >>> 8)
    return value
  }

  /** Writer: take a record back; true when the reader had not claimed it and now never will. */
  revoke (position: number): boolean {
    if (this.isPassed(position)) return false
    const at = (position & MASK) >> 2
    const word = Atomics.load(this.#words, at)
    return (word & 15) === QUEUED && Atomics.compareExchange(this.#words, at, word, word | REVOKED) === word
  }

  /** Writer: has its reader said that it passed this record? */
  isPassed (position: number): boolean {
    return ((position - Atomics.load(this.#control, this.#tailWord)) | 0) < 0
  }

  /** Writer: how far its reader has said that it read. */
  get passed (): number { return Atomics.load(this.#control, this.#tailWord) }

  #copy (to: number, count: number): void {
    if (count > 64) this.#words.set(scratch.subarray(0, count), to)
    else for (let at = 0; at < count; at++) this.#words[to + at] = scratch[at]!
  }

  /** Writer: bytes that were free when it last looked. */
  get #room (): number { return RING_BYTES - ((this.#head - this.#seenTail) | 0) }

  #pass (length: number): void {
    this.#tail = (this.#tail + length) | 0
    if (((this.#tail - this.#toldTail) | 0) >= UNTOLD_BYTES) this.#tellTail()
  }

  #tellTail (): void {
    this.#toldTail = this.#tail
    Atomics.store(this.#control, this.#tailWord, this.#tail)
  }
}
