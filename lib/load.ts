// The words all threads share: the count of active actors, the open tiers and the backlog; lib/README.md, "Load".

/** Int32 words to a cell: 128 bytes, so that neither a cache line nor the prefetcher's neighbour line is shared. */
const CELL = 32
const ACTIVE = 0
const OPEN_TIER = CELL
const BACKLOG = 2 * CELL
const SLOTS = 3 * CELL

/**
 * Shared load of one pool. Layout, in cells of 128 bytes: active count, highest open tier, backlog, then one
 * word a slot (1 while that slot is counted). Host and actors hold one each over the same buffer.
 */
export class Load {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array

  constructor (shared: number | SharedArrayBuffer) {
    this.buffer = typeof shared === 'number' ? new SharedArrayBuffer((SLOTS + shared * CELL) * 4) : shared
    this.#words = new Int32Array(this.buffer)
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
}
