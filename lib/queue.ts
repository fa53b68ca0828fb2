// The injector: jobs not yet given to an actor, by priority with ageing; bounds are the scheduler's.

/** Priorities, first served first. */
export const priorities = ['high', 'normal', 'low'] as const
export type Priority = typeof priorities[number]

/** What the injector needs of a job; it writes `isQueued`. */
export interface Queued {
  /** index into `priorities` */
  readonly level: number
  readonly acceptedAtMs: number
  isQueued: boolean
}

interface Lane<T> { jobs: (T | undefined)[], head: number }

/**
 * One FIFO a priority. The next job is the one with the smallest `acceptedAtMs + level * ageMs`, so a job of a
 * lower priority is overtaken only by jobs accepted up to `ageMs` (a level) after it: nobody starves.
 * Removal is O(1): the job's place stays and is passed over; places are compacted when half of them are empty.
 */
export class Injector<T extends Queued> {
  readonly #ageMs: number
  readonly #lanes: Lane<T>[] = priorities.map(() => ({ jobs: [], head: 0 }))
  #length = 0
  #places = 0

  constructor (ageMs: number) {
    this.#ageMs = ageMs
  }

  /** Jobs waiting. */
  get length (): number { return this.#length }

  push (job: T): void {
    job.isQueued = true
    this.#lanes[job.level]!.jobs.push(job)
    this.#length++
    this.#places++
  }

  /** Put back a job that was taken back from a mailbox, ahead of all that were accepted after it. */
  putBack (job: T): void {
    job.isQueued = true
    const lane = this.#lanes[job.level]!
    let at = lane.head
    while (at < lane.jobs.length && (!lane.jobs[at]?.isQueued || lane.jobs[at]!.acceptedAtMs < job.acceptedAtMs)) at++
    lane.jobs.splice(at, 0, job)
    this.#length++
    this.#places++
  }

  /** Take out a job wherever it stands. */
  remove (job: T): void {
    if (!job.isQueued) return
    job.isQueued = false
    this.#length--
    const lane = this.#lanes[job.level]!
    // a cancelled job must not be held by its place; a sparse lane is packed
    if (this.#places > 64 && this.#places > 2 * this.#length) this.#compact()
    else if (lane.jobs[lane.head] === job) this.#skip(lane)
  }

  peek (): T | undefined {
    return this.#first()?.[1]
  }

  shift (): T | undefined {
    const first = this.#first()
    if (first === undefined) return undefined
    const [lane, job] = first
    job.isQueued = false
    this.#length--
    this.#skip(lane)
    return job
  }

  * [Symbol.iterator] (): Generator<T> {
    for (const lane of this.#lanes) yield * waiting(lane)
  }

  /** The jobs of each priority, those accepted first in front. */
  lines (): Generator<T>[] { return this.#lanes.map(waiting) }

  #first (): [Lane<T>, T] | undefined {
    let best: [Lane<T>, T] | undefined
    let bestRank = Infinity
    if (this.#length === 0) return undefined
    for (const lane of this.#lanes) {
      const job = lane.jobs[lane.head]
      if (job === undefined) continue
      const rank = job.acceptedAtMs + job.level * this.#ageMs
      if (rank < bestRank) {
        bestRank = rank
        best = [lane, job]
      }
    }
    return best
  }

  /** Drop the places at the head of a lane that hold no waiting job. */
  #skip (lane: Lane<T>): void {
    while (lane.head < lane.jobs.length && !lane.jobs[lane.head]?.isQueued) {
      lane.jobs[lane.head++] = undefined
      this.#places--
    }
    if (lane.head === lane.jobs.length) {
      lane.jobs = []
      lane.head = 0
    } else if (lane.head > 1024 && lane.head * 2 > lane.jobs.length) {
      lane.jobs = lane.jobs.slice(lane.head)
      lane.head = 0
    }
  }

  #compact (): void {
    this.#places = 0
    for (const lane of this.#lanes) {
      lane.jobs = lane.jobs.filter((job) => job?.isQueued)
      lane.head = 0
      this.#places += lane.jobs.length
    }
  }
}

function * waiting<T extends Queued> ({ jobs }: Lane<T>): Generator<T> {
  for (const job of jobs) if (job?.isQueued) yield job
}
