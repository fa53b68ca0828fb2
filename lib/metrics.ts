// Counters and histograms of a pool; numbers only, text formats are somebody else's.

/** Buckets: four to each power of two of microseconds up to 2^30 (18 minutes), and one over it; chosen: 25 % error. */
const OVER = 120
const MAX_MS = 2 ** 30 / 1000

/** A histogram of durations. Recording takes no allocation. */
export class Histogram {
  readonly #counts = new Float64Array(OVER + 1)
  count = 0
  sumMs = 0
  maxMs = 0

  record (ms: number): void {
    this.count++
    this.sumMs += ms
    if (ms > this.maxMs) this.maxMs = ms
    this.#counts[bucketOf(ms)]!++
  }

  /** Add what another one has recorded. */
  add (other: Histogram): void {
    this.count += other.count
    this.sumMs += other.sumMs
    if (other.maxMs > this.maxMs) this.maxMs = other.maxMs
    for (let bucket = 0; bucket <= OVER; bucket++) this.#counts[bucket]! += other.#counts[bucket]!
  }

  /** Upper edge, in ms, of the bucket that holds the given share (0 to 1) of the values; 0 when empty. */
  percentile (share: number): number {
    let left = Math.ceil(this.count * share)
    if (left === 0) return 0
    for (let bucket = 0; bucket <= OVER; bucket++) {
      left -= this.#counts[bucket]!
      if (left <= 0) return bucket === OVER ? this.maxMs : Math.min(this.maxMs, upperEdge(bucket) / 1000)
    }
    return this.maxMs
  }

  /** How many values lie below each edge, given in ascending ms; exact where an edge is one of a bucket. */
  cumulative (edgesMs: readonly number[]): number[] {
    let bucket = 0
    let count = 0
    return edgesMs.map((edgeMs) => {
      while (bucket < OVER && upperEdge(bucket) <= edgeMs * 1000 * (1 + 1e-9)) count += this.#counts[bucket++]!
      return count
    })
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

/** Times of the jobs of one name on one tier. */
export class Times {
  readonly wait = new Histogram()
  readonly run = new Histogram()
  readonly border = new Histogram()

  record (waitMs: number, runMs: number, borderMs: number): void {
    this.wait.record(waitMs)
    this.run.record(runMs)
    this.border.record(borderMs)
  }

  /** Several taken together. */
  static sum (all: readonly Times[]): Times {
    const sum = new Times()
    for (const { wait, run, border } of all) {
      sum.wait.add(wait)
      sum.run.add(run)
      sum.border.add(border)
    }
    return sum
  }

  view (): TimesView {
    return { wait: this.wait.view(), run: this.run.view(), border: this.border.view() }
  }
}

/** Plain copy of the times of a job name or a tier. */
export interface TimesView { wait: HistogramView, run: HistogramView, border: HistogramView }

/** Counters of a pool since its start. */
export class Counters {
  accepted = 0
  refused = 0
  spilled = 0
  takenBack = 0
  restarts = 0
  kills = 0
  /** deaths of actors that ran out of memory; they are restarts too */
  outOfMemory = 0
  /** late errors of jobs that had ended; their actors are replaced */
  strays = 0
  /** actors that were replaced because a job had changed what later ones build on */
  meddled = 0
  /** actors that were replaced because of their age, heap or number of jobs */
  recycled = 0
  /** jobs refused, or rejected before they started, because their name is in quarantine */
  quarantined = 0
  readonly settled = Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as Record<Outcome, number>
}

/** In quarters of a microsecond as an integer the two bits below the highest are the quarter of the power. */
function bucketOf (ms: number): number {
  if (!(ms < MAX_MS)) return OVER
  const quarters = (ms * 4000) >>> 0
  if (quarters < 4) return 0
  const power = 29 - Math.clz32(quarters)
  return (power << 2) + ((quarters >>> power) & 3)
}

function upperEdge (bucket: number): number {
  return 2 ** (bucket >> 2) * (1 + ((bucket & 3) + 1) / 4)
}
