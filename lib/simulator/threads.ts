// Threads that are none: simulated actors for the real slots.
import { SimulatedMailbox } from './mailbox.js'
import type { Load } from '../load.js'
import type { Held } from '../mailbox.js'
import type { Started, Threads, Told } from '../slots.js'
import type { Slot } from '../tiers.js'
import type { World } from './mailbox.js'

/** The options that they read. */
export interface ThreadsOptions {
  readonly metric: 'demand' | 'running'
  readonly asyncPerActor: number
}

/** Starts simulated actors. */
export class SimulatedThreads<T extends Held> implements Threads<T> {
  readonly #options: ThreadsOptions
  readonly #load: Load
  readonly #world: World
  readonly #kept: () => readonly (readonly [name: string, value: unknown])[]

  /** `kept`: what was broadcast, for threads that start later. */
  constructor (options: ThreadsOptions, load: Load, world: World,
    kept: () => readonly (readonly [name: string, value: unknown])[] = () => []) {
    this.#options = options
    this.#load = load
    this.#world = world
    this.#kept = kept
  }

  pinReasonOf (): string { return 'simulated' }
  readonly cpus = []
  pinBy (): void {}

  start ({ id, tier }: Slot, _names: readonly string[] | null, waits: boolean, told: Told): Started<T> {
    const { clock, bootMs, bootDies, exitMs, lingerMs, toldMs, jobs, watch } = this.#world
    const { metric, asyncPerActor } = this.#options
    let isTold = false
    let isKilled = false
    const ended = (reason: unknown): void => {
      if (isTold) return
      isTold = true
      told.ended(reason)
    }
    const mailbox = new SimulatedMailbox<T>(this.#world, { slot: id, tier, metric, asyncPerActor }, this.#load,
      (message) => told.message(message),
      (reason) => {
        const lingers = isTold
        ended(reason)
        clock.host(exitMs(), () => {
          if (lingers) watch?.lingers(id, false)
          told.exited()
        })
      })
    const kept = this.#kept().map(([name, value]) => ({ job: jobs.indexOf(name), value }))
    clock.host(bootMs(), () => {
      if (mailbox.hasEnded || isTold || isKilled) return
      if (!kept.every((each) => watch?.heard(mailbox, each) !== false) || bootDies()) {
        return mailbox.end(new Error('died while it opened'))
      }
      if (waits) mailbox.wait()
      told.ready(jobs, 'simulated')
      if (!waits) mailbox.begin()
    })
    return {
      mailbox,
      thread: undefined,
      begin: () => mailbox.begin(),
      // that it was told to end is known at once; the thread goes on until it does, and may claim and reply meanwhile
      kill: (reason) => {
        isKilled = true
        clock.host(toldMs?.() ?? 0, () => {
          if (isTold) return
          watch?.lingers(id, true)
          ended(reason)
        })
        clock.actor(lingerMs(), () => mailbox.end(reason))
      }
    }
  }

  async close (): Promise<void> {}
}
