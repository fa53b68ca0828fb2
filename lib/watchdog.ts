// Finds actors that begin nothing since something that a job left behind blocks them: no run clock tells that.
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
  readonly #mayTake: (actor: Actor<Job>) => boolean
  readonly #isHalted: (mailbox: Mailbox<Job>) => boolean
  #timer: Timer | undefined
  /** what had begun nothing at the last look, and how far it had come */
  #seen = new Map<Mailbox<Job>, string>()

  /** `mayTake`: is its tier open? */
  constructor (clock: Clock, crew: Crew<Job>, mayTake: (actor: Actor<Job>) => boolean,
    isHalted: (mailbox: Mailbox<Job>) => boolean) {
    this.#clock = clock
    this.#crew = crew
    this.#mayTake = mayTake
    this.#isHalted = isHalted
  }

  /** To be called with each job that is given and each broadcast; costs nothing but once in a while. */
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
      if (mailbox === undefined || (state === 'open' && !this.#isAsked(actor))) continue
      this.arm()
      if (!runsNothing(actor) || this.#isHalted(mailbox)) continue
      // the jobs may be others by now: those before were given up by who waited for them
      const soFar = `${mailbox.passed} ${mailbox.news} ${actor.jobs}`
      if (before.get(mailbox) !== soFar) this.#seen.set(mailbox, soFar)
      else this.#crew.kill(actor, new Error(`it has begun nothing for ${LOOK_MS} ms: its event loop is blocked`))
    }
  }

  /** Has it jobs, or something to read? */
  #isAsked (actor: Actor<Job>): boolean {
    const { depth, news, isBehind } = actor.mailbox!
    return depth > 0 || news > 0 || (isBehind && this.#mayTake(actor))
  }
}

function runsNothing ({ state, mailbox }: Actor<Job>): boolean {
  return (state === 'open' || state === 'draining') && [...mailbox!.jobs()].every((job) => mailbox!.startedAtMs(job) === 0)
}
