// The life of the slots: opened, restarted, replaced, recycled, retired, vacated, closed; threads come from elsewhere.
import { counted, describe, errors } from './errors.js'
import { cpuBeside } from './pinning.js'
import { MAX_BACKOFF_MS, Restarts } from './restarts.js'
import type { Worker } from 'node:worker_threads'
import type { Clock, Timer } from './clock.js'
import type { FromActor } from './jobs.js'
import type { Load } from './load.js'
import type { Held, Mailbox } from './mailbox.js'
import type { Pinning } from './pinning.js'
import type { RestartOptions } from './restarts.js'
import type { Plan, Slot } from './tiers.js'

/** States of an actor. */
export type ActorState = 'closed' | 'opening' | 'open' | 'draining' | 'failed' | 'vacant'

/** A slot with its actor, if one lives, as the host sees it. */
export interface Actor<T extends Held> {
  slot: Slot
  state: ActorState
  mailbox: Mailbox<T> | undefined
  /** why it is closed or failed, or was restarted last */
  reason: string | undefined
  /** it runs on its slot's cpu only: verified when it opened */
  pinned: boolean
  /** why it is not pinned; null where it is */
  pinReason: string | null
  openedAtMs: number
  /** when it last had a job */
  usedAtMs: number
  restarts: number
  /** jobs that ended in its life */
  jobs: number
  /** threads of this slot that were told to end, and have not */
  zombies: number
  /** for event-loop utilisation and heap */
  thread: Worker | undefined
  /** its thread, and the one that is to replace it */
  life: Life<T> | undefined
  successor: Life<T> | undefined
  /** sum of the expected run times of the jobs in its mailbox */
  workMs: number
  /** when it last settled a job or was given one while idle */
  progressAtMs: number
  /** it is slow when it has settled nothing for so long, ms */
  patienceMs: number
}

/** One thread of a slot, from its start to its exit. */
export interface Life<T extends Held> {
  readonly started: Started<T>
  readonly boot: Boot
  isReady: boolean
  /** where it is pinned; null where it is not to be */
  cpu: number | null
  pinReason: string | null
  hasExited: boolean
  /** it did not exit in time, and nobody waits for it any more */
  isZombie: boolean
  exitTimer: Timer | undefined
  /** it was to replace another, and is not needed any more */
  isDismissed: boolean
  /** called once when it has exited or is given up */
  onOver: (() => void) | undefined
}

interface Boot { readonly timer: Timer, ready (): void, failed (reason: unknown): void }

/** A thread that was started. */
export interface Started<T extends Held> {
  readonly mailbox: Mailbox<T>
  /** known once it is ready; the simulator has none */
  readonly thread: Worker | undefined
  /** how long its job modules may take when it was told to end, where they do something then */
  readonly closingMs?: number
  /** they do that now: who started it bounds the time */
  readonly isClosing?: boolean
  /** It was started to wait: now it may look for jobs. */
  begin (): void
  /** End it at once; `ended` and `exited` are told. */
  kill (reason: unknown): void
}

/** What a thread's starter is told of it; none of it before `start` has returned. */
export interface Told {
  ready (names: readonly string[], pinReason: string | null): void
  /** it was told to move to another cpu: null, or why it could not */
  moved (pinReason: string | null): void
  /** the bell or a log record */
  message (message: FromActor): void
  /** it runs nothing more, and its mailbox is still to be read; `reason` is undefined where it was told to stop */
  ended (reason: unknown): void
  /** nothing of it is left in the system */
  exited (): void
}

/** Where threads come from: supervisor.ts has real ones, the simulator none. */
export interface Threads<T extends Held> {
  /**
   * `waits`: when ready it does nothing until `begin` is called. `names` are those of the first actor. `cpu`: where it
   * pins itself, if it is to be.
   */
  start (slot: Slot, names: readonly string[] | null, waits: boolean, told: Told, cpu: number | null): Started<T>
  /** why an actor of this slot is not pinned; null: it pins itself */
  pinReasonOf (slot: Slot): string | null
  /** cpus that this process may pin threads to */
  readonly cpus: readonly number[]
  /** from now on this says so */
  pinBy (pinning: Pinning): void
  /** All were told to end. Never rejects. */
  close (): Promise<void>
}

