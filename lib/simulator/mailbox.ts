// A mailbox with its actor under virtual time: the steps of mailbox.ts and actor.ts that the other side can see.
import { ERROR, OK, UNSEEN, UNSENDABLE, WITH_META } from '../mailbox.js'
import type { FromActor, Tell } from '../jobs.js'
import type { Load } from '../load.js'
import type { Held, Mailbox, OnReply } from '../mailbox.js'
import type { VirtualClock } from './clock.js'

/** What a simulated job does; it is the job's input. */
export interface SimulatedJob {
  readonly runMs: number
  /** `never`: it runs until it is told to end, or killed; `exit`: its thread dies after `runMs` @default 'ok' */
  readonly ends?: 'ok' | 'error' | 'unsendable' | 'never' | 'exit'
  readonly isAsync?: boolean
  /** ends when its context says that it is cancelled */
  readonly obeys?: boolean
  /** structured clone refuses it as an input */
  readonly isUncloneable?: boolean
  /** so long after its end something it left behind throws; `job` is whose fault the actor says it is */
  readonly stray?: { readonly afterMs: number, readonly job: string | null } | undefined
  /** it leaves something behind that blocks its actor's event loop for ever */
  readonly blocks?: boolean
}

/** What everything takes, ms, and who looks on. */
export interface World {
  readonly clock: VirtualClock
  readonly jobs: readonly string[]
  /** jobs that a mailbox has room for */
  readonly places: number
  /** jobs taken back and not passed from which on an actor is behind @default as in mailbox.ts */
  readonly unseen?: number
  /** from the opening of a slot until its actor is ready */
  bootMs (): number
  /** does this one die while it opens? */
  bootDies (): boolean
  /** between two steps of an actor */
  stepMs (): number
  /** from a wake-up until the actor looks */
  wakeMs (): number
  /** from the bell until the host reads it */
  bellMs (): number
  /** from the end of a thread until it is known to have ended */
  endMs (): number
  /** from then until it has exited: long inside native code */
  exitMs (): number
  /** from the order to end a thread until it runs no more */
  lingerMs (): number
  /** from the order to end a thread until the pool is told of its end @default 0 */
  toldMs? (): number
  /** before and after the host touches shared memory: it may lose its cpu there */
  preempt? (): void
  /** before the host reads or swaps a word that the actor writes: it may have gone on since the last look */
  glance? (mailbox: object): void
  readonly watch?: Watch
}

/** Told of each step of a job. */
export interface Watch {
  given (job: Held, slot: number, isGiven: boolean): void
  claimed (job: Held, slot: number): void
  started (job: Held, slot: number): void
  replied (job: Held, slot: number): void
  /** the host has read the reply */
  read (job: Held, slot: number, runMs: number): void
  /** the function of a broadcast was called with this; false: it throws */
  heard (mailbox: object, message: Pick<Tell, 'job' | 'value'>): boolean
  /** its end was told, and it has not exited yet */
  lingers (slot: number, isSo: boolean): void
}

const QUEUED = 0
const TAKEN = 1
const REVOKED = 2

interface Entry<T> {
  readonly id: number
  readonly job: T
  readonly does: SimulatedJob
  state: number
  startedAtMs: number
  isCancelled: boolean
  doneAtMs: number | undefined
  isDone: boolean
}

interface Reply<T> { readonly entry: Entry<T>, readonly status: number }

/** What the actor is told of its slot and options. */
export interface Post {
  readonly slot: number
  readonly tier: number
  readonly metric: 'demand' | 'running'
  readonly asyncPerActor: number
}

/** Results of shorter runs are rung for when the actor has nothing more to take; as in actor.ts, ms. */
const RING_MS = 0.05

