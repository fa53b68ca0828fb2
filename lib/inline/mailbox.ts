// A mailbox and its actor without a thread: one job a turn of the event loop, so that requests go on in between.
import { performance } from 'node:perf_hooks'
import { Context } from '../context.js'
import { encodeError } from '../errors.js'
import { logLevelOf } from '../log.js'
import { ERROR, OK, OVERSIZED, tryMoving, UNSENDABLE, WITH_META } from '../mailbox.js'
import { checkSize, TooLarge } from '../size.js'
import { whyUncloneable } from '../uncloneable.js'
import type { Carry } from '../carry.js'
import type { FromActor, JobFunction, JobMeta, Moved, Tell, ToActor } from '../jobs.js'
import type { Load } from '../load.js'
import type { Held, Mailbox, OnReply } from '../mailbox.js'
import type { Closer } from '../modules.js'
import type { Told } from '../slots.js'
import type { SupervisorOptions } from '../supervisor.js'
import type { Slot } from '../tiers.js'

/** The jobs, loaded once for all actors: they share the module, as they share the process. */
export interface Loaded {
  readonly names: readonly string[]
  readonly jobs: readonly JobFunction[]
  readonly carry: Carry | undefined
  readonly closers: readonly Closer[]
}

/** Why no actor is pinned. */
export const NO_THREADS = 'the runtime is inline: there are no threads'

interface Entry<T> {
  readonly id: number
  readonly job: T
  readonly index: number
  readonly input: unknown
  readonly meta: JobMeta
  startedAtMs: number
  context: Context | undefined
  isCancelled: boolean
}

interface Reply<T> {
  readonly entry: Entry<T>
  readonly status: number
  readonly value: unknown
  readonly runMs: number
}

/** Both ends of one mailbox and the actor between them. Main thread only. */
export class InlineMailbox<T extends Held> implements Mailbox<T> {
  readonly #slot: Slot
  readonly #options: SupervisorOptions
  readonly #load: Load
  readonly #told: Told
  readonly #tell: (message: Tell) => Promise<void>
  #loaded: Loaded | undefined
  /** by id, in the order given */
  readonly #held = new Map<number, Entry<T>>()
  readonly #waiting: Entry<T>[] = []
  readonly #replies: Reply<T>[] = []
  #nextId = 1
  #pending = 0
  /** jobs that have begun */
  passed = 0
  #isArmed = false
  #isHalted = false
  #isStopped = false
  #hasBegun = false
  #hasEnded = false
  #isScheduled = false

  constructor (slot: Slot, options: SupervisorOptions, load: Load, told: Told, tell: (message: Tell) => Promise<void>) {
    this.#slot = slot
    this.#options = options
    this.#load = load
    this.#told = told
    this.#tell = tell
  }

