// Reads the records of jobs, which are the truth: one for a status, many for those who wait.
import { errors } from '../errors.js'
import { EnvelopeError, failureIn, parseEnvelope, unseal } from './envelope.js'
import { parseId, queueOf } from './id.js'
import { parseSafely } from './json.js'
import { cancelledOutcome, failedWith, withId } from './shard.js'
import { inWords, withoutAddress } from './words.js'
import type { RemoteOutcome, RemoteStatus } from './contract.js'
import type { Shard } from './shard.js'

/** Records read by one pipeline of the sweep. */
const SWEEP_BATCH = 200

/** The records of one shard. */
export class Records {
  readonly #shard: Shard
  #isSweeping = false

  constructor (shard: Shard) { this.#shard = shard }

  async status (id: string): Promise<RemoteStatus | null> {
    const { client, keys, clock, settings } = this.#shard
    const ref = parseId(id)!
    const queue = queueOf(ref.job, ref.version)
    const fields = await client.hmget(keys.record(queue, ref.unique), 'data', 'finishedOn', 'returnvalue', 'failedReason', 'progress', 'ats')
    const [data, finishedOn, returnvalue, failedReason, progress, attempt] = fields
    if (typeof data !== 'string') return await this.#removed(id)
    const envelope = parseEnvelope(data, settings.inlineBytes, settings.maxPayloadBytes)
    const isFinal = typeof finishedOn === 'string'
    const outcome = isFinal ? await this.outcome(id, returnvalue ?? null, failedReason ?? null) : undefined
    const isLocked = !isFinal && await client.exists(keys.lock(queue, ref.unique)) === 1
    const state = outcome !== undefined
      ? outcome.status === 'ok' ? 'succeeded' : outcome.status
      : isLocked ? 'running' : envelope.d < clock.now() ? 'expired' : 'queued'
    return {
      id,
      job: ref.job,
      version: ref.version,
      state,
      attempt: Number(attempt ?? 0),
      readAtMs: clock.now(),
      createdAtMs: envelope.at,
      deadlineAtMs: envelope.d,
      ...(isFinal && { endedAtMs: Number(finishedOn) }),
      progress: typeof progress === 'string' && progress !== '0' && progress.length <= settings.inlineBytes ? parseSafely(progress) : undefined,
      owner: envelope.o,
      fingerprint: envelope.k,
      outcome
    }
  }

  /** What is known of a job without a record. */
  async #removed (id: string): Promise<RemoteStatus | null> {
    const { client, keys, clock } = this.#shard
    const { job, version, unique } = parseId(id)!
    const gone = await client.get(keys.gone(queueOf(job, version), unique))
    if (gone === null) return null
    const [deadlineAtMs, createdAtMs, owner] = JSON.parse(gone) as [number, number, string | null]
    return {
      id,
      job,
      version,
      state: 'cancelled',
      attempt: 0,
      readAtMs: clock.now(),
      createdAtMs,
      deadlineAtMs,
      progress: undefined,
      owner: owner ?? undefined,
      fingerprint: undefined,
      outcome: cancelledOutcome(job)
    }
  }

  /** Read the records of those whose hint is late, or of all who wait. */
  sweep (isAll: boolean): void {
    const { client, waiters, counters, breaker, settings } = this.#shard
    if (this.#isSweeping || client.status !== 'ready') return
    const waiting = waiters.due(performance.now(), settings.sweepMs, isAll)
    if (waiting.length === 0) return
    this.#isSweeping = true
    const run = async (): Promise<void> => {
      for (let at = 0; at < waiting.length; at += SWEEP_BATCH) {
        counters.swept += await this.look(waiting.slice(at, at + SWEEP_BATCH))
      }
    }
    run().catch((error: Error) => breaker.fail(inWords(error.message))).finally(() => { this.#isSweeping = false })
  }

  /** Settle those whose record is final or gone. Returns how many. */
  async look (waiting: readonly { id: string, isAccepted: boolean }[]): Promise<number> {
    const { client, keys, waiters, counters } = this.#shard
    const refs = waiting.map(({ id, isAccepted }) => ({ id, isAccepted, ref: parseId(id)! }))
    const pipeline = client.pipeline()
    for (const { ref } of refs) {
      const queue = queueOf(ref.job, ref.version)
      pipeline.hmget(keys.record(queue, ref.unique), 'timestamp', 'finishedOn', 'returnvalue', 'failedReason')
      pipeline.get(keys.gone(queue, ref.unique))
    }
    const replies = await pipeline.exec() ?? []
    let settled = 0
    for (const [index, { id, isAccepted, ref }] of refs.entries()) {
      const [error, fields] = replies[index * 2]!
      if (error !== null) throw error
      const [timestamp, finishedOn, returnvalue, failedReason] = fields as (string | null)[]
      if (!waiters.has(id)) continue
      if (timestamp === null && isAccepted) {
        settled++
        if (replies[index * 2 + 1]?.[1]) waiters.settle(id, cancelledOutcome(ref.job))
        else {
          counters.lost++
          waiters.rejectAll(id, withId(new errors.REMOTE_LOST(ref.job, 'its record is gone from the engine'), id))
        }
      } else if (typeof finishedOn === 'string') {
        settled++
        waiters.settle(id, await this.outcome(id, returnvalue ?? null, failedReason ?? null))
      }
    }
    return settled
  }

  /** The outcome in a final record. What cannot be read or is not signed becomes a failure, never a result. */
  async outcome (id: string, returnvalue: string | null, failedReason: string | null): Promise<RemoteOutcome> {
    const { job } = parseId(id)!
    const { maxResultBytes, inlineBytes, signingKey } = this.#shard.settings
    try {
      if (failedReason !== null && returnvalue === null) {
        const sealed = failureIn(failedReason)
        if (sealed === undefined) return failedWith(new errors.REMOTE_LOST(job, withoutAddress(failedReason)))
        return await unseal(id, sealed, maxResultBytes, signingKey, async () => null)
      }
      if (returnvalue === null || returnvalue.length > inlineBytes * 8 + 1024) throw new EnvelopeError('the result is absent or too large')
      return await unseal(id, parseSafely(returnvalue), maxResultBytes, signingKey, () => this.big(id))
    } catch (error) {
      if (!(error instanceof EnvelopeError) && !(error instanceof SyntaxError)) throw error
      return failedWith(new errors.REMOTE_ENVELOPE(job, error.message))
    }
  }

  /** A result that lies beside its record. */
  big (id: string): Promise<string | null> {
    const { job, version, unique } = parseId(id)!
    return this.#shard.client.get(this.#shard.keys.result(queueOf(job, version), unique))
  }
}