/** Both ends of one mailbox and the actor between them, for one life of the actor. */
export class SimulatedMailbox<T extends Held> implements Mailbox<T> {
  readonly #world: World
  readonly #post: Post
  readonly #load: Load
  readonly #onMessage: (message: FromActor) => void
  readonly #onEnd: (reason: unknown) => void
  /** by id, in the order given */
  readonly #held = new Map<number, Entry<T>>()
  #jobs: readonly T[] | undefined
  /** of them, those that have not been replied to */
  unfinished = 0
  #requests: Entry<T>[] = []
  #replies: Reply<T>[] = []
  #nextId = 1
  /** jobs taken back that the actor may not have passed, the last of them, and how far it has come: ids */
  #unseen = 0
  #unseenId = 0
  #passed = 0
  #isArmed = false
  isHalted = false
  #isStopped = false
  #isClosed = false
  /** messages to the host, and to the actor */
  #sent: FromActor[] = []
  #news: Tell[] = []
  // the actor's own
  isTainted = false
  isBlocked = false
  /** ready, and not told to begin: it replaces another */
  #isWaiting = false
  #isAsleep = false
  #isWaking = false
  #isBusy = true
  #isScheduled = false
  #isUnrung = false
  #hasEnded = false
  #pending = 0
  #running: Entry<T> | undefined
  /** a job was cancelled while the synchronous part of one blocked the event loop */
  #isDeaf = false

  constructor (world: World, post: Post, load: Load, onMessage: (message: FromActor) => void,
    onEnd: (reason: unknown) => void) {
    this.#world = world
    this.#post = post
    this.#load = load
    this.#onMessage = onMessage
    this.#onEnd = onEnd
  }

