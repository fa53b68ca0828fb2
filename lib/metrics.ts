// Counters and histograms of a pool; numbers only, text formats are somebody else's.

/** Buckets: four to each power of two of microseconds, up to 2^30 µs (18 minutes); chosen: 19 % error at most. */
const BUCKETS = 124

/** A histogram of durations. Recording takes no allocation. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS)
  count = 0
  sumMs = 0
  maxMs = 0

  record (ms: number): void {
    this.count++
    this.sumMs += ms
    if (ms > this.maxMs) this.maxMs = ms
    this.#counts[bucketOf(Math.min(ms * 1000, 2 ** 31 - 1))]!++
  }

  /** Upper edge, in ms, of the bucket that holds the given share (0 to 1) of the values; 0 when empty. */
  percentile (share: number): number {
    let left = Math.ceil(this.count * share)
    if (left === 0) return 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#counts[bucket]!
      if (left <= 0) return Math.min(this.maxMs, upperEdge(bucket) / 1000)
    }
    return this.maxMs
  }

  view (): HistogramView {
    return {
      count: this.count,
      meanMs: this.count === 0 ? 0 : this.sumMs / this.count,
      p50Ms: this.percentile(0.5),
      p99Ms: this.percentile(0.99),
      maxMs: this.maxMs
    }
  }
}

/** Plain copy of a histogram, in milliseconds. */
export interface HistogramView {
  count: number
  meanMs: number
  p50Ms: number
  p99Ms: number
  maxMs: number
}

/** How a job was settled. */
export const outcomes = ['ok', 'error', 'timeout', 'cancelled', 'expired', 'exit', 'closed'] as const
export type Outcome = typeof outcomes[number]

/** Times of one job name or one tier. */
export class Times {
  readonly wait = new Histogram()
  readonly run = new Histogram()
  readonly border = new Histogram()

  record (waitMs: number, runMs: number, borderMs: number): void {
    this.wait.record(waitMs)
    this.run.record(runMs)
    this.border.record(borderMs)
  }

  view (): { wait: HistogramView, run: HistogramView, border: HistogramView } {
    return { wait: this.wait.view(), run: this.run.view(), border: this.border.view() }
  }
}

/** Counters of a pool since its start. */
export class Counters {
  accepted = 0
  refused = 0
  spilled = 0
  takenBack = 0
  restarts = 0
  kills = 0
  readonly settled = Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as Record<Outcome, number>
}

function bucketOf (us: number): number {
  if (!(us >= 1)) return 0
  const power = Math.min(30, 31 - Math.clz32(us))
  return Math.min(BUCKETS - 1, power * 4 + Math.min(3, Math.floor((us / 2 ** power - 1) * 4)))
}

function upperEdge (bucket: number): number {
  return 2 ** (bucket >> 2) * (1 + ((bucket & 3) + 1) / 4)
}
