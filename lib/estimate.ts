// How long a job that is queued now will wait, on the safe side; pure.

/** Runs that the mean is over, once there were so many: its error is a share of 1 / √(2 × 256) then; chosen. */
const RUNS = 256
/** Deviations added: of the mean's error, and of the sum of the runs ahead; chosen: 2.5 are rarely exceeded. */
const CAUTION = 2.5

/** Mean and deviation of all runs lately. */
export class Estimate {
  /** ms; 1 before the first run has ended */
  meanMs = 1
  #variance = 0
  #runs = 0

  get deviationMs (): number { return Math.sqrt(this.#variance) }

  record (runMs: number): void {
    if (this.#runs < RUNS) this.#runs++
    const off = runMs - this.meanMs
    this.meanMs += off / this.#runs
    if (this.#runs > 1) this.#variance += (off * off - this.#variance) / this.#runs
  }

  /** Wait behind so many jobs, shared by so many actors, ms. */
  waitMs (backlog: number, actors: number): number {
    const error = this.deviationMs * CAUTION * (backlog / Math.sqrt(2 * RUNS) + Math.sqrt(backlog))
    return (backlog * this.meanMs + error) / Math.max(1, actors)
  }
}
