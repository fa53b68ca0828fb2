// May a slot open again after a death, and when: the pauses and the budget; pure.

/** Longest pause before a restart, ms; chosen. */
export const MAX_BACKOFF_MS = 5000

export interface RestartOptions {
  readonly maxRestarts: number
  readonly withinMs: number
  readonly backoffMs: number
}

/** What follows a death. */
export interface Verdict {
  /** within the window, this one included */
  readonly deaths: number
  /** the budget is spent: the slot has failed until the pause is over */
  readonly hasFailed: boolean
  readonly pauseMs: number
}

/** The deaths of each slot. */
export class Restarts {
  readonly #options: RestartOptions
  readonly #deaths = new Map<number, readonly number[]>()

  constructor (options: RestartOptions) {
    this.#options = options
  }

  /** A slot's actor died now. The pause doubles with each death in the window. */
  note (slot: number, nowMs: number, wasOpening: boolean): Verdict {
    const { maxRestarts, withinMs, backoffMs } = this.#options
    const atMs = [...(this.#deaths.get(slot) ?? []).filter((atMs) => nowMs - atMs < withinMs), nowMs]
    this.#deaths.set(slot, atMs)
    const deaths = atMs.length
    if (deaths > maxRestarts) return { deaths, hasFailed: true, pauseMs: withinMs }
    // the first death is made good at once, unless the actor never opened
    const isFree = deaths === 1 && !wasOpening
    const pauseMs = isFree ? 0 : Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** Math.max(0, deaths - 2))
    return { deaths, hasFailed: false, pauseMs }
  }
}
