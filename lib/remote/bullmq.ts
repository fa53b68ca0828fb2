// The remote tier on BullMQ: a producer and a consumer for each independent Redis. Import of fastify-spillover/bullmq.
import './peers.js'
import { errors } from '../errors.js'
import { EnvelopeError } from './envelope.js'
import { Consumer } from './consumer.js'
import { isGivenTo, parseId, queueOf, shardOfKey, uniquePart } from './id.js'
import { msgpackCodec } from './msgpack.js'
import { Producer } from './producer.js'
import { Slots } from './running.js'
import { checkSettings } from './settings.js'
import { Times } from './times.js'
import { withoutAddress } from './words.js'
import type {
  Admit, AdmitQuery, RemoteContext, RemoteJob, RemoteLog, RemoteStats, RemoteStatus, RemoteTicket, RemoteTier,
  RunResult,
  Served, Serving, SlotSource, TakenJob
} from './contract.js'
import type { ConsumerCounters } from './running.js'
import type { ProducerCounters } from './shard.js'
import type { BullmqOptions, Settings } from './settings.js'

export type { BullmqOptions } from './settings.js'
export type { RedisAddress } from './connection.js'

const silent: RemoteLog = { info () {}, warn () {}, error () {} }

/** The remote tier on BullMQ and one or several Redis. Throws `FST_ERR_SPILLOVER_OPTION`; connects at `start`. */
export function bullmqTier (options: BullmqOptions): RemoteTier {
  return new BullmqTier(checkSettings(options))
}

