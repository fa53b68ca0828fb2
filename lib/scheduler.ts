// offload(): admission, placing, deadlines, cancellation, settling, drain. lib/README.md, "A job's way".
import { performance } from 'node:perf_hooks'
import { availableParallelism } from 'node:os'
import { Deadlines } from './deadlines.js'
import { decodeError, describe, errors } from './errors.js'
import { Gate } from './gate.js'
import { Load } from './load.js'
import { logLevelOf, writeLog } from './log.js'
import { ERROR, OK, WITH_META } from './mailbox.js'
import { Counters, Times } from './metrics.js'
import { Injector, priorities } from './queue.js'
import { Supervisor } from './supervisor.js'
import { channels } from './trace.js'
import type { Deadline } from './deadlines.js'
import type { WireError } from './errors.js'
import type { FromActor, JobInput, JobLog, JobMeta, JobName, JobResult, OverflowCall } from './jobs.js'
import type { HostEnd, Reply } from './mailbox.js'
import type { Outcome } from './metrics.js'
import type { CheckedOptions } from './options.js'
import type { Priority, Queued } from './queue.js'
import type { Actor } from './supervisor.js'
import type { Plan } from './tiers.js'

/** Options of one call. */
export interface OffloadOptions {
  /** cancels the job */
  signal?: AbortSignal
  /** longest run, ms; 0 for none @default the pool's */
  timeoutMs?: number
  /** longest wait before the run, ms; 0 for none @default the pool's */
  queueTimeoutMs?: number
  /** @default 'normal' */
  priority?: Priority
  /** jobs of one key run on one actor of tier 1, in the order they were accepted */
  key?: string
  /** ArrayBuffers and ports to move instead of copying; they are detached here */
  transfer?: readonly (ArrayBuffer | import('node:worker_threads').MessagePort)[]
  /** may run a second time if its actor dies while it runs @default false */
  idempotent?: boolean
  /** may go to another machine where `remote` is set @default true */
  spill?: boolean
  /** goes through the engine of `remote` always, and survives the end of this process @default false */
  durable?: boolean
  /** of a durable job: one job for one value in a scope, such as the user */
  idempotencyKey?: { readonly scope: string, readonly value: string }
  /** trace context of the caller, W3C `traceparent`; goes along to another machine */
  traceparent?: string
  /** becomes `ctx.requestId` */
  requestId?: string
  /** where `ctx.log` writes: a pino logger @default the pool's */
  log?: Partial<JobLog>
}

/** Work an actor may have waiting before another job is given to it, ms, and with one job ahead; see performance. */
const WINDOW_MS = 0.3
const SECOND_MS = 1
const WINDOW_JOBS = 256
/** An actor that has settled nothing for so long gets no more jobs, and loses those it has not claimed, ms. */
const SLOW_MS = 1
/** Frames of the caller's stack that an error keeps. */
const CALLER_FRAMES = 4
/** Longest polling for replies after a job was given, ms. */
const POLL_MS = 0.05

interface Kind { readonly name: string, readonly index: number, readonly times: Times, meanMs: number }

class Job implements Queued {
  isQueued = false
  isSettled = false
  isKeyed = false
  actor: Actor<Job> | undefined
  /** its id in the actor's mailbox */
  id = 0
  workMs = 0
  deaths = 0
  queueDeadline: Deadline | undefined
  runDeadline: Deadline | undefined

  constructor (
    readonly kind: Kind,
    readonly input: unknown,
    readonly options: OffloadOptions,
    readonly level: number,
    readonly acceptedAtMs: number,
    readonly timeoutMs: number,
    readonly caller: { stack?: string } | undefined,
    readonly resolve: (value: unknown) => void,
    readonly reject: (error: unknown) => void
  ) {}
}

type SchedulerState = 'new' | 'open' | 'draining' | 'closed'

/** A pool at work. Made by `createScheduler`. */
export class Scheduler {
  readonly plan: Plan
  readonly #options: CheckedOptions
  readonly #logLevel: number
  readonly #load: Load
  readonly #gate: Gate
  readonly #queue: Injector<Job>
  readonly #keyed = new Map<Actor<Job>, Job[]>()
  readonly #supervisor: Supervisor<Job>
  readonly #actors: readonly Actor<Job>[]
  readonly #kinds = new Map<string, Kind>()
  readonly #tierTimes: Times[]
  readonly #counters = new Counters()
  readonly #deadlines = new Deadlines(() => performance.now())
  readonly #signals = new WeakMap<AbortSignal, { readonly jobs: Set<Job>, readonly listener: () => void }>()
  readonly #onReply = (reply: Reply<Job>): void => this.#settleReply(reply)
  readonly #mayPoll = availableParallelism() > 1
  /** holds the process while jobs are pending, whatever their threads do */
  readonly #hold = setInterval(() => {}, 2 ** 30).unref()
  #state: SchedulerState = 'new'
  #ready: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #pending = 0
  #keyedWaiting = 0
  #meanMs = 1
  #onEmpty: (() => void)[] = []
  #gateTimer: NodeJS.Timeout | undefined
  #retireTimer: NodeJS.Timeout | undefined
  #slowTimer: NodeJS.Timeout | undefined
  #isPolling = false
  #pollUntilMs = 0
  #pollHits = 1
  #pollSkips = 0

