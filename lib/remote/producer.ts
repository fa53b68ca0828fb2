// The producer's side of one Redis: admission, submits and their waiters, and the loop that samples, sweeps and probes.
import { errors } from '../errors.js'
import { Breaker, NOT_CONNECTED } from './breaker.js'
import { BrokerClock, connect, isForbidden, readFacts, reasonOf, Subscription } from './connection.js'
import { Depths } from './depths.js'
import { onHint } from './hints.js'
import { makeId, queueOf } from './id.js'
import { EnvelopeError, parseEnvelope } from './envelope.js'
import { Keys } from './keys.js'
import { Records } from './records.js'
import { Sender } from './sender.js'
import { withId } from './shard.js'
import { Waiters } from './waiters.js'
import { inWords, withoutAddress } from './words.js'
import type { Admit, AdmitQuery, RemoteJob, RemoteStatus, RemoteTicket, ShardStats } from './contract.js'
import type { RedisAddress, ServerFacts } from './connection.js'
import type { Cancelled } from './sender.js'
import type { Shard, Shared } from './shard.js'
import type { Waiter } from './waiters.js'

/** Times of the loop, ms: one tick, samples of an unused queue, readings of the clock. */
const TICK_MS = 250
const IDLE_SAMPLE_MS = 2000
const CLOCK_MS = 60000
/** A waiter outlives the job's deadline by this, so that the worker's own word about it can arrive, ms. */
const AFTER_DEADLINE_MS = 1000
/** Round trips of a job from which their p99 is taken for one; chosen: one lies above it. */
const SEEN = 100

/** One shard as a producer sees it. */
export class Producer {
  readonly #shard: Shard
  readonly #depths: Depths
  readonly #records: Records
  readonly #sender: Sender
  readonly #subscription: Subscription
  readonly #timer: NodeJS.Timeout
  #facts: ServerFacts | undefined
  #sampledAtMs = 0
  #clockReadAtMs = 0
  #probesFailed = 0
  #isForbiddenTold = false
  #isAwayTold = false
  #isClosed = false

