// Puts jobs into the queues of one shard and takes them out; what a submit without an answer means is decided here.
import { Queue } from 'bullmq'
import { errors } from '../errors.js'
import { markOf, pack, parseEnvelope } from './envelope.js'
import { parseId, queueOf } from './id.js'
import { cancelledOutcome, withId } from './shard.js'
import { inWords, withoutAddress } from './words.js'
import type { JobsOptions } from 'bullmq'
import type { RemoteJob } from './contract.js'
import type { Shard } from './shard.js'

/** How long a removed job is known to have been cancelled, ms. */
const GONE_MS = 3600_000
/** How long it is remembered who waits for a job, ms. */
const REGISTERED_MS = GONE_MS * 24
/** Jobs of unknown fate that are cancelled when the engine is back; further ones end at their deadline. */
const MAX_UNCERTAIN = 1000
/**
 * A job that is not there may still come: from the socket of a connection that was given up. It is looked for again
 * after 1, 2, 4 … s: for over two minutes, about as long as Linux keeps sending what such a socket holds.
 */
const LOOKS = 8
const LOOK_MS = 1000

/**
 * Take a job out of where it waits, or leave it alone: BullMQ's own `remove` also takes one that has ended since we
 * looked, and with it the result.
 */
const takeOut = `
local id = ARGV[1]
local taken = redis.call('LREM', KEYS[1], 0, id) + redis.call('LREM', KEYS[2], 0, id)
  + redis.call('ZREM', KEYS[3], id) + redis.call('ZREM', KEYS[4], id)
if taken > 0 then
  redis.call('DEL', KEYS[5], KEYS[6])
  redis.call('SET', KEYS[7], ARGV[2], 'PX', ARGV[3])
end
return taken`

export type Cancelled = 'removed' | 'signalled' | 'finished' | 'unknown'

/** The queues of one shard, for writing. */
export class Sender {
  readonly #shard: Shard
  readonly #queues = new Map<string, Queue>()
  readonly #uncertain = new Map<string, { looks: number, atMs: number, readonly deadlineAtMs: number }>()

  constructor (shard: Shard) { this.#shard = shard }

  /** Hand over a job. Rejects with one of our errors, whose `isCertain` tells whether the engine lacks it. */
  async add (id: string, unique: string, queue: string, job: RemoteJob): Promise<void> {
    const { settings, clock, client, keys, breaker } = this.#shard
    const payload = keys.payload(queue, unique, job.key?.fingerprint)
    const envelope = pack(id, job, settings.instance, clock.now(), settings.inlineBytes, settings.signingKey)
    try {
      if (envelope.big !== undefined) {
        await client.set(payload, job.payload, 'PX', job.deadlineMs + job.resultTtlMs)
      }
      if (job.key !== undefined) await this.register(queue, unique)
    } catch (error) {
      // nothing was queued yet
      throw this.#refusal(id, job, error, true)
    }
    try {
      await this.#queue(queue).add(job.job, envelope, this.#optionsOf(unique, job))
      breaker.succeed()
    } catch (error) {
      const refusal = this.#refusal(id, job, error, false)
      // a full Redis would have it for two days; that of a key may be another job's
      if (envelope.big !== undefined && job.key === undefined && refusal.isCertain) {
        client.del(payload).catch(() => {}) // it expires
      }
      throw refusal
    }
  }

  #optionsOf (unique: string, { durable, priority, attempts, resultTtlMs }: RemoteJob): JobsOptions {
    const { keepResults } = this.#shard.settings
    const keep = { age: Math.ceil(resultTtlMs / 1000), count: durable ? keepResults * 10 : keepResults }
    return {
      jobId: unique,
      attempts,
      removeOnComplete: keep,
      removeOnFail: keep,
      stackTraceLimit: 0,
      ...(attempts > 1 && { backoff: { type: 'exponential', delay: 1000, jitter: 0.5 } }),
      // BullMQ serves jobs without a priority first, in order
      ...(priority === 'low' && { priority: 10 }),
      ...(priority === 'high' && { lifo: true })
    }
  }

