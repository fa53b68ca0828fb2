// How a job ends: replies, timeouts, cancellation, kills and deaths; each job is settled once. lib/README.md.
import { decodeError, describe, errors } from './errors.js'
import { Estimate } from './estimate.js'
import { warn, writeLog } from './log.js'
import { ERROR, OK, OVERSIZED, UNREADABLE } from './mailbox.js'
import { HINT_RUNS } from './pending.js'
import { Quarantine } from './quarantine.js'
import { channels } from './trace.js'
import { Watchdog } from './watchdog.js'
import type { Clock, Timer } from './clock.js'
import type { WireError } from './errors.js'
import type { FromActor, JobLog } from './jobs.js'
import type { Mailbox } from './mailbox.js'
import type { Counters, Outcome } from './metrics.js'
import type { Job, Kind } from './pending.js'
import type { Placing } from './placing.js'
import type { QuarantineOptions } from './quarantine.js'
import type { Recycler } from './recycler.js'
import type { Actor, Crew } from './slots.js'
import type { FailedMessage, HintMessage, PoolIdentity, SettledMessage, StrayMessage } from './trace.js'

/** Longest polling for replies after a job was given, ms; measured, see lib/README.md, "Park and wake". */
const POLL_MS = 0.05

/** The same where the actor has to be woken first, ms; chosen: a wake-up takes 50 µs on a virtual machine. */
const WAKE_POLL_MS = 0.2

/** Longest look for a reply within one turn of the event loop, ms; measured: 8.1 µs a round trip without, 5.5 with. */
const SPIN_MS = 0.01

/**
 * How long after it began to look in a turn of the event loop the next looks are made in that turn as well, ms; chosen:
 * a turn costs 1 to 2 µs, and others wait for it.
 */
const TURN_MS = 0.05

/**
 * How long an event loop that a cancelled job blocks is waited for where jobs of others have begun on it, ms: where it
 * is known to be that job, and where it may be what another does after an `await`; chosen.
 */
const BLOCKED_MS = 1000
const UNCLEAR_MS = 10_000

/** What settling is told to do. */
export interface SettlingOptions extends QuarantineOptions {
  readonly graceMs: number
  readonly maxPayloadBytes: number
  readonly log?: Partial<JobLog>
  readonly identity: PoolIdentity
}

/** Ends jobs. Owns the table of signals, the run clock and the polling for replies. */
export class Settling {
  readonly #options: SettlingOptions
  readonly #clock: Clock
  readonly #crew: Crew<Job>
  readonly #counters: Counters
  readonly #placing: Placing
  readonly #mayPoll: boolean
  readonly #recycler: Recycler | undefined
  readonly #kindOf: (name: string) => Kind | undefined
  readonly quarantine: Quarantine
  /** reasons of kills that cancellations led to: these are no job's fault */
  readonly #ownKills = new WeakSet<object>()
  readonly #signals = new WeakMap<AbortSignal, { readonly jobs: Set<Job>, readonly listener: () => void }>()
  readonly #tierIndex = new Map<number, number>()
  readonly #onEmpty: (() => void)[] = []
  /** mailboxes that take no more until the job of this id has ended */
  readonly #halted = new WeakMap<Mailbox<Job>, number>()
  /** what was warned of that jobs have changed in their threads */
  readonly #meddled = new Set<string>()
  readonly #watchdog: Watchdog
  /** over all jobs */
  readonly estimate = new Estimate()
  /** jobs accepted and not yet settled */
  pending = 0
  /** accepting again what is left of a dead actor is over */
  isClosed = false
  #nowMs = 0
  #sweepAtMs = Infinity
  #sweepTimer: Timer | undefined
  #isPolling = false
  #pollUntilMs = 0
  #turnUntilMs = 0
  #pollHits = 1
  #pollSkips = 0

