// The words all threads share: the count of active actors, the open tiers and the backlog; lib/README.md, "Load".

/** Int32 words to a cell: 128 bytes, so that neither a cache line nor the prefetcher's neighbour line is shared. */
const CELL = 32
const ACTIVE = 0
const OPEN_TIER = CELL
const BACKLOG = 2 * CELL
const SLOTS = 3 * CELL
/** Places of an actor's numbers in its cell, in Float64: time asleep, asleep since, heap in use. */
const PARKED_MS = 1
const PARKED_SINCE_MS = 2
const HEAP_BYTES = 3

/**
 * Shared load of one pool. Layout, in cells of 128 bytes: active count, highest open tier, backlog, then one cell a
 * slot: a word (1 while that slot is counted), and at 8, 16 and 24 bytes the numbers of its actor. Host and actors
 * hold one each over the same buffer.
 */
export class Load {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #numbers: Float64Array

  constructor (shared: number | SharedArrayBuffer) {
    this.buffer = typeof shared === 'number' ? new SharedArrayBuffer((SLOTS + shared * CELL) * 4) : shared
    this.#words = new Int32Array(this.buffer)
    this.#numbers = new Float64Array(this.buffer)
  }

  /** Count a slot's actor as active; idempotent. Called by the host when it gives a job, by the actor before a run. */
  enter (slot: number): void {
    const at = SLOTS + slot * CELL
    if (Atomics.load(this.#words, at) === 0 && Atomics.compareExchange(this.#words, at, 0, 1) === 0) {
      Atomics.add(this.#words, ACTIVE, 1)
    }
  }

  /** Take a slot's actor off the count; idempotent. Called by the actor before it parks, by the host at its death. */
  leave (slot: number): void {
    const at = SLOTS + slot * CELL
    if (Atomics.load(this.#words, at) === 1 && Atomics.compareExchange(this.#words, at, 1, 0) === 1) {
      Atomics.sub(this.#words, ACTIVE, 1)
    }
  }

  /** Actors with at least one unfinished job (`metric: 'demand'`), or running one (`metric: 'running'`). */
  get active (): number { return Atomics.load(this.#words, ACTIVE) }

  /** The highest open tier; written by the host alone, read by every actor before it takes a job. */
  get openTier (): number { return Atomics.load(this.#words, OPEN_TIER) }
  set openTier (tier: number) { Atomics.store(this.#words, OPEN_TIER, tier) }

  /** Jobs in the injector; written by the host alone. An actor stays active while it is not 0. */
  get backlog (): number { return Atomics.load(this.#words, BACKLOG) }
  set backlog (jobs: number) { Atomics.store(this.#words, BACKLOG, jobs) }

  /** An actor begins: nothing of the one before it counts. Called by the actor. */
  begin (slot: number): void {
    for (const place of [PARKED_MS, PARKED_SINCE_MS, HEAP_BYTES]) this.#numbers[numberAt(slot, place)] = 0
  }

  /** The actor goes to sleep; the time is in the host's clock. Called by the actor, as the next one. */
  parkAt (slot: number, nowMs: number): void { this.#numbers[numberAt(slot, PARKED_SINCE_MS)] = nowMs }

  /** The actor woke up. */
  wokeAt (slot: number, nowMs: number): void {
    const sinceMs = this.#numbers[numberAt(slot, PARKED_SINCE_MS)]!
    this.#numbers[numberAt(slot, PARKED_SINCE_MS)] = 0
    this.#numbers[numberAt(slot, PARKED_MS)]! += nowMs - sinceMs
  }

  /** JavaScript heap in use by the actor; it says so itself, ten times a second at most, and before it sleeps. */
  setHeap (slot: number, bytes: number): void { this.#numbers[numberAt(slot, HEAP_BYTES)] = bytes }
  heapUsedBytes (slot: number): number { return this.#numbers[numberAt(slot, HEAP_BYTES)]! }

  /** How long the actor has slept in its life, now included. Read by the host. */
  parkedMs (slot: number, nowMs: number): number {
    const sinceMs = this.#numbers[numberAt(slot, PARKED_SINCE_MS)]!
    return this.#numbers[numberAt(slot, PARKED_MS)]! + (sinceMs > 0 ? Math.max(0, nowMs - sinceMs) : 0)
  }
}

function numberAt (slot: number, place: number): number {
  return (SLOTS + slot * CELL) / 2 + place
}
