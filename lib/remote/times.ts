// How long jobs waited elsewhere and were away, and how large they were, by job.
import { Histogram } from '../metrics.js'
import type { HistogramView } from '../metrics.js'
import type { OverflowTimes } from '../jobs.js'
import type { RemoteJob, RemoteOutcome } from './contract.js'

interface Recorded extends OverflowTimes {
  readonly wait: Histogram
  readonly roundtrip: Histogram
  readonly payload: Histogram
  readonly result: Histogram
}

/** The buckets are powers of two: a byte counts as a µs. */
const recordBytes = (histogram: Histogram, text: string): void => histogram.record(Buffer.byteLength(text) / 1000)

export class Times {
  readonly byJob = new Map<string, Recorded>()

  /** Those of one job; its name is one of a pool's, so that there are not ever more. */
  of (job: string): Recorded {
    let times = this.byJob.get(job)
    if (times === undefined) {
      times = { wait: new Histogram(), roundtrip: new Histogram(), payload: new Histogram(), result: new Histogram() }
      this.byJob.set(job, times)
    }
    return times
  }

  /** A job was sent: record its size, the time to its outcome and the size of that, if there will be one. */
  watch ({ job, payload }: RemoteJob, done: Promise<RemoteOutcome>): void {
    const times = this.of(job)
    const sentAtMs = performance.now()
    recordBytes(times.payload, payload)
    done.then((outcome) => {
      times.roundtrip.record(performance.now() - sentAtMs)
      if (outcome.status === 'ok') recordBytes(times.result, outcome.payload)
    }, () => {}) // told to the waiter
  }

  /** Round trips of all jobs. */
  view (): HistogramView {
    const sum = new Histogram()
    for (const { roundtrip } of this.byJob.values()) sum.add(roundtrip)
    return sum.view()
  }
}
