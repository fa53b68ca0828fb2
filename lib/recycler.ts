// Looks for actors that are old, and has their threads replaced.
import { whyRecycle } from './recycling.js'
import type { Clock, Timer } from './clock.js'
import type { Load } from './load.js'
import type { Job } from './pending.js'
import type { RecycleOptions } from './recycling.js'
import type { Actor, Crew } from './slots.js'

/** Pause between two looks at all actors, ms; chosen. One that ends jobs is looked at each time. */
const LOOK_MS = 1000

/** Has actors replaced that are old. */
export class Recycler {
  readonly #options: RecycleOptions
  readonly #clock: Clock
  readonly #load: Load
  readonly #crew: Crew<Job>
  #timer: Timer | undefined

  constructor (options: RecycleOptions, clock: Clock, load: Load, crew: Crew<Job>) {
    this.#options = options
    this.#clock = clock
    this.#load = load
    this.#crew = crew
  }

  start (): void {
    const nowMs = this.#clock.now()
    for (const actor of this.#crew.actors) this.look(actor, nowMs)
    this.#timer = this.#clock.after(Math.min(LOOK_MS, this.#options.maxAgeMs ?? LOOK_MS), () => this.start())
  }

  stop (): void {
    this.#timer?.cancel()
  }

  /** To be called when jobs of an actor have ended. */
  look (actor: Actor<Job>, nowMs: number): void {
    if (actor.state !== 'open' || actor.successor !== undefined) return
    const reason = whyRecycle(this.#options, {
      heapMb: this.#load.heapUsedBytes(actor.slot.id) / 2 ** 20, jobs: actor.jobs, ageMs: nowMs - actor.openedAtMs
    })
    if (reason !== undefined) this.#crew.recycle(actor, reason)
  }
}