  constructor (options: SettlingOptions, clock: Clock, crew: Crew<Job>, counters: Counters, placing: Placing,
    mayPoll: boolean, recycler: Recycler | undefined, kindOf: (name: string) => Kind | undefined) {
    this.#options = options
    this.#clock = clock
    this.#crew = crew
    this.#counters = counters
    this.#placing = placing
    this.#mayPoll = mayPoll
    this.#recycler = recycler
    this.#kindOf = kindOf
    this.quarantine = new Quarantine(options)
    this.#watchdog = new Watchdog(clock, crew, ({ slot }) => slot.tier <= placing.gate.openTier,
      (mailbox) => this.#halted.has(mailbox))
    for (const { slot } of crew.actors) {
      if (!this.#tierIndex.has(slot.tier)) this.#tierIndex.set(slot.tier, this.#tierIndex.size)
    }
  }

  /** Resolves when nothing is pending. */
  async empty (): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }

  /** A job is in an actor's mailbox: start its run clock, and look for its reply. */
  given (job: Job, actor: Actor<Job>, nowMs: number, wasIdle: boolean): void {
    this.watch()
    if (job.timeoutMs > 0 && nowMs + job.timeoutMs < this.#sweepAtMs) this.#sweepAt(nowMs + job.timeoutMs, nowMs)
    const pollMs = wasIdle && actor.mailbox!.isWaking ? WAKE_POLL_MS : POLL_MS
    // the reply of a job that runs longer is not near
    if ((job.workMs < POLL_MS && this.#poll(nowMs, pollMs)) || this.#isPolling || !wasIdle) return
    actor.mailbox!.arm()
    // it may have replied before the bell was asked for
    if (actor.mailbox!.hasReply) this.#clock.soon(() => this.collect(actor))
  }

  /** Something is asked of the actors: those that do not look are found. */
  watch (): void { this.#watchdog.arm() }

  /** `mailbox` is that of the life which sent it: that of an actor that is gone is read once more. */
  onMessage (actor: Actor<Job>, mailbox: Mailbox<Job>, message: FromActor): void {
    if (message === 0) return this.collect(actor)
    if (message.type === 'stray') return this.#onStray(actor, message.job, message.error as WireError)
    if (message.type === 'meddled') return this.#onMeddled(actor, message.job, message.names)
    if (message.type !== 'log' && message.type !== 'progress') return
    const job = mailbox.jobOf(message.id)
    if (message.type === 'progress') {
      // a cancelled job may go on for a while, but its caller was told
      if (job?.isSettled === false) this.#call(job, () => job.options.onProgress?.(message.value))
      return
    }
    const write = (): void => writeLog(job?.options.log ?? this.#options.log, message)
    // a logger that adds the ids of the trace finds them
    this.#call(job, () => job?.spans === undefined ? write() : job.spans.inContext(write))
  }

  /** Call what the caller gave. Where that throws, its job rejects with it, and is told to end. */
  #call (job: Job | undefined, run: () => unknown): void {
    const fail = (error: unknown): void => {
      if (job === undefined) process.emitWarning(`a logger threw ${describe(error)}`, 'SpilloverWarning')
      else this.abandon(job, 'error', () => error)
    }
    try {
      const result = run()
      if (result instanceof Promise) result.catch(fail)
    } catch (error) {
      fail(error)
    }
  }

  /** Settle a job by an error. */
  fail (job: Job, outcome: Outcome, error: unknown, actor = job.actor, waitMs?: number, runMs?: number,
    borderMs?: number): void {
    this.#settle(job, outcome, error, actor, waitMs, runMs, borderMs)
    if (channels.failed.hasSubscribers) {
      channels.failed.publish({
        pool: this.#options.identity,
        atMs: Date.now(),
        job: job.kind.name,
        outcome,
        tier: actor?.slot.tier ?? null,
        slot: actor?.slot.id ?? null,
        requestId: job.options.requestId ?? null,
        error
      } satisfies FailedMessage)
    }
    job.reject(error)
  }

  /** Book a job as settled; the caller settles its promise. */
  #settle (job: Job, outcome: Outcome, error: unknown, actor = job.actor, waitMs?: number, runMs?: number,
    borderMs?: number): void {
    job.isSettled = true
    if (job.queueDeadline !== undefined) job.queueDeadline.cancel()
    if (job.options.signal !== undefined) this.#unlisten(job.options.signal, job)
    if (job.options.key !== undefined) this.#placing.keyed.release(job.options.key)
    this.#counters.settled[outcome]++
    job.kind.settled[outcome][actor?.slot.tier ?? 0]!++
    if (job.spans !== undefined) {
      job.spans.settled(outcome, this.#clock.now(), waitMs === undefined ? 0 : job.acceptedAtMs + waitMs, error)
    }
    if (channels.settled.hasSubscribers) {
      channels.settled.publish({
        pool: this.#options.identity,
        job: job.kind.name,
        outcome,
        tier: actor?.slot.tier ?? null,
        slot: actor?.slot.id ?? null,
        requestId: job.options.requestId,
        startedAtMs: waitMs === undefined ? undefined : job.acceptedAtMs + waitMs,
        waitMs,
        runMs,
        borderMs
      } satisfies SettledMessage)
    }
    this.leave()
  }

  /** Something is pending: the process is held. */
  enter (): void {
    if (this.pending++ === 0) this.#clock.hold(true)
  }

  /** It is not pending any more. */
  leave (): void {
    if (--this.pending > 0) return
    this.#clock.hold(false)
    for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  /** A job waited longer than it may; one that has started goes on. */
  expire (job: Job, error: () => unknown): void {
    if (job.deaths > 0 || !this.#withdraw(job)) return
    this.fail(job, 'expired', error())
    this.#placing.dispatch()
  }

  /** Cancel: a job that waits is simply gone; one that runs is told, and its thread is killed if it will not end. */
  abandon (job: Job, outcome: Outcome, error: (phase: string) => unknown): void {
    if (job.isSettled) return
    if (this.#withdraw(job)) {
      return this.fail(job, outcome, error(job.deaths > 0 ? 'while it waited to run again' : 'before it started'))
    }
    const { actor } = job
    if (actor?.mailbox === undefined) return
    const { mailbox } = actor
    this.#read(actor) // a result already written is the truth
    if (job.isSettled) return
    const { id } = job
    mailbox.cancel(job)
    const startedAtMs = mailbox.startedAtMs(job)
    const waitMs = startedAtMs === 0 ? undefined : Math.max(0, startedAtMs - job.acceptedAtMs)
    const runMs = startedAtMs === 0 ? undefined : Math.max(0, this.#clock.now() - startedAtMs)
    this.fail(job, outcome, error('while it ran'), actor, waitMs, runMs, 0)
    const reason = new Error(`${job.kind.name} was cancelled and did not end within ${this.#options.graceMs} ms`)
    this.#clock.after(this.#options.graceMs, () => this.#killIfStuck(actor, mailbox, id, reason))
  }

  /** One listener on each distinct signal, taken off with its last job. */
  listen (signal: AbortSignal, job: Job): void {
    let entry = this.#signals.get(signal)
    if (entry === undefined) {
      const jobs = new Set<Job>()
      const listener = (): void => {
        for (const job of [...jobs]) this.abandon(job, 'cancelled', (phase) => cancelled(job.kind.name, phase, signal))
        this.#placing.dispatch()
      }
      entry = { jobs, listener }
      this.#signals.set(signal, entry)
      try {
        signal.addEventListener('abort', listener, { once: true })
      } catch (error) { // the method is not Node's
        this.#signals.delete(signal)
        return this.abandon(job, 'error', () => error)
      }
    }
    entry.jobs.add(job)
  }

  /** An actor is gone: what it had replied is settled, what it had not begun goes elsewhere, the rest is told. */
  onGone (actor: Actor<Job>, mailbox: Mailbox<Job>, reason: unknown): void {
    this.#nowMs = this.#clock.now()
    mailbox.readMessages() // what was logged before the death
    mailbox.drain(this.#onReply)
    const unclaimed = mailbox.takeBackMany(Infinity, true)
    const claimed = [...mailbox.jobs()]
    mailbox.clear()
    actor.workMs = 0
    this.#placing.settled(actor)
    if (reason !== undefined) this.#counters.restarts++
    if (isOutOfMemory(reason)) this.#counters.outOfMemory++
    for (const job of unclaimed) this.#replace(job, actor, reason, false)
    // where several had begun it is not known which of them it was
    if (claimed.length === 1 && reason !== undefined && !this.isClosed && !this.#ownKills.has(Object(reason))) {
      this.#blame(claimed[0]!.kind, describe(reason))
    }
    for (const job of claimed) this.#replace(job, actor, reason, true)
    if (!this.isClosed) this.#clock.soon(() => this.#placing.dispatch())
  }

  /** A job that had ended has thrown: nobody is hurt, and its actor, whose state is unknown now, is replaced. */
  #onStray (actor: Actor<Job>, job: string | null, wire: WireError): void {
    this.#counters.strays++
    const { slot } = actor
    const error = decodeError(wire)
    if (channels.stray.hasSubscribers) {
      channels.stray.publish({
        pool: this.#options.identity, job, slot: slot.id, tier: slot.tier, error
      } satisfies StrayMessage)
    }
    if (actor.state !== 'open') return
    const kind = job === null ? undefined : this.#kindOf(job)
    if (kind !== undefined) this.#blame(kind, describe(error))
    this.#supplant(actor, `a late error of ${job ?? 'an unknown job'}: ${describe(error)}`, error)
  }

  /** A job has changed what later jobs of its thread build on: none of them begins there. */
  #onMeddled (actor: Actor<Job>, job: string | null, names: readonly string[]): void {
    this.#counters.meddled++
    const { slot, state } = actor
    const text = `after job ${job ?? '(unknown)'} ${listed(names)} was not what it was`
    const news = names.filter((name) => !this.#meddled.has(name))
    for (const name of news) this.#meddled.add(name)
    if (news.length > 0) {
      warn(this.#options.log, `${text}: it was put back, and slot ${slot.id} gets a new thread, whose jobs may change ` +
        'it. What is to be changed is best changed while the module loads, or in a warm-up')
    }
    if (state === 'open') this.#supplant(actor, text, new Error(text))
  }

  /** Nothing more begins on this actor: what waits goes elsewhere, and its slot gets a new thread. */
  #supplant (actor: Actor<Job>, reason: string, error: unknown): void {
    for (const waiting of actor.mailbox!.takeBackMany(Infinity, true)) {
      this.#placing.untie(waiting, actor)
      if (waiting.options.transfer === undefined) this.#placing.putBack(waiting)
      else this.#replace(waiting, actor, error, false)
    }
    this.#crew.replace(actor, reason)
    this.#placing.dispatch()
  }

  /** The replacement of an actor that is recycled is ready: what it has not claimed goes elsewhere, and it ends. */
  onSuccessor (actor: Actor<Job>): void {
    if (this.isClosed || actor.state !== 'open' || actor.successor?.isReady !== true) return
    if (this.#placing.isFreed(actor)) {
      this.#counters.recycled++
      this.#crew.handOver(actor)
    } else {
      this.#clock.after(20, () => this.onSuccessor(actor))
    }
    this.#placing.dispatch()
  }

  /** A run of this job ended its actor. Where that happened too often, those of it that wait are rejected. */
  #blame (kind: Kind, reason: string): void {
    const nowMs = this.#clock.now()
    if (!this.quarantine.note(kind, reason, nowMs)) return
    const held = this.#crew.actors.flatMap(({ mailbox }) => [...mailbox?.jobs() ?? []])
    for (const job of [...this.#placing.queue, ...this.#placing.keyed, ...held]) {
      if (job.kind !== kind || !this.#withdraw(job)) continue
      this.#counters.quarantined++
      const error = this.quarantine.error(kind, nowMs)
      this.fail(job, 'exit', Object.assign(error, { started: job.deaths > 0 }))
    }
  }

  close (): void {
    this.#sweepTimer?.cancel()
    this.#watchdog.close()
  }

  /** Run a job of a dead actor elsewhere where that is right, or reject it. */
  #replace (job: Job, actor: Actor<Job>, reason: unknown, started: boolean): void {
    job.actor = undefined
    if (job.isSettled) return
    const mayRun = job.options.transfer === undefined &&
      (!started || (job.options.idempotent === true && job.deaths++ === 0 &&
        this.#clock.now() >= job.kind.refusedUntilMs))
    if (mayRun) return this.#placing.putBack(job)
    const Exit = isOutOfMemory(reason) ? errors.OUT_OF_MEMORY : errors.ACTOR_EXIT
    const error = new Exit(job.kind.name, actor.slot.id, actor.slot.tier, describe(reason))
    this.fail(job, 'exit', Object.assign(error, { started, cause: reason }), actor)
  }

  /** The bell rang: read the actor's replies, give it work, and wait for the next bell. */
  collect (actor: Actor<Job>): void {
    if (actor.mailbox === undefined) return
    this.#giveFirst(actor.mailbox)
    this.#read(actor)
    if (!this.#isPolling) {
      actor.mailbox.arm()
      this.#read(actor) // a reply written before the bell was asked for
    }
    this.#placing.dispatch()
  }

  /** An actor that has ended its only job gets the next one before its reply is read, which may take a while. */
  #giveFirst (mailbox: Mailbox<Job>): void {
    if (mailbox.depth === 1 && this.#placing.backlog > 0 && mailbox.hasReply) this.#placing.dispatch()
  }

  #read (actor: Actor<Job>): boolean {
    this.#nowMs = this.#clock.now()
    const mailbox = actor.mailbox!
    const busyMs = this.#nowMs - actor.progressAtMs
    const jobsBefore = actor.jobs
    if (mailbox.drain(this.#onReply) === 0) return false
    this.estimate.pace(busyMs, actor.jobs - jobsBefore, jobsBefore === 0)
    const id = this.#halted.get(mailbox)
    if (id !== undefined && mailbox.jobOf(id) === undefined) {
      this.#halted.delete(mailbox)
      mailbox.unhalt()
    }
    this.#placing.settled(actor)
    this.#recycler?.look(actor, this.#nowMs)
    return true
  }

  /**
   * Look for replies for a moment where that has paid lately, instead of waiting for a bell: the bells stay off
   * meanwhile. False: not now, so the bell is to be asked for.
   */
  #poll (nowMs: number, ms: number): boolean {
    if (nowMs + ms > this.#pollUntilMs) this.#pollUntilMs = nowMs + ms
    if (this.#isPolling) return true
    if (!this.#mayPoll || (this.#pollHits < 0.3 && ++this.#pollSkips % 32 !== 0)) return false
    this.#isPolling = true
    if (nowMs < this.#turnUntilMs) this.#clock.withinTurn(this.#onPoll)
    else this.#clock.soon(this.#onTurn)
    return true
  }

  readonly #onTurn = (): void => {
    this.#turnUntilMs = this.#clock.now() + TURN_MS
    this.#onPoll()
  }

  readonly #onPoll = (): void => {
    // a turn of the event loop costs more than the reply takes that is on its way
    const isHit = this.#clock.spin(SPIN_MS, this.#readAll)
    if (isHit) {
      this.#pollHits += (1 - this.#pollHits) / 8
      this.#pollUntilMs = this.#nowMs + POLL_MS
      this.#placing.dispatch()
    }
    if (this.pending > 0 && this.#clock.now() < this.#pollUntilMs) return this.#clock.soon(this.#onTurn)
    this.#isPolling = false
    if (this.pending === 0) return
    this.#pollHits -= this.#pollHits / 8
    // from here on the bells tell: ask for each, then look once more, since a reply may have come before
    for (const actor of this.#crew.actors) if ((actor.mailbox?.depth ?? 0) > 0) this.collect(actor)
  }

  readonly #readAll = (): boolean => {
    let isHit = false
    for (const actor of this.#crew.actors) {
      if (actor.mailbox?.hasReply !== true) continue
      this.#giveFirst(actor.mailbox)
      if (this.#read(actor)) isHit = true
    }
    return isHit
  }

  readonly #onReply = (job: Job, status: number, value: unknown, startedAtMs: number, runMs: number): void => {
    const { actor, kind } = job
    const nowMs = this.#nowMs
    const waitMs = Math.max(0, startedAtMs - job.acceptedAtMs)
    const borderMs = Math.max(0, nowMs - startedAtMs - runMs)
    kind.ran(runMs)
    if (actor !== undefined) {
      kind.times[this.#tierIndex.get(actor.slot.tier)!]!.record(waitMs, runMs, borderMs)
      actor.workMs -= job.workMs
      actor.usedAtMs = actor.progressAtMs = nowMs
      actor.jobs++
    }
    if (--kind.runsToHint === 0) this.#considerHint(kind)
    if (job.isSettled) return // it was cancelled or timed out while it ran
    if (status === OK) {
      this.#settle(job, 'ok', undefined, actor, waitMs, runMs, borderMs)
      job.resolve(value)
    } else {
      this.fail(job, 'error', this.#errorOf(job, status, value), actor, waitMs, runMs, borderMs)
    }
  }

  /** What a reply that is no result says. */
  #errorOf ({ kind: { name }, caller }: Job, status: number, value: unknown): unknown {
    if (status === ERROR) return decodeError(value as WireError, caller?.stack?.replace(/^[^\n]*/, ''))
    if (status === OVERSIZED) return new errors.RESULT_PAYLOAD(name, value, this.#options.maxPayloadBytes)
    return new (status === UNREADABLE ? errors.INPUT_UNCLONEABLE : errors.RESULT_UNCLONEABLE)(name, describe(value))
  }

  /**
   * Does offloading this job pay? Told once for each name: where its last runs took less than a millisecond each and
   * less than what they waited and travelled. A longer job that waits has the load to wait for, and not the border.
   */
  #considerHint (kind: Kind): void {
    kind.runsToHint = HINT_RUNS
    const sum = (of: 'wait' | 'border' | 'run'): number => kind.times.reduce((ms, times) => ms + times[of].sumMs, 0)
    const [waitBefore, borderBefore, runBefore] = kind.lookedAtMs
    kind.lookedAtMs = [sum('wait'), sum('border'), sum('run')]
    const waitMs = (kind.lookedAtMs[0] - waitBefore) / HINT_RUNS
    const borderMs = (kind.lookedAtMs[1] - borderBefore) / HINT_RUNS
    const runMs = (kind.lookedAtMs[2] - runBefore) / HINT_RUNS
    if (runMs >= 1 || waitMs + borderMs <= runMs || this.#placing.backlog > 0) return
    kind.runsToHint = Infinity
    const inUs = (ms: number): string => `${Math.round(ms * 1000)} µs`
    const text = `job ${kind.name}: its last ${HINT_RUNS} runs took ${inUs(runMs)} each, and ` +
      `${inUs(waitMs + borderMs)} more to wait and to travel: on the main thread it would be quicker`
    kind.hint = { job: kind.name, waitMs, borderMs, runMs, text }
    if (channels.hint.hasSubscribers) {
      channels.hint.publish({ pool: this.#options.identity, ...kind.hint } satisfies HintMessage)
    }
  }

  /** Take a job out of the queue or of a mailbox; false when it has started or is settled. */
  #withdraw (job: Job): boolean {
    if (job.isSettled) return false
    if (job.isQueued) {
      this.#placing.remove(job)
      return true
    }
    const { actor } = job
    if (actor?.mailbox?.takeBack(job) !== true) return false
    this.#placing.untie(job, actor)
    this.#placing.settled(actor)
    return true
  }

  /** Kill an actor whose cancelled job still runs; nobody else on it may be hurt, unless nobody could go on. */
  #killIfStuck (actor: Actor<Job>, mailbox: Mailbox<Job>, id: number, reason: Error, blockedMs = 0): void {
    if (actor.mailbox !== mailbox) return
    this.#read(actor)
    if (mailbox.jobOf(id) === undefined) return this.#placing.dispatch() // what was read made room
    // nothing is claimed between the look and the kill: what is in the mailbox after this has begun
    mailbox.halt()
    this.#halted.set(mailbox, id)
    for (const job of mailbox.takeBackMany(Infinity, true)) {
      this.#placing.untie(job, actor)
      this.#placing.putBack(job)
    }
    this.#read(actor)
    const hasEnded = mailbox.jobOf(id) === undefined // then the halt has too
    const isShared = !hasEnded && [...mailbox.jobs()].some((job) => !job.isSettled)
    const { isDeaf, running } = mailbox
    // where another job runs it is not blocked: that one is within its time
    const isBlocked = isShared && isDeaf && running?.isSettled !== false
    if (isShared && !(isBlocked && blockedMs >= (running === undefined ? UNCLEAR_MS : BLOCKED_MS))) {
      // it shares its thread with async jobs of others: it takes no more, and is looked at again
      const laterMs = Math.max(10, this.#options.graceMs)
      // counted by looks: where the whole process was stopped, the actor has to get its turn first
      const nextMs = isBlocked ? blockedMs + laterMs : 0
      this.#clock.after(laterMs, () => this.#killIfStuck(actor, mailbox, id, reason, nextMs))
    } else if (!hasEnded) {
      if (isShared) reason = new Error(`a cancelled job has blocked its event loop for ${blockedMs} ms`)
      this.#counters.kills++
      this.#ownKills.add(reason)
      this.#crew.kill(actor, reason, true)
    }
    this.#placing.dispatch()
  }

  #sweepAt (atMs: number, nowMs: number): void {
    this.#sweepTimer?.cancel()
    this.#sweepAtMs = atMs
    this.#sweepTimer = this.#clock.after(Math.max(1, Math.ceil(atMs - nowMs)), () => this.#sweep())
  }

  /**
   * The run clock of all jobs: one timer, set to when the first of them can be over time at the earliest. A job's
   * time begins when the actor says so in shared memory, so nothing is set or taken off for each job.
   */
  #sweep (): void {
    this.#sweepTimer = undefined
    this.#sweepAtMs = Infinity
    const nowMs = this.#clock.now()
    let nextMs = Infinity
    for (const { mailbox } of this.#crew.actors) {
      for (const job of mailbox?.jobs() ?? []) {
        if (job.isSettled || job.timeoutMs === 0) continue
        const startedAtMs = mailbox!.startedAtMs(job)
        const dueMs = (startedAtMs === 0 ? nowMs : startedAtMs) + job.timeoutMs
        if (dueMs > nowMs + 0.5) nextMs = Math.min(nextMs, dueMs)
        else this.abandon(job, 'timeout', () => new errors.TIMEOUT(job.kind.name, job.timeoutMs))
      }
    }
    if (nextMs < this.#sweepAtMs) this.#sweepAt(nextMs, nowMs)
    this.#placing.dispatch()
  }

  #unlisten (signal: AbortSignal, job: Job): void {
    const entry = this.#signals.get(signal)
    if (entry === undefined) return
    entry.jobs.delete(job)
    if (entry.jobs.size > 0) return
    this.#signals.delete(signal)
    try {
      signal.removeEventListener('abort', entry.listener)
    } catch {} // the method is not Node's; the listener finds no job
  }
}

function listed (names: readonly string[]): string {
  return names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '')
}

function isOutOfMemory (reason: unknown): boolean {
  return (reason as { code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
}

/** The error of a job that its caller cancelled. */
export function cancelled (name: string, phase: string, signal: AbortSignal): Error {
  let cause: unknown
  try {
    cause = signal.reason
  } catch (error) { // a getter of the caller's
    cause = error
  }
  return Object.assign(new errors.CANCELLED(name, phase), { cause })
}
