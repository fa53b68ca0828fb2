// Opens, restarts, kills and closes actors; the only file with piscina: one pool a tier, one long task an actor.
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import { describe, errors } from './errors.js'
import { logLevelOf } from './log.js'
import { HostEnd } from './mailbox.js'
import { unpinned } from './pinning.js'
import type { Worker } from 'node:worker_threads'
import type { FromActor, JobLog, JobModule } from './jobs.js'
import type { Load } from './load.js'
import type { Held, Mailbox } from './mailbox.js'
import type { Pinning } from './pinning.js'
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
  /** piscina's thread; for event-loop utilisation and heap */
  thread: Worker | undefined
  kill: AbortController | undefined
  /** sum of the expected run times of the jobs in its mailbox */
  workMs: number
  /** when it last settled a job or was given one while idle */
  progressAtMs: number
}

/** What the supervisor needs to be told. */
export interface SupervisorOptions {
  readonly modules: readonly JobModule[]
  readonly warmup: Readonly<Record<string, unknown>>
  readonly warmupCalls: number
  readonly metric: 'demand' | 'running'
  readonly asyncPerActor: number
  readonly blockWhenIdle: boolean | 'auto'
  readonly spin: boolean | 'auto'
  readonly timeoutMs: number
  readonly log?: Partial<JobLog>
  readonly tracing: boolean
  readonly restore: string | null
  readonly nice: readonly number[]
  readonly resourceLimits?: object
  readonly env?: Record<string, string>
  readonly execArgv?: readonly string[]
  readonly bootTimeoutMs: number
  readonly maxRestarts: number
  readonly withinMs: number
  readonly backoffMs: number
}

/** Called back by the supervisor; the scheduler's side. */
export interface SupervisorEvents<T extends Held> {
  /** the actor can take jobs */
  opened (actor: Actor<T>): void
  /** a message from the actor's mailbox: the bell or a log record */
  message (actor: Actor<T>, message: FromActor): void
  /** the actor is gone, its mailbox still to be read; `reason` is undefined where it was told to stop */
  gone (actor: Actor<T>, mailbox: Mailbox<T>, reason: unknown): void
  /** the actor changed its state */
  changed (actor: Actor<T>): void
}

/** Longest pause before a restart, ms; chosen. */
const MAX_BACKOFF_MS = 5000
/** Why an actor without a thread is not pinned, where it is to be. */
const NO_THREAD = 'it has no thread'

/** What the floors above use of a supervisor; the simulator has one without threads. */
export type Crew<T extends Held> =
  Pick<Supervisor<T>, 'actors' | 'names' | 'open' | 'isRestarting' | 'retire' | 'replace' | 'vacate' | 'occupy' | 'kill' |
  'close'>

/** The actors of one plan. Main thread only. */
export class Supervisor<T extends Held> {
  readonly actors: readonly Actor<T>[]
  readonly #options: SupervisorOptions
  readonly #load: Load
  readonly #events: SupervisorEvents<T>
  readonly #pinning: Pinning
  readonly #pools = new Map<number, Piscina>()
  readonly #deaths = new Map<Actor<T>, number[]>()
  readonly #restarting = new Set<Actor<T>>()
  readonly #replaced = new Set<Actor<T>>()
  readonly #leaving = new Set<Actor<T>>()
  readonly #created = new Map<number, object>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #names: readonly string[] | null = null
  #isClosed = false