/** What the slots are told to do. */
export interface SlotsOptions extends RestartOptions {
  readonly bootTimeoutMs: number
  readonly terminateMs: number
}

/** Called back by the slots; the scheduler's side. */
export interface SlotsEvents<T extends Held> {
  /** the actor can take jobs */
  opened (actor: Actor<T>): void
  /** a message from the actor's mailbox: the bell or a log record */
  message (actor: Actor<T>, mailbox: Mailbox<T>, message: FromActor): void
  /** the actor is gone, its mailbox still to be read; `reason` is undefined where it was told to stop */
  gone (actor: Actor<T>, mailbox: Mailbox<T>, reason: unknown): void
  /** the actor changed its state */
  changed (actor: Actor<T>): void
  /** a recycled actor's replacement is ready: take back what is not claimed, then call `handOver` */
  succeeded (actor: Actor<T>): void
}

/** What the floors above use of the slots. */
export type Crew<T extends Held> = Pick<Slots<T>, keyof Slots<T>>

/** Why an actor without a thread is not pinned, where it is to be. */
const NO_THREAD = 'it has no thread'
/** Time that close() gives threads that were told to end, ms; chosen. One inside native code is not waited for. */
const CLOSE_MS = 2000

/** The slots of one plan. Main thread only. */
export class Slots<T extends Held> {
  readonly actors: readonly Actor<T>[]
  readonly #options: SlotsOptions
  readonly #clock: Clock
  readonly #load: Load
  readonly #events: SlotsEvents<T>
  readonly #threads: Threads<T>
  readonly #restarts: Restarts
  readonly #lives = new Set<Life<T>>()
  readonly #restarting = new Map<Actor<T>, Timer>()
  readonly #replaced = new Set<Actor<T>>()
  readonly #leaving = new Set<Actor<T>>()
  /** ends for these reasons are no faults of actors; one that is told to end twice ends for either */
  readonly #freeReasons = new WeakSet<object>()
  /** the one that is recycled, and why */
  #recycled: readonly [actor: Actor<T>, reason: string] | undefined
  #recycleAfterMs = -Infinity
  #names: readonly string[] | null = null
  #isClosed = false

  constructor (plan: Plan, options: SlotsOptions, clock: Clock, load: Load, events: SlotsEvents<T>,
    threads: Threads<T>) {
    this.#options = options
    this.#clock = clock
    this.#load = load
    this.#events = events
    this.#threads = threads
    this.#restarts = new Restarts(options)
    this.actors = plan.tiers.flatMap(({ slots }) => slots).map((slot) => ({
      slot,
      state: 'closed',
      mailbox: undefined,
      reason: undefined,
      pinned: false,
      pinReason: threads.pinReasonOf(slot) ?? NO_THREAD,
      openedAtMs: 0,
      usedAtMs: 0,
      restarts: 0,
      jobs: 0,
      zombies: 0,
      thread: undefined,
      life: undefined,
      successor: undefined,
      workMs: 0,
      progressAtMs: 0,
      patienceMs: 0
    }))
  }

