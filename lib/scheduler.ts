// offload(): checks, admission, the pool's life from ready() to close(). lib/README.md, "A job's way".
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { Broadcasts } from './broadcasts.js'
import { checkCall } from './calls.js'
import { unknownJob } from './checks.js'
import { systemClock } from './clock.js'
import { Deadlines } from './deadlines.js'
import { counted, describe, errors } from './errors.js'
import { Inline } from './inline.js'
import { Load } from './load.js'
import { logLevelOf, warn } from './log.js'
import { Counters } from './metrics.js'
import { Job, Kind } from './pending.js'
import { unpinned } from './pinning.js'
import { Placing } from './placing.js'
import { priorities } from './queue.js'
import { beginRecording, record } from './recorder.js'
import { Recycler } from './recycler.js'
import { refit } from './refit.js'
import { cancelled, Settling } from './settling.js'
import { takeMeasures, takeSnapshot } from './snapshot.js'
import { Slots } from './slots.js'
import { Spans } from './spans.js'
import { Supervisor } from './supervisor.js'
import { TooLarge } from './size.js'
import { whyUncloneable } from './uncloneable.js'
import { isUnplaced, locateSyntaxError } from './unloadable.js'
import { channels } from './trace.js'
import type { Clock, Timer } from './clock.js'
import type { JobInput, JobMeta, JobName, JobNameAlone, JobResult, Overflow, OverflowCall } from './jobs.js'
import type { CheckedOptions } from './options.js'
import type { OffloadOptions } from './pending.js'
import type { Pinning } from './pinning.js'
import type { Recorded, RecordOptions } from './recorder.js'
import type { Trace } from './recording.js'
import type { Measures, SchedulerState, Snapshot } from './snapshot.js'
import type { Actor, Crew, SlotsEvents } from './slots.js'
import type { Plan, Slot } from './tiers.js'
import type { AcceptedMessage, ActorMessage, PlanMessage, PoolIdentity } from './trace.js'
import type { Watcher } from './watcher.js'

/** What the simulator replaces: time and threads. */
export interface Parts {
  readonly clock: Clock
  readonly hire: (plan: Plan, options: CheckedOptions, load: Load, events: SlotsEvents<Job>,
    kept: () => Broadcasts<Job>['kept']) => Crew<Job>
}

/** Frames of the caller's stack that an error keeps. */
const CALLER_FRAMES = 4
/** With `callerStack: 'auto'` jobs with a shorter mean run do without: a capture costs 1 to 10 µs. */
const CALLER_MIN_MS = 1
const noOptions: OffloadOptions = Object.freeze({})

/** A pool at work. Made by `createScheduler`. */
export class Scheduler {
  /** what messages of the diagnostics channels carry as `pool` */
  readonly identity: PoolIdentity
  /** the plan at the start: its slots are all that there are */
  readonly #layout: Plan
  #plan: Plan
  #watcher: Watcher | undefined
  readonly #options: CheckedOptions
  #pinning: Pinning
  readonly #logLevel: number
  readonly #clock: Clock
  readonly #load: Load
  readonly #crew: Crew<Job>
  readonly #placing: Placing
  readonly #settling: Settling
  readonly #recycler: Recycler | undefined
  readonly #actors: readonly Actor<Job>[]
  /** those whose slot is to be emptied, and that have a job left which can go nowhere else */
  readonly #bound = new Set<Actor<Job>>()
  readonly #kinds = new Map<string, Kind>()
  readonly #counters = new Counters()
  readonly #deadlines: Deadlines
  readonly #broadcasts = new Broadcasts<Job>()
  #state: SchedulerState = 'new'
  #ready: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #retireTimer: Timer | undefined
  readonly #closed = new AbortController()
  readonly #spans: Spans | undefined

