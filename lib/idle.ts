// Which slots have an idle actor: one bit a slot, so that finding the lowest costs the same with 2 actors and with 500.

/** A set of slot ids; the lowest is found first, and slots are numbered tier by tier. */
export class IdleSet {
  readonly #words: Int32Array

  constructor (slots: number) {
    this.#words = new Int32Array((slots + 31) >> 5)
  }

  add (slot: number): void {
    this.#words[slot >> 5]! |= 1 << (slot & 31)
  }

  remove (slot: number): void {
    this.#words[slot >> 5]! &= ~(1 << (slot & 31))
  }

  /** The lowest slot in the set that is below `limit`, or -1. */
  first (limit: number): number {
    for (let at = 0; at < this.#words.length && at << 5 < limit; at++) {
      const word = this.#words[at]!
      if (word !== 0) {
        const slot = (at << 5) + 31 - Math.clz32(word & -word)
        return slot < limit ? slot : -1
      }
    }
    return -1
  }
}