  /** Names of all jobs in table order; empty before the first actor is open. */
  get names (): readonly string[] { return this.#names ?? [] }

  /** Open a closed slot. Resolves when the actor is open; rejects with the reason if it cannot be. */
  async open (actor: Actor<T>): Promise<void> {
    if (actor.state !== 'closed' || this.#isClosed) return
    await new Promise<void>((resolve, reject) => {
      const life = this.#start(actor, false, resolve, reject)
      actor.life = life
      actor.mailbox = life.started.mailbox
      this.#set(actor, 'opening', actor.reason)
    })
  }

  /** Is the slot to be reopened after a pause, or waited for by a thread that takes it? */
  isRestarting (actor: Actor<T>): boolean { return this.#restarting.has(actor) || actor.successor !== undefined }

  /** Tell an actor to end when what it runs has ended. */
  retire (actor: Actor<T>): void {
    if (actor.state !== 'open') return
    this.#dismiss(actor, 'it is not needed any more')
    this.#stop(actor, 'retired')
  }

  /**
   * Something went wrong in an actor: it ends when what it runs has ended, and its slot opens again. That counts as a
   * death, or an error that comes with every job would have threads started for ever.
   */
  replace (actor: Actor<T>, reason: string): void {
    if (actor.state !== 'open') return
    this.#replaced.add(actor)
    this.#stop(actor, reason)
  }

  /**
   * Start a thread that is to replace this actor's, one at a time in the pool. False: not now. When it is ready
   * `succeeded` is told; if it cannot be, the actor stays.
   */
  recycle (actor: Actor<T>, reason: string): boolean {
    if (actor.state !== 'open' || this.#isClosed || this.#recycled !== undefined ||
      this.#clock.now() < this.#recycleAfterMs) return false
    this.#recycled = [actor, reason]
    actor.successor = this.#start(actor, true, () => {}, () => {})
    return true
  }

  /** The actor ends when what it runs has ended, and its successor takes the slot. */
  handOver (actor: Actor<T>): void {
    if (actor.state === 'open' && actor.successor?.isReady === true) this.#stop(actor, this.#recycled![1])
  }

  /** The slot's cpu is gone: the actor ends when what it runs has ended, and the slot is not opened again. */
  vacate (actor: Actor<T>): void {
    this.#dismiss(actor, 'its cpu is gone')
    if (actor.state === 'closed' || actor.state === 'failed') return this.#set(actor, 'vacant', 'its cpu is gone')
    this.#leaving.add(actor)
    this.#replaced.delete(actor)
    if (actor.state === 'opening') this.kill(actor, new Error('its cpu is gone'))
    else this.retire(actor)
  }

  /** The slot has a cpu again, maybe another one; it can be opened once the thread before has ended. */
  occupy (actor: Actor<T>, slot: Slot): void {
    actor.slot = slot
    this.#leaving.delete(actor)
    if (actor.state === 'vacant') actor.pinReason = this.#threads.pinReasonOf(slot) ?? NO_THREAD
    if (actor.state === 'vacant') this.#set(actor, 'closed', undefined)
  }

  /** Threads that start from now on are pinned by this. */
  pinBy (pinning: Pinning): void {
    this.#threads.pinBy(pinning)
    for (const actor of this.actors) {
      if (actor.mailbox === undefined) actor.pinReason = pinning.reasonFor(actor.slot) ?? NO_THREAD
    }
  }

  /**
   * End an actor's thread at once. What it ran is reported by `gone`. `isFree`: no fault of the actor, so its slot
   * opens again without a pause, and the budget of restarts stays as it is.
   */
  kill (actor: Actor<T>, reason: unknown, isFree = false): void {
    // the end is told some microtasks later: until then it must be given nothing
    if (actor.state === 'open') this.#set(actor, 'draining', describe(reason))
    if (actor.life === undefined) return
    if (isFree) this.#freeReasons.add(Object(reason))
    actor.life.started.kill(reason)
  }

  /** End all actors: politely up to `graceMs`, then by force; how many threads have not ended. Never rejects. */
  async close (graceMs: number): Promise<number> {
    this.#isClosed = true
    for (const timer of this.#restarting.values()) timer.cancel()
    for (const actor of this.actors) {
      this.#dismiss(actor, 'the pool is closing')
      if (actor.state === 'open') this.retire(actor)
      else if (actor.state === 'opening') this.kill(actor, new Error('the pool is closing'))
    }
    const closingMs = Math.max(0, ...this.actors.map(({ life }) => life?.started.closingMs ?? 0))
    await this.#until(() => this.actors.every(({ life }) => life === undefined), Math.max(graceMs, closingMs))
    for (const actor of this.actors) {
      if (actor.life?.started.isClosing !== true) this.kill(actor, new Error('the pool is closing'))
    }
    await this.#until(() => this.#lives.size === 0, CLOSE_MS + closingMs)
    for (const { exitTimer } of this.#lives) exitTimer?.cancel()
    const left = this.#lives.size
    await this.#threads.close()
    return left
  }

  #start (actor: Actor<T>, waits: boolean, ready: () => void, failed: (reason: unknown) => void): Life<T> {
    const { slot } = actor
    const { bootTimeoutMs } = this.#options
    const cpu = this.#cpuOf(actor)
    const started = this.#threads.start(slot, this.#names, waits, {
      ready: (names, pinReason) => {
        if (life.isDismissed || (actor.life !== life && actor.successor !== life)) return // it was killed before
        life.boot.timer.cancel()
        this.#names ??= names
        life.isReady = true
        life.pinReason = pinReason
        if (actor.successor === life) return this.#events.succeeded(actor)
        if (waits) started.begin()
        this.#opened(actor, life)
        ready()
      },
      message: (message) => { if (actor.successor !== life) this.#events.message(actor, started.mailbox, message) },
      ended: (reason) => this.#ended(actor, life, reason),
      exited: () => this.#exited(actor, life),
      moved: (pinReason) => {
        life.pinReason = pinReason
        if (actor.life === life) this.#pinned(actor, life)
      }
    }, cpu)
    const timer = this.#clock.after(bootTimeoutMs, () =>
      started.kill(new errors.BOOT_TIMEOUT(slot.id, bootTimeoutMs)))
    const life: Life<T> = {
      started,
      boot: { timer, ready, failed },
      isReady: false,
      cpu,
      pinReason: null,
      hasExited: false,
      isZombie: false,
      exitTimer: undefined,
      isDismissed: false,
      onOver: undefined
    }
    this.#lives.add(life)
    return life
  }

  #opened (actor: Actor<T>, life: Life<T>): void {
    actor.thread = life.started.thread
    this.#pinned(actor, life)
    actor.jobs = 0
    actor.openedAtMs = actor.usedAtMs = actor.progressAtMs = this.#clock.now()
    this.#set(actor, 'open', actor.reason)
    this.#events.opened(actor)
  }

  #pinned (actor: Actor<T>, { cpu, pinReason }: Life<T>): void {
    const { cpu: own } = actor.slot
    actor.pinReason = pinReason ??
      (cpu === own ? null : `a thread that could not be ended holds cpu ${own}: it runs on cpu ${cpu}`)
    actor.pinned = actor.pinReason === null
  }

  /** Where a thread of this actor is pinned: on its own cpu, but not beside a thread that could not be ended. */
  #cpuOf ({ slot }: Actor<T>): number | null {
    if (slot.cpu === null || this.#threads.pinReasonOf(slot) !== null) return null
    const lives = [...this.#lives]
    const lost = new Set(lives.filter(({ isZombie }) => isZombie).map(({ cpu }) => cpu))
    const planned = this.actors.map(({ slot, state }) => state === 'vacant' ? null : slot.cpu)
    return cpuBeside(slot.cpu, lost, planned, lives.map(({ cpu }) => cpu), this.#threads.cpus)
  }

  /** A thread could not be ended, or did end after all: others leave its cpu, or come back. */
  #move (): void {
    for (const actor of this.actors) {
      for (const life of [actor.life, actor.successor]) {
        if (life === undefined || life.cpu === null || life.isZombie) continue
        const cpu = this.#cpuOf(actor)
        if (cpu === null || cpu === life.cpu) continue
        life.cpu = cpu
        life.started.mailbox.tell({ type: 'move', cpu })
      }
    }
  }

  #stop (actor: Actor<T>, reason: string): void {
    this.#set(actor, 'draining', reason)
    actor.mailbox!.stop()
  }

  #ended (actor: Actor<T>, life: Life<T>, reason: unknown): void {
    life.boot.timer.cancel()
    if (!life.hasExited && !this.#isClosed) {
      life.exitTimer = this.#clock.after(this.#options.terminateMs, () => this.#giveUp(actor, life))
    }
    if (actor.successor === life) return this.#failedToSucceed(actor, life, reason)
    if (actor.life !== life) return
    life.boot.failed(reason ?? new Error('the actor was stopped while it was opening'))
    const { mailbox } = life.started
    const wasOpening = actor.state === 'opening'
    actor.mailbox = actor.thread = actor.life = undefined
    actor.pinned = false
    actor.pinReason = this.#threads.pinReasonOf(actor.slot) ?? NO_THREAD
    this.#load.leave(actor.slot.id)
    const wasStopped = reason === undefined || this.#isClosed
    const isVacated = this.#leaving.delete(actor)
    const isFaulty = (this.#replaced.delete(actor) || !wasStopped) && !this.#isClosed
    if (isVacated) this.#set(actor, 'vacant', 'its cpu is gone')
    else this.#set(actor, 'closed', wasStopped ? actor.reason : describe(reason))
    // it may be vacated by who is told that it is closed
    if (isFaulty && actor.state === 'closed') {
      if (this.#freeReasons.has(Object(reason))) this.#reopen(actor, life, 0)
      else this.#restart(actor, life, wasOpening)
    }
    this.#events.gone(actor, mailbox, reason)
    mailbox.close()
    // one that was told to stop writes nothing more; one that is killed may still, for a moment
    if (reason === undefined || life.hasExited) this.#succeed(actor)
    else life.onOver = () => this.#succeed(actor)
  }

  /** The thread that was to replace another takes the slot, as far as it has come. */
  #succeed (actor: Actor<T>): void {
    const life = actor.successor
    if (life === undefined || life.isDismissed || actor.state !== 'closed') return
    this.#recycled = actor.successor = undefined
    actor.life = life
    actor.mailbox = life.started.mailbox
    if (!life.isReady) return this.#set(actor, 'opening', actor.reason)
    life.started.begin()
    this.#opened(actor, life)
  }

  #failedToSucceed (actor: Actor<T>, life: Life<T>, reason: unknown): void {
    this.#recycled = actor.successor = undefined
    life.started.mailbox.close()
    if (life.isDismissed) {
      if (actor.state === 'closed') this.#events.changed(actor) // from now on it can be opened
      return
    }
    this.#recycleAfterMs = this.#clock.now() + MAX_BACKOFF_MS
    actor.reason = `its replacement did not open: ${describe(reason)}`
    if (actor.state === 'closed') this.#restart(actor, life, true) // it was waited for
  }

