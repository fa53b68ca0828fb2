// A mailbox: the border between the host and one actor; lib/README.md, "Mailbox". Each end belongs to one thread.
import { MessageChannel, markAsUntransferable, receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { logLevels } from './log.js'
import { RING_SPACE, Ring, UNTOLD_BYTES } from './ring.js'
import { checkSize } from './size.js'
import type { RingRecord } from './ring.js'
import type { FromActor, Moved, ToActor } from './jobs.js'

/** Control words, each on its own 128 bytes; a ring's tail follows its head. */
const REQUEST_HEAD = 0
const REPLY_HEAD = 64
const STATE = 128
const BELL = 160
const COMMAND = 192
const RUNNING = 224
const HEARD = 256
const CONTROL_WORDS = 288

/** Most jobs in one mailbox; the low bits of an id are the place. */
export const PLACES = 512
const CANCEL_OFFSET = CONTROL_WORDS * 4
const STARTED_OFFSET = CANCEL_OFFSET + PLACES * 4
const REQUEST_OFFSET = STARTED_OFFSET + PLACES * 8
const REPLY_OFFSET = REQUEST_OFFSET + RING_SPACE
/** Room for one record without payload for every place, so that a reply never waits for the host. */
const REPLY_SPARE = PLACES * 16 + UNTOLD_BYTES + 64
/**
 * An actor without jobs gets none while it has not passed so many that were taken back: of each that went by port a
 * copy lies there until it does. Chosen: a client that gives up one job and asks for another is not kept waiting.
 */
export const UNSEEN = 8

/** Values of STATE. RUN: looks at its ring by itself. PARK: asleep on STATE. LOOP: in its event loop. */
const RUN = 0
const PARK = 1
const LOOP = 2
const WAKING = 3
/**
 * Bits of COMMAND. HALT: take no more. STOP: take no more and return when nothing is pending. NEWS: a message lies on
 * the port that is to be read before the next job.
 */
const HALT = 1
const STOP = 2
const NEWS = 4

/** Reply status. */
export const OK = 0
export const ERROR = 1
export const UNSENDABLE = 2
/** The job was not run: its input could not be read. */
export const UNREADABLE = 3
/** What the job returned or threw is over the limit; the value is its bytes. */
export const OVERSIZED = 4
/** Flag in a reply's status: log records lie on the port that were sent before it. */
const LOGGED = 8

/** Flag in a request's meta word: the value is `{ input, meta }`. */
export const WITH_META = 1 << 20

/** What an actor is given of its mailbox: transfer both ports. */
export interface ActorPorts { readonly bell: MessagePort, readonly values: MessagePort }

class Words {
  readonly control: Int32Array
  readonly cancelled: Int32Array
  readonly startedAtMs: Float64Array
  readonly requests: Ring
  readonly replies: Ring

  constructor (readonly buffer: SharedArrayBuffer) {
    this.control = new Int32Array(buffer, 0, CONTROL_WORDS)
    this.cancelled = new Int32Array(buffer, CANCEL_OFFSET, PLACES)
    this.startedAtMs = new Float64Array(buffer, STARTED_OFFSET, PLACES)
    this.requests = new Ring(buffer, REQUEST_OFFSET, this.control, REQUEST_HEAD, 0)
    this.replies = new Ring(buffer, REPLY_OFFSET, this.control, REPLY_HEAD, REPLY_SPARE)
  }
}

/** What a mailbox needs of a job it holds; it writes `id` and `position`. */
export interface Held {
  /** id in its mailbox, the low bits are its place; 0 when it is in none */
  id: number
  /** where its record stands in the request ring */
  position: number
  /** may `takeBackMany` take it? */
  readonly isMovable: boolean
}

/**
 * Called for each reply. `status` is one of those above; `value` the result, the encoded error, why it could not be
 * sent or read, or how large it is. `startedAtMs` is in the host's clock, `runMs` is measured by the actor.
 */
export type OnReply<T> = (job: T, status: number, value: unknown, startedAtMs: number, runMs: number) => void

/** The host's end: the one writer of requests and reader of replies. Main thread only. */
export class HostEnd<T extends Held> {
  readonly #words = new Words(new SharedArrayBuffer(REPLY_OFFSET + RING_SPACE))
  readonly #bell: MessagePort
  readonly #values: MessagePort
  /** by place: the low bits of the id */
  readonly #held: (T | undefined)[] = new Array(PLACES).fill(undefined)
  #nextId: number
  #depth = 0
  #cancels = 0
  #isGiving = false
  /** jobs taken back that the actor may not have passed, and where the last of their records stands */
  #unseen = 0
  #unseenAt = 0
  #news = 0
  /** the actor was told to take no more jobs */
  isHalted = false
  #transfer: readonly unknown[] | undefined
  readonly ports: ActorPorts
  readonly #maxBytes: number
  readonly #post = (value: unknown): void => {
    const transfer = this.#transfer
    if (this.#maxBytes > 0) checkSize(value, this.#maxBytes, transfer)
    this.#values.postMessage(value, transfer as never)
  }

  readonly #fetch = (): unknown => fetchFrom(this.#values)
  readonly #onMessage: (message: FromActor) => void
  /** a record that this thread's stack is too small to read */
  readonly #onUnreadable = (error: unknown): void => {
    this.#onMessage({ type: 'log', id: -1, level: logLevels.indexOf('warn'), args: [error] })
  }

  /**
   * `maxBytes`: an input that surely has more is refused with `TooLarge`; 0 for no limit. The ring's are small.
   * `firstId`: where the ids begin, 1 to 0x7fffffff.
   */
  constructor (onMessage: (message: FromActor) => void, maxBytes = 0, firstId = 1) {
    this.#nextId = firstId
    this.#onMessage = onMessage
    this.#maxBytes = maxBytes
    const bell = new MessageChannel()
    const values = new MessageChannel()
    this.#bell = bell.port1
    this.#values = values.port1
    this.ports = { bell: bell.port2, values: values.port2 }
    this.#bell.on('message', onMessage)
    this.#bell.on('messageerror', this.#onUnreadable)
    this.#bell.unref()
  }

  /** Called once when the port was closed at one of its ends. */
  onClosed (listener: () => void): void { this.#bell.once('close', listener) }

  get buffer (): SharedArrayBuffer { return this.#words.buffer }
  /** Jobs in this mailbox, the running one and those not yet seen as settled included. */
  get depth (): number { return this.#depth }

  /**
   * Give a job; false when there is no room, or while another is given, whose getters gave this one. Throws what
   * structured clone throws, or `TooLarge`: nothing was given. `transfer` detaches: such a job goes by port.
   */
  give (job: T, meta: number, value: unknown, transfer: readonly unknown[] | undefined): boolean {
    if (this.#depth === PLACES || this.#isGiving) return false
    if (transfer !== undefined) checkTransfer(transfer)
    // ids rise; a place still held by a job that runs long is passed over, so an id is not soon seen again
    while (this.#held[this.#nextId & (PLACES - 1)] !== undefined) this.#nextId = after(this.#nextId)
    const id = this.#nextId
    this.#words.startedAtMs[id & (PLACES - 1)] = 0
    this.#words.cancelled[id & (PLACES - 1)] = 0 // 2^31 jobs later an id is seen again
    this.#transfer = transfer
    this.#isGiving = true
    let position: number | undefined
    try {
      position = this.#words.requests.write(id, meta, 0, value, this.#post, transfer !== undefined)
    } finally {
      this.#isGiving = false
      this.#transfer = undefined
    }
    if (position === undefined) {
      if (this.#unseen > 0) this.#unseen = UNSEEN // their records leave no room
      return false
    }
    this.#nextId = after(id)
    job.id = id
    job.position = position
    this.#held[id & (PLACES - 1)] = job
    this.#depth++
    this.wake()
    return true
  }

  /** The actor was started to wait: now it may look for jobs. */
  begin (): void { this.#bell.postMessage(0 satisfies ToActor) }

  /** Wake the actor if it sleeps or waits in its event loop; called after everything it should see. */
  wake (): void {
    const { control } = this.#words
    const state = Atomics.load(control, STATE)
    if (state === PARK) {
      if (Atomics.compareExchange(control, STATE, PARK, WAKING) === PARK) Atomics.notify(control, STATE, 1)
    } else if (state === LOOP) {
      if (Atomics.compareExchange(control, STATE, LOOP, WAKING) === LOOP) this.#bell.postMessage(0 satisfies ToActor)
    }
  }

  /** Was the actor asleep, and has not woken up yet? */
  get isWaking (): boolean { return Atomics.load(this.#words.control, STATE) === WAKING }

  /** Does the actor wait in its event loop for a job, or for what its jobs await, or was it just woken from that? */
  get isInLoop (): boolean {
    const state = Atomics.load(this.#words.control, STATE)
    return state === LOOP || state === WAKING
  }

  /** Has the actor so many jobs that were taken back still to pass, or do they leave no room? */
  get isBehind (): boolean {
    if (this.#unseen === 0) return false
    if (this.#words.requests.isPassed(this.#unseenAt)) this.#unseen = 0
    return this.#unseen >= UNSEEN
  }

  /** How far the actor has said that it read: another number whenever it has looked and something was there. */
  get passed (): number { return this.#words.requests.passed }

  /** Take one job back: true when the actor had not claimed it; then it is out of the mailbox. */
  takeBack (job: T): boolean {
    // one that has begun is not looked for: where it stood others stand, and 2 GiB later its position is ahead again
    if (!this.#holds(job) || this.startedAtMs(job) !== 0 || !this.#words.requests.revoke(job.position)) return false
    if (this.#unseen++ === 0 || ((job.position - this.#unseenAt) | 0) > 0) this.#unseenAt = job.position
    this.#release(job)
    return true
  }

  /**
   * Take back up to `limit` jobs that the actor has not claimed, the last given first; returned in the order given.
   * `all`: those that are not movable too.
   */
  takeBackMany (limit: number, all = false): T[] {
    const taken: T[] = []
    const waiting: T[] = []
    for (const job of this.jobs()) if ((all || job.isMovable) && this.startedAtMs(job) === 0) waiting.push(job)
    // a place that is held for long is passed over, so the order of places is not the order given
    waiting.sort((one, other) => (other.position - one.position) | 0)
    for (const job of waiting) {
      // what was given before a claimed job is claimed as well
      if (taken.length >= limit || !this.takeBack(job)) break
      taken.push(job)
    }
    return taken.reverse()
  }

  /** Jobs still in the mailbox; after a death those that were claimed. */
  * jobs (): Generator<T> {
    if (this.#depth === 0) return
    for (const job of this.#held) if (job !== undefined) yield job
  }

  /** Forget what is left after a death. */
  clear (): void {
    for (const job of this.#held) if (job !== undefined) this.#release(job)
  }

  /** When the job began to run, in the host's `performance.now()`; 0 if it did not yet. */
  startedAtMs (job: T): number {
    return this.#holds(job) ? this.#words.startedAtMs[job.id & (PLACES - 1)]! : 0
  }

  /** Set the cancel flag of a job that runs, and tell the actor's event loop. */
  cancel (job: T): void {
    if (!this.#holds(job)) return
    Atomics.store(this.#words.cancelled, job.id & (PLACES - 1), job.id)
    this.#cancels++
    this.#bell.postMessage({ type: 'cancel', id: job.id } satisfies ToActor)
  }

  /** Does the actor's event loop not read what it was told of cancelled jobs? */
  get isDeaf (): boolean { return Atomics.load(this.#words.control, HEARD) !== this.#cancels }

  /** The job whose synchronous part runs; undefined while nothing runs, or what a job does after an `await`. */
  get running (): T | undefined { return this.jobOf(Atomics.load(this.#words.control, RUNNING)) }

  /** The job an id belongs to, if it is still here. */
  jobOf (id: number): T | undefined {
    const job = this.#held[id & (PLACES - 1)]
    return job?.id === id ? job : undefined
  }

  /** Read every reply there is; returns how many. */
  drain (onReply: OnReply<T>): number {
    const { replies } = this.#words
    let count = 0
    for (;;) {
      const record = replies.next()
      if (record === undefined) return count
      count++
      const { id, meta } = record
      const hasLogged = (record.word & LOGGED) !== 0
      let status = record.word & (15 - LOGGED)
      let value: unknown
      try {
        value = replies.read(record, this.#fetch)
      } catch (error) {
        status = UNSENDABLE
        value = error
      }
      // after the record was passed: who is told may have the replies read, as an abort does
      if (hasLogged) this.readMessages()
      const job = this.jobOf(id)
      if (job === undefined) continue
      const startedAtMs = this.#words.startedAtMs[id & (PLACES - 1)]!
      this.#release(job)
      onReply(job, status, value, startedAtMs, meta / 1000)
    }
  }

  /** Hand over what lies on the port, in order: records logged before a reply, or before a death. */
  readMessages (): void {
    let isRung = false
    for (;;) {
      let received: { message: FromActor } | undefined
      try {
        received = receiveMessageOnPort(this.#bell)
      } catch (error) {
        this.#onUnreadable(error)
        continue
      }
      if (received === undefined) break
      if (received.message === 0) isRung = true
      else this.#onMessage(received.message)
    }
    // the caller reads replies already; the bell is to be asked for anew after it
    if (isRung) setImmediate(() => this.#onMessage(0))
  }

  /** Post a message that the actor reads before it takes its next job, also when it is asleep. */
  tell (message: ToActor): void {
    this.#bell.postMessage(message)
    if ((Atomics.or(this.#words.control, COMMAND, NEWS) & NEWS) === 0) this.#news++
    this.wake()
  }

  /** 0 where the actor has looked since it was told something; else a number that stays the same until it does. */
  get news (): number { return (Atomics.load(this.#words.control, COMMAND) & NEWS) === 0 ? 0 : this.#news }

  get hasReply (): boolean { return this.#words.replies.hasRecord }

  /** Ask for the bell; look again after it, since a reply may have come before. */
  arm (): void { Atomics.store(this.#words.control, BELL, 1) }

  /** The actor shall take no more jobs. */
  halt (): void {
    this.isHalted = true
    Atomics.or(this.#words.control, COMMAND, HALT)
  }

  /** The actor may take jobs again. */
  unhalt (): void {
    this.isHalted = false
    Atomics.and(this.#words.control, COMMAND, ~HALT)
    this.wake()
  }

  /** The actor shall return when what it runs has ended. */
  stop (): void {
    Atomics.or(this.#words.control, COMMAND, STOP)
    this.wake()
  }

  close (): void {
    this.#bell.close()
    this.#values.close()
  }

  #holds (job: T): boolean {
    return job.id !== 0 && this.#held[job.id & (PLACES - 1)] === job
  }

  #release (job: T): void {
    this.#held[job.id & (PLACES - 1)] = undefined
    job.id = 0
    this.#depth--
  }
}

/** The host's end as the floors above see it; the simulator has one without shared memory. */
export type Mailbox<T extends Held> = Pick<HostEnd<T>, Exclude<keyof HostEnd<T>, 'ports' | 'buffer' | 'onClosed'>>

/** Node passes a detached buffer on as an empty one. */
function checkTransfer (transfer: unknown): void {
  if (!Array.isArray(transfer)) throw new TypeError('transfer is no array')
  for (const part of transfer) {
    if (part instanceof ArrayBuffer) new Uint8Array(part) // eslint-disable-line no-new -- throws where it is detached
  }
}

function after (id: number): number {
  return id === 0x7fffffff ? 1 : id + 1
}

/** A job as the actor takes it; `error` is set where its input could not be read. */
export interface Taken { readonly id: number, readonly meta: number, readonly value: unknown, readonly error: unknown }

/** The actor's end: the one reader of requests and writer of replies. Worker thread only. */
export class ActorEnd {
  readonly #words: Words
  readonly #bell: MessagePort
  readonly #values: MessagePort
  readonly #maxBytes: number
  #moved: readonly Moved[] | undefined
  readonly #post = (value: unknown): void => {
    const moved = this.#moved
    if (this.#maxBytes > 0) checkSize(value, this.#maxBytes, moved)
    if (moved === undefined) return this.#values.postMessage(value)
    tryMoving((transfer) => this.#values.postMessage(value, transfer), moved)
  }

  readonly #fetch = (): unknown => fetchFrom(this.#values)
  #hasLogged = false

  /** `maxBytes`: a reply that surely has more is refused with `TooLarge`; 0 for no limit. The ring's are small. */
  constructor (buffer: SharedArrayBuffer, ports: ActorPorts, maxBytes = 0) {
    this.#words = new Words(buffer)
    this.#maxBytes = maxBytes
    this.#bell = ports.bell
    this.#values = ports.values
    // as it is before any job runs: one that replaces the method of all ports breaks its own
    const { postMessage } = this.#bell
    for (const port of [this.#bell, this.#values]) {
      port.postMessage = postMessage
      markAsUntransferable(port) // one that finds it among the handles of its thread cannot give it away
    }
  }

  onMessage (listener: (message: ToActor) => void): void { this.#bell.on('message', listener) }
  send (message: FromActor): void { this.#bell.postMessage(message) }

  /** Send a log record or progress; it reaches the host before any reply that is written later. */
  log (record: FromActor): void {
    this.#bell.postMessage(record)
    this.#hasLogged = true
  }

  /** Is there a record to look at? A revoked one counts. */
  get hasRequest (): boolean { return this.#words.requests.hasRecord }
  get mustHalt (): boolean { return (Atomics.load(this.#words.control, COMMAND) & (HALT | STOP)) !== 0 }
  get mustStop (): boolean { return (Atomics.load(this.#words.control, COMMAND) & STOP) !== 0 }
  /** Told to stop, or there is news. */
  get mustLook (): boolean { return (Atomics.load(this.#words.control, COMMAND) & (STOP | NEWS)) !== 0 }

  /** Read what lies on the port, without a turn of the event loop. The bit goes first: later news sets it again. */
  readNews (listener: (message: ToActor) => void): void {
    Atomics.and(this.#words.control, COMMAND, ~NEWS)
    for (;;) {
      const received = receiveMessageOnPort(this.#bell)
      if (received === undefined) return
      listener(received.message as ToActor)
    }
  }

  /** Claim the next job that was not taken back. */
  take (): Taken | undefined {
    const { requests } = this.#words
    let record: RingRecord | undefined
    while ((record = requests.next()) !== undefined) {
      if (!requests.claim(record)) {
        requests.skip(record, this.#fetch)
        continue
      }
      const { id, meta } = record
      try {
        return { id, meta, value: requests.read(record, this.#fetch), error: undefined }
      } catch (error) {
        return { id, meta, value: undefined, error: error ?? new Error('unreadable input') }
      }
    }
    return undefined
  }

  started (id: number, nowMs: number): void { this.#words.startedAtMs[id & (PLACES - 1)] = nowMs }

  /** Which job's synchronous part runs; 0 for none. */
  running (id: number): void { this.#words.control[RUNNING] = id }

  /** The event loop has read that a job was cancelled. */
  heard (): void { Atomics.add(this.#words.control, HEARD, 1) }

  isCancelled (id: number): boolean {
    return Atomics.load(this.#words.cancelled, id & (PLACES - 1)) === id
  }

  /**
   * Write a reply, whose parts `moved` are not copied: such a one goes by port. Throws what structured clone throws, or
   * `TooLarge`; then nothing was written or moved.
   */
  reply (id: number, runUs: number, status: number, value: unknown, moved?: readonly Moved[]): void {
    this.#moved = moved
    const word = this.#hasLogged ? status | LOGGED : status
    this.#words.replies.write(id, runUs, word, value, this.#post, moved !== undefined)
    this.#hasLogged = false
  }

  /** Ring the bell if the host asked for it. */
  ring (): void {
    if (Atomics.load(this.#words.control, BELL) === 1 && Atomics.exchange(this.#words.control, BELL, 0) === 1) {
      this.#bell.postMessage(0 satisfies FromActor)
    }
  }

  /** Sleep until the host wakes this actor, unless `hasWork` says there is something; uses no CPU. */
  park (hasWork: () => boolean): void {
    const { control } = this.#words
    Atomics.store(control, STATE, PARK)
    if (!hasWork()) Atomics.wait(control, STATE, PARK)
    Atomics.store(control, STATE, RUN)
  }

  /** Wait in the event loop: the host will send `0`. False: there is work already. */
  waitInLoop (hasWork: () => boolean): boolean {
    const { control } = this.#words
    Atomics.store(control, STATE, LOOP)
    return !hasWork() || Atomics.compareExchange(control, STATE, LOOP, RUN) !== LOOP
  }

  /** Call before taking after a wait in the event loop. */
  awake (): void { Atomics.store(this.#words.control, STATE, RUN) }

  close (): void {
    this.#bell.close()
    this.#values.close()
  }
}

/** Send with these parts moved, or where one of them cannot be, all copied: nothing is moved by a try that fails. */
export function tryMoving<Result> (send: (transfer: Moved[]) => Result, moved: readonly Moved[]): Result {
  try {
    return send([...moved])
  } catch {
    return send([])
  }
}

function fetchFrom (port: MessagePort): unknown {
  const received = receiveMessageOnPort(port)
  if (received === undefined) throw new Error('the value of a record is missing on the port')
  return received.message
}
