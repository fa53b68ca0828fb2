// The producer's side of one Redis: submit, hints and the sweep behind them, sampling, cancel, lookup.
import { Queue } from 'bullmq'
import { encodeError, errors } from '../errors.js'
import { Breaker } from './breaker.js'
import { BrokerClock, connect, readFacts, Subscription } from './connection.js'
import { EnvelopeError, failureIn, pack, readEnvelope, unseal } from './envelope.js'
import { makeId, parseId, queueOf } from './id.js'
import { parseSafely } from './json.js'
import { Keys } from './keys.js'
import { Waiters } from './waiters.js'
import type { JobsOptions } from 'bullmq'
import type { Admit, AdmitQuery, RemoteJob, RemoteLog, RemoteOutcome, RemoteStatus, RemoteTicket, ShardStats } from './contract.js'
import type { Client, RedisAddress, ServerFacts } from './connection.js'
import type { Envelope } from './envelope.js'
import type { Settings } from './settings.js'
import type { Waiter } from './waiters.js'

/** Times of the loop, ms: one tick, samples of an unused queue, readings of the clock. */
const TICK_MS = 250
const IDLE_SAMPLE_MS = 2000
const CLOCK_MS = 60000
/** Records read by one pipeline of the sweep. */
const SWEEP_BATCH = 200
/** A waiter outlives the job's deadline by this, so that the worker's own word about it can arrive, ms. */
const AFTER_DEADLINE_MS = 1000
/** How long a removed job is known to have been cancelled, ms. */
const GONE_MS = 3600_000
/** Jobs of unknown fate that are cancelled when the engine is back; further ones end at their deadline. */
const MAX_UNCERTAIN = 1000

interface Sample { depth: number, workers: number, slots: number, usedAtMs: number, isKnown: boolean }

export type ProducerCounters = Record<
  'submitted' | 'refused' | 'uncertain' | 'hints' | 'badHints' | 'lateHints' | 'swept' | 'lost' | 'cancelled', number>

/** One shard as a producer sees it. */
export class Producer {
  readonly keys: Keys
  readonly breaker = new Breaker()
  readonly waiters: Waiters
  readonly #settings: Settings
  readonly #shard: number
  readonly #log: RemoteLog
  readonly #counters: ProducerCounters
  readonly #clock: BrokerClock
  readonly #client: Client
  readonly #subscription: Subscription
  readonly #queues = new Map<string, Queue>()
  readonly #samples = new Map<string, Sample>()
  readonly #uncertain = new Map<string, string>()
  readonly #timer: NodeJS.Timeout
  #facts: ServerFacts | undefined
  #isSampling = false
  #isSweeping = false
  #sampledAtMs = 0
  #sweptAtMs = 0
  #clockReadAtMs = 0
  #probesFailed = 0
  #isClosed = false