  get depth (): number { return this.#held.size }
  get isHalted (): boolean { return this.#isHalted }
  get isWaking (): boolean { return false }
  get isInLoop (): boolean { return true }
  get isBehind (): boolean { return false }
  get news (): number { return 0 }
  get hasReply (): boolean { return this.#replies.length > 0 }
  /** What blocks the event loop blocks the host too. */
  get isDeaf (): boolean { return false }
  get running (): undefined { return undefined }

  /** The jobs are loaded. */
  ready (loaded: Loaded, waits: boolean): void {
    if (this.#hasEnded) return
    this.#loaded = loaded
    this.#hasBegun = !waits
    this.#told.ready(loaded.names, NO_THREADS)
    this.wake()
  }

  begin (): void {
    this.#hasBegun = true
    this.wake()
  }

  /** Nothing more runs here; a function that runs cannot be stopped, and its result is dropped. */
  end (reason: unknown): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    setImmediate(() => {
      this.#told.ended(reason)
      this.#told.exited()
    })
  }

  give (job: T, meta: number, value: unknown, transfer: readonly unknown[] | undefined): boolean {
    const { maxPayloadBytes } = this.#options
    if (maxPayloadBytes > 0) checkSize(value, maxPayloadBytes, transfer)
    const given = structuredClone(value, transfer === undefined ? undefined : { transfer: [...transfer] as never })
    const { input, meta: more } = (meta & WITH_META) === 0
      ? { input: given, meta: {} }
      : given as { input: unknown, meta: JobMeta }
    const id = this.#nextId++
    job.id = id
    const index = meta & (WITH_META - 1)
    const entry = { id, job, index, input, meta: more, startedAtMs: 0, context: undefined, isCancelled: false }
    this.#held.set(id, entry)
    this.#waiting.push(entry)
    this.wake()
    return true
  }

  wake (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#pump())
  }

  takeBack (job: T): boolean {
    const at = this.#waiting.findIndex((entry) => entry.job === job)
    if (at < 0) return false
    this.#waiting.splice(at, 1)
    this.#release(job)
    return true
  }

  takeBackMany (limit: number, all = false): T[] {
    const taken: T[] = []
    for (const { job } of [...this.#waiting].reverse()) {
      if (taken.length < limit && (all || job.isMovable) && this.takeBack(job)) taken.push(job)
    }
    return taken.reverse()
  }

  * jobs (): Generator<T> { for (const { job } of [...this.#held.values()]) yield job }
  clear (): void { for (const { job } of [...this.#held.values()]) this.#release(job) }
  startedAtMs (job: T): number { return this.#held.get(job.id)?.startedAtMs ?? 0 }
  jobOf (id: number): T | undefined { return this.#held.get(id)?.job }
  arm (): void { this.#isArmed = true }
  readMessages (): void {} // they were handed over at once
  halt (): void { this.#isHalted = true }
  close (): void {}

  unhalt (): void {
    this.#isHalted = false
    this.wake()
  }

  stop (): void {
    this.#isStopped = true
    this.wake()
  }

  cancel (job: T): void {
    const entry = this.#held.get(job.id)
    if (entry === undefined) return
    entry.isCancelled = true
    setImmediate(() => entry.context?.abort())
  }

  tell (message: ToActor): void {
    if (message === 0 || message.type !== 'tell') return
    const { seq } = message
    this.#tell(message).then(
      () => this.#message({ type: 'told', seq }),
      (error: unknown) => this.#message({ type: 'told', seq, error: encodeError(error) }))
  }

  drain (onReply: OnReply<T>): number {
    const replies = this.#replies.splice(0)
    for (const { entry, status, value, runMs } of replies) {
      if (this.#held.get(entry.id) !== entry) continue
      this.#release(entry.job)
      onReply(entry.job, status, value, entry.startedAtMs, runMs)
    }
    return replies.length
  }

  #pump (): void {
    this.#isScheduled = false
    if (this.#hasEnded || this.#loaded === undefined) return
    if (this.#isStopped) {
      if (this.#pending === 0) this.end(undefined)
      return
    }
    const mayTake = this.#hasBegun && !this.#isHalted && this.#slot.tier <= this.#load.openTier
    const entry = mayTake && this.#pending < this.#options.asyncPerActor ? this.#waiting.shift() : undefined
    if (entry === undefined) return
    this.passed++
    this.#run(entry, this.#loaded)
    this.wake()
  }

  #run (entry: Entry<T>, { jobs, carry }: Loaded): void {
    const { tier, cpu, id: slot } = this.#slot
    const { timeoutMs, log } = this.#options
    const startedMs = performance.now()
    let isSettled = false
    const settle = (status: number, value: unknown): void => {
      if (isSettled) return // a thenable may settle more than once
      isSettled = true
      this.#pending--
      this.#reply(entry, status, value, performance.now() - startedMs, status === OK ? context.moved : undefined)
    }
    entry.startedAtMs = startedMs
    this.#load.enter(slot)
    this.#pending++
    const end = {
      isCancelled: () => entry.isCancelled,
      log: (record: FromActor) => this.#message(structuredClone(record))
    }
    const boot = { tier, cpu, timeoutMs, logLevel: logLevelOf(log) }
    const context = entry.context = new Context(entry.id, entry.index, boot, end, entry.meta, startedMs)
    try {
      const run = (): unknown => jobs[entry.index]!(entry.input, context)
      const result = carry === undefined ? run() : carry(entry.meta, run)
      if (typeof (Object(result) as { then?: unknown }).then !== 'function') return settle(OK, result)
      const promise = result as Promise<unknown>
      promise.then((value) => settle(OK, value), (error: unknown) => settle(ERROR, encodeError(error)))
    } catch (error) {
      settle(ERROR, encodeError(error))
    }
  }

  #reply (entry: Entry<T>, status: number, value: unknown, runMs: number, moved: readonly Moved[] = []): void {
    if (this.#hasEnded) return
    const { maxPayloadBytes } = this.#options
    try {
      if (maxPayloadBytes > 0) checkSize(value, maxPayloadBytes, moved)
      const copy = tryMoving((transfer) => structuredClone(value, { transfer: transfer as never }), moved)
      this.#replies.push({ entry, status, value: copy, runMs })
    } catch (error) {
      this.#replies.push(error instanceof TooLarge
        ? { entry, status: OVERSIZED, value: error.bytes, runMs }
        : { entry, status: UNSENDABLE, value: whyUncloneable(error, value), runMs })
    }
    if (this.#options.metric === 'running' && this.#pending === 0) this.#load.leave(this.#slot.id)
    this.wake()
    if (!this.#isArmed) return
    this.#isArmed = false
    setImmediate(() => this.#message(0))
  }

  #message (message: FromActor): void {
    if (!this.#hasEnded) this.#told.message(message)
  }

  #release (job: T): void {
    this.#held.delete(job.id)
    job.id = 0
  }
}