  constructor (shared: Shared, number: number, address: RedisAddress) {
    const { settings, counters } = shared
    const keys = new Keys(settings.env, settings.region, number)
    const breaker = new Breaker()
    const closed = 'the connection is closed'
    let reason = closed
    const client = connect(address, 'producer', `fs-p:${settings.instance}`, settings.commandTimeoutMs, (error) => {
      reason = inWords(reasonOf(error))
      if (breaker.isOpen) breaker.reason = reason
    })
    const clock = new BrokerClock(settings.now)
    const waiters = new Waiters(counters)
    const shard = this.#shard = { ...shared, number, keys, breaker, clock, waiters, client }
    this.#depths = new Depths(shard)
    this.#records = new Records(shard)
    this.#sender = new Sender(shard)
    client.on('ready', () => {
      reason = closed
      this.#connected()
    })
    client.on('close', () => breaker.trip(reason))
    this.#subscription = new Subscription(
      connect(address, 'subscriber', `fs-s:${settings.instance}`, 0, () => {}),
      keys.hints(settings.instance), (text) => onHint(shard, this.#records, text), () => this.#records.sweep(true))
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  get breaker (): Breaker { return this.#shard.breaker }
  get waiting (): number { return this.#shard.waiters.size }

  /** A queue that may be used: it is sampled from now on. */
  know (queue: string): void { this.#depths.know(queue) }

  depth (queue: string): number { return this.#depths.of(queue) }

  admit (query: AdmitQuery, inFlight: number): Admit {
    const { settings, breaker, clock } = this.#shard
    const { maxInFlight, maxPayloadBytes, allowVolatile } = settings
    const refuse = (code: Exclude<Admit, { ok: true }>['code'], reason: string, retryAfterMs = 1000): Admit =>
      ({ ok: false, code, reason, retryAfterMs })
    if (query.payloadBytes > maxPayloadBytes) {
      return refuse('REMOTE_PAYLOAD', `its input has ${query.payloadBytes} bytes, limit ${maxPayloadBytes}`)
    }
    if (this.#isClosed || breaker.isOpen) return refuse('REMOTE_DOWN', withoutAddress(breaker.reason))
    if (inFlight >= maxInFlight) return refuse('REMOTE_FULL', `${inFlight}, limit ${maxInFlight}`)
    if (query.durable && this.#facts !== undefined && !allowVolatile && !this.#facts.hasAof) {
      return refuse('REMOTE_VOLATILE', 'the engine keeps nothing on disk (appendonly is off), and allowVolatile is not set')
    }
    const queue = queueOf(query.job, query.version)
    const sample = this.#depths.know(queue)
    sample.usedAtMs = settings.now()
    if (query.durable) return { ok: true, waitMs: 0 }
    if (!sample.isKnown || sample.workers === 0) return refuse('NO_WORKER', queue, 5000)
    const meanMs = Number.isNaN(query.meanMs) ? 0 : query.meanMs
    const waitMs = sample.depth * meanMs / Math.max(1, sample.slots) + clock.roundtripMs
    if (waitMs + meanMs > query.deadlineMs) {
      return refuse('REMOTE_EXPIRED', `${sample.depth} jobs wait there, expected wait ${Math.ceil(waitMs)} ms`, waitMs)
    }
    return { ok: true, waitMs }
  }

  submit (job: RemoteJob, unique: string): RemoteTicket {
    const { settings, number, waiters, counters } = this.#shard
    const queue = queueOf(job.job, job.version)
    const id = makeId(settings.region, number, queue, unique)
    const waiter = waiters.add(id, this.#firstLookMs(job.job), job.deadlineMs + AFTER_DEADLINE_MS, (late) => {
      waiters.reject(late, withId(new errors.REMOTE_EXPIRED(job.job, `no result after ${job.deadlineMs} ms`), id))
      if (!job.durable) this.cancel(id, 'its deadline passed').catch(() => {})
    })
    counters.submitted++
    // counted at once, so that a burst between two samples does not see an empty queue
    this.#depths.know(queue).depth++
    const accepted = this.#sender.add(id, unique, queue, job).then(() => {
      waiter.isAccepted = true
      if (job.durable) this.#depths.tell(queue)
      if (job.key !== undefined) return this.#checkKey(waiter, queue, unique, job, job.key.fingerprint)
    }).catch((error: unknown) => {
      waiters.reject(waiter, error)
      throw error
    })
    accepted.catch(() => {}) // the same error is in `done`
    return { id, accepted, done: waiter.promise, detach: () => { waiters.remove(waiter) } }
  }

  /** Wait for a job whose record is believed to exist. */
  attach (id: string, queue: string, unique: string): RemoteTicket {
    const { settings, waiters } = this.#shard
    const waiter = waiters.add(id, performance.now() + settings.sweepMs, Infinity, () => {})
    waiter.isAccepted = true
    const accepted = this.#sender.register(queue, unique).then(() => this.#records.look([{ id, isAccepted: true }]))
      .then(() => {}, (error: unknown) => {
        const reason = withoutAddress((error as Error).message)
        waiters.reject(waiter, withId(new errors.REMOTE_DOWN(id, reason), id, { cause: error }))
        throw error
      })
    accepted.catch(() => {}) // the same error is in `done`
    return { id, accepted, done: waiter.promise, detach: () => { waiters.remove(waiter) } }
  }

  lookup (id: string): Promise<RemoteStatus | null> { return this.#records.status(id) }

  cancel (id: string, reason: string): Promise<Cancelled> { return this.#sender.cancel(id, reason) }

  stats (): ShardStats {
    const { number, breaker, clock } = this.#shard
    return {
      shard: number,
      breaker: breaker.state,
      reason: breaker.reason,
      roundtripMs: clock.roundtripMs,
      clockOffsetMs: Math.round(clock.offsetMs),
      isDurable: this.#facts?.hasAof === true,
      queues: this.#depths.view()
    }
  }

  async close (): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#shard.waiters.closeAll((id) => withId(new errors.CLOSED(id), id))
    this.#subscription.close()
    await this.#sender.close()
    this.#shard.client.disconnect()
  }

  /** Where most round trips are shorter than a sweep, a hint that is later than them is likely to be lost. */
  #firstLookMs (job: string): number {
    const { settings: { sweepMs }, times } = this.#shard
    const { roundtrip } = times.of(job)
    return performance.now() + (roundtrip.count < SEEN ? sweepMs : Math.min(sweepMs, roundtrip.percentile(0.99)))
  }

  /** The key's job may be an older one: of another input, or ended already. */
  async #checkKey ({ id }: Waiter, queue: string, unique: string, { job }: RemoteJob, fingerprint: string):
  Promise<void> {
    const { client, keys, settings } = this.#shard
    let known: string | undefined
    try {
      const data = await client.hget(keys.record(queue, unique), 'data')
      known = data === null ? fingerprint : parseEnvelope(data, settings.inlineBytes, settings.maxPayloadBytes).k
      if (known === fingerprint) await this.#records.look([{ id, isAccepted: true }])
    } catch (error) {
      const { message } = error as Error
      if (error instanceof EnvelopeError) {
        throw withId(new errors.REMOTE_ENVELOPE(job, message), id, { isCertain: true })
      }
      // the engine has the key's job, or an older one of another input
      const more = { isCertain: false, cause: error, retryAfterS: 1 }
      throw withId(new errors.REMOTE_UNCERTAIN(job, withoutAddress(message)), id, more)
    }
    if (known !== fingerprint) throw withId(new errors.KEY_REUSED(job), id, { isCertain: true, statusCode: 422 })
  }

  #connected (): void {
    const { client, clock, keys, settings, number, log, breaker } = this.#shard
    const facts = readFacts(client).catch((error: Error) => {
      if (isForbidden(error) && !this.#isForbiddenTold) {
        this.#isForbiddenTold = true
        log.warn(`redis of shard ${number}: its user may not run INFO, so it is not checked whether it loses jobs (appendonly, maxmemory-policy); allow +info`)
      }
      return undefined
    })
    Promise.all([facts, clock.read(client, keys.cancels)]).then(async ([facts]) => {
      this.#facts = facts ?? this.#facts
      this.#clockReadAtMs = settings.now()
      if (facts !== undefined && facts.policy !== '' && facts.policy !== 'noeviction') {
        log.warn(`redis of shard ${number}: maxmemory-policy is ${facts.policy}, it must be noeviction or jobs vanish`)
      }
      await this.#depths.read(this.#depths.queues)
      this.#probesFailed = 0
      breaker.succeed()
    }).catch((error: Error) => breaker.trip(inWords(error.message)))
  }

  #tick (): void {
    const { client, clock, keys, settings, breaker } = this.#shard
    const nowMs = settings.now()
    this.#tellBreaker()
    if (client.status !== 'ready') return
    if (breaker.isProbeDue(nowMs)) {
      client.ping().then(() => this.#connected(), (error: Error) => {
        breaker.fail(inWords(error.message))
        // a socket that answers nothing for so long is not coming back
        if (++this.#probesFailed % 5 === 0) client.disconnect(true)
      })
    }
    if (breaker.isOpen) return
    this.#sender.cancelUncertain(nowMs)
    const isDue = nowMs - this.#sampledAtMs >= IDLE_SAMPLE_MS
    if (isDue) this.#sampledAtMs = nowMs
    const queues = isDue ? this.#depths.queues : this.#depths.usedLately(nowMs)
    this.#depths.read(queues).catch((error: Error) => breaker.fail(inWords(error.message)))
    this.#records.sweep(false)
    if (nowMs - this.#clockReadAtMs >= CLOCK_MS) {
      this.#clockReadAtMs = nowMs
      clock.read(client, keys.cancels).catch(() => {}) // the old offset holds until the next reading
    }
  }

  /** A line when the breaker has opened, and one when it has closed again. */
  #tellBreaker (): void {
    const { breaker: { isOpen, reason }, number, log } = this.#shard
    if (isOpen === this.#isAwayTold || reason === NOT_CONNECTED) return
    this.#isAwayTold = isOpen
    if (isOpen) log.warn(`redis of shard ${number} is away: ${reason}; it gets no jobs until it answers`)
    else log.info(`redis of shard ${number} answers again`)
  }
}