  constructor (plan: Plan, options: SupervisorOptions, load: Load, events: SupervisorEvents<T>,
    pinning: Pinning = unpinned('nothing was said about pinning')) {
    this.#options = options
    this.#load = load
    this.#events = events
    this.#pinning = pinning
    this.actors = plan.tiers.flatMap(({ slots }) => slots).map((slot) => ({
      slot,
      state: 'closed',
      mailbox: undefined,
      reason: undefined,
      pinned: false,
      pinReason: pinning.reasonFor(slot) ?? NO_THREAD,
      openedAtMs: 0,
      usedAtMs: 0,
      restarts: 0,
      thread: undefined,
      kill: undefined,
      workMs: 0,
      progressAtMs: 0
    }))
    for (const { tier, slots } of plan.tiers) {
      const pool = new Piscina({
        filename: join(__dirname, 'actor.js'),
        minThreads: 0,
        // room for the thread that is still ending when its slot reopens
        maxThreads: slots.length * 2,
        concurrentTasksPerWorker: 1,
        idleTimeout: 0,
        atomics: 'disabled',
        recordTiming: false,
        niceIncrement: options.nice[tier - 1] ?? 0,
        ...(options.resourceLimits !== undefined && { resourceLimits: options.resourceLimits }),
        ...(options.env !== undefined && { env: options.env }),
        ...(options.execArgv !== undefined && { execArgv: [...options.execArgv] })
      })
      // a thread that dies without a task has nobody to tell; its slot's task has been rejected before
      pool.on('error', () => {})
      pool.on('workerCreate', (worker: { id: number }) => this.#created.set(worker.id, worker))
      this.#pools.set(tier, pool)
    }
  }

  /** Names of all jobs in table order; empty before the first actor is open. */
  get names (): readonly string[] { return this.#names ?? [] }

  /** Open a closed slot. Resolves when the actor is open; rejects with the reason if it cannot be. */
  async open (actor: Actor<T>): Promise<void> {
    if (actor.state !== 'closed' || this.#isClosed) return
    const { slot } = actor
    const options = this.#options
    const kill = new AbortController()
    await new Promise<void>((resolve, reject) => {
      const bootTimer = setTimeout(() => kill.abort(new errors.BOOT_TIMEOUT(slot.id, options.bootTimeoutMs)),
        options.bootTimeoutMs)
      const mailbox = new HostEnd<T>((message) => {
        if (message === 0 || message.type !== 'ready') return this.#events.message(actor, message)
        if (actor.mailbox !== mailbox) return // it was ready, and killed before that was read
        clearTimeout(bootTimer)
        this.#names ??= message.names
        actor.thread = this.#pools.get(slot.tier)!.threads.find((thread) => thread.threadId === message.threadId)
        this.#letGo(message.threadId)
        actor.pinned = message.pinReason === null
        actor.pinReason = message.pinReason
        actor.openedAtMs = actor.usedAtMs = actor.progressAtMs = performance.now()
        this.#set(actor, 'open', actor.reason)
        this.#events.opened(actor)
        resolve()
      })
      actor.mailbox = mailbox
      actor.kill = kill
      this.#set(actor, 'opening', actor.reason)
      const boot = {
        slot: slot.id,
        tier: slot.tier,
        cpu: slot.cpu,
        pinReason: this.#pinning.reasonFor(slot),
        modules: options.modules,
        names: this.#names,
        warmup: options.warmup,
        warmupCalls: options.warmupCalls,
        metric: options.metric,
        asyncPerActor: options.asyncPerActor,
        blockWhenIdle: options.blockWhenIdle,
        // never more spinners than processors beside the host's
        maySpin: options.spin === 'auto' ? slot.id < availableParallelism() - 1 : options.spin,
        timeoutMs: options.timeoutMs,
        logLevel: logLevelOf(options.log),
        isTraced: options.tracing,
        restore: options.restore,
        load: this.#load.buffer,
        mailbox: mailbox.buffer,
        clock: [process.hrtime.bigint(), performance.now()]
      }
      const { ports } = mailbox
      const ended = (reason: unknown): void => {
        clearTimeout(bootTimer)
        const wasOpening = actor.state === 'opening'
        reject(reason ?? new Error('the actor was stopped while it was opening'))
        this.#ended(actor, mailbox, reason, wasOpening)
      }
      this.#pools.get(slot.tier)!
        .run({ boot, ports }, { transferList: [ports.bell, ports.values], signal: kill.signal })
        .then(() => ended(undefined), (error: unknown) => ended(reasonOf(kill, error)))
    })
  }

  /** Is the slot to be reopened after a pause? */
  isRestarting (actor: Actor<T>): boolean { return this.#restarting.has(actor) }

  /** Tell an actor to end when what it runs has ended. */
  retire (actor: Actor<T>): void {
    if (actor.state !== 'open') return
    this.#set(actor, 'draining', 'retired')
    actor.mailbox!.stop()
  }

  /** Tell an actor to end when what it runs has ended, and open its slot again then. */
  replace (actor: Actor<T>, reason: string): void {
    if (actor.state !== 'open') return
    this.#replaced.add(actor)
    this.#set(actor, 'draining', reason)
    actor.mailbox!.stop()
  }

  /** The slot's cpu is gone: the actor ends when what it runs has ended, and the slot is not opened again. */
  vacate (actor: Actor<T>): void {
    if (actor.state === 'vacant' || this.#leaving.has(actor)) return
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
    if (actor.state === 'vacant') actor.pinReason = this.#pinning.reasonFor(slot) ?? NO_THREAD
    if (actor.state === 'vacant') this.#set(actor, 'closed', undefined)
  }

  /** End an actor's thread at once. What it ran is reported by `gone`. */
  kill (actor: Actor<T>, reason: unknown): void {
    // the end is told some microtasks later: until then it must be given nothing
    if (actor.state === 'open') this.#set(actor, 'draining', describe(reason))
    actor.kill?.abort(reason)
  }

  /** End all actors: politely up to `graceMs`, then by force. Never rejects. */
  async close (graceMs: number): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const actor of this.actors) {
      if (actor.state === 'open') this.retire(actor)
      else if (actor.state === 'opening') this.kill(actor, new Error('the pool is closing'))
    }
    const untilMs = performance.now() + graceMs
    while (this.actors.some(({ mailbox }) => mailbox !== undefined) && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    for (const actor of this.actors) this.kill(actor, new Error('the pool is closing'))
    // a thread inside native code cannot be ended: it is not waited for
    const limit = new Promise((resolve) => setTimeout(resolve, 2000).unref())
    const ended = Promise.allSettled([...this.#pools.values()].map((pool) => pool.destroy()))
    await Promise.race([limit, ended.then(() => this.#pinning.release())])
  }

  #ended (actor: Actor<T>, mailbox: Mailbox<T>, reason: unknown, wasOpening: boolean): void {
    if (actor.mailbox !== mailbox) return
    actor.mailbox = actor.thread = actor.kill = undefined
    actor.pinned = false
    actor.pinReason = this.#pinning.reasonFor(actor.slot) ?? NO_THREAD
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

  /** Reopen after a pause that doubles with each death in the window; over the budget the slot has failed. */
  #restart (actor: Actor<T>, wasOpening: boolean): void {
    const { maxRestarts, withinMs, backoffMs } = this.#options
    if (this.#names === null) return // the pool never was ready: ready() has the reason
    const nowMs = performance.now()
    const deaths = (this.#deaths.get(actor) ?? []).filter((atMs) => nowMs - atMs < withinMs)
    deaths.push(nowMs)
    this.#deaths.set(actor, deaths)
    const hasFailed = deaths.length > maxRestarts
    if (hasFailed) this.#set(actor, 'failed', `${deaths.length} deaths in ${withinMs} ms, the last: ${actor.reason}`)
    // the first death is made good at once, unless the actor never opened
    const doublings = Math.max(0, deaths.length - 2)
    const backOffMs = deaths.length === 1 && !wasOpening ? 0 : Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** doublings)
    const pauseMs = hasFailed ? withinMs : backOffMs
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#restarting.delete(actor)
      if (actor.state === 'failed') this.#set(actor, 'closed', actor.reason)
      actor.restarts++
      this.open(actor).catch(() => {}) // its end is reported by gone()
    }, pauseMs)
    this.#timers.add(timer)
    this.#restarting.add(actor)
    if (hasFailed) timer.unref()
  }

  #set (actor: Actor<T>, state: ActorState, reason: string | undefined): void {
    actor.state = state
    actor.reason = reason
    this.#events.changed(actor)
  }

  /**
   * piscina holds the process while a task runs, and ours never ends: the scheduler holds it instead, and only
   * while it has jobs. `workerCreate` gives the worker's record, keyed by a symbol that piscina does not export.
   */
  #letGo (threadId: number): void {
    const worker = this.#created.get(threadId)
    this.#created.delete(threadId)
    for (const key of worker === undefined ? [] : Object.getOwnPropertySymbols(worker)) {
      (worker as Record<symbol, { unref? (): void }>)[key]?.unref?.()
    }
  }
}

function reasonOf (kill: AbortController, error: unknown): unknown {
  return kill.signal.aborted ? kill.signal.reason : error
}
