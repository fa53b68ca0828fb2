// How long a job that is queued now will wait, on the safe side; pure.

/** Jobs that the mean is over: more where they differ more. Its error is 1 / √(2 × 32) of their deviation; chosen. */
const LEAST = 32
const MOST = 256
/** Deviations added: of the mean's error, and of the sum of the jobs ahead; chosen: 2 are rarely exceeded. */
const CAUTION = 2
/** So many times mean and deviation a job counts at most: one of 30 s among those of 20 ms is no reason to refuse. */
const OUTLIER = 10

/** What an actor needs for a job lately, and how much that varies. */
export class Estimate {
  /**
   * From one settled job to the next of an actor that has more to do, ms: the run, the way there and back, the host's
   * turn, and the wait of all of them for a CPU; 1 before the first
   */
  paceMs = 1
  #variance = 0
  #settled = 0

  /** Deviation as a share of the mean. */
  get spread (): number { return this.paceMs > 0 ? Math.sqrt(this.#variance) / this.paceMs : 0 }

  /** Only then it may refuse a job. */
  get isKnown (): boolean { return this.#settled > 0 }

  get #window (): number { return Math.min(MOST, Math.max(LEAST, MOST * this.spread ** 2)) }

  /**
   * An actor that had something to do all the time has settled so many jobs in it. `isCold`: its first, which load and
   * compile what they need; they count until others have settled.
   */
  pace (ms: number, jobs: number, isCold = false): void {
    if (jobs === 0) return
    if (isCold) {
      if (!this.isKnown) this.paceMs = ms / jobs
      return
    }
    const isFirst = !this.isKnown
    const mostMs = isFirst ? Infinity : OUTLIER * (this.paceMs + Math.sqrt(this.#variance))
    const off = Math.min(ms / jobs, mostMs) - this.paceMs
    this.#settled = Math.min(this.#window, this.#settled + jobs)
    const share = Math.min(1, jobs / this.#settled)
    this.paceMs += off * share
    // the mean of so many varies less than one
    if (!isFirst) this.#variance += (off * off * jobs - this.#variance) * share
  }

  /** Wait behind so many jobs, shared by so many actors that all have begun another, ms. */
  waitMs (backlog: number, actors: number): number {
    const { spread } = this
    const error = spread * CAUTION * (backlog / Math.sqrt(2 * this.#window) + Math.sqrt(backlog))
    // what runs may have just begun, and is more often a long one
    const rest = 1 + spread * spread / 2
    return this.paceMs * ((backlog + error) / Math.max(1, actors) + rest)
  }
}
