// The worker's side of one Redis: fetches jobs while there are free slots, and says that it lives.
import { setTimeout as sleep } from 'node:timers/promises'
import { WaitingError } from 'bullmq'
import { Answers } from './answer.js'
import { BrokerClock, connect, FETCH_WAIT_S, reasonOf, Subscription } from './connection.js'
import { maxEnvelopeText } from './envelope.js'
import { Fetching } from './fetching.js'
import { makeId, queueOf } from './id.js'
import { SHUTDOWN } from './contract.js'
import { inWords, isPassing } from './words.js'
import { parseSafely } from './json.js'
import { Keys } from './keys.js'
import { runFetched } from './running.js'
import { LimitedWorker } from './limited.js'
import type { Job, Worker } from 'bullmq'
import type { RemoteLog, Served, Serving } from './contract.js'
import type { Client, RedisAddress } from './connection.js'
import type { Sealed } from './envelope.js'
import type { LimitedOptions } from './limited.js'
import type { Bench, ConsumerCounters, Run, Slots } from './running.js'
import type { Settings } from './settings.js'
import type { Times } from './times.js'

/** A worker says that it lives every BEAT_MS, and is believed to for ALIVE_MS. */
const BEAT_MS = 5000
const ALIVE_MS = 15000
/** How often a worker without free slots looks for some. */
const LOOK_MS = 50
/** Deaths of its workers after which the engine itself gives a job up: above what `attempts` may be. */
const MAX_DEATHS = 1000
/** Time that closing a connection may take, ms. */
const CLOSE_MS = 3000

/** The worker of one queue. */
interface Queue {
  readonly worker: LimitedWorker
  readonly fetching: Fetching
  /** what it fetched could not be run here: it fetches no more before the next look */
  isResting: boolean
}

/** A job that runs here, and the queue's worker that fetched it. */
interface Running { readonly worker: Worker, readonly abort: AbortController }

/** One shard as a worker sees it. */
export class Consumer implements Serving {
  readonly #settings: Settings
  readonly #shard: number
  readonly #keys: Keys
  readonly #log: RemoteLog
  readonly #slots: Slots
  readonly #counters: ConsumerCounters
  readonly #clock: BrokerClock
  readonly #client: Client
  readonly #bench: Bench
  readonly #subscription: Subscription
  readonly #workers = new Map<string, Queue>()
  readonly #running = new Map<string, Running>()
  readonly #beatTimer: NodeJS.Timeout
  readonly #lookTimer: NodeJS.Timeout
  #isStopping = false
  #lastError = ''

