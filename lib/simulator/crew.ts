// A crew without threads: opens, restarts, retires and ends simulated actors as supervisor.ts does real ones.
import { describe } from '../errors.js'
import { SimulatedMailbox } from './mailbox.js'
import type { Timer } from '../clock.js'
import type { Load } from '../load.js'
import type { Held } from '../mailbox.js'
import type { Actor, ActorState, Crew, SupervisorEvents } from '../supervisor.js'
import type { Plan, Slot } from '../tiers.js'
import type { World } from './mailbox.js'

/** The options that the crew reads. */
export interface CrewOptions {
  readonly metric: 'demand' | 'running'
  readonly asyncPerActor: number
  readonly maxRestarts: number
  readonly withinMs: number
  readonly backoffMs: number
}

/** As in supervisor.ts. */
const MAX_BACKOFF_MS = 5000

/** Simulated actors of one plan. */
export class SimulatedCrew<T extends Held> implements Crew<T> {
  readonly actors: readonly Actor<T>[]
  readonly #options: CrewOptions
  readonly #load: Load
  readonly #events: SupervisorEvents<T>
  readonly #world: World
  readonly #deaths = new Map<Actor<T>, number[]>()
  readonly #restarting = new Map<Actor<T>, Timer>()
  readonly #replaced = new Set<Actor<T>>()
  readonly #leaving = new Set<Actor<T>>()
  #names: readonly string[] | null = null
  #isClosed = false

  constructor (plan: Plan, options: CrewOptions, load: Load, events: SupervisorEvents<T>, world: World) {
    this.#options = options
    this.#load = load
    this.#events = events
    this.#world = world
    this.actors = plan.tiers.flatMap(({ slots }) => slots).map((slot) => ({
      slot,
      state: 'closed',
      mailbox: undefined,
      reason: undefined,
      pinned: false,
      pinReason: 'simulated',
      openedAtMs: 0,
      usedAtMs: 0,
      restarts: 0,
      thread: undefined,
      kill: undefined,
      workMs: 0,
      progressAtMs: 0
    }))
  }