  constructor (settings: Settings, shard: number, address: RedisAddress, log: RemoteLog, counters: ProducerCounters) {
    this.#settings = settings
    this.#shard = shard
    this.#log = log
    this.#counters = counters
    this.keys = new Keys(settings.env, settings.region, shard)
    this.waiters = new Waiters(counters)
    this.#clock = new BrokerClock(settings.now)
    const onError = (error: Error): void => {
      if (this.breaker.isOpen && error.message !== '') this.breaker.reason = error.message
    }
    this.#client = connect(address, 'producer', `fs-p:${settings.instance}`, settings.commandTimeoutMs, onError)
    this.#client.on('ready', () => { this.#connected() })
    this.#client.on('close', () => this.breaker.trip('the connection is closed'))
    this.#subscription = new Subscription(
      connect(address, 'subscriber', `fs-s:${settings.instance}`, 0, () => {}),
      this.keys.hints(settings.instance), (text) => { this.#onHint(text) }, () => { this.#sweep(Infinity) })
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** A queue that may be used: it is sampled from now on. */
  know (queue: string): Sample {
    let sample = this.#samples.get(queue)
    if (sample === undefined) {
      this.#samples.set(queue, sample = { depth: 0, workers: 0, slots: 0, usedAtMs: 0, isKnown: false })
    }
    return sample
  }

  depth (queue: string): number { return this.#samples.get(queue)?.depth ?? 0 }

  admit (query: AdmitQuery, inFlight: number): Admit {
    const { maxInFlight, maxPayloadBytes, allowVolatile } = this.#settings
    const refuse = (code: Exclude<Admit, { ok: true }>['code'], reason: string, retryAfterMs = 1000): Admit =>
      ({ ok: false, code, reason, retryAfterMs })
    if (query.payloadBytes > maxPayloadBytes) {
      return refuse('REMOTE_PAYLOAD', `its input has ${query.payloadBytes} bytes, limit ${maxPayloadBytes}`)
    }
    if (this.#isClosed || this.breaker.isOpen) return refuse('REMOTE_DOWN', this.breaker.reason)
    if (inFlight >= maxInFlight) return refuse('REMOTE_FULL', `${inFlight}, limit ${maxInFlight}`)
    if (query.durable && this.#facts !== undefined && !allowVolatile && !this.#facts.hasAof) {
      return refuse('REMOTE_VOLATILE', 'the engine keeps nothing on disk (appendonly is off), and allowVolatile is not set')
    }
    const queue = queueOf(query.job, query.version)
    const sample = this.know(queue)
    sample.usedAtMs = this.#settings.now()
    if (query.durable) return { ok: true, waitMs: 0 }
    if (!sample.isKnown || sample.workers === 0) return refuse('NO_WORKER', queue, 5000)
    const meanMs = Number.isNaN(query.meanMs) ? 0 : query.meanMs
    const waitMs = sample.depth * meanMs / Math.max(1, sample.slots) + this.#clock.roundtripMs
    if (waitMs + meanMs > query.deadlineMs) {
      return refuse('REMOTE_EXPIRED', `${sample.depth} jobs wait there, expected wait ${Math.ceil(waitMs)} ms`, waitMs)
    }
    return { ok: true, waitMs }
  }

  submit (job: RemoteJob, unique: string): RemoteTicket {
    const queue = queueOf(job.job, job.version)
    const id = makeId(this.#settings.region, this.#shard, queue, unique)
    const nowMs = this.#settings.now()
    const waiter = this.waiters.add(id, nowMs, job.deadlineMs + AFTER_DEADLINE_MS, (late) => {
      this.waiters.reject(late, this.#withId(new errors.REMOTE_EXPIRED(job.job, `no result after ${job.deadlineMs} ms`), id))
      if (!job.durable) this.cancel(id, 'its deadline passed').catch(() => {})
    })
    this.#counters.submitted++
    // counted at once, so that a burst between two samples does not see an empty queue
    this.know(queue).depth++
    const accepted = this.#add(id, unique, queue, job).then(() => {
      waiter.isAccepted = true
      if (job.key !== undefined) return this.#checkKey(waiter, queue, unique, job)
    }).catch((error: unknown) => {
      this.waiters.reject(waiter, error)
      throw error
    })
    accepted.catch(() => {}) // the same error is in `done`
    return { id, accepted, done: waiter.promise, detach: () => { this.waiters.remove(waiter) } }
  }

  /** Wait for a job whose record is believed to exist. */
  attach (id: string, queue: string, unique: string): RemoteTicket {
    const waiter = this.waiters.add(id, this.#settings.now(), Infinity, () => {})
    waiter.isAccepted = true
    const accepted = this.#register(queue, unique).then(() => this.#look([{ id, isAccepted: true }])).then(() => {},
      (error: unknown) => {
        this.waiters.reject(waiter, new errors.REMOTE_DOWN(id, (error as Error).message))
        throw error
      })
    accepted.catch(() => {}) // the same error is in `done`
    return { id, accepted, done: waiter.promise, detach: () => { this.waiters.remove(waiter) } }
  }

  async lookup (id: string): Promise<RemoteStatus | null> {
    const ref = parseId(id)!
    const queue = queueOf(ref.job, ref.version)
    const fields = await this.#client.hmget(this.keys.record(queue, ref.unique),
      'data', 'timestamp', 'finishedOn', 'returnvalue', 'failedReason', 'progress', 'ats')
    const [data, , finishedOn, returnvalue, failedReason, progress, attempt] = fields
    if (typeof data !== 'string') {
      const gone = await this.#client.get(this.keys.gone(queue, ref.unique))
      if (gone === null) return null
      const [deadlineAtMs, createdAtMs, owner] = JSON.parse(gone) as [number, number, string | null]
      return {
        id,
        job: ref.job,
        version: ref.version,
        state: 'cancelled',
        attempt: 0,
        createdAtMs,
        deadlineAtMs,
        progress: undefined,
        owner: owner ?? undefined,
        fingerprint: undefined,
        outcome: cancelledOutcome(ref.job)
      }
    }
    const envelope = readEnvelope(parseSafely(data), this.#settings.maxPayloadBytes)
    const isFinal = typeof finishedOn === 'string'
    const outcome = isFinal
      ? await this.#outcome(id, queue, ref.unique, returnvalue ?? null,
        failedReason ?? null)
      : undefined
    const isLocked = !isFinal && await this.#client.exists(this.keys.lock(queue, ref.unique)) === 1
    const state = outcome !== undefined
      ? outcome.status === 'ok' ? 'succeeded' : outcome.status
      : isLocked ? 'running' : envelope.d < this.#clock.now() ? 'expired' : 'queued'
    return {
      id,
      job: ref.job,
      version: ref.version,
      state,
      attempt: Number(attempt ?? 0),
      createdAtMs: envelope.at,
      deadlineAtMs: envelope.d,
      progress: typeof progress === 'string' && progress !== '0' ? parseSafely(progress) : undefined,
      owner: envelope.o,
      fingerprint: envelope.k,
      outcome
    }
  }

  async cancel (id: string, reason: string): Promise<'removed' | 'signalled' | 'finished' | 'unknown'> {
    const { job, version, unique } = parseId(id)!
    const queue = queueOf(job, version)
    const [data, finishedOn] = await this.#client.hmget(this.keys.record(queue, unique), 'data', 'finishedOn')
    if (typeof data !== 'string') return 'unknown'
    if (typeof finishedOn === 'string') return 'finished'
    const envelope = parseSafely(data) as Envelope
    if (await this.#queue(queue).remove(unique) === 1) {
      this.#counters.cancelled++
      await this.#client.set(this.keys.gone(queue, unique), JSON.stringify([envelope.d, envelope.at, envelope.o ?? null]), 'PX', GONE_MS)
      await this.#client.del(this.keys.payload(queue, unique))
      this.waiters.settle(id, cancelledOutcome(job))
      return 'removed'
    }
    await this.#client.publish(this.keys.cancels, JSON.stringify({ q: queue, u: unique, r: reason.slice(0, 200) }))
    this.#counters.cancelled++
    return 'signalled'
  }

  stats (): ShardStats {
    return {
      shard: this.#shard,
      breaker: this.breaker.state,
      reason: this.breaker.reason,
      roundtripMs: this.#clock.roundtripMs,
      clockOffsetMs: Math.round(this.#clock.offsetMs),
      isDurable: this.#facts?.hasAof === true,
      queues: Object.fromEntries([...this.#samples].map(([queue, { depth, workers, slots }]) =>
        [queue, { depth, workers, slots }]))
    }
  }

  async close (): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.waiters.closeAll((id) => this.#withId(new errors.CLOSED(id), id))
    this.#subscription.close()
    await Promise.allSettled([...this.#queues.values()].map((queue) => queue.close()))
    this.#client.disconnect()
  }

  #withId (error: Error, id: string, more?: object): Error {
    return Object.assign(error, { jobId: id, ...more })
  }

  #queue (name: string): Queue {
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = new Queue(name, {
        connection: this.#client as never,
        prefix: this.keys.prefix,
        skipVersionCheck: true,
        streams: { events: { maxLen: 100 } }
      })
      queue.on('error', () => {}) // the connection's own listener has the reason
      this.#queues.set(name, queue)
      this.#client.sadd(this.keys.queues, name).catch(() => {}) // for doctor only; a worker adds it too
    }
    return queue
  }

  async #add (id: string, unique: string, queue: string, job: RemoteJob): Promise<void> {
    const { inlineBytes, signingKey, instance, keepResults } = this.#settings
    const { durable, priority } = job
    const envelope = pack(id, job, instance, this.#clock.now(), inlineBytes, signingKey)
    const keep = { age: Math.ceil(job.resultTtlMs / 1000), count: durable ? keepResults * 10 : keepResults }
    const options: JobsOptions = {
      jobId: unique,
      attempts: job.attempts,
      removeOnComplete: keep,
      removeOnFail: keep,
      stackTraceLimit: 0,
      ...(job.attempts > 1 && { backoff: { type: 'exponential', delay: 1000, jitter: 0.5 } }),
      // BullMQ serves jobs without a priority first, in order
      ...(priority === 'low' && { priority: 10 }),
      ...(priority === 'high' && { lifo: true })
    }
    try {
      if (envelope.big !== undefined) {
        // the first of several with one key wins, as with the record
        await this.#client.set(this.keys.payload(queue, unique), job.payload, 'PX', job.deadlineMs + job.resultTtlMs, 'NX')
      }
      if (job.key !== undefined) await this.#register(queue, unique)
    } catch (error) {
      // nothing was queued yet
      throw this.#refusal(id, job.job, error, true)
    }
    try {
      await this.#queue(queue).add(job.job, envelope, options)
      this.breaker.succeed()
    } catch (error) {
      throw this.#refusal(id, job.job, error, false)
    }
  }

  /** Our error for a submit that failed. `isCertain`: the engine does not have the job. */
  #refusal (id: string, job: string, error: unknown, isBefore: boolean): Error {
    const text = (error as Error).message ?? String(error)
    const isReply = (error as Error).name === 'ReplyError'
    const isUnsent = /isn't writeable/.test(text)
    if (!isReply) this.breaker.fail(text)
    this.#counters.refused++
    if (isReply) {
      return this.#withId(new errors.REMOTE_REFUSED(job, text.slice(0, 200)), id,
        { isCertain: true, retryAfterS: 5 })
    }
    if (isBefore || isUnsent) {
      return this.#withId(new errors.REMOTE_DOWN(job, text), id,
        { isCertain: true, retryAfterS: 1 })
    }
    this.#counters.uncertain++
    if (this.#uncertain.size < MAX_UNCERTAIN) this.#uncertain.set(id, 'it was given up when its submit was not answered')
    return this.#withId(new errors.REMOTE_UNCERTAIN(job, text), id, { isCertain: false, retryAfterS: 1 })
  }

  async #register (queue: string, unique: string): Promise<void> {
    const key = this.keys.waiters(queue, unique)
    await this.#client.sadd(key, this.#settings.instance)
    await this.#client.pexpire(key, GONE_MS * 24)
  }

