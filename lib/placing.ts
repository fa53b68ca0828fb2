// Where a job goes: idle actors first, lowest tier first; depth, take-back, the gate's moves. See lib/README.md.
import { channels } from './trace.js'
import { Gate } from './gate.js'
import { IdleSet } from './idle.js'
import { KeyedJobs } from './keys.js'
import { WITH_META } from './mailbox.js'
import { Injector, priorities } from './queue.js'
import type { Clock, Timer } from './clock.js'
import type { GateTier } from './gate.js'
import type { JobMeta } from './jobs.js'
import type { Mailbox } from './mailbox.js'
import type { Load } from './load.js'
import type { Counters } from './metrics.js'
import type { Job } from './pending.js'
import type { Actor, Crew } from './slots.js'
import type { Plan } from './tiers.js'
import type { GateMessage, PoolIdentity } from './trace.js'

/** Work an actor may have waiting before another job is given to it, ms, and with one job ahead; see performance. */
const WINDOW_MS = 0.3
const SECOND_MS = 1
const WINDOW_JOBS = 256
/** An actor of short jobs that has settled nothing for so long gets no more, and loses those it has not claimed, ms. */
const SLOW_MS = 1
/** The level of most jobs: those below it are overtaken by them. */
const NORMAL = priorities.indexOf('normal')
/** Share of the longest wait, and most of it, ms, that is left to an actor to begin a job in; chosen. */
const BEGIN_SHARE = 0.01
const MOST_BEGIN_MS = 20
/** Rounds of giving in one dispatch: each tier opens once, and a mailbox that has no room is tried again; chosen. */
const PASSES = 4

/** What placing is told to do; the rest is fixed above. */
export interface PlacingOptions {
  readonly metric: 'demand' | 'running'
  readonly closeDelayMs: number
  readonly ageMs: number
  readonly maxQueueWaitMs: number
  readonly asyncPerActor: number
  readonly identity: PoolIdentity
}

/** Called back by placing; settling's side. */
export interface PlacingEvents {
  /** a job is in an actor's mailbox */
  given (job: Job, actor: Actor<Job>, nowMs: number, wasIdle: boolean): void
  /** structured clone refused the job's input */
  unsendable (job: Job, error: unknown): void
  /** replies lie there, and the actor runs something longer that it does not ring before */
  unread (actor: Actor<Job>): void
  /** every actor of the lowest tier has failed, so the job's key has no home */
  homeless (job: Job): void
  /** a job has waited for as long as it may */
  overdue (job: Job): void
}

/** The jobs that wait, the gate, and who may hold what. */
export class Placing {
  readonly queue: Injector<Job>
  readonly keyed: KeyedJobs
  readonly gate: Gate
  readonly #plan: Plan
  readonly #options: PlacingOptions
  readonly #clock: Clock
  readonly #load: Load
  readonly #crew: Crew<Job>
  readonly #counters: Counters
  readonly #events: PlacingEvents
  readonly #actors: readonly Actor<Job>[]
  readonly #idle: IdleSet
  /** without jobs, and not idle: they have jobs that were taken back to pass first */
  readonly #behind = new Set<Actor<Job>>()
  readonly #lowest: number
  /** slots in open tiers; they come first */
  #openSlots = 0
  #seenActive = 0
  #seenBacklog = 0
  #gateTimer: Timer | undefined
  #slowTimer: Timer | undefined
  /** what an actor may need to begin a job that it is given, ms */
  readonly beginMs: number
  /** longest wait of a job before it is given, ms */
  readonly #longestMs: number
  /** when the newest of those that wait was accepted */
  #newestAtMs = 0
  /** when the first of those that have not begun has waited for too long, at the earliest */
  #overdueAtMs = Infinity
  #overdueTimer: Timer | undefined

