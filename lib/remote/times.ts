// How long jobs waited elsewhere and were away, by job.
import { Histogram } from '../metrics.js'
import type { HistogramView } from '../metrics.js'
import type { OverflowTimes } from '../jobs.js'

export class Times {
  readonly byJob = new Map<string, OverflowTimes & { readonly wait: Histogram, readonly roundtrip: Histogram }>()

  /** Those of one job; its name is one of a pool's, so that there are not ever more. */
  of (job: string): { readonly wait: Histogram, readonly roundtrip: Histogram } {
    let times = this.byJob.get(job)
    if (times === undefined) this.byJob.set(job, times = { wait: new Histogram(), roundtrip: new Histogram() })
    return times
  }

  /** Record how long it takes to its outcome, if there will be one. */
  watch (job: string, done: Promise<unknown>): void {
    const { roundtrip } = this.of(job)
    const sentAtMs = performance.now()
    done.then(() => roundtrip.record(performance.now() - sentAtMs), () => {}) // told to the waiter
  }

  /** Round trips of all jobs. */
  view (): HistogramView {
    const sum = new Histogram()
    for (const { roundtrip } of this.byJob.values()) sum.add(roundtrip)
    return sum.view()
  }
}