class BullmqTier implements RemoteTier {
  readonly kind = 'bullmq'
  readonly codecs = [msgpackCodec]
  readonly #settings: Settings
  readonly #times = new Times()
  readonly #consumers: Consumer[] = []
  readonly #sent: ProducerCounters = {
    submitted: 0, refused: 0, uncertain: 0, hints: 0, badHints: 0, lateHints: 0, swept: 0, lost: 0, cancelled: 0
  }

  readonly #taken: ConsumerCounters = {
    taken: 0,
    completed: 0,
    failed: 0,
    expired: 0,
    cancelledHere: 0,
    stalled: 0,
    putBack: 0,
    retried: 0,
    dead: 0,
    badEnvelopes: 0
  }

  #producers: Producer[] = []
  #log = silent
  #isClosed = false

  constructor (settings: Settings) { this.#settings = settings }

  start ({ log, served }: RemoteContext): void {
    this.#log = log
    const settings = this.#settings
    const shared = { settings, log, counters: this.#sent, times: this.#times, unserved: new Set<string>() }
    this.#producers = settings.addresses.map((address, shard) => new Producer(shared, shard, address))
    for (const producer of this.#producers) {
      for (const { job, version } of served) producer.know(queueOf(job, version))
    }
  }

  admit (query: AdmitQuery): Admit {
    return this.#choose(query).answer
  }

  submit (job: RemoteJob): RemoteTicket {
    const queue = queueOf(job.job, job.version)
    const unique = uniquePart(queue, job.key, job.owner)
    const query: AdmitQuery = { ...job, payloadBytes: Buffer.byteLength(job.payload), meanMs: NaN }
    // a key stays on its shard, dead or not: elsewhere it would run a second time
    const { producer, answer } = job.key === undefined
      ? this.#choose(query)
      : this.#ask(this.#producers[shardOfKey(unique, this.#producers.length)], query)
    if (!answer.ok) return refused(job.job, answer)
    const ticket = producer!.submit(job, unique)
    this.#times.watch(job, ticket.done)
    return ticket
  }

  attach (id: string): RemoteTicket {
    const ref = parseId(id)
    const producer = this.#producerOf(id)
    if (ref === undefined || producer === undefined) {
      return refused(id, { ok: false, code: 'REMOTE_DOWN', reason: 'it is on no shard of this process', retryAfterMs: 1000 })
    }
    return producer.attach(id, queueOf(ref.job, ref.version), ref.unique)
  }

  async lookup (id: string): Promise<RemoteStatus | null> {
    const producer = this.#producerOf(id)
    if (producer === undefined) return null
    return await reached(id, producer, () => producer.lookup(id))
  }

  isGivenTo (id: string, owner: string | undefined): boolean {
    return this.#producerOf(id) !== undefined && isGivenTo(id, owner)
  }

  async cancel (id: string, reason: string): Promise<'removed' | 'signalled' | 'finished' | 'unknown'> {
    const producer = this.#producerOf(id)
    if (producer === undefined) return 'unknown'
    return await reached(id, producer, () => producer.cancel(id, reason))
  }

  async serve (served: readonly Served[], run: (job: TakenJob) => Promise<RunResult>,
    source: SlotSource): Promise<Serving> {
    const slots = new Slots(source)
    const consumers = this.#settings.addresses.map((address, shard) =>
      new Consumer(this.#settings, shard, address, this.#log, served, run, slots, this.#taken, this.#times))
    this.#consumers.push(...consumers)
    return { stop: async (drainMs) => { await Promise.all(consumers.map((consumer) => consumer.stop(drainMs))) } }
  }

  stats (): RemoteStats {
    return {
      kind: this.kind,
      inFlight: this.#inFlight,
      shards: this.#producers.map((producer) => producer.stats()),
      counters: { ...this.#sent, ...this.#taken },
      roundtrip: this.#times.view()
    }
  }

  times (): Times['byJob'] { return this.#times.byJob }

  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.allSettled([...this.#consumers.map((consumer) => consumer.stop(0)),
      ...this.#producers.map((producer) => producer.close())])
  }

  get inFlightShare (): number { return this.#inFlight / this.#settings.maxInFlight }

  get #inFlight (): number { return this.#producers.reduce((sum, { waiting }) => sum + waiting, 0) }

  /** The better of two shards taken at random among those that answer, else any that takes it. */
  #choose (query: AdmitQuery): { producer: Producer | undefined, answer: Admit } {
    const alive = this.#producers.filter(({ breaker }) => !breaker.isOpen)
    if (alive.length < 2) return this.#ask(alive[0] ?? this.#producers[0], query)
    const queue = queueOf(query.job, query.version)
    const at = Math.floor(Math.random() * alive.length)
    const one = alive[at]!
    const other = alive[(at + 1 + Math.floor(Math.random() * (alive.length - 1))) % alive.length]!
    const [better, worse] = one.depth(queue) <= other.depth(queue) ? [one, other] : [other, one]
    const first = this.#ask(better, query)
    if (first.answer.ok) return first
    for (const producer of [worse, ...alive]) {
      const next = this.#ask(producer, query)
      if (next.answer.ok) return next
    }
    return first
  }

  #ask (producer: Producer | undefined, query: AdmitQuery): { producer: Producer | undefined, answer: Admit } {
    const answer: Admit = producer?.admit(query, this.#inFlight) ??
      { ok: false, code: 'REMOTE_DOWN', reason: 'the tier is not started', retryAfterMs: 1000 }
    return { producer, answer }
  }

  #producerOf (id: string): Producer | undefined {
    const ref = parseId(id)
    return ref === undefined || ref.region !== this.#settings.region ? undefined : this.#producers[ref.shard]
  }
}

/** A ticket that was refused at the door. */
function refused (job: string, answer: Exclude<Admit, { ok: true }>): RemoteTicket {
  const error = Object.assign(new errors[answer.code](job, answer.reason),
    { isCertain: true, retryAfterS: Math.max(1, Math.ceil(answer.retryAfterMs / 1000)) })
  const promise = Promise.reject(error)
  promise.catch(() => {}) // whoever reads the ticket sees it
  return { id: '', accepted: promise, done: promise, detach: () => {} }
}

/** Ask the engine, or say at once that it is away. */
async function reached<T> (id: string, producer: Producer, ask: () => Promise<T>): Promise<T> {
  if (producer.breaker.isOpen) {
    throw Object.assign(new errors.REMOTE_DOWN(id, withoutAddress(producer.breaker.reason)), { retryAfterS: 1 })
  }
  try {
    return await ask()
  } catch (error) {
    if (error instanceof EnvelopeError) throw new errors.REMOTE_ENVELOPE(id, error.message)
    const reason = withoutAddress((error as Error).message)
    throw Object.assign(new errors.REMOTE_DOWN(id, reason), { retryAfterS: 1, cause: error })
  }
}