  /** This process waits for a job too. */
  async register (queue: string, unique: string): Promise<void> {
    const { client, keys, settings } = this.#shard
    const key = keys.waiters(queue, unique)
    await client.sadd(key, settings.instance)
    await client.pexpire(key, REGISTERED_MS)
  }

  async cancel (id: string, reason: string): Promise<Cancelled> {
    const { client, keys, counters, waiters, settings } = this.#shard
    const { job, version, unique } = parseId(id)!
    const queue = queueOf(job, version)
    const [data, finishedOn] = await client.hmget(keys.record(queue, unique), 'data', 'finishedOn')
    if (typeof data !== 'string') return 'unknown'
    if (typeof finishedOn === 'string') return 'finished'
    const envelope = parseEnvelope(data, settings.inlineBytes, settings.maxPayloadBytes)
    const mark = markOf(envelope)
    const lists = (['wait', 'paused', 'prioritized', 'delayed'] as const).map((name) => keys.list(queue, name))
    const beside = [keys.record(queue, unique), keys.payload(queue, unique, envelope.k), keys.gone(queue, unique)]
    if (await client.eval(takeOut, 7, ...lists, ...beside, unique, mark, GONE_MS) as number > 0) {
      counters.cancelled++
      waiters.settle(id, cancelledOutcome(job))
      return 'removed'
    }
    // if its worker is dead by now, the one that runs it again finds this
    await client.set(keys.gone(queue, unique), mark, 'PX', GONE_MS)
    await client.publish(keys.cancels, JSON.stringify({ q: queue, u: unique, r: reason.slice(0, 200) }))
    counters.cancelled++
    return 'signalled'
  }

  /** The engine answers: take out what was submitted without an answer. */
  cancelUncertain (nowMs: number): void {
    for (const [id, look] of this.#uncertain) {
      if (look.deadlineAtMs < nowMs) this.#uncertain.delete(id) // it never begins
      if (look.atMs > nowMs) continue
      look.atMs = nowMs + LOOK_MS * 2 ** look.looks
      this.cancel(id, 'it was given up when its submit was not answered').then((found) => {
        if (found !== 'unknown' || ++look.looks === LOOKS) this.#uncertain.delete(id)
      }, () => {}) // looked for again
    }
  }

  async close (): Promise<void> {
    await Promise.allSettled([...this.#queues.values()].map((queue) => queue.close()))
  }

  #queue (name: string): Queue {
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      const { client, keys } = this.#shard
      queue = new Queue(name, {
        connection: client as never,
        prefix: keys.prefix,
        skipVersionCheck: true,
        streams: { events: { maxLen: 100 } }
      })
      queue.on('error', () => {}) // the connection's own listener has the reason
      this.#queues.set(name, queue)
      client.sadd(keys.queues, name).catch(() => {}) // for doctor only; a worker adds it too
    }
    return queue
  }

  /** Our error for a submit that failed. `isBefore`: nothing was queued yet. */
  #refusal (id: string, { job, key, deadlineMs }: RemoteJob, error: unknown, isBefore: boolean):
  Error & { isCertain: boolean } {
    const { breaker, counters, settings } = this.#shard
    const text = (error as Error).message ?? String(error)
    const reason = withoutAddress(text)
    const isReply = (error as Error).name === 'ReplyError'
    const isUnsent = /enableOfflineQueue options is false/.test(text)
    if (!isReply) breaker.fail(inWords(text))
    counters.refused++
    const certain = { isCertain: true, cause: error }
    if (isReply) return withId(new errors.REMOTE_REFUSED(job, reason), id, { ...certain, retryAfterS: 5 })
    if (isBefore || isUnsent) return withId(new errors.REMOTE_DOWN(job, reason), id, { ...certain, retryAfterS: 1 })
    counters.uncertain++
    // a key's job stays: it may be an older one, and who asks again gets it
    if (key === undefined && this.#uncertain.size < MAX_UNCERTAIN) {
      const nowMs = settings.now()
      this.#uncertain.set(id, { looks: 0, atMs: nowMs, deadlineAtMs: nowMs + deadlineMs })
    }
    return withId(new errors.REMOTE_UNCERTAIN(job, reason), id, { isCertain: false, cause: error, retryAfterS: 1 })
  }
}