  #dismiss (actor: Actor<T>, reason: string): void {
    if (actor.successor === undefined || actor.successor.isDismissed) return
    actor.successor.isDismissed = true
    actor.successor.started.kill(new Error(reason))
  }

  /** A death: reopen after a pause; over the budget the slot has failed. */
  #restart (actor: Actor<T>, life: Life<T>, wasOpening: boolean): void {
    if (this.#names === null) return // the pool never was ready: ready() has the reason
    const { deaths, hasFailed, pauseMs } = this.#restarts.note(actor.slot.id, this.#clock.now(), wasOpening)
    if (hasFailed) {
      this.#dismiss(actor, 'its slot has failed')
      this.#set(actor, 'failed', `${counted(deaths, 'death')} in ${this.#options.withinMs} ms, the last: ${actor.reason}`)
    }
    this.#reopen(actor, life, pauseMs)
  }

  /** Open a slot again after a pause, when the thread that it had has ended or is given up. */
  #reopen (actor: Actor<T>, life: Life<T>, pauseMs: number): void {
    if (this.#names === null || actor.successor?.isDismissed === false) return // that one takes the slot
    const reopen = (): void => {
      life.onOver = undefined
      this.#restarting.delete(actor)
      if (this.#isClosed || (actor.state !== 'closed' && actor.state !== 'failed')) return
      if (actor.state === 'failed') this.#set(actor, 'closed', actor.reason)
      actor.restarts++
      this.open(actor).catch(() => {}) // its end is reported by gone()
    }
    this.#restarting.set(actor, this.#clock.after(pauseMs, () => {
      if (life.hasExited || life.isZombie) reopen()
      else life.onOver = reopen
    }))
  }

  /** Native code cannot be interrupted: the thread may go on for long, and its slot is not kept from working. */
  #giveUp (actor: Actor<T>, life: Life<T>): void {
    life.isZombie = true
    actor.zombies++
    this.#move()
    if (actor.life === undefined) this.#load.leave(actor.slot.id)
    life.onOver?.()
  }

  #exited (actor: Actor<T>, life: Life<T>): void {
    if (life.hasExited) return
    life.hasExited = true
    life.exitTimer?.cancel()
    this.#lives.delete(life)
    if (life.isZombie) {
      actor.zombies--
      this.#move()
    }
    // it may have counted itself after its end was known
    if (actor.life === undefined) this.#load.leave(actor.slot.id)
    life.onOver?.()
  }

  #until (isSo: () => boolean, ms: number): Promise<void> {
    const untilMs = this.#clock.now() + ms
    return new Promise((resolve) => {
      const look = (): void => {
        if (isSo() || this.#clock.now() >= untilMs) resolve()
        else this.#clock.after(Math.min(2, untilMs - this.#clock.now()), look)
      }
      look()
    })
  }

  #set (actor: Actor<T>, state: ActorState, reason: string | undefined): void {
    actor.state = state
    actor.reason = reason
    this.#events.changed(actor)
  }
}