  constructor (plan: Plan, options: PlacingOptions, clock: Clock, load: Load, crew: Crew<Job>, counters: Counters,
    events: PlacingEvents) {
    this.#plan = plan
    this.#options = options
    this.#clock = clock
    this.#load = load
    this.#crew = crew
    this.#counters = counters
    this.#events = events
    this.#actors = crew.actors
    this.#lowest = plan.tiers[0]!.tier
    this.#idle = new IdleSet(this.#actors.length)
    this.queue = new Injector(options.ageMs)
    this.keyed = new KeyedJobs(this.#actors.slice(0, plan.tiers[0]!.slots.length))
    this.gate = new Gate(gateTiers(plan), options.closeDelayMs)
    this.beginMs = Math.min(MOST_BEGIN_MS, options.maxQueueWaitMs * BEGIN_SHARE)
    this.#longestMs = options.maxQueueWaitMs === 0 ? Infinity : options.maxQueueWaitMs - this.beginMs
    this.#followGate()
  }

  /** Jobs that no actor has. */
  get backlog (): number { return this.queue.length + this.keyed.length }

  /** Actors that may be given jobs. */
  get openActors (): number {
    let count = 0
    for (let slot = 0; slot < this.#openSlots; slot++) if (this.#actors[slot]!.state === 'open') count++
    return count
  }

  /** How many wait ahead of a new job, and how many actors it shares with them; undefined: one without a key. */
  lineOf (job: Job | undefined): readonly [waiting: number, actors: number] {
    if (job?.isKeyed !== true) return [this.backlog, this.openActors]
    const home = this.keyed.homeOf(job.options.key!)
    return [home === undefined ? 0 : this.keyed.waitingFor(home), 1]
  }

  /** Longest that those which wait now will wait on, ms: then whoever is left is dropped. */
  leftMs (nowMs: number): number { return Math.max(0, this.#newestAtMs + this.#longestMs - nowMs) }

  /** Actors that could start a job now: none while jobs wait here. */
  get idleActors (): number {
    if (this.backlog > 0) return 0
    return this.#actors.filter((actor) => actor.state === 'closed' || isIdle(actor)).length
  }

  /** An actor that may have a new job now, ahead of nobody: undefined where it must wait. */
  actorFor (job: Job): Actor<Job> | undefined {
    if (!job.isKeyed) return this.queue.length > 0 ? undefined : this.#pick(job, job.acceptedAtMs)
    const home = this.keyed.homeOf(job.options.key!)
    return home !== undefined && isIdle(home) && this.keyed.peek(home) === undefined ? home : undefined
  }

  /** Let a new job wait. */
  enqueue (job: Job): void {
    this.#newestAtMs = job.acceptedAtMs
    if (job.isKeyed) return this.putBack(job)
    this.queue.push(job)
    this.#bound(job)
  }

  /** Let a job wait again, ahead of those accepted after it. */
  putBack (job: Job): void {
    if (!job.isKeyed) this.queue.putBack(job)
    else if (!this.keyed.push(job)) return this.#events.homeless(job)
    this.#bound(job)
  }

  /** Take a job out of what waits. */
  remove (job: Job): void {
    if (job.isKeyed) this.keyed.remove(job)
    else this.queue.remove(job)
  }

  /** Put a job into an actor's mailbox; let it wait where there is no room. */
  give (job: Job, actor: Actor<Job>, nowMs: number): boolean {
    const mailbox = actor.mailbox!
    const wasIdle = mailbox.depth === 0
    // one that was woken and has not looked yet has made no progress since
    const wasAwaiting = this.#isAwaiting(actor, nowMs) && !mailbox.isWaking
    const { kind } = job
    const aheadMs = wasAwaiting || mailbox.depth !== 1 ? 0 : actor.workMs
    try {
      const meta = job.spans === undefined ? job.meta : tracedMeta(job, actor, nowMs)
      const isGiven = meta === undefined
        ? mailbox.give(job, kind.index, job.input, job.options.transfer)
        : mailbox.give(job, kind.index | WITH_META, { input: job.input, meta }, job.options.transfer)
      if (!isGiven) {
        this.putBack(job)
        this.settled(actor)
        return false
      }
    } catch (error) {
      this.#events.unsendable(job, error)
      return true
    }
    if (wasIdle) this.#idle.remove(actor.slot.id)
    else {
      actor.patienceMs = aheadMs < SECOND_MS ? SLOW_MS : 2 * aheadMs
      this.#armSlowTimer() // what is ahead may turn out to be longer
    }
    if (wasIdle || wasAwaiting) actor.progressAtMs = nowMs
    if (this.#options.metric === 'demand') this.#load.enter(actor.slot.id)
    job.actor = actor
    job.workMs = Number.isNaN(kind.meanMs) ? SECOND_MS : kind.meanMs
    actor.workMs += job.workMs
    this.#bound(job)
    this.#events.given(job, actor, nowMs, wasIdle)
    return true
  }

  /** A job has left an actor's mailbox without a reply. */
  untie (job: Job, actor: Actor<Job>): void {
    actor.workMs -= job.workMs
    job.actor = undefined
    if (job.spans !== undefined) job.spans.takenBack()
  }

  /** To be called when jobs may have left an actor's mailbox, and when the actor changed its state. */
  settled (actor: Actor<Job>): void {
    const isEmpty = (actor.mailbox?.depth ?? 0) === 0
    const mayIdle = isEmpty && actor.state === 'open'
    // one look: between two the actor may catch up, and would count as neither
    const isBehind = mayIdle && actor.mailbox!.isBehind
    if (this.#behind.size > 0) this.#behind.delete(actor)
    if (mayIdle && !isBehind) this.#idle.add(actor.slot.id)
    else this.#idle.remove(actor.slot.id)
    if (!isEmpty) return
    if (isBehind) this.#waitFor(actor)
    actor.workMs = 0
    if (this.#options.metric === 'demand') this.#load.leave(actor.slot.id)
  }

  /** It idles when it has passed what was taken back: nobody tells. */
  #waitFor (actor: Actor<Job>): void {
    this.#behind.add(actor)
    this.#armSlowTimer()
  }

  /** Those that have caught up idle again. */
  #lookAtBehind (): void {
    for (const actor of [...this.#behind]) if (actor.mailbox?.isBehind !== true) this.settled(actor)
  }

  /** Let the gate look at the load; act on what it opened or closed. */
  look (nowMs: number): void {
    const backlog = this.queue.length
    const { active } = this.#load
    if (active === this.#seenActive && backlog === this.#seenBacklog && this.gate.closesAtMs === Infinity) return
    this.#seenActive = active
    if (backlog !== this.#seenBacklog) this.#load.backlog = this.#seenBacklog = backlog
    if (this.#plan.tiers.length === 1) return
    const hasChanged = this.gate.update(active, backlog, nowMs)
    if (hasChanged) {
      const { openTier } = this.gate
      if (channels.gate.hasSubscribers) {
        channels.gate.publish({ pool: this.#options.identity, openTier, active, backlog } satisfies GateMessage)
      }
    }
    if (hasChanged) this.#followGate()
    this.#openActorsAhead(active, backlog)
    const { closesAtMs } = this.gate
    if (closesAtMs !== Infinity && this.#gateTimer === undefined) {
      this.#gateTimer = this.#clock.after(Math.max(1, Math.ceil(closesAtMs - nowMs)), () => {
        this.#gateTimer = undefined
        this.dispatch()
      })
    }
    // jobs of a tier that closed wait now: others may have room for them, or they are more than others have slots
    if (this.#seenBacklog === -1) this.#clock.soon(() => this.dispatch())
  }

  /** Give waiting jobs to actors that may hold them; then let idle actors take over work. */
  dispatch (): void {
    const nowMs = this.#clock.now()
    if (nowMs >= this.#overdueAtMs) this.#dropOverdue(nowMs)
    this.#revokeFromSlow(nowMs)
    if (this.keyed.length > 0) {
      if (this.#behind.size > 0) this.#lookAtBehind()
      for (const actor of this.keyed.actors()) this.#rehome(actor)
      for (const actor of this.keyed.actors()) this.#giveKeyed(actor, nowMs)
      this.look(nowMs)
    }
    let given = 0
    let passes = 0
    let openSlots
    do {
      openSlots = this.#openSlots
      for (;;) {
        const job = this.queue.peek()
        const actor = job === undefined ? undefined : this.#pick(job, nowMs)
        if (actor === undefined) break
        this.queue.shift()
        if (!this.give(job!, actor, nowMs)) break // others may have room: in the next round
        given++
        // the gate sees each actor that became active: the next job may go to a tier that opened
        this.look(nowMs)
      }
      if (this.queue.length === 0) this.#rebalance(nowMs)
      else if (given === 0) this.#armSlowTimer()
      this.look(nowMs)
      // a tier that opens for the backlog may have actors that idle already, or run short jobs and have room
    } while (this.queue.length > 0 && (this.#openSlots > openSlots || this.#idle.first(this.#openSlots) >= 0) &&
      ++passes < PASSES)
  }

  /** The plan is another one, in the same slots: the gate follows it, and jobs are placed anew. */
  replan (plan: Plan): void {
    this.gate.replan(gateTiers(plan))
    this.#seenActive = -1 // so that the gate looks
    this.#followGate()
    this.look(this.#clock.now())
    this.dispatch()
  }

  close (): void {
    this.#gateTimer?.cancel()
    this.#slowTimer?.cancel()
    this.#overdueTimer?.cancel()
    this.#overdueAtMs = Infinity
  }

  /** When a job has waited for as long as it may: the wait at the door is that of its priority or a higher one. */
  #latestMs ({ acceptedAtMs, level, isKeyed }: Job): number {
    return acceptedAtMs + this.#longestMs + (isKeyed ? 0 : Math.max(0, level - NORMAL) * this.#options.ageMs)
  }

  /** This job has not begun: one timer is set to when the first of all is overdue. */
  #bound (job: Job): void {
    const latestMs = this.#latestMs(job)
    if (latestMs >= this.#overdueAtMs) return
    this.#overdueAtMs = latestMs
    this.#overdueTimer?.cancel()
    const waitMs = Math.max(1, Math.ceil(latestMs - this.#clock.now()))
    this.#overdueTimer = this.#clock.after(waitMs, () => this.#dropOverdue(this.#clock.now()))
  }

  #dropOverdue (nowMs: number): void {
    this.#overdueAtMs = Infinity
    const overdue: Job[] = []
    for (const line of [...this.queue.lines(), ...this.keyed.lines()]) {
      for (const job of line) {
        if (this.#isOverdue(job, nowMs)) overdue.push(job)
        else break
      }
    }
    for (const { mailbox } of this.#actors) {
      for (const job of mailbox?.jobs() ?? []) {
        if (mailbox!.startedAtMs(job) === 0 && this.#isOverdue(job, nowMs)) overdue.push(job)
      }
    }
    // each may have others given, and taken back
    for (const job of overdue) this.#events.overdue(job)
  }

  #isOverdue (job: Job, nowMs: number): boolean {
    if (this.#latestMs(job) <= nowMs + 0.5) return true
    this.#bound(job)
    return false
  }

  /** Idle actors first, lowest tier first; then the one with the least work among those that may hold another. */
  #pick (job: Job, nowMs: number): Actor<Job> | undefined {
    if (this.#behind.size > 0) this.#lookAtBehind()
    const idle = this.#idle.first(this.#openSlots)
    if (idle >= 0) return this.#actors[idle]
    if (job.options.transfer !== undefined) return this.#doneActor()
    let best: Actor<Job> | undefined
    let bestMs = Infinity
    for (let slot = 0; slot < this.#openSlots; slot++) {
      const actor = this.#actors[slot]!
      if (actor.state === 'open' && actor.workMs < bestMs && this.#hasRoom(actor, job, nowMs)) {
        best = actor
        bestMs = actor.workMs
      }
    }
    return best ?? this.#doneActor()
  }

  /** May an actor that has jobs be given another? Depth is earned by short jobs, or by waiting for what jobs await. */
  #hasRoom (actor: Actor<Job>, job: Job, nowMs: number): boolean {
    const { depth, isHalted } = actor.mailbox!
    if (isHalted || depth === 0) return false // one without jobs idles, or has to catch up first
    if (this.#isAwaiting(actor, nowMs)) return true
    if (nowMs - actor.progressAtMs <= SLOW_MS &&
      ((depth === 1 && actor.workMs < SECOND_MS) || (depth < WINDOW_JOBS && actor.workMs <= WINDOW_MS))) return true
    return depth === 1 && this.#mayFollow(actor, job, nowMs)
  }

  /**
   * May the job wait behind the long one that an actor runs, so that the actor need not wait for the host between them?
   * Where it is known when that one ends, and no other actor could be had.
   */
  #mayFollow (actor: Actor<Job>, { kind }: Job, nowMs: number): boolean {
    return kind.isSteady && this.gate.nextTier === undefined && this.keyed.peek(actor) === undefined &&
      nowMs - actor.progressAtMs <= 2 * actor.workMs && actor.mailbox!.running?.kind.isSteady === true
  }

  /** All that it has begun is async and waits, and it may begin another: not where its event loop does not turn. */
  #isAwaiting ({ mailbox, progressAtMs }: Actor<Job>, nowMs: number): boolean {
    const { asyncPerActor } = this.#options
    return asyncPerActor > 1 && mailbox!.depth > 0 && mailbox!.depth < asyncPerActor && mailbox!.isInLoop &&
      (!mailbox!.isWaking || nowMs - progressAtMs <= SLOW_MS)
  }

  /** An actor that has ended its only job, whose reply is not read yet: it idles as well. */
  #doneActor (): Actor<Job> | undefined {
    for (let slot = 0; slot < this.#openSlots; slot++) {
      const actor = this.#actors[slot]!
      if (actor.state === 'open' && isDone(actor.mailbox!)) return actor
    }
    return undefined
  }

  /** The keys of an actor that has failed, or whose slot is empty, have a new home. */
  #rehome (actor: Actor<Job>): void {
    if (actor.state !== 'failed' && actor.state !== 'vacant') return
    for (const job of this.keyed.takeAll(actor)) this.putBack(job)
  }

  #giveKeyed (actor: Actor<Job>, nowMs: number): void {
    for (;;) {
      const job = this.keyed.peek(actor)
      if (job === undefined || actor.state !== 'open') return
      if (this.#behind.has(actor)) return
      const { mailbox } = actor
      if (mailbox!.depth > 0 && !isDone(mailbox!) &&
        (job.options.transfer !== undefined || !this.#hasRoom(actor, job, nowMs))) return
      this.keyed.shift(actor)
      if (!this.give(job, actor, nowMs)) return
    }
  }

  /** An idle actor takes half of what waits in the fullest mailbox. */
  #rebalance (nowMs: number): void {
    let fullest: Actor<Job> | undefined
    for (let slot = 0; slot < this.#openSlots; slot++) {
      const actor = this.#actors[slot]!
      if (actor.state === 'open' && actor.mailbox!.depth > 1 && actor.workMs > (fullest?.workMs ?? 0.1)) fullest = actor
    }
    if (fullest === undefined) return
    if (this.#behind.size > 0) this.#lookAtBehind()
    const idle = this.#idle.first(this.#openSlots)
    if (idle < 0) return
    for (const job of fullest.mailbox!.takeBackMany(Math.ceil((fullest.mailbox!.depth - 1) / 2))) {
      this.untie(job, fullest)
      this.#counters.takenBack++
      this.give(job, this.#actors[idle]!, nowMs)
    }
  }

  /**
   * Jobs behind one that runs long go back to the injector, where the first free actor gets them. An actor that has
   * begun none keeps the first: it does not idle, and would be given all of them again.
   */
  #revokeFromSlow (nowMs: number): void {
    for (let slot = 0; slot < this.#openSlots; slot++) {
      const actor = this.#actors[slot]!
      if (nowMs - actor.progressAtMs > actor.patienceMs && actor.mailbox !== undefined && actor.mailbox.depth > 1 &&
        !actor.mailbox.hasReply) this.takeBackAll(actor, actor.mailbox.depth - 1)
    }
  }

  /** What an actor has not claimed goes back to the injector, up to so many jobs. */
  takeBackAll (actor: Actor<Job>, limit = Infinity): void {
    for (const job of actor.mailbox?.takeBackMany(limit) ?? []) {
      this.untie(job, actor)
      this.#counters.takenBack++
      this.putBack(job)
    }
    this.settled(actor)
  }

  /** Take back what an actor that is to end has not claimed. False: a job is left that can go nowhere else. */
  isFreed (actor: Actor<Job>): boolean {
    this.takeBackAll(actor)
    return actor.state !== 'open' || !holdsMoved(actor)
  }

  #armSlowTimer (): void {
    this.#slowTimer ??= this.#clock.after(SLOW_MS * 2, () => {
      this.#slowTimer = undefined
      // a short job does not ring where another follows it
      for (const actor of this.#actors) if (actor.mailbox?.hasReply === true) this.#events.unread(actor)
      if (this.#load.openTier !== this.gate.openTier) this.#followGate()
      // nobody tells that an actor's jobs all await something now, or that it has passed what was taken back
      const behind = this.#behind.size
      this.#lookAtBehind()
      let isWatched = this.#actors.some(({ mailbox }) => (mailbox?.depth ?? 0) > 1)
      for (const { slot, mailbox } of this.#behind) {
        if (slot.id >= this.#openSlots) continue // it looks when its tier opens
        mailbox!.wake()
        isWatched = true
      }
      const isWaiting = this.queue.length > 0 &&
        (this.#options.asyncPerActor > 1 || this.#idle.first(this.#openSlots) >= 0)
      if (isWatched) this.#armSlowTimer()
      if (isWaiting || isWatched || this.#behind.size < behind) this.dispatch()
    })
  }

  /** Tell the actors which tiers are open; what a closed tier had not claimed is taken back. */
  #followGate (): void {
    const { openTier } = this.gate
    this.#openSlots = 0
    for (const { tier, slots } of this.#plan.tiers) if (tier <= openTier) this.#openSlots += slots.length
    const closed = this.#actors.slice(this.#openSlots)
    // a job whose buffers were moved cannot go elsewhere: its actor may still take it
    const ahead = closed.filter(holdsMoved).at(-1)
    this.#load.openTier = ahead?.slot.tier ?? openTier
    if (ahead !== undefined || this.#behind.size > 0) this.#armSlowTimer()
    for (const actor of closed) this.takeBackAll(actor)
    // what was taken back waits; the gate looks at it
    if (this.queue.length === this.#seenBacklog) return
    this.#load.backlog = this.queue.length
    this.#seenBacklog = -1
  }

  /** Start threads of open tiers that have none: one for each waiting job, one ahead where the next tier is near. */
  #openActorsAhead (active: number, backlog: number): void {
    const { openTier } = this.gate
    const near = active > 0 && active >= this.gate.nextThreshold ? this.gate.nextTier : undefined
    if (openTier === this.#lowest && near === undefined) return
    let wanted = Math.max(backlog, 1)
    for (const actor of this.#actors) {
      const { tier } = actor.slot
      if (tier === this.#lowest) continue
      if (tier > openTier && tier !== near) continue
      if (tier === near) wanted = Math.min(wanted, 1)
      if (wanted <= 0) break
      if (actor.state === 'closed' && !this.#crew.isRestarting(actor)) {
        this.#crew.open(actor).catch(() => {}) // its end is reported by gone()
        wanted--
      } else if (actor.state === 'opening' || isIdle(actor)) {
        wanted--
      }
    }
  }
}

/** It has no jobs, and looks for them. */
function isIdle ({ state, mailbox }: Actor<Job>): boolean {
  return state === 'open' && mailbox!.depth === 0 && !mailbox!.isBehind
}

/** Its actor idles, and its reply is not read. A halted one would count as idle with what it is given until then. */
function isDone ({ depth, hasReply, isHalted }: Mailbox<Job>): boolean {
  return depth === 1 && hasReply && !isHalted
}

/** Has it a job to begin whose buffers were moved? */
function holdsMoved ({ mailbox }: Actor<Job>): boolean {
  return mailbox !== undefined && [...mailbox.jobs()].some((job) =>
    job.options.transfer !== undefined && mailbox.startedAtMs(job) === 0)
}

/** The tiers that have slots. */
function gateTiers ({ tiers }: Plan): GateTier[] {
  return tiers.filter(({ slots }) => slots.length > 0)
    .map(({ tier, threshold, slots }) => ({ tier, threshold, size: slots.length }))
}

/** What is sent beside the input where tracing is on: the span of this run as the parent of others. */
function tracedMeta (job: Job, { slot }: Actor<Job>, nowMs: number): JobMeta {
  return { ...job.meta, trace: job.spans!.given(slot.id, slot.tier, nowMs) }
}