  get names (): readonly string[] { return this.#names ?? [] }

  async open (actor: Actor<T>): Promise<void> {
    if (actor.state !== 'closed' || this.#isClosed) return
    const { id, tier } = actor.slot
    const { metric, asyncPerActor } = this.#options
    return new Promise((resolve, reject) => {
      const mailbox = new SimulatedMailbox<T>(this.#world, { slot: id, tier, metric, asyncPerActor }, this.#load,
        () => this.#events.message(actor, 0),
        (reason) => {
          const wasOpening = actor.state === 'opening'
          reject(reason ?? new Error('the actor was stopped while it was opening'))
          this.#ended(actor, mailbox, reason, wasOpening)
        })
      actor.mailbox = mailbox
      this.#set(actor, 'opening', actor.reason)
      this.#world.clock.host(this.#world.bootMs(), () => {
        if (mailbox.hasEnded) return
        if (this.#world.bootDies()) return mailbox.end(new Error('died while it opened'))
        this.#names ??= this.#world.jobs
        actor.openedAtMs = actor.usedAtMs = actor.progressAtMs = this.#world.clock.now()
        this.#set(actor, 'open', actor.reason)
        this.#events.opened(actor)
        mailbox.begin()
        resolve()
      })
    })
  }

  isRestarting (actor: Actor<T>): boolean { return this.#restarting.has(actor) }

  retire (actor: Actor<T>): void {
    if (actor.state !== 'open') return
    this.#set(actor, 'draining', 'retired')
    actor.mailbox!.stop()
  }

  replace (actor: Actor<T>, reason: string): void {
    if (actor.state !== 'open') return
    this.#replaced.add(actor)
    this.#set(actor, 'draining', reason)
    actor.mailbox!.stop()
  }

  vacate (actor: Actor<T>): void {
    if (actor.state === 'vacant' || this.#leaving.has(actor)) return
    if (actor.state === 'closed' || actor.state === 'failed') return this.#set(actor, 'vacant', 'its cpu is gone')
    this.#leaving.add(actor)
    this.#replaced.delete(actor)
    if (actor.state === 'opening') this.kill(actor, new Error('its cpu is gone'))
    else this.retire(actor)
  }

  occupy (actor: Actor<T>, slot: Slot): void {
    actor.slot = slot
    this.#leaving.delete(actor)
    if (actor.state === 'vacant') this.#set(actor, 'closed', undefined)
  }

  /** The thread goes on until it is ended: it may still claim and reply meanwhile. */
  kill (actor: Actor<T>, reason: unknown): void {
    if (actor.state === 'open') this.#set(actor, 'draining', describe(reason))
    const mailbox = actor.mailbox as SimulatedMailbox<T> | undefined
    if (mailbox !== undefined) this.#world.clock.actor(this.#world.endMs(), () => mailbox.end(reason))
  }

  /** A thread dies by itself, whatever it does. */
  die (actor: Actor<T>, reason: unknown): void {
    (actor.mailbox as SimulatedMailbox<T> | undefined)?.end(reason)
  }

  async close (graceMs: number): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#restarting.values()) timer.cancel()
    for (const actor of this.actors) {
      if (actor.state === 'open') this.retire(actor)
      else if (actor.state === 'opening') this.kill(actor, new Error('the pool is closing'))
    }
    await this.#allGone(graceMs)
    for (const actor of this.actors) this.kill(actor, new Error('the pool is closing'))
    await this.#allGone(2000)
  }

  #allGone (ms: number): Promise<void> {
    const { clock } = this.#world
    const untilMs = clock.now() + ms
    return new Promise((resolve) => {
      const look = (): void => {
        const isLeft = this.actors.some(({ mailbox }) => mailbox !== undefined)
        if (isLeft && clock.now() < untilMs) clock.after(2, look)
        else resolve()
      }
      look()
    })
  }

  #ended (actor: Actor<T>, mailbox: SimulatedMailbox<T>, reason: unknown, wasOpening: boolean): void {
    if (actor.mailbox !== mailbox) return
    actor.mailbox = undefined
    this.#load.leave(actor.slot.id)
    const wasStopped = reason === undefined || this.#isClosed
    const isVacated = this.#leaving.delete(actor)
    if (isVacated) this.#set(actor, 'vacant', 'its cpu is gone')
    else this.#set(actor, 'closed', wasStopped ? actor.reason : describe(reason))
    if (!wasStopped && !isVacated) this.#restart(actor, wasOpening)
    this.#events.gone(actor, mailbox, reason)
    mailbox.close()
    this.#load.leave(actor.slot.id)
    if (!this.#replaced.delete(actor) || reason !== undefined || this.#isClosed) return
    actor.restarts++
    this.open(actor).catch(() => {}) // its end is reported by gone()
  }

  #restart (actor: Actor<T>, wasOpening: boolean): void {
    const { maxRestarts, withinMs, backoffMs } = this.#options
    if (this.#names === null) return
    const nowMs = this.#world.clock.now()
    const deaths = (this.#deaths.get(actor) ?? []).filter((atMs) => nowMs - atMs < withinMs)
    deaths.push(nowMs)
    this.#deaths.set(actor, deaths)
    const hasFailed = deaths.length > maxRestarts
    if (hasFailed) this.#set(actor, 'failed', `${deaths.length} deaths in ${withinMs} ms, the last: ${actor.reason}`)
    const doublings = Math.max(0, deaths.length - 2)
    const backOffMs = deaths.length === 1 && !wasOpening ? 0 : Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** doublings)
    this.#restarting.set(actor, this.#world.clock.after(hasFailed ? withinMs : backOffMs, () => {
      this.#restarting.delete(actor)
      if (actor.state === 'failed') this.#set(actor, 'closed', actor.reason)
      actor.restarts++
      this.open(actor).catch(() => {}) // its end is reported by gone()
    }))
  }

  #set (actor: Actor<T>, state: ActorState, reason: string | undefined): void {
    actor.state = state
    actor.reason = reason
    this.#events.changed(actor)
  }
}