  get depth (): number { return this.#held.size }
  get hasReply (): boolean {
    if (this.#replies.length === 0) this.#world.glance?.(this)
    return this.#replies.length > 0
  }

  get isWaking (): boolean {
    this.#world.glance?.(this)
    return this.#isWaking
  }

  get isInLoop (): boolean {
    this.#world.glance?.(this)
    return this.#isAsleep || this.#isWaking
  }

  get news (): number {
    this.#world.glance?.(this)
    return this.#news[0]?.seq ?? 0
  }

  get isBehind (): boolean {
    if (this.#unseen < (this.#world.unseen ?? UNSEEN)) return false
    this.#world.glance?.(this)
    return this.#passed < this.#unseenId
  }

  get passed (): number {
    this.#world.glance?.(this)
    return this.#passed
  }

  get isDeaf (): boolean {
    this.#world.glance?.(this)
    return this.#isDeaf
  }

  get running (): T | undefined {
    this.#world.glance?.(this)
    return this.#running && this.jobOf(this.#running.id)
  }

  /** What `jobs()` gives, for who looks after each step; it stays as it is when the mailbox changes. */
  get held (): readonly T[] {
    this.#jobs ??= Array.from(this.#held.values(), ({ job }) => job)
    return this.#jobs
  }

  get hasEnded (): boolean { return this.#hasEnded }
  isClaimed (job: T): boolean { return this.#held.get(job.id)?.state === TAKEN }

  give (job: T, meta: number, value: unknown, _transfer: readonly unknown[] | undefined): boolean {
    const does = ((meta & WITH_META) === 0 ? value : (value as { input: unknown }).input) as SimulatedJob
    if (does.isUncloneable === true) throw new TypeError('could not be cloned')
    const isGiven = this.#held.size < this.#world.places
    this.#world.watch?.given(job, this.#post.slot, isGiven)
    if (!isGiven) return false
    const id = this.#nextId++
    const entry = {
      id, job, does, state: QUEUED, startedAtMs: 0, isCancelled: false, isDone: false, doneAtMs: undefined
    }
    job.id = job.position = id
    this.#held.set(id, entry)
    this.#jobs = undefined
    this.unfinished++
    this.#requests.push(entry)
    this.wake()
    this.#world.preempt?.()
    return true
  }

  wake (): void {
    this.#world.glance?.(this)
    if (!this.#isAsleep) return
    this.#isAsleep = false
    this.#isWaking = true
    this.#schedule(this.#world.wakeMs())
  }

  takeBack (job: T): boolean {
    this.#world.preempt?.()
    this.#world.glance?.(this)
    const entry = this.#held.get(job.id)
    if (entry?.job !== job || !this.swap(entry, QUEUED, REVOKED)) return false
    if (this.#passed >= this.#unseenId) this.#unseen = 0
    this.#unseen++
    this.#unseenId = Math.max(this.#unseenId, entry.id)
    this.#release(entry)
    return true
  }

  takeBackMany (limit: number, all = false): T[] {
    const taken: T[] = []
    for (const { job } of [...this.#held.values()].reverse()) {
      if (taken.length >= limit) break
      if (!all && !job.isMovable) continue
      if (!this.takeBack(job)) break
      taken.push(job)
    }
    return taken.reverse()
  }

  * jobs (): Generator<T> {
    for (const { job } of this.#held.values()) yield job
  }

  clear (): void {
    for (const entry of this.#held.values()) this.#release(entry)
  }

  startedAtMs (job: T): number {
    this.#world.glance?.(this)
    const entry = this.#held.get(job.id)
    return entry?.job === job ? entry.startedAtMs : 0
  }

  cancel (job: T): void {
    const entry = this.#held.get(job.id)
    if (entry?.job !== job) return
    entry.isCancelled = true
    if (this.#running !== undefined) this.#isDeaf = true
    if (entry.startedAtMs === 0 || entry.does.obeys !== true) return
    this.#in(this.#world.stepMs(), () => this.#reply(entry, ERROR))
  }

  jobOf (id: number): T | undefined { return this.#held.get(id)?.job }

  drain (onReply: OnReply<T>): number {
    this.#world.preempt?.()
    let count = 0
    while (this.hasReply) {
      count++
      const { entry, status } = this.#replies.shift()!
      if (this.#held.get(entry.id) !== entry) continue
      this.#release(entry)
      this.#world.watch?.read(entry.job, this.#post.slot, this.#runMs(entry))
      const value = status === ERROR ? { value: 'failed' } : undefined
      onReply(entry.job, status, value, entry.startedAtMs, this.#runMs(entry))
    }
    return count
  }

  /** Late errors and the answers to broadcasts; log records are not simulated. */
  readMessages (): void {
    for (const message of this.#sent.splice(0)) this.#onMessage(message)
  }

  arm (): void {
    this.#world.preempt?.()
    this.#world.glance?.(this)
    this.#isArmed = true
  }

  /** Read before the next job, or in the event loop of an actor that runs none. */
  tell (message: Tell): void {
    this.#news.push(message)
    this.wake()
    this.#in(this.#world.wakeMs(), () => { if (!this.#isBusy || this.#isWaiting) this.#readNews() })
  }

  halt (): void {
    this.isHalted = true
    this.#world.preempt?.()
  }

  unhalt (): void {
    this.isHalted = false
    this.wake()
  }

  stop (): void {
    this.#isStopped = true
    this.wake()
  }

  close (): void { this.#isClosed = true }

  /** The actor is ready, and waits for the end of the one before it. */
  wait (): void {
    this.#isWaiting = true
    this.#readNews()
  }

  /** The actor is ready: let it look for work. */
  begin (): void {
    this.#isBusy = this.#isWaiting = false
    this.#schedule(this.#world.stepMs())
  }

  /** The thread ends now, whatever it does; that is known a little later. */
  end (reason: unknown): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#world.clock.host(this.#world.endMs(), () => this.#onEnd(reason))
  }

  /** The one word that host and actor both swap; what is not as expected was swapped by the other. */
  swap (entry: { state: number }, from: number, to: number): boolean {
    if (entry.state !== from) return false
    entry.state = to
    return true
  }

  #release (entry: Entry<T>): void {
    this.#held.delete(entry.id)
    this.#jobs = undefined
    if (!entry.isDone) this.unfinished--
    entry.job.id = 0
  }

  #runMs (entry: Entry<T>): number {
    return entry.doneAtMs === undefined ? entry.does.runMs : entry.doneAtMs - entry.startedAtMs
  }

  /** A step of the actor; there is none after its end. */
  #in (ms: number, step: () => void): void {
    this.#world.clock.actor(ms, () => { if (!this.#hasEnded) step() }, this)
  }

  #schedule (ms: number): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#in(ms, () => this.#pump())
  }

  get #mayTake (): boolean {
    return this.#post.tier <= this.#load.openTier && !this.isHalted && !this.isTainted &&
      this.#pending < this.#post.asyncPerActor
  }

  #pump (): void {
    this.#isScheduled = this.#isWaking = false
    if (this.#isBusy || this.isBlocked) return // the job that runs pumps again
    this.#readNews()
    if (this.#isStopped) return this.#stop()
    if (this.#mayTake) {
      let entry = this.#next()
      while (entry !== undefined && !this.swap(entry, QUEUED, TAKEN)) entry = this.#next()
      if (entry !== undefined) return this.#claim(entry)
    }
    this.#ring()
    if (this.#pending >= this.#post.asyncPerActor) return // a settled job pumps again
    if (this.#pending === 0 && this.#load.backlog === 0) this.#load.leave(this.#post.slot)
    this.#isAsleep = true
  }

  #next (): Entry<T> | undefined {
    const entry = this.#requests.shift()
    if (entry !== undefined) this.#passed = entry.id
    return entry
  }

  /** Claiming and starting are two steps: the host may look between them. */
  #claim (entry: Entry<T>): void {
    this.#isBusy = true
    this.#world.watch?.claimed(entry.job, this.#post.slot)
    this.#in(this.#world.stepMs(), () => this.#start(entry))
  }

  #start (entry: Entry<T>): void {
    const { runMs, ends, isAsync, obeys } = entry.does
    this.#load.enter(this.#post.slot)
    entry.startedAtMs = this.#world.clock.now()
    this.#world.watch?.started(entry.job, this.#post.slot)
    if (isAsync === true) {
      this.#pending++
      this.#isBusy = false
      this.#schedule(this.#world.stepMs())
    } else {
      this.#running = entry
    }
    if (entry.isCancelled && obeys === true) this.#reply(entry, ERROR)
    else if (ends === 'exit') this.#in(runMs, () => this.end(new Error('exited')))
    else if (ends !== 'never') {
      const status = ends === 'error' ? ERROR : ends === 'unsendable' ? UNSENDABLE : OK
      this.#in(runMs, () => this.#reply(entry, status))
    }
  }

  #reply (entry: Entry<T>, status: number): void {
    if (entry.isDone) return
    entry.isDone = true
    entry.doneAtMs = this.#world.clock.now()
    this.#replies.push({ entry, status })
    // the job of a thread that is known to have ended may be somewhere else
    if (this.#held.get(entry.id) === entry) {
      this.unfinished--
      this.#world.watch?.replied(entry.job, this.#post.slot)
    }
    this.#isUnrung = true
    if (entry.does.isAsync === true) {
      this.#pending--
      this.#ring()
    } else {
      this.#isBusy = this.#isDeaf = false
      this.#running = undefined
    }
    if (this.#post.metric === 'running' && this.#pending === 0 && !this.#isBusy) this.#load.leave(this.#post.slot)
    const { stray, blocks } = entry.does
    if (this.#runMs(entry) > RING_MS || blocks === true) this.#ring()
    if (blocks === true) this.isBlocked = true
    if (stray !== undefined) this.#in(stray.afterMs, () => this.#late(stray.job))
    this.#isAsleep = false
    this.#schedule(this.#world.stepMs())
  }

  #ring (): void {
    if (!this.#isUnrung) return
    this.#isUnrung = false
    if (!this.#isArmed) return
    this.#isArmed = false
    this.#world.clock.host(this.#world.bellMs(), () => { if (!this.#isClosed) this.#onMessage(0) })
  }

  #send (message: FromActor): void {
    this.#sent.push(message)
    this.#world.clock.host(this.#world.bellMs(), () => { if (!this.#isClosed) this.readMessages() })
  }

  #readNews (): void {
    for (const message of this.isBlocked ? [] : this.#news.splice(0)) {
      const hasFailed = this.#world.watch?.heard(this, message) === false
      this.#send({ type: 'told', seq: message.seq, ...(hasFailed && { error: { value: 'refused' } }) })
    }
  }

  /** An error that no job caught: it takes no more, and waits to be told to stop. */
  #late (job: string | null): void {
    this.isTainted = true
    this.#send({ type: 'stray', job, error: { value: 'late' } })
  }

  #stop (): void {
    this.#ring()
    if (this.#pending > 0) return // the last of them pumps again
    this.#load.leave(this.#post.slot)
    this.end(undefined)
  }
}