  constructor (settings: Settings, shard: number, address: RedisAddress, log: RemoteLog, served: readonly Served[],
    run: Run, slots: Slots, counters: ConsumerCounters, times: Times) {
    this.#settings = settings
    this.#shard = shard
    this.#keys = new Keys(settings.env, settings.region, shard)
    this.#log = log
    this.#slots = slots
    this.#counters = counters
    this.#clock = new BrokerClock(settings.now)
    this.#client = connect(address, 'worker', `fs-w:${settings.instance}`, 0, (error) => this.#onError(error))
    const answers = new Answers(settings, shard, this.#keys, this.#client)
    this.#bench = {
      settings, keys: this.#keys, client: this.#client, clock: this.#clock, counters, times, answers, run
    }
    this.#client.on('ready', () => {
      if (this.#lastError !== '') log.info(`worker of shard ${shard}: redis answers again`)
      this.#lastError = ''
      this.#clock.read(this.#client, this.#keys.cancels).catch(() => {}) // the next beat reads it again
      this.#beat()
    })
    this.#subscription = new Subscription(connect(address, 'subscriber', `fs-c:${settings.instance}`, 0, () => {}),
      this.#keys.cancels, (text) => this.#onCancel(text), () => {})
    for (const { job, version } of served) this.#open(job, version, address)
    this.#beatTimer = setInterval(() => this.#beat(), BEAT_MS).unref()
    this.#lookTimer = setInterval(() => this.#adjust(true), LOOK_MS).unref()
  }

  #open (name: string, version: string, address: RedisAddress): void {
    const queue = queueOf(name, version)
    const { lockMs, stalledMs, inlineBytes } = this.#settings
    const options: LimitedOptions = {
      maxDataText: maxEnvelopeText(inlineBytes),
      now: () => this.#clock.now(),
      spilled: this.#keys.spilled(queue),
      woken: (id) => this.#keys.woken(queue, id),
      connection: this.#client as never,
      prefix: this.#keys.prefix,
      concurrency: 1,
      lockDuration: lockMs,
      stalledInterval: stalledMs,
      // the envelope tells how many deaths a job survives
      maxStalledCount: MAX_DEATHS,
      drainDelay: FETCH_WAIT_S,
      runRetryDelay: 250,
      skipVersionCheck: true
    }
    const fetching = new Fetching()
    const worker: LimitedWorker = new LimitedWorker(queue, (job, token) =>
      this.#process(entry, queue, name, version, job, token!), options)
    const entry: Queue = { worker, fetching, isResting: false }
    worker.on('error', (error) => this.#onError(error))
    worker.on('drained', () => {
      fetching.drained()
      this.#adjust()
    })
    worker.on('stalled', () => { this.#counters.stalled++ })
    // somebody else runs it now: what we would answer would be refused
    worker.on('lockRenewalFailed', (ids) => { for (const id of ids) this.#running.get(id)?.abort.abort('its lock was lost') })
    worker.on('completed', (job, result) => {
      this.#counters.completed++
      this.#bench.answers.booked(queue, job, result as Sealed)
    })
    worker.on('failed', (job, error) => {
      if (job === undefined) return
      if (job.finishedOn === undefined) { this.#counters.retried++; return }
      this.#counters.dead++
      // the record has the reason, whoever wrote it
      this.#bench.answers.hint(queue, job, (error as { sealed?: Sealed }).sealed)
    })
    this.#workers.set(queue, entry)
  }

  async #process (entry: Queue, queue: string, name: string, version: string, job: Job, token: string):
  Promise<Sealed> {
    const { worker, fetching } = entry
    const unique = job.id!
    if (this.#isStopping || this.#slots.free() <= 0) {
      // fetched beyond the free slots: another worker may be free
      return await this.#putBack(entry, job, token, false)
    }
    const abort = new AbortController()
    this.#running.set(unique, { worker, abort })
    fetching.started()
    this.#slots.taken++
    this.#counters.taken++
    this.#adjust()
    try {
      const id = makeId(this.#settings.region, this.#shard, queue, unique)
      return await runFetched(this.#bench, { id, name, version, queue, job, abort }) ??
        await this.#putBack(entry, job, token, true)
    } catch (error) {
      if (!isPassing(error as Error)) throw error
      this.#onError(error as Error)
      return await this.#putBack(entry, job, token, true)
    } finally {
      this.#running.delete(unique)
      this.#slots.taken--
      this.#adjust()
    }
  }

  /** Give it to whoever fetches next: this one when it has free slots, and after the next look where it is to rest. */
  async #putBack (entry: Queue, job: Job, token: string, isToRest: boolean): Promise<never> {
    this.#counters.putBack++
    if (isToRest) entry.isResting = true
    if (!this.#isStopping) await entry.worker.pause(true)
    try {
      await job.moveToWait(token)
    } catch (error) {
      // when its lock has ended it is given to another; as a failure this would cost one of its attempts
      this.#onError(error as Error)
    }
    throw new WaitingError()
  }

  #onCancel (text: string): void {
    try {
      const { u, r } = parseSafely(text.slice(0, 4096)) as { u: string, r: string }
      this.#running.get(u)?.abort.abort(typeof r === 'string' ? r : 'cancelled')
    } catch {
      this.#counters.badEnvelopes++ // whoever sent it
    }
  }

  /** Fetch as many as there are free slots; a worker that was paused for want of one goes on. */
  #adjust (isLook = false): void {
    if (this.#isStopping) return
    const free = this.#slots.free()
    const own = new Map<Worker, number>()
    for (const { worker } of this.#running.values()) own.set(worker, (own.get(worker) ?? 0) + 1)
    for (const entry of this.#workers.values()) {
      const { worker, fetching } = entry
      if (isLook) entry.isResting = false
      worker.concurrency = fetching.limit(own.get(worker) ?? 0, free)
      if (free > 0 && worker.isPaused() && !entry.isResting) {
        worker.resume().catch((error: Error) => this.#onError(error))
      }
    }
  }

  #beat (): void {
    if (this.#client.status !== 'ready' || this.#isStopping) return
    this.#clock.read(this.#client, this.#keys.cancels).catch(() => {}) // the old offset holds
    const nowMs = this.#clock.now()
    const pipeline = this.#client.pipeline()
    for (const queue of this.#workers.keys()) {
      pipeline.zadd(this.#keys.alive(queue), Math.round(nowMs + ALIVE_MS), this.#member)
      pipeline.zremrangebyscore(this.#keys.alive(queue), '-inf', Math.round(nowMs - ALIVE_MS))
      pipeline.sadd(this.#keys.queues, queue)
    }
    pipeline.exec().catch((error: Error) => this.#onError(error))
  }

  get #member (): string { return `${this.#settings.instance}:${this.#slots.size}` }

  #onError (error: Error): void {
    const text = inWords(reasonOf(error))
    if (text === this.#lastError || this.#isStopping) return
    this.#lastError = text
    this.#log.warn(`worker of shard ${this.#shard}: ${text}`)
  }

  async #isIdle (): Promise<void> {
    while (this.#running.size > 0) await sleep(LOOK_MS)
  }

  async stop (drainMs: number): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    clearInterval(this.#beatTimer)
    clearInterval(this.#lookTimer)
    const workers = [...this.#workers.values()].map(({ worker }) => worker)
    if (this.#client.status === 'ready') {
      const pipeline = this.#client.pipeline()
      for (const queue of this.#workers.keys()) pipeline.zrem(this.#keys.alive(queue), this.#member)
      await within(pipeline.exec(), CLOSE_MS)
    }
    const closing = Promise.allSettled(workers.map((worker) => worker.close()))
    await within(Promise.race([closing, this.#isIdle()]), drainMs)
    // given back: the run is aborted and the job goes to another worker at once
    for (const { abort } of this.#running.values()) abort.abort(SHUTDOWN)
    // a worker whose connection is away never closes
    if (!await within(closing, this.#client.status === 'ready' ? CLOSE_MS : 0)) {
      await within(Promise.all(workers.map((worker) => worker.abandon())), CLOSE_MS)
    }
    this.#subscription.close()
    this.#client.disconnect()
  }
}

/** True when the promise settled within the time. */
async function within (promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<boolean>((resolve) => { timer = setTimeout(() => resolve(false), ms) })
  const isDone = await Promise.race([promise.then(() => true, () => true), limit])
  clearTimeout(timer)
  return isDone
}