  constructor (plan: Plan, options: CheckedOptions, parts?: Parts, pinning = unpinned('nothing was said about pinning')) {
    this.#layout = this.#plan = plan
    this.identity = options.identity
    this.#pinning = pinning
    this.#options = options
    if (options.tracing) this.#spans = new Spans(options.identity.name, performance.timeOrigin)
    this.#logLevel = logLevelOf(options.log)
    this.#clock = parts?.clock ?? systemClock()
    this.#deadlines = new Deadlines(this.#clock)
    this.#load = new Load(plan.maxActors)
    const events: SlotsEvents<Job> = {
      opened: (actor) => {
        this.#placing.settled(actor)
        this.#placing.dispatch()
      },
      succeeded: (actor) => this.#settling.onSuccessor(actor),
      message: (actor, mailbox, message) => {
        if (message !== 0 && message.type === 'told') this.#broadcasts.told(mailbox, message)
        else this.#settling.onMessage(actor, mailbox, message)
      },
      gone: (actor, mailbox, reason) => {
        this.#settling.onGone(actor, mailbox, reason)
        this.#broadcasts.gone(mailbox) // after what it had said was read
      },
      changed: (actor) => {
        const { slot, state, reason } = actor
        if (state !== 'open') this.#placing.settled(actor)
        if (state === 'failed' || state === 'closed' || state === 'vacant') this.#clock.soon(() => this.#rejectIfBroken())
        if (channels.actor.hasSubscribers) {
          const { id, tier } = slot
          channels.actor.publish({ pool: this.identity, slot: id, tier, state, reason } satisfies ActorMessage)
        }
        if (state === 'closed' && this.#bound.has(actor)) this.#vacate(actor) // before it opens again
      }
    }
    const hire = parts?.hire ?? ((plan, options, load, events, kept) =>
      new Slots(plan, options, this.#clock, load, events, options.runtime === 'inline'
        ? new Inline<Job>(options, load)
        : new Supervisor<Job>(plan, options, load, pinning, kept)))
    this.#crew = hire(plan, options, this.#load, events, () => this.#broadcasts.kept)
    this.#actors = this.#crew.actors
    this.#placing = new Placing(plan, options, this.#clock, this.#load, this.#crew, this.#counters, {
      given: (job, actor, nowMs, wasIdle) => this.#settling.given(job, actor, nowMs, wasIdle),
      unsendable: (job, error) => {
        const { kind: { name }, input } = job
        this.#settling.fail(job, 'error', error instanceof TooLarge
          ? new errors.PAYLOAD(name, error.bytes, error.limit)
          : new errors.INPUT_UNCLONEABLE(name, whyUncloneable(error, input)))
      },
      unread: (actor) => this.#settling.collect(actor),
      homeless: (job) => {
        const error = new errors.UNAVAILABLE(job.kind.name, 'every actor of tier 1 has failed')
        this.#settling.fail(job, 'exit', error)
      },
      overdue: (job) => this.#settling.expire(job, () => {
        const error = new errors.QUEUE_TIMEOUT(job.kind.name, options.maxQueueWaitMs, 'maxQueueWaitMs')
        return Object.assign(error, { retryAfterS: this.#retryAfterS(job) })
      })
    })
    if (options.recycle !== undefined) {
      this.#recycler = new Recycler(options.recycle, this.#clock, this.#load, this.#crew)
    }
    this.#settling = new Settling(options, this.#clock, this.#crew, this.#counters, this.#placing,
      parts !== undefined || (availableParallelism() > 1 && options.runtime === 'threads'), this.#recycler,
      (name) => this.#kinds.get(name))
  }

  /** Open tier 1: modules loaded, warm-up run. Rejects with `FST_ERR_SPILLOVER_JOB_MODULE` and the reason. */
  ready (): Promise<void> {
    this.#ready ??= this.#start()
    return this.#ready
  }

  /** Where jobs go that cannot run here, if anywhere. */
  get overflow (): Overflow | undefined { return this.#options.overflow }

  /** The tiers as they are now: the machine may have changed since the start. */
  get plan (): Plan { return this.#plan }

  /** Start and stop a watcher with the pool. To be called before `ready()`. */
  follow (watcher: Watcher): void { this.#watcher = watcher }

  /**
   * Follow a plan made anew, without losing a job: slots whose cpu stays keep their actors; where it is gone, or is to
   * be pinned and was not, or the other way round, the actor ends what it runs, and what it had not begun is placed
   * elsewhere; new cpus take free slots of their tier.
   * @returns false where nothing changes: then the old pinning stays
   */
  replan (next: Plan, pinning = this.#pinning): boolean {
    const plan = this.#state === 'open' ? refit(this.#layout, this.#plan, next) : null
    if (plan === null) return false
    const slots = new Map(plan.tiers.flatMap((tier) => tier.slots).map((slot) => [slot.id, slot]))
    const old = this.#pinning
    const isPinned = (by: Pinning, slot: Slot): boolean => by.reasonFor(slot) === null
    const stays = ({ slot }: Actor<Job>): boolean => slots.get(slot.id)?.cpu === slot.cpu &&
      isPinned(old, slot) === isPinned(pinning, slot)
    if (isSame(plan, this.#plan) && this.#actors.every((actor) => actor.state === 'vacant' || stays(actor))) return false
    this.#plan = plan
    this.#pinning = pinning
    this.#crew.pinBy(pinning)
    this.#bound.clear()
    for (const actor of this.#actors) {
      if (stays(actor)) this.#crew.occupy(actor, slots.get(actor.slot.id)!)
      else this.#vacate(actor)
    }
    if (old !== pinning) {
      pinning.keep([...plan.tiers.flatMap(({ cpus }) => cpus), ...plan.reserved])
      old.release()
    }
    this.#placing.replan(plan)
    this.#openLowest()
    if (channels.plan.hasSubscribers) {
      const { reserved, maxActors, notes } = plan
      const tiers = plan.tiers.map(({ tier, cpus, threshold }) => ({ tier, cpus, threshold }))
      channels.plan.publish({ pool: this.identity, tiers, reserved, maxActors, notes } satisfies PlanMessage)
    }
    return true
  }

  /** Names of the registered jobs; empty before `ready()`. */
  get jobs (): readonly string[] { return this.#crew.names }

  /**
   * Run a job on an actor. Resolves with its result; rejects with its own error or one of ours; never throws, and
   * settles exactly once. The input is read when the job is given to an actor: do not change it before.
   */
  offload<Name extends JobName> (name: Name, input: JobInput<Name>, options?: OffloadOptions): Promise<JobResult<Name>>
  offload<Name extends JobNameAlone> (name: Name): Promise<JobResult<Name>>
  offload (name: string, input?: unknown, options: OffloadOptions = noOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.submit(name, input, options, resolve as (value: unknown) => void, reject, this.offload)
    })
  }

  /** `offload` without a promise: exactly one of the two functions is called once, unless this throws a refusal. */
  submit (name: string, input: unknown, options: OffloadOptions, resolve: (value: unknown) => void,
    reject: (error: unknown) => void, below?: Function): void {
    const kind = this.#kindOf(name)
    const defaults = this.#options
    let level = 1
    let { timeoutMs, queueTimeoutMs } = defaults
    let meta
    if (options !== noOptions) {
      options = checkCall(options)
      if (options.priority !== undefined) level = priorities.indexOf(options.priority)
      timeoutMs = options.timeoutMs ?? timeoutMs
      queueTimeoutMs = options.queueTimeoutMs ?? queueTimeoutMs
      if (options.signal?.aborted === true) throw cancelled(name, 'before it started', options.signal)
      meta = this.#metaOf(options)
    }
    // here already, so that a test finds what only a full machine would
    const { overflow } = defaults
    if (overflow?.strict !== undefined && options.spill !== false && options.key === undefined &&
      options.transfer === undefined) resolve = overflow.strict(name, input, resolve, reject)
    if (defaults.context !== undefined) meta = { ...meta, context: defaults.context.capture() }
    const nowMs = this.#clock.now()
    const job = new Job(this.#counters.accepted, kind, input, options, level, nowMs, timeoutMs, queueTimeoutMs, meta,
      resolve, reject)
    this.#checkQuarantine(kind, nowMs)
    if (options.durable === true) return resolve(this.#keep(job))
    this.#accept(job, nowMs)
    if (job.isSettled) return
    // after that: a refusal has to be cheap. NaN, the mean of a job not seen yet, is no shorter run
    const { callerStack } = defaults
    const hasCaller = callerStack === true || (callerStack === 'auto' && !(kind.meanMs < CALLER_MIN_MS))
    if (hasCaller && below !== undefined) job.caller = captureCaller(below)
    if (queueTimeoutMs > 0) {
      job.queueDeadline = this.#deadlines.add(queueTimeoutMs, () => this.#settling.expire(job, () =>
        new errors.QUEUE_TIMEOUT(name, queueTimeoutMs, 'queueTimeoutMs')))
    }
    if (options.signal !== undefined) this.#settling.listen(options.signal, job)
  }

  /**
   * Throws, as `offload` would reject, where a job without a key that was offered now would surely be refused: to be
   * asked before its input is made.
   */
  admit (name: string): void {
    const kind = this.#kinds.get(name)
    if (kind === undefined || this.#state !== 'open' || this.#options.overflow !== undefined) return
    const { queue, backlog, openActors } = this.#placing
    const nowMs = this.#clock.now()
    this.#checkQuarantine(kind, nowMs)
    if (queue.length > 0 && this.#isFull()) throw this.#overloaded(kind, openActors, backlog)
  }

  /**
   * Call a job's function with this value in every actor: in those that live now, and in each that opens later before
   * it takes a job, replacements too. Resolves when all that live have called it, so that every job offloaded after
   * that finds the value; rejects with what the function threw, and then later actors get the value before. Of one name
   * only the last value is kept. Not a job: it has no timeout, is not counted, and its result is dropped.
   */
  async broadcast<Name extends JobName> (name: Name, value: JobInput<Name>): Promise<void> {
    const kind = this.#kindOf(name)
    this.#settling.enter()
    this.#settling.watch()
    try {
      await this.#broadcasts.send(name, kind.index, value, this.#actors)
    } catch (error) {
      if ((error as { name?: unknown } | null)?.name !== 'DataCloneError') throw error
      throw new errors.INPUT_UNCLONEABLE(name, whyUncloneable(error, value))
    } finally {
      this.#settling.leave()
    }
  }

  /** Accept nothing more; resolves when every accepted job has settled. */
  async drain (): Promise<void> {
    if (this.#state === 'open' || this.#state === 'new') this.#state = 'draining'
    await this.#settling.empty()
  }

  /** Drain within `drainMs`, reject what is left, end the threads. Never rejects. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** `await using` closes the pool at the end of its block. */
  [Symbol.asyncDispose] (): Promise<void> { return this.close() }

  /** All numbers, as a plain copy. */
  snapshot (): Snapshot {
    return {
      state: this.#state,
      pending: this.#settling.pending,
      retryAfterS: this.#retryAfterS(),
      pinning: {
        isOn: this.#pinning.reason === null,
        reason: this.#pinning.reason,
        claimed: [...this.#pinning.claimed]
      },
      remote: this.#options.overflow?.stats?.() ?? null,
      quarantine: this.#settling.quarantine.view(this.#clock.now()),
      ...takeSnapshot({
        plan: this.plan,
        clock: this.#clock,
        load: this.#load,
        placing: this.#placing,
        actors: this.#actors,
        kinds: this.#kinds,
        counters: this.#counters
      })
    }
  }

  /** What metrics read beside the snapshot. */
  measures (): Measures {
    return { ...takeMeasures(this.plan, this.#kinds), elsewhere: this.#options.overflow?.times?.() ?? new Map() }
  }

  /** Record the pool at work: a trace that Chrome and Perfetto open, as an object. */
  record (options: RecordOptions): Promise<Trace> {
    return record(this.#recorded(), options)
  }

  /** Record until `end` is called: what `record` does by a timer, for the simulator. */
  beginRecording (): { end (): Trace } {
    return beginRecording(this.#recorded())
  }

  #recorded (): Recorded {
    return {
      plan: this.plan,
      identity: this.identity,
      clock: this.#clock,
      closed: this.#closed.signal,
      load: () => ({
        active: this.#load.active, backlog: this.#placing.backlog, openTier: this.#placing.gate.openTier
      }),
      running: () => this.#actors.flatMap(({ mailbox, slot }) => [...mailbox?.jobs() ?? []].flatMap((job) => {
        const startedAtMs = mailbox!.startedAtMs(job)
        return startedAtMs === 0
          ? []
          : [{ job: job.kind.name, slot: slot.id, startedAtMs, waitMs: startedAtMs - job.acceptedAtMs }]
      }))
    }
  }

  async #start (): Promise<void> {
    const lowest = this.#layout.tiers[0]!.slots.length
    const opening = this.#actors.slice(0, lowest).map((actor) => this.#crew.open(actor))
    this.#clock.hold(true)
    try {
      await Promise.all(opening)
      const unknown = Object.keys(this.#options.warmup).find((name) => !this.jobs.includes(name))
      if (unknown !== undefined) throw unknownJob(unknown, ' (warmup)', this.jobs)
    } catch (error) {
      this.#state = 'closed'
      await Promise.all([this.#crew.close(0), Promise.allSettled(opening)])
      this.#clock.close()
      throw await this.#whyNotStarted(error)
    }
    for (const [index, name] of this.jobs.entries()) {
      this.#kinds.set(name, new Kind(name, index, this.#layout.tiers.length))
    }
    if (this.#settling.pending === 0) this.#clock.hold(false)
    if (this.#state === 'new') this.#state = 'open'
    this.#options.overflow?.open?.({
      jobs: this.jobs,
      size: this.#actors.length,
      idle: () => this.#state === 'open' ? this.#placing.idleActors : 0,
      run: (name, input, options) => this.offload(name as JobName, input as never, { ...options, spill: false })
    })
    this.#retireIdle()
    this.#recycler?.start()
    this.#watcher?.start()
  }

  async #whyNotStarted (error: unknown): Promise<unknown> {
    if (error instanceof errors.BOOT_TIMEOUT || error instanceof errors.UNKNOWN_JOB) return error
    const { modules, execArgv } = this.#options
    const text = messageOf(error)
    const where = isUnplaced(text) ? await locateSyntaxError(modules, execArgv) : undefined
    return new errors.JOB_MODULE(where === undefined ? text : `${text} (${where})`)
  }

  /** Give the job to an actor, or let it wait, or refuse it by throwing. */
  #accept (job: Job, nowMs: number): void {
    const placing = this.#placing
    const actor = placing.actorFor(job)
    if (actor === undefined && this.#spillOrRefuse(job)) return
    this.#settling.enter()
    this.#counters.accepted++
    if (job.isKeyed) placing.keyed.hold(job.options.key!)
    if (this.#spans !== undefined) job.spans = this.#spans.accepted(job.kind.name, nowMs, job.options.traceparent)
    if (actor === undefined) {
      placing.enqueue(job)
      placing.dispatch()
    } else {
      // without room it was put back, and a tier that opens now may have an idle actor for it
      if (placing.give(job, actor, nowMs)) placing.look(nowMs)
      else placing.dispatch()
    }
    if (channels.accepted.hasSubscribers) {
      channels.accepted.publish({
        pool: this.identity, job: job.kind.name, queued: job.isQueued
      } satisfies AcceptedMessage)
    }
  }

  /** Where no actor may have a job now: send it elsewhere (true), let it wait (false), or refuse it by throwing. */
  #spillOrRefuse (job: Job): boolean {
    const { overflow } = this.#options
    const { backlog, openActors, gate } = this.#placing
    const isBroken = openActors === 0 && this.#isBroken()
    const isFull = isBroken || this.#isFull(job)
    // elsewhere only when every tier here is open and nothing of the call is bound to this process
    if (overflow !== undefined && job.options.spill !== false && job.isMovable &&
      (isFull || gate.nextTier === undefined)) {
      const taken = overflow.take(this.#overflowCall(job, isFull))
      if (taken !== undefined) {
        this.#counters.spilled++
        job.isSettled = true
        job.resolve(taken)
        return true
      }
    }
    if (!isFull) return false
    if (isBroken) throw this.#unavailable(job)
    throw this.#overloaded(job.kind, openActors, backlog, job)
  }

  #isFull (job?: Job): boolean {
    const { maxQueued, maxQueueWaitMs } = this.#options
    if (this.#placing.backlog >= maxQueued) return true
    if (maxQueueWaitMs === 0) return false
    return this.#placing.lineOf(job)[0] > 0 && this.#settling.estimate.isKnown && this.#waitMs(job) > maxQueueWaitMs
  }

  /** Without a stack, which says nothing here and would be a tenth of what a refused request costs. */
  #overloaded ({ name }: Kind, openActors: number, backlog: number, job?: Job): Error {
    this.#counters.refused++
    const { maxQueued, maxQueueWaitMs } = this.#options
    const limit = backlog >= maxQueued
      ? `limit ${maxQueued} (maxQueued)`
      : `expected to wait ${Math.ceil(this.#waitMs(job))} ms, limit ${maxQueueWaitMs} (maxQueueWaitMs)`
    const retryAfterS = this.#retryAfterS(job)
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    const error = new errors.OVERLOADED(name, counted(openActors, 'actor'), counted(backlog, 'job'), limit, retryAfterS)
    Error.stackTraceLimit = stackTraceLimit
    return Object.assign(error, { retryAfterS, stack: `${error.name}: ${error.message}` })
  }

  /** No actor is there, and none is about to be: what waits would wait for nothing. */
  #isBroken (): boolean {
    return this.#actors.every((actor) => actor.state === 'failed' || actor.state === 'vacant' ||
      (actor.state === 'closed' && !this.#crew.isRestarting(actor)))
  }

  #unavailable ({ kind }: Job): Error {
    const { reason } = this.#actors.find(({ state }) => state === 'failed') ?? this.#actors[0]!
    const retryAfterS = Math.ceil(this.#options.withinMs / 1000)
    return Object.assign(new errors.UNAVAILABLE(kind.name, `every actor has failed; ${reason}`), { retryAfterS })
  }

  #rejectIfBroken (): void {
    if (this.#state === 'closed') return
    if (this.#plan !== this.#layout) this.#openLowest() // a slot that has its cpu again is not broken
    const left = this.#isBroken() ? [...this.#placing.queue, ...this.#placing.keyed] : []
    for (const job of left) {
      this.#placing.remove(job)
      this.#settling.fail(job, 'exit', this.#unavailable(job))
    }
    this.#placing.dispatch() // the keys of a failed actor have another home
  }

  /** A durable job always goes through the engine. */
  #keep (job: Job): Promise<unknown> {
    const { overflow } = this.#options
    if (overflow?.keep === undefined) throw new errors.OPTION('durable', 'false where remote is not set', 'true')
    job.isSettled = true
    return overflow.keep(this.#overflowCall(job, true))
  }

  #overflowCall ({ kind, input, options, timeoutMs, queueTimeoutMs }: Job, isRefused: boolean): OverflowCall {
    return {
      job: kind.name,
      input,
      meanMs: kind.meanMs,
      waitMs: this.#waitMs(),
      isRefused,
      timeoutMs,
      queueTimeoutMs,
      options: this.#spans === undefined || options.traceparent !== undefined
        ? options
        : { ...options, traceparent: this.#spans.traceparent() },
      runHere: () => this.offload(kind.name as JobName, input as never, { ...options, spill: false, durable: false })
    }
  }

  /** The job of this name, where the pool takes jobs. */
  #kindOf (name: string): Kind {
    if (this.#state !== 'open') throw this.#state === 'new' ? new errors.NOT_READY(name) : new errors.CLOSED(name)
    const kind = this.#kinds.get(name)
    if (kind !== undefined) return kind
    throw unknownJob(describe(name), '', this.jobs)
  }

  #checkQuarantine (kind: Kind, nowMs: number): void {
    if (nowMs >= kind.refusedUntilMs) return
    this.#counters.quarantined++
    throw this.#settling.quarantine.error(kind, nowMs)
  }

  /** What the actor must know of a call beside its input. */
  #metaOf ({ requestId, timeoutMs, log, onProgress }: OffloadOptions): JobMeta | undefined {
    const logLevel = log === undefined ? this.#logLevel : logLevelOf(log)
    if (requestId === undefined && timeoutMs === undefined && logLevel === this.#logLevel &&
      onProgress === undefined) return undefined
    return {
      ...(logLevel !== this.#logLevel && { logLevel }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(onProgress !== undefined && { hasListener: true }),
      ...(requestId !== undefined && { requestId })
    }
  }

  /** Expected wait of a job that would be queued now, ms. */
  #waitMs (job?: Job): number {
    return this.#settling.estimate.waitMs(...this.#placing.lineOf(job)) + this.#placing.beginMs
  }

  #retryAfterS (job?: Job): number {
    // without the caution: half of those who wait so long would come too late otherwise
    const [waiting, actors] = this.#placing.lineOf(job)
    const paceMs = waiting * this.#settling.estimate.paceMs / Math.max(1, actors)
    // where jobs have become longer since, most of the line will be dropped and not served
    const waitMs = Math.min(paceMs, this.#placing.leftMs(this.#clock.now()))
    return Math.max(1, Math.ceil(waitMs / 1000))
  }

  /** Empty a slot, and fill it again where the plan has another cpu for it. */
  #vacate (actor: Actor<Job>): void {
    if (!this.#placing.isFreed(actor)) {
      this.#bound.add(actor)
      this.#clock.after(20, () => {
        if (!this.#bound.has(actor)) return
        this.#vacate(actor)
        this.#placing.dispatch() // what was taken back
      })
      return
    }
    this.#bound.delete(actor)
    this.#crew.vacate(actor)
    const slot = this.#plan.tiers.flatMap((tier) => tier.slots).find(({ id }) => id === actor.slot.id)
    if (slot !== undefined) this.#crew.occupy(actor, slot)
  }

  /** The lowest tier is always open: slots that have their cpu again are opened. */
  #openLowest (): void {
    for (const actor of this.#actors.slice(0, this.#layout.tiers[0]!.slots.length)) {
      if (!this.#crew.isRestarting(actor)) this.#crew.open(actor).catch(() => {}) // its end is reported by gone()
    }
  }

  /** End the threads of higher tiers that have had nothing to do for long. */
  #retireIdle (): void {
    const { retireMs } = this.#options
    if (retireMs === 0 || this.#layout.tiers.length === 1) return
    const nowMs = this.#clock.now()
    for (const actor of this.#actors.slice(this.#layout.tiers[0]!.slots.length)) {
      if (actor.state === 'open' && actor.mailbox!.depth === 0 && nowMs - actor.usedAtMs >= retireMs) {
        this.#crew.retire(actor)
      }
    }
    this.#retireTimer = this.#clock.after(Math.min(1000, retireMs), () => this.#retireIdle())
  }

  async #close (): Promise<void> {
    const wasReady = this.#ready
    // at once: nothing is accepted after the call
    if (this.#state === 'new') this.#state = 'closed'
    else if (this.#state === 'open') this.#state = 'draining'
    await wasReady?.catch(() => {}) // ready() has told its caller
    // before the drain: jobs of other machines that run here still have the pool to end in
    try {
      await this.#options.overflow?.close?.(this.#options.drainMs)
    } catch (error) {
      process.emitWarning(`the overflow did not close: ${describe(error)}`, 'SpilloverWarning')
    }
    if (this.#state !== 'closed') {
      let timer: Timer | undefined
      const limit = new Promise<void>((resolve) => { timer = this.#clock.after(this.#options.drainMs, resolve) })
      await Promise.race([this.drain(), limit])
      timer?.cancel()
      this.#state = 'closed'
    }
    this.#settling.isClosed = true
    const left = [...this.#placing.queue, ...this.#placing.keyed,
      ...this.#actors.flatMap(({ mailbox }) => mailbox === undefined ? [] : [...mailbox.jobs()])]
    for (const job of left) this.#settling.abandon(job, 'closed', () => new errors.CLOSED(job.kind.name))
    this.#watcher?.stop()
    this.#retireTimer?.cancel()
    this.#recycler?.stop()
    this.#placing.close()
    this.#settling.close()
    this.#deadlines.clear()
    this.#clock.hold(true) // the end of the threads is waited for
    const unended = await this.#crew.close(this.#options.graceMs)
    if (unended > 0) {
      warn(this.#options.log, `${counted(unended, 'thread')} could not be ended: native code cannot be interrupted`)
    }
    this.#clock.hold(false)
    this.#clock.close()
    this.#closed.abort()
  }
}

/** The caller's frames; formatted only if the job fails. Ten frames would cost three times as much. */
function captureCaller (below: Function): { stack?: string } {
  const holder: { stack?: string } = {}
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = CALLER_FRAMES
  Error.captureStackTrace(holder, below)
  Error.stackTraceLimit = stackTraceLimit
  return holder
}

function isSame (one: Plan, other: Plan): boolean {
  return JSON.stringify([one.tiers, one.reserved]) === JSON.stringify([other.tiers, other.reserved])
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : describe(error)
}