  async #checkKey (waiter: Waiter, queue: string, unique: string, job: RemoteJob): Promise<void> {
    const data = await this.#client.hget(this.keys.record(queue, unique), 'data')
    if (data !== null && (parseSafely(data) as Envelope).k !== job.key!.fingerprint) {
      throw this.#withId(new errors.KEY_REUSED(job.job), waiter.id, { isCertain: true, statusCode: 422 })
    }
    await this.#look([{ id: waiter.id, isAccepted: true }])
  }

  #connected (): void {
    const client = this.#client
    Promise.all([this.#clock.read(client), readFacts(client).catch(() => undefined)]).then(async ([, facts]) => {
      this.#facts = facts ?? this.#facts
      this.#clockReadAtMs = this.#settings.now()
      if (facts !== undefined && facts.policy !== '' && facts.policy !== 'noeviction') {
        this.#log.warn(`redis of shard ${this.#shard}: maxmemory-policy is ${facts.policy}, it must be noeviction or jobs vanish`)
      }
      await this.#sample([...this.#samples.keys()])
      this.#probesFailed = 0
      this.breaker.succeed()
      for (const [id, reason] of [...this.#uncertain]) {
        this.#uncertain.delete(id)
        this.cancel(id, reason).catch(() => {}) // its deadline ends it
      }
    }).catch((error: Error) => this.breaker.trip(error.message))
  }

  #tick (): void {
    const nowMs = this.#settings.now()
    const client = this.#client
    if (client.status !== 'ready') return
    if (this.breaker.isProbeDue(nowMs)) {
      client.ping().then(() => this.#connected(), (error: Error) => {
        this.breaker.fail(error.message)
        // a socket that answers nothing for so long is not coming back
        if (++this.#probesFailed % 5 === 0) client.disconnect(true)
      })
    }
    if (this.breaker.isOpen) return
    const queues = [...this.#samples].filter(([, { usedAtMs }]) => nowMs - usedAtMs < 5000).map(([queue]) => queue)
    const isDue = nowMs - this.#sampledAtMs >= IDLE_SAMPLE_MS
    if (isDue) this.#sampledAtMs = nowMs
    this.#sample(isDue ? [...this.#samples.keys()] : queues).catch((error: Error) => this.breaker.fail(error.message))
    if (nowMs - this.#sweptAtMs >= this.#settings.sweepMs) this.#sweep(nowMs - this.#settings.sweepMs)
    if (nowMs - this.#clockReadAtMs >= CLOCK_MS) {
      this.#clockReadAtMs = nowMs
      this.#clock.read(client).catch(() => {}) // the old offset holds until the next reading
    }
  }

  async #sample (queues: string[]): Promise<void> {
    if (this.#isSampling || queues.length === 0) return
    this.#isSampling = true
    try {
      const nowMs = this.#clock.now()
      const pipeline = this.#client.pipeline()
      for (const queue of queues) {
        pipeline.llen(this.keys.list(queue, 'wait')).zcard(this.keys.list(queue, 'prioritized'))
          .llen(this.keys.list(queue, 'active')).zrangebyscore(this.keys.alive(queue), nowMs, '+inf')
      }
      const replies = await pipeline.exec() ?? []
      for (const [error] of replies) if (error !== null) throw error
      for (const [index, queue] of queues.entries()) {
        const [wait, prioritized, active, alive] = replies.slice(index * 4, index * 4 + 4).map(([, reply]) => reply)
        const sample = this.know(queue)
        sample.depth = Number(wait) + Number(prioritized) + Number(active)
        sample.workers = (alive as string[]).length
        sample.slots = (alive as string[]).reduce((sum, member) => sum + Number(member.slice(member.lastIndexOf(':') + 1)), 0)
        sample.isKnown = true
      }
    } finally {
      this.#isSampling = false
    }
  }

  /** Read the records of those who wait since before `beforeMs`: the truth behind the hints. */
  #sweep (beforeMs: number): void {
    if (this.#isSweeping || this.#client.status !== 'ready') return
    this.#sweptAtMs = this.#settings.now()
    const waiting = this.waiters.olderThan(beforeMs)
    if (waiting.length === 0) return
    this.#isSweeping = true
    const run = async (): Promise<void> => {
      for (let at = 0; at < waiting.length; at += SWEEP_BATCH) {
        this.#counters.swept += await this.#look(waiting.slice(at, at + SWEEP_BATCH))
      }
    }
    run().catch((error: Error) => this.breaker.fail(error.message)).finally(() => { this.#isSweeping = false })
  }

  /** Settle those whose record is final or gone. Returns how many. */
  async #look (waiting: readonly { id: string, isAccepted: boolean }[]): Promise<number> {
    const refs = waiting.map(({ id, isAccepted }) => ({ id, isAccepted, ref: parseId(id)! }))
    const pipeline = this.#client.pipeline()
    for (const { ref } of refs) {
      pipeline.hmget(this.keys.record(queueOf(ref.job, ref.version), ref.unique), 'timestamp', 'finishedOn', 'returnvalue', 'failedReason')
      pipeline.get(this.keys.gone(queueOf(ref.job, ref.version), ref.unique))
    }
    const replies = await pipeline.exec() ?? []
    let settled = 0
    for (const [index, { id, isAccepted, ref }] of refs.entries()) {
      const [error, fields] = replies[index * 2]!
      if (error !== null) throw error
      const [timestamp, finishedOn, returnvalue, failedReason] = fields as (string | null)[]
      if (!this.waiters.has(id)) continue
      if (timestamp === null && isAccepted) {
        settled++
        if (replies[index * 2 + 1]?.[1]) this.waiters.settle(id, cancelledOutcome(ref.job))
        else {
          this.#counters.lost++
          this.waiters.rejectAll(id, this.#withId(new errors.REMOTE_LOST(ref.job, 'its record is gone from the engine'), id))
        }
      } else if (typeof finishedOn === 'string') {
        settled++
        this.waiters.settle(id, await this.#outcome(id, queueOf(ref.job, ref.version), ref.unique, returnvalue ?? null,
          failedReason ?? null))
      }
    }
    return settled
  }

  /** The outcome in a final record. What cannot be read or is not signed becomes a failure, never a result. */
  async #outcome (id: string, queue: string, unique: string, returnvalue: string | null, failedReason: string | null):
  Promise<RemoteOutcome> {
    const { job } = parseId(id)!
    const { maxResultBytes, inlineBytes, signingKey } = this.#settings
    try {
      if (failedReason !== null && returnvalue === null) {
        const sealed = failureIn(failedReason)
        if (sealed === undefined) {
          return failure(new errors.REMOTE_LOST(job, failedReason.slice(0, 200)))
        }
        return await unseal(id, sealed, maxResultBytes, signingKey, async () => null)
      }
      if (returnvalue === null || returnvalue.length > inlineBytes * 8 + 1024) throw new EnvelopeError('the result is absent or too large')
      return await unseal(id, parseSafely(returnvalue), maxResultBytes, signingKey, () =>
        this.#client.get(this.keys.result(queue, unique)))
    } catch (error) {
      if (!(error instanceof EnvelopeError) && !(error instanceof SyntaxError)) throw error
      return failure(new errors.REMOTE_ENVELOPE(job, error.message))
    }
  }

  #onHint (text: string): void {
    const { maxResultBytes, inlineBytes, signingKey } = this.#settings
    this.#counters.hints++
    let id: unknown
    let sealed: unknown
    try {
      if (text.length > inlineBytes * 8 + 2048) throw new EnvelopeError('too long')
      ;({ i: id, o: sealed } = parseSafely(text) as { i: unknown, o: unknown })
      if (typeof id !== 'string' || parseId(id) === undefined) throw new EnvelopeError('no id')
    } catch {
      this.#counters.badHints++ // whoever sent it: the sweep reads the record
      return
    }
    if (!this.waiters.has(id)) {
      this.#counters.lateHints++
      return
    }
    const ref = parseId(id)!
    const known = id
    const isWhole = sealed !== null && typeof sealed === 'object' && !('big' in sealed)
    if (!isWhole) {
      // the record has it, or will have: after a hint without an outcome it is read at once
      if (sealed === undefined || sealed === null) this.#look([{ id: known, isAccepted: true }]).catch(() => {})
      else this.#settleBig(known, sealed, queueOf(ref.job, ref.version), ref.unique)
      return
    }
    unseal(known, sealed, maxResultBytes, signingKey, async () => null).then((outcome) =>
      this.waiters.settle(known, outcome),
    () => { this.#counters.badHints++ })
  }

  #settleBig (id: string, sealed: unknown, queue: string, unique: string): void {
    unseal(id, sealed, this.#settings.maxResultBytes, this.#settings.signingKey, () =>
      this.#client.get(this.keys.result(queue, unique)))
      .then((outcome) => this.waiters.settle(id, outcome), () => { this.#counters.badHints++ })
  }
}

function failure (error: Error): RemoteOutcome {
  return { status: 'failed', error: JSON.stringify(encodeError(error)) }
}

function cancelledOutcome (job: string): RemoteOutcome {
  return { status: 'cancelled', error: JSON.stringify(encodeError(new errors.CANCELLED(job, 'before it started'))) }
}
