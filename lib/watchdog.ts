// Finds actors that begin nothing because something a job left behind blocks their event loop: no run clock tells that.
import type { Clock, Timer } from './clock.js'
import type { Mailbox } from './mailbox.js'
import type { Job } from './pending.js'
import type { Actor, Crew } from './slots.js'

/**
 * Time between two looks, ms; chosen: who only waits for a CPU gets one sooner, also at the lowest priority, and what
 * waits behind a blocked actor runs elsewhere before the default `maxQueueWaitMs`.
 */
const LOOK_MS = 3000

/** Kills what it finds at two looks in a row; the jobs of such an actor have not begun, and run elsewhere. */
export class Watchdog {
  readonly #clock: Clock
  readonly #crew: Crew<Job>
  readonly #isHalted: (mailbox: Mailbox<Job>) => boolean
  #timer: Timer | undefined
  /** the id of the first job that had not begun at the last look, 0 where the actor only had to end */
  #seen = new Map<Mailbox<Job>, number>()

  constructor (clock: Clock, crew: Crew<Job>, isHalted: (mailbox: Mailbox<Job>) => boolean) {
    this.#clock = clock
    this.#crew = crew
    this.#isHalted = isHalted
  }

  /** To be called with each job that is given; costs nothing but once in a while. */
  arm (): void {
    this.#timer ??= this.#clock.after(LOOK_MS, () => this.#look())
  }

  close (): void { this.#timer?.cancel() }

  #look (): void {
    this.#timer = undefined
    const before = this.#seen
    this.#seen = new Map()
    for (const actor of this.#crew.actors) {
      const { mailbox, state } = actor
      if (mailbox === undefined || (state === 'open' && mailbox.depth === 0)) continue
      this.arm()
      const first = firstWaiting(actor)
      if (first === undefined || this.#isHalted(mailbox)) continue
      if (before.get(mailbox) !== first) this.#seen.set(mailbox, first)
      else this.#crew.kill(actor, new Error(`it has begun nothing for ${LOOK_MS} ms: its event loop is blocked`))
    }
  }
}

/** Undefined where the actor runs something, or nothing is asked of it. */
function firstWaiting ({ state, mailbox }: Actor<Job>): number | undefined {
  if (state !== 'open' && state !== 'draining') return undefined
  let first = 0
  for (const job of mailbox!.jobs()) {
    if (mailbox!.startedAtMs(job) !== 0) return undefined
    if (first === 0) first = job.id
  }
  return first
}
