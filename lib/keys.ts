// Jobs with a key: each key has a home actor in the lowest tier, and its jobs wait for that one alone, in order.
import type { Job } from './pending.js'
import type { Actor } from './slots.js'

/** The jobs that wait for the home of their key. */
export class KeyedJobs {
  readonly #homes: readonly Actor<Job>[]
  readonly #waiting = new Map<Actor<Job>, Job[]>()
  /** keys that have jobs: they stay at their home while it is there, or a later job would overtake those before it */
  readonly #held = new Map<string, { jobs: number, home: Actor<Job> | undefined }>()
  #length = 0

  /** `homes`: the actors of the lowest tier. */
  constructor (homes: readonly Actor<Job>[]) {
    this.#homes = homes
  }

  /** Jobs waiting. */
  get length (): number { return this.#length }

  /** A job of this key was accepted. */
  hold (key: string): void {
    const held = this.#held.get(key)
    if (held === undefined) this.#held.set(key, { jobs: 1, home: this.homeOf(key) })
    else held.jobs++
  }

  /** It has settled. */
  release (key: string): void {
    if (--this.#held.get(key)!.jobs === 0) this.#held.delete(key)
  }

  /**
   * The home of a key: where it has jobs, or the highest rank of key and slot, so that few keys move at a failure.
   * Where that home is gone, what waits there moves to the new one.
   */
  homeOf (key: string): Actor<Job> | undefined {
    const held = this.#held.get(key)
    if (held?.home !== undefined && isThere(held.home)) return held.home
    const home = this.#highest(key)
    if (held === undefined || home === undefined) return home
    const before = held.home
    held.home = home
    // those that wait come along at once, or a job that is offered before they are placed anew would overtake them
    if (before !== undefined) for (const job of this.takeAll(before)) this.push(job)
    return home
  }

  #highest (key: string): Actor<Job> | undefined {
    let home: Actor<Job> | undefined
    let best = -1
    for (const actor of this.#homes) {
      if (!isThere(actor)) continue
      const rank = hash(`${key}\0${actor.slot.id}`)
      if (rank > best) {
        best = rank
        home = actor
      }
    }
    return home
  }

  /** Put a job before those that were accepted after it. False: every actor of the lowest tier has failed. */
  push (job: Job): boolean {
    const home = this.homeOf(job.options.key!)
    if (home === undefined) return false
    let jobs = this.#waiting.get(home)
    if (jobs === undefined) this.#waiting.set(home, jobs = [])
    let at = jobs.length
    while (at > 0 && jobs[at - 1]!.order > job.order) at--
    jobs.splice(at, 0, job)
    job.isQueued = true
    this.#length++
    return true
  }

  remove (job: Job): void {
    for (const jobs of this.#waiting.values()) {
      const at = jobs.indexOf(job)
      if (at < 0) continue
      jobs.splice(at, 1)
      this.#left(job)
      return
    }
  }

  /** Take out the first job that waits for this actor. */
  shift (actor: Actor<Job>): Job | undefined {
    const job = this.#waiting.get(actor)?.shift()
    if (job !== undefined) this.#left(job)
    return job
  }

  peek (actor: Actor<Job>): Job | undefined {
    return this.#waiting.get(actor)?.[0]
  }

  /** Jobs waiting for this actor. */
  waitingFor (actor: Actor<Job>): number { return this.#waiting.get(actor)?.length ?? 0 }

  /** Actors that jobs wait for. */
  actors (): Iterable<Actor<Job>> { return this.#waiting.keys() }

  /** Take out all jobs of an actor that has failed: their keys have a new home. */
  takeAll (actor: Actor<Job>): Job[] {
    const jobs = this.#waiting.get(actor) ?? []
    this.#waiting.delete(actor)
    for (const job of jobs) this.#left(job)
    return jobs
  }

  * [Symbol.iterator] (): Generator<Job> {
    for (const jobs of this.#waiting.values()) yield * jobs
  }

  /** The jobs that wait for each home, those accepted first in front. */
  lines (): Iterable<readonly Job[]> { return this.#waiting.values() }

  #left (job: Job): void {
    job.isQueued = false
    this.#length--
  }
}

function isThere ({ state }: Actor<Job>): boolean { return state !== 'failed' && state !== 'vacant' }

/** FNV-1a with a final mix; spreads keys over slots, nothing more. */
function hash (text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d)
  return (value ^ (value >>> 15)) >>> 0
}