  constructor (plan: Plan, options: CheckedOptions) {
    this.plan = plan
    this.#options = options
    this.#logLevel = logLevelOf(options.log)
    const slots = plan.tiers.reduce((sum, tier) => sum + tier.slots.length, 0)
    this.#load = new Load(slots)
    this.#gate = new Gate(plan.tiers.map(({ tier, threshold, slots }) => ({ tier, threshold, size: slots.length })),
      options.closeDelayMs)
    this.#load.openTier = this.#gate.openTier
    this.#queue = new Injector(options.ageMs)
    this.#tierTimes = [1, 2, 3].map(() => new Times())
    this.#supervisor = new Supervisor<Job>(plan, options, this.#load, {
      opened: () => this.#dispatch(),
      message: (actor, message) => this.#onMessage(actor, message),
      gone: (actor, mailbox, reason) => this.#onGone(actor, mailbox, reason),
      changed: ({ slot, state, reason }) => {
        if (channels.actor.hasSubscribers) channels.actor.publish({ slot: slot.id, tier: slot.tier, state, reason })
      }
    })
    this.#actors = this.#supervisor.actors
  }

  /** Open tier 1: modules loaded, warm-up run. Rejects with `FST_ERR_SPILLOVER_JOB_MODULE` and the reason. */
  ready (): Promise<void> {
    this.#ready ??= this.#start()
    return this.#ready
  }

  /** Names of the registered jobs; empty before `ready()`. */
  get jobs (): readonly string[] { return this.#supervisor.names }

  /**
   * Run a job on an actor. Resolves with its result; rejects with its own error or one of ours; never throws, and
   * settles exactly once. The input is read when the job is given to an actor: do not change it before.
   */
  offload<Name extends JobName> (name: Name, input: JobInput<Name>, options: OffloadOptions = {}):
  Promise<JobResult<Name>> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'open') {
        throw this.#state === 'new' ? new errors.NOT_READY(name) : new errors.CLOSED(name)
      }
      const kind = this.#kinds.get(name)
      if (kind === undefined) throw new errors.UNKNOWN_JOB(describe(name), '', this.jobs.join(', '))
      const level = options.priority === undefined ? 1 : priorities.indexOf(options.priority)
      if (level < 0) throw new errors.OPTION('priority', `one of ${priorities.join(', ')}`, describe(options.priority))
      const timeoutMs = msOption('timeoutMs', options.timeoutMs, this.#options.timeoutMs)
      const queueTimeoutMs = msOption('queueTimeoutMs', options.queueTimeoutMs, this.#options.queueTimeoutMs)
      const { signal } = options
      if (signal !== undefined && !(signal instanceof AbortSignal)) {
        throw new errors.OPTION('signal', 'an AbortSignal', describe(signal))
      }
      if (signal?.aborted === true) throw cancelled(name, 'before it started', signal)
      let caller: { stack?: string } | undefined
      if (this.#options.callerStack) caller = captureCaller(this.offload)
      const job = new Job(kind, input, options, level, performance.now(), timeoutMs, caller,
        resolve as (value: unknown) => void, reject)
      if (options.durable === true) return resolve(this.#keep(job, queueTimeoutMs) as Promise<JobResult<Name>>)
      if (!this.#accept(job, queueTimeoutMs)) return
      if (queueTimeoutMs > 0 && !job.isSettled) {
        job.queueDeadline = this.#deadlines.add(queueTimeoutMs, () => {
          if (this.#withdraw(job)) {
            this.#settle(job, 'expired')
            reject(new errors.QUEUE_TIMEOUT(name, queueTimeoutMs))
          }
        })
      }
      if (signal !== undefined && !job.isSettled) this.#listen(signal, job)
    })
  }

  /** Accept nothing more; resolves when every accepted job has settled. */
  async drain (): Promise<void> {
    if (this.#state === 'open' || this.#state === 'new') this.#state = 'draining'
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }

  /** Drain within `drainMs`, reject what is left, end the threads. Never rejects. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** All numbers, as a plain copy. */
  snapshot (): Snapshot {
    const nowMs = performance.now()
    const { active } = this.#load
    return {
      state: this.#state,
      active,
      backlog: this.#backlog,
      pending: this.#pending,
      openTier: this.#gate.openTier,
      retryAfterS: this.#retryAfterS(),
      tiers: this.plan.tiers.map(({ tier, threshold, cpus }, index) => {
        const actors = this.#actors.filter((actor) => actor.slot.tier === tier)
        const isOpen = tier <= this.#gate.openTier
        const hasFailed = actors.some(({ state }) => state === 'failed')
        return {
          tier,
          isOpen,
          reason: this.#gate.reason(tier),
          threshold,
          cpus: [...cpus],
          isDegraded: hasFailed,
          active: actors.filter(({ mailbox }) => (mailbox?.depth ?? 0) > 0).length,
          depth: actors.reduce((sum, { mailbox }) => sum + (mailbox?.depth ?? 0), 0),
          actors: actors.map(({ slot, state, reason, mailbox, restarts, openedAtMs, thread }) => ({
            slot: slot.id,
            cpu: slot.cpu,
            state,
            reason: reason ?? null,
            depth: mailbox?.depth ?? 0,
            restarts,
            openForMs: state === 'open' ? Math.round(nowMs - openedAtMs) : 0,
            utilization: thread?.performance.eventLoopUtilization().utilization ?? 0
          })),
          ...this.#tierTimes[index]!.view()
        }
      }),
      jobs: Object.fromEntries([...this.#kinds.values()].map(({ name, times }) => [name, times.view()])),
      remote: this.#options.overflow?.stats?.() ?? null,
      counters: { ...this.#counters, settled: { ...this.#counters.settled } }
    }
  }

  get #backlog (): number { return this.#queue.length + this.#keyedWaiting }

  async #start (): Promise<void> {
    const lowest = this.plan.tiers[0]!.tier
    const opening = this.#actors.filter(({ slot }) => slot.tier === lowest).map((actor) => this.#supervisor.open(actor))
    this.#hold.ref()
    try {
      await Promise.all(opening)
    } catch (error) {
      this.#state = 'closed'
      clearInterval(this.#hold)
      await Promise.all([this.#supervisor.close(0), Promise.allSettled(opening)])
      throw error instanceof errors.BOOT_TIMEOUT ? error : new errors.JOB_MODULE(message(error))
    } finally {
      if (this.#pending === 0) this.#hold.unref()
    }
    for (const [index, name] of this.jobs.entries()) {
      this.#kinds.set(name, { name, index, times: new Times(), meanMs: NaN })
    }
    if (this.#state === 'new') this.#state = 'open'
    this.#options.overflow?.open?.({
      jobs: this.jobs,
      size: this.#actors.length,
      idle: () => this.#idleActors(),
      run: (name, input, options) => this.offload(name as JobName, input as never, { ...options, spill: false })
    })
    if (this.#options.retireMs > 0) {
      this.#retireTimer = setInterval(() => this.#retireIdle(), Math.min(1000, this.#options.retireMs)).unref()
    }
  }

  /** Place the job, or queue it, or refuse it. False: it was settled here. */
  #accept (job: Job, queueTimeoutMs: number): boolean {
    if (job.options.key === undefined) {
      this.#look()
      const actor = this.#queue.length === 0 ? this.#pick(job, job.acceptedAtMs) : undefined
      if (actor !== undefined) {
        this.#admit()
        if (!this.#give(job, actor, job.acceptedAtMs)) this.#queue.push(job)
        this.#look()
        this.#published(job)
        return !job.isSettled
      }
    } else {
      job.isKeyed = true
    }
    const backlog = this.#backlog
    const { maxQueued, maxQueueWaitMs, overflow } = this.#options
    const retryAfterS = this.#retryAfterS()
    const isIdle = job.isKeyed && this.#homeOf(job.options.key!)?.mailbox?.depth === 0
    const isRefused = !isIdle &&
      (backlog >= maxQueued || (maxQueueWaitMs > 0 && backlog > 0 && this.#waitMs() > maxQueueWaitMs))
    // elsewhere only when every tier here is open and nothing of the call is bound to this process
    const { spill, transfer } = job.options
    if (overflow !== undefined && spill !== false && !job.isKeyed && transfer === undefined &&
      (isRefused || this.#gate.nextTier === undefined)) {
      const taken = overflow.take(this.#overflowCall(job, queueTimeoutMs, isRefused))
      if (taken !== undefined) {
        this.#counters.spilled++
        job.resolve(taken)
        return false
      }
    }
    if (isRefused) {
      this.#counters.refused++
      const open = this.#actors.filter(({ state, slot }) => state === 'open' && slot.tier <= this.#gate.openTier).length
      throw Object.assign(new errors.OVERLOADED(job.kind.name, open, backlog, maxQueued, retryAfterS), { retryAfterS })
    }
    this.#admit()
    if (job.isKeyed) this.#queueKeyed(job)
    else this.#queue.push(job)
    this.#published(job)
    this.#dispatch()
    return !job.isSettled
  }

  /** A durable job always goes through the engine. */
  #keep (job: Job, queueTimeoutMs: number): Promise<unknown> {
    const { overflow } = this.#options
    if (overflow?.keep === undefined) throw new errors.OPTION('durable', 'false where remote is not set', 'true')
    return overflow.keep(this.#overflowCall(job, queueTimeoutMs, true))
  }

  #overflowCall ({ kind, input, options, timeoutMs }: Job, queueTimeoutMs: number, isRefused: boolean): OverflowCall {
    return {
      job: kind.name,
      input,
      meanMs: kind.meanMs,
      waitMs: this.#waitMs(),
      isRefused,
      timeoutMs,
      queueTimeoutMs,
      options,
      runHere: () => this.offload(kind.name as JobName, input as never, { ...options, spill: false, durable: false })
    }
  }

  /** Actors that could start a job now: none while jobs wait here. */
  #idleActors (): number {
    if (this.#state !== 'open' || this.#backlog > 0) return 0
    return this.#actors.filter(({ state, mailbox }) =>
      state === 'closed' || (state === 'open' && mailbox!.depth === 0)).length
  }

  #admit (): void {
    if (this.#pending++ === 0) this.#hold.ref()
    this.#counters.accepted++
  }

  #published (job: Job): void {
    if (channels.accepted.hasSubscribers) channels.accepted.publish({ job: job.kind.name, queued: job.isQueued })
  }

  /** Idle actors first, lowest tier first; then the one with the least work among those that may hold another. */
  #pick (job: Job, nowMs: number): Actor<Job> | undefined {
    let best: Actor<Job> | undefined
    const { openTier } = this.#gate
    for (const actor of this.#actors) {
      if (actor.slot.tier > openTier) break
      if (actor.state !== 'open') continue
      const { depth } = actor.mailbox!
      if (depth === 0) return actor
      if (job.options.transfer === undefined && hasRoom(actor, depth, nowMs) &&
        (best === undefined || actor.workMs < best.workMs)) best = actor
    }
    return best
  }

  /** Put a job into an actor's mailbox. False: no room there. A job whose input cannot travel is settled. */
  #give (job: Job, actor: Actor<Job>, nowMs: number): boolean {
    const mailbox = actor.mailbox!
    const { kind, options } = job
    const wasIdle = mailbox.depth === 0
    let value = job.input
    let meta = kind.index
    const logLevel = options.log === undefined ? this.#logLevel : logLevelOf(options.log)
    if (options.requestId !== undefined || options.timeoutMs !== undefined || logLevel !== this.#logLevel) {
      const more: JobMeta = {
        ...(logLevel !== this.#logLevel && { logLevel }),
        ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
        ...(options.requestId !== undefined && { requestId: options.requestId })
      }
      value = { input: value, meta: more }
      meta |= WITH_META
    }
    let id: number
    try {
      id = mailbox.give(job, meta, value, options.transfer, options.transfer === undefined && !job.isKeyed)
    } catch (error) {
      this.#settle(job, 'error')
      job.reject(new errors.INPUT_UNCLONEABLE(kind.name, describe(error)))
      return true
    }
    if (id === 0) return false
    if (this.#options.metric === 'demand') this.#load.enter(actor.slot.id)
    job.actor = actor
    job.id = id
    job.workMs = Number.isNaN(kind.meanMs) ? SECOND_MS : kind.meanMs
    actor.workMs += job.workMs
    actor.usedAtMs = nowMs
    if (wasIdle) {
      actor.progressAtMs = nowMs
      mailbox.arm()
    }
    if (job.timeoutMs > 0) this.#watch(job, job.timeoutMs)
    this.#poll(nowMs)
    return true
  }

  /** Let the gate look at the load; act on what it opened or closed. */
  #look (): void {
    const nowMs = performance.now()
    const backlog = this.#queue.length
    this.#load.backlog = backlog
    if (this.#gate.update(this.#load.active, backlog, nowMs)) {
      const { openTier } = this.#gate
      if (channels.gate.hasSubscribers) channels.gate.publish({ openTier, active: this.#load.active, backlog })
    }
    if (this.#load.openTier !== this.#gate.openTier) this.#moveGate()
    this.#openSlots(backlog)
    const { closesAtMs } = this.#gate
    if (closesAtMs !== Infinity && this.#gateTimer === undefined) {
      this.#gateTimer = setTimeout(() => {
        this.#gateTimer = undefined
        this.#look()
        this.#dispatch()
      }, Math.max(1, Math.ceil(closesAtMs - nowMs))).unref()
    }
  }

  /** Tell the actors; what a closed tier had not claimed is taken back. */
  #moveGate (): void {
    const { openTier } = this.#gate
    this.#load.openTier = openTier
    for (const actor of this.#actors) {
      if (actor.slot.tier <= openTier || actor.mailbox === undefined) continue
      this.#takeBackAll(actor)
      // a job whose buffers were moved cannot go elsewhere: its actor may still take it
      if ([...actor.mailbox.jobs()].some((job) => actor.mailbox!.startedAtMs(job.id) === 0)) {
        this.#load.openTier = actor.slot.tier
        actor.mailbox.wake()
        this.#armSlowTimer()
      }
    }
  }

  /** Start threads of open tiers that have none: one for each waiting job, one ahead where the next tier is near. */
  #openSlots (backlog: number): void {
    const { active } = this.#load
    const near = active > 0 && active >= this.#gate.nextThreshold ? this.#gate.nextTier : undefined
    let wanted = Math.max(backlog, 1)
    const { openTier } = this.#gate
    for (const actor of this.#actors) {
      const { tier } = actor.slot
      if (tier === this.plan.tiers[0]!.tier) continue
      if (tier > openTier && tier !== near) break
      if (tier === near) wanted = Math.min(wanted, 1)
      if (wanted <= 0) break
      if (actor.state === 'closed' && !this.#supervisor.isRestarting(actor)) {
        this.#supervisor.open(actor).catch(() => {}) // its end is reported by gone()
        wanted--
      } else if (actor.state === 'opening' || (actor.state === 'open' && actor.mailbox!.depth === 0)) {
        wanted--
      }
    }
  }

  /** Give waiting jobs to actors that may hold them; then let idle actors take over work. */
  #dispatch (): void {
    const nowMs = performance.now()
    this.#revokeFromSlow(nowMs)
    for (const [actor, jobs] of this.#keyed) this.#giveKeyed(actor, jobs, nowMs)
    let job: Job | undefined
    let given = 0
    while ((job = this.#queue.peek()) !== undefined) {
      const actor = this.#pick(job, nowMs)
      if (actor === undefined) break
      this.#queue.shift()
      if (!this.#give(job, actor, nowMs)) {
        this.#queue.putBack(job)
        break
      }
      // the gate sees each actor that became active: the next job may go to a tier that opened
      if (++given % 16 === 0 || actor.mailbox?.depth === 1) this.#look()
    }
    if (this.#queue.length === 0) this.#rebalance(nowMs)
    this.#look()
    if (this.#queue.length > 0 && given === 0) this.#armSlowTimer()
  }

  /** An idle actor takes half of what waits in the fullest mailbox. */
  #rebalance (nowMs: number): void {
    let idle: Actor<Job> | undefined
    let fullest: Actor<Job> | undefined
    for (const actor of this.#actors) {
      if (actor.state !== 'open' || actor.slot.tier > this.#gate.openTier) continue
      const { depth } = actor.mailbox!
      if (depth === 0) idle ??= actor
      else if (depth > 1 && actor.workMs > (fullest?.workMs ?? 0.1)) fullest = actor
    }
    if (fullest === undefined) return
    if (idle === undefined) return this.#armSlowTimer()
    for (const job of fullest.mailbox!.takeBackMany(Math.ceil((fullest.mailbox!.depth - 1) / 2))) {
      this.#untie(job, fullest)
      this.#counters.takenBack++
      if (!this.#give(job, idle, nowMs)) this.#queue.putBack(job)
    }
    this.#armSlowTimer()
  }

  /** Jobs behind one that runs long go back to the injector, where the first free actor gets them. */
  #revokeFromSlow (nowMs: number): void {
    for (const actor of this.#actors) {
      if (actor.mailbox !== undefined && actor.mailbox.depth > 1 && nowMs - actor.progressAtMs > SLOW_MS &&
        !actor.mailbox.hasReply) this.#takeBackAll(actor)
    }
  }

  #armSlowTimer (): void {
    this.#slowTimer ??= setTimeout(() => {
      this.#slowTimer = undefined
      if (this.#load.openTier !== this.#gate.openTier) this.#look()
      if (this.#actors.some(({ mailbox }) => mailbox !== undefined && mailbox.depth > 1)) this.#dispatch()
    }, SLOW_MS * 2).unref()
  }

  #takeBackAll (actor: Actor<Job>): void {
    for (const job of actor.mailbox?.takeBackMany(Infinity) ?? []) {
      this.#untie(job, actor)
      this.#counters.takenBack++
      this.#queue.putBack(job)
    }
  }

  #untie (job: Job, actor: Actor<Job>): void {
    actor.workMs -= job.workMs
    job.actor = undefined
    job.id = 0
    job.runDeadline?.cancel()
  }

  #onMessage (actor: Actor<Job>, message: FromActor): void {
    if (message === 0) return this.#collect(actor)
    if (message.type !== 'log') return
    writeLog(actor.mailbox?.jobOf(message.id)?.options.log ?? this.#options.log, message)
  }

  /** Read an actor's replies, give it work, and wait for the next bell. */
  #collect (actor: Actor<Job>): void {
    const { mailbox } = actor
    if (mailbox === undefined) return
    mailbox.drain(this.#onReply)
    mailbox.arm()
    // a reply written before the bell was asked for
    mailbox.drain(this.#onReply)
    this.#afterReplies(actor)
    this.#dispatch()
  }

  #afterReplies (actor: Actor<Job>): void {
    if (actor.mailbox?.depth === 0) {
      actor.workMs = 0
      if (this.#options.metric === 'demand') this.#load.leave(actor.slot.id)
    }
  }

  /** Look for replies for a moment where that has paid lately, instead of waiting for a bell. */
  #poll (nowMs: number): void {
    if (!this.#mayPoll) return
    this.#pollUntilMs = nowMs + POLL_MS
    if (this.#isPolling || (this.#pollHits < 0.3 && ++this.#pollSkips % 32 !== 0)) return
    this.#isPolling = true
    setImmediate(this.#onPoll)
  }

  readonly #onPoll = (): void => {
    let isHit = false
    for (const actor of this.#actors) {
      if (actor.mailbox?.hasReply === true) {
        isHit = true
        actor.mailbox.drain(this.#onReply)
        this.#afterReplies(actor)
      }
    }
    const nowMs = performance.now()
    if (isHit) {
      this.#pollHits += (1 - this.#pollHits) / 8
      this.#pollUntilMs = nowMs + POLL_MS
      this.#dispatch()
    }
    if (this.#pending > 0 && nowMs < this.#pollUntilMs) {
      setImmediate(this.#onPoll)
    } else {
      if (this.#pending > 0) this.#pollHits -= this.#pollHits / 8
      this.#isPolling = false
    }
  }

  #settleReply (reply: Reply<Job>): void {
    const { job, status, value, startedAtMs, runMs } = reply
    const { actor, kind } = job
    const nowMs = performance.now()
    const waitMs = Math.max(0, startedAtMs - job.acceptedAtMs)
    const borderMs = Math.max(0, nowMs - startedAtMs - runMs)
    kind.meanMs = Number.isNaN(kind.meanMs) ? runMs : kind.meanMs + (runMs - kind.meanMs) / 8
    this.#meanMs += (runMs - this.#meanMs) / 16
    kind.times.record(waitMs, runMs, borderMs)
    if (actor !== undefined) {
      this.#tierTimes[this.plan.tiers.findIndex(({ tier }) => tier === actor.slot.tier)]!
        .record(waitMs, runMs, borderMs)
      actor.workMs -= job.workMs
      actor.usedAtMs = actor.progressAtMs = nowMs
    }
    if (job.isSettled) return // it was cancelled or timed out while it ran
    this.#settle(job, status === OK ? 'ok' : 'error', actor, waitMs, runMs, borderMs)
    if (status === OK) job.resolve(value)
    else if (status === ERROR) job.reject(decodeError(value as WireError, callerOf(job)))
    else job.reject(new errors.RESULT_UNCLONEABLE(kind.name, describe(reply.error ?? value)))
  }

  /** Book a job as settled; the caller settles its promise. */
  #settle (job: Job, outcome: Outcome, actor = job.actor, waitMs?: number, runMs?: number, borderMs?: number): void {
    job.isSettled = true
    job.queueDeadline?.cancel()
    job.runDeadline?.cancel()
    if (job.options.signal !== undefined) this.#unlisten(job.options.signal, job)
    this.#counters.settled[outcome]++
    if (channels.settled.hasSubscribers) {
      const tier = actor?.slot.tier ?? null
      channels.settled.publish({ job: job.kind.name, outcome, tier, waitMs, runMs, borderMs })
    }
    if (--this.#pending === 0) {
      this.#hold.unref()
      for (const resolve of this.#onEmpty) resolve()
      this.#onEmpty = []
    }
  }

  /** Take a job out of the queue or of a mailbox; false when it has started. */
  #withdraw (job: Job): boolean {
    if (job.isSettled) return false
    if (job.isQueued) {
      if (job.isKeyed) this.#unqueueKeyed(job)
      else this.#queue.remove(job)
      return true
    }
    const { actor } = job
    if (actor?.mailbox?.takeBack(job.id) !== true) return false
    this.#untie(job, actor)
    this.#afterReplies(actor)
    return true
  }

  /** Cancel: a job that waits is simply gone; one that runs is told, and its thread is killed if it will not end. */
  #abandon (job: Job, outcome: Outcome, error: (phase: string) => unknown): void {
    if (job.isSettled) return
    if (this.#withdraw(job)) {
      this.#settle(job, outcome)
      job.reject(error('before it started'))
      return
    }
    const { actor, id } = job
    if (actor?.mailbox === undefined) return
    const { mailbox } = actor
    mailbox.drain(this.#onReply)
    this.#afterReplies(actor)
    if (job.isSettled) return
    mailbox.cancel(id)
    this.#settle(job, outcome)
    job.reject(error('while it ran'))
    const reason = new Error(`${job.kind.name} was cancelled and did not end within ${this.#options.graceMs} ms`)
    setTimeout(() => this.#killIfStuck(actor, mailbox, id, reason), this.#options.graceMs).unref()
  }

  /** Kill an actor whose cancelled job still runs; nobody else on it may be hurt. */
  #killIfStuck (actor: Actor<Job>, mailbox: HostEnd<Job>, id: number, reason: Error): void {
    if (actor.mailbox !== mailbox || mailbox.jobOf(id) === undefined) return
    mailbox.halt() // it starts nothing between this look and the kill
    mailbox.drain(this.#onReply)
    this.#afterReplies(actor)
    const others = mailbox.jobOf(id) !== undefined &&
      [...mailbox.jobs()].some((job) => !job.isSettled && mailbox.startedAtMs(job.id) > 0)
    if (mailbox.jobOf(id) === undefined) {
      mailbox.unhalt()
      this.#dispatch()
    } else if (others) {
      // it shares its thread with async jobs of others: it takes no more, and is looked at again
      this.#takeBackAll(actor)
      setTimeout(() => this.#killIfStuck(actor, mailbox, id, reason), Math.max(10, this.#options.graceMs)).unref()
      this.#dispatch()
    } else {
      this.#counters.kills++
      this.#supervisor.kill(actor, reason)
    }
  }

  /** The run clock: starts when the job does, which the host learns when it looks. */
  #watch (job: Job, ms: number): void {
    job.runDeadline = this.#deadlines.add(ms, () => {
      const { actor, id } = job
      if (job.isSettled || actor?.mailbox === undefined) return
      const startedAtMs = actor.mailbox.startedAtMs(id)
      const leftMs = startedAtMs === 0 ? job.timeoutMs : startedAtMs + job.timeoutMs - performance.now()
      if (leftMs > 0.5) return this.#watch(job, Math.ceil(leftMs))
      this.#abandon(job, 'timeout', () => new errors.TIMEOUT(job.kind.name, job.timeoutMs))
    })
  }

  #onGone (actor: Actor<Job>, mailbox: HostEnd<Job>, reason: unknown): void {
    mailbox.readMessages() // what was logged before the death
    mailbox.drain(this.#onReply) // replies that were written are the truth
    const unclaimed = mailbox.takeBackMany(Infinity, true)
    const claimed = [...mailbox.jobs()]
    mailbox.clear()
    actor.workMs = 0
    if (reason !== undefined) this.#counters.restarts++
    for (const job of [...unclaimed, ...claimed]) {
      const started = claimed.includes(job)
      job.actor = undefined
      job.runDeadline?.cancel()
      if (job.isSettled) continue
      const mayRun = job.options.transfer === undefined &&
        (!started || (job.options.idempotent === true && job.deaths++ === 0))
      if (mayRun && this.#state !== 'closed') {
        if (job.isKeyed) this.#queueKeyed(job, true)
        else this.#queue.putBack(job)
        continue
      }
      this.#settle(job, 'exit', actor)
      const error = new errors.ACTOR_EXIT(job.kind.name, actor.slot.id, actor.slot.tier, describe(reason))
      job.reject(Object.assign(error, { started, cause: reason }))
    }
    if (this.#state !== 'closed') setImmediate(() => this.#dispatch())
  }

  /** The tier-1 actor that owns a key: highest rank of key and slot, so that few keys move when one has failed. */
  #homeOf (key: string): Actor<Job> | undefined {
    let home: Actor<Job> | undefined
    let best = -1
    for (const actor of this.#actors) {
      if (actor.slot.tier !== this.plan.tiers[0]!.tier) break
      if (actor.state === 'failed') continue
      const rank = hash(`${key}\0${actor.slot.id}`)
      if (rank > best) {
        best = rank
        home = actor
      }
    }
    return home
  }

  #queueKeyed (job: Job, atHead = false): void {
    const home = this.#homeOf(job.options.key!)
    if (home === undefined) {
      this.#settle(job, 'exit')
      job.reject(new errors.UNAVAILABLE(job.kind.name, 'every actor of tier 1 has failed'))
      return
    }
    let jobs = this.#keyed.get(home)
    if (jobs === undefined) this.#keyed.set(home, jobs = [])
    job.isQueued = true
    this.#keyedWaiting++
    if (!atHead) jobs.push(job)
    else jobs.splice(jobs.findIndex(({ acceptedAtMs }) => acceptedAtMs > job.acceptedAtMs) >>> 0, 0, job)
  }

  #unqueueKeyed (job: Job): void {
    const jobs = this.#keyed.get(this.#homeOf(job.options.key!)!)
    jobs?.splice(jobs.indexOf(job) >>> 0, 1)
    job.isQueued = false
    this.#keyedWaiting--
  }

  #giveKeyed (actor: Actor<Job>, jobs: Job[], nowMs: number): void {
    if (actor.state === 'failed' && jobs.length > 0) {
      this.#keyed.delete(actor)
      for (const job of jobs) {
        this.#keyedWaiting--
        this.#queueKeyed(job)
      }
      return
    }
    while (jobs.length > 0 && actor.state === 'open') {
      const { depth } = actor.mailbox!
      if (depth > 0 && (jobs[0]!.options.transfer !== undefined || !hasRoom(actor, depth, nowMs))) return
      const job = jobs.shift()!
      job.isQueued = false
      this.#keyedWaiting--
      if (!this.#give(job, actor, nowMs)) return this.#queueKeyed(job, true)
    }
  }

  /** One listener on each distinct signal, taken off with its last job. */
  #listen (signal: AbortSignal, job: Job): void {
    let entry = this.#signals.get(signal)
    if (entry === undefined) {
      const jobs = new Set<Job>()
      const listener = (): void => {
        for (const job of [...jobs]) {
          this.#abandon(job, 'cancelled', (phase) => cancelled(job.kind.name, phase, signal))
        }
        this.#dispatch()
      }
      entry = { jobs, listener }
      this.#signals.set(signal, entry)
      signal.addEventListener('abort', listener, { once: true })
    }
    entry.jobs.add(job)
  }

  #unlisten (signal: AbortSignal, job: Job): void {
    const entry = this.#signals.get(signal)
    if (entry === undefined) return
    entry.jobs.delete(job)
    if (entry.jobs.size > 0) return
    signal.removeEventListener('abort', entry.listener)
    this.#signals.delete(signal)
  }

  /** Expected wait of a job that would be queued now, ms. */
  #waitMs (): number {
    const actors = this.#actors.filter(({ state }) => state === 'open').length
    return this.#backlog * this.#meanMs / Math.max(1, actors)
  }

  #retryAfterS (): number {
    return Math.max(1, Math.ceil(this.#waitMs() / 1000))
  }

  #retireIdle (): void {
    const nowMs = performance.now()
    for (const actor of this.#actors) {
      if (actor.slot.tier !== this.plan.tiers[0]!.tier && actor.state === 'open' && actor.mailbox!.depth === 0 &&
        nowMs - actor.usedAtMs >= this.#options.retireMs) this.#supervisor.retire(actor)
    }
  }

  async #close (): Promise<void> {
    const wasReady = this.#ready
    if (this.#state === 'new') this.#state = 'closed'
    await wasReady?.catch(() => {}) // ready() has told its caller
    if (this.#state === 'open') this.#state = 'draining'
    // before the drain: jobs of other machines that run here still have the pool to end in
    await this.#options.overflow?.close?.(this.#options.drainMs)
    if (this.#state !== 'closed') {
      let timer: NodeJS.Timeout | undefined
      const limit = new Promise<void>((resolve) => { timer = setTimeout(resolve, this.#options.drainMs) })
      await Promise.race([this.drain(), limit])
      clearTimeout(timer)
      this.#state = 'closed'
    }
    const left = [...this.#queue, ...[...this.#keyed.values()].flat(),
      ...this.#actors.flatMap(({ mailbox }) => mailbox === undefined ? [] : [...mailbox.jobs()])]
    for (const job of left) this.#abandon(job, 'closed', () => new errors.CLOSED(job.kind.name))
    clearInterval(this.#retireTimer)
    clearInterval(this.#hold)
    clearTimeout(this.#gateTimer)
    clearTimeout(this.#slowTimer)
    this.#deadlines.clear()
    await this.#supervisor.close(this.#options.graceMs)
  }
}

/** Plain copy of a pool's numbers. */
export interface Snapshot {
  state: SchedulerState
  active: number
  backlog: number
  pending: number
  openTier: number
  retryAfterS: number
  tiers: TierSnapshot[]
  jobs: Record<string, ReturnType<Times['view']>>
  /** numbers of the overflow; null without one */
  remote: unknown
  counters: Omit<Counters, never>
}

/** One tier in a snapshot; times in ms. */
export interface TierSnapshot extends ReturnType<Times['view']> {
  tier: number
  isOpen: boolean
  reason: string
  threshold: number
  cpus: number[]
  isDegraded: boolean
  active: number
  depth: number
  actors: ActorSnapshot[]
}

/** One actor in a snapshot. */
export interface ActorSnapshot {
  slot: number
  cpu: number | null
  state: string
  reason: string | null
  depth: number
  restarts: number
  openForMs: number
  utilization: number
}

function hasRoom (actor: Actor<Job>, depth: number, nowMs: number): boolean {
  if (nowMs - actor.progressAtMs > SLOW_MS) return false
  return (depth === 1 && actor.workMs < SECOND_MS) || (depth < WINDOW_JOBS && actor.workMs <= WINDOW_MS)
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

function callerOf (job: Job): string | undefined {
  return job.caller?.stack?.replace(/^[^\n]*/, '')
}

function cancelled (name: string, phase: string, signal: AbortSignal): Error {
  return Object.assign(new errors.CANCELLED(name, phase), { cause: signal.reason })
}

function msOption (name: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  if (!Number.isInteger(value) || value < 0) throw new errors.OPTION(name, 'an integer of at least 0', describe(value))
  return value
}

function message (error: unknown): string {
  return error instanceof Error ? error.message : describe(error)
}

/** FNV-1a with a final mix; spreads keys over slots, nothing more. */
function hash (text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d)
  return (value ^ (value >>> 15)) >>> 0
}
