// When a refusal is told: clients that ask again at once must not take the CPU time that the jobs need.

/** One refusal in so many ms is told, 500 a second; chosen: at 0.1 to 0.2 ms each they take a tenth of a core. */
const EVERY_MS = 2
/** So many more are told at once after a quiet time; chosen. */
const BURST = 100
/** Longest wait of a refusal, ms: the least that Retry-After can say. */
const LONGEST_MS = 1000

/** Time, and how to wait. */
export interface PacingClock {
  now (): number
  /** call `run` later; returns how to call it off */
  after (ms: number, run: () => void): () => void
}

const systemClock: PacingClock = {
  now: () => performance.now(),
  after (ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  }
}

/** Tells refusals one after another where they come faster than they may be told. */
export class Pacing {
  readonly #clock: PacingClock
  /** in the order in which they are told */
  readonly #held: { readonly atMs: number, readonly tell: () => void }[] = []
  #nextMs = -Infinity
  #cancel: (() => void) | undefined
  #isClosed = false

  constructor (clock = systemClock) {
    this.#clock = clock
  }

  /** Resolves when the refusal may be told, with the ms that it was held. */
  async turn (): Promise<number> {
    const nowMs = this.#clock.now()
    const paceMs = Math.max(this.#nextMs, nowMs - BURST * EVERY_MS) + EVERY_MS
    const atMs = this.#nextMs = Math.min(paceMs, nowMs + LONGEST_MS)
    if (atMs <= nowMs || this.#isClosed) return 0
    await new Promise<void>((resolve) => {
      this.#held.push({ atMs, tell: resolve })
      this.#cancel ??= this.#clock.after(atMs - nowMs, this.#onTime)
    })
    return this.#clock.now() - nowMs
  }

  /** Tell all of them now, and later ones at once: nobody waits for that longer than for the close. */
  close (): void {
    this.#isClosed = true
    this.#cancel?.()
    for (const { tell } of this.#held.splice(0)) tell()
  }

  readonly #onTime = (): void => {
    this.#cancel = undefined
    const nowMs = this.#clock.now()
    const first = this.#held.findIndex(({ atMs }) => atMs > nowMs)
    for (const { tell } of this.#held.splice(0, first < 0 ? Infinity : first)) tell()
    if (this.#held.length > 0) this.#cancel = this.#clock.after(Math.max(1, this.#held[0]!.atMs - nowMs), this.#onTime)
  }
}
