// One job on a worker: what it must be to be run, its run with deadline and progress, and what its end means.
import { LONGEST_MS } from '../clock.js'
import { errors } from '../errors.js'
import { toText } from './answer.js'
import { checkEnvelope, EnvelopeError, markOf, readEnvelope } from './envelope.js'
import type { Job } from 'bullmq'
import type { Answers } from './answer.js'
import type { RunResult, SlotSource, TakenJob } from './contract.js'
import type { BrokerClock, Client } from './connection.js'
import type { Envelope, Sealed } from './envelope.js'
import type { Keys } from './keys.js'
import type { Settings } from './settings.js'
import type { Times } from './times.js'

/** Progress is written no more often than this, ms; the last value is, then. */
const PROGRESS_MS = 200

export type ConsumerCounters = Record<
  'taken' | 'completed' | 'failed' | 'expired' | 'cancelledHere' | 'stalled' | 'putBack' | 'retried' | 'dead' | 'badEnvelopes', number>

export type Run = (job: TakenJob) => Promise<RunResult>

/** What running a job needs of its shard. */
export interface Bench {
  readonly settings: Settings
  readonly keys: Keys
  readonly client: Client
  readonly clock: BrokerClock
  readonly counters: ConsumerCounters
  readonly times: Times
  readonly answers: Answers
  readonly run: Run
}

/** A job as it was fetched. */
export interface Fetched {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly queue: string
  readonly job: Job
  /** fired by a cancellation, the loss of its lock, or the end of this worker; and here by its deadline */
  readonly abort: AbortController
}

/** Run it. Returns its sealed result, throws its sealed failure; undefined: it is to be put back. */
export async function runFetched (bench: Bench, fetched: Fetched): Promise<Sealed | undefined> {
  const { answers, clock, counters, times, client, keys } = bench
  const { id, name, queue, job } = fetched
  let envelope: Envelope
  let payload: string
  try {
    [envelope, payload] = await open(bench, fetched)
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error
    counters.badEnvelopes++
    return answers.fail(id, { status: 'failed', error: toText(new errors.REMOTE_ENVELOPE(name, error.message)) }, false)
  }
  const leftMs = envelope.d - clock.now()
  if (leftMs <= 0) {
    counters.expired++
    return answers.fail(id, { status: 'expired', error: toText(new errors.REMOTE_EXPIRED(name, 'before it started')) }, false)
  }
  // fetched counts, too: whether it had begun nobody knows
  const deaths = job.stalledCounter
  if (deaths > Math.max(1, (job.opts.attempts ?? 1) - 1)) {
    counters.failed++
    return answers.fail(id, { status: 'failed', error: toText(new errors.REMOTE_LOST(name, `${deaths} of its workers died under it`)) }, false)
  }
  if (job.attemptsStarted > 1 && await client.get(keys.gone(queue, job.id!)) === markOf(envelope)) {
    counters.cancelledHere++
    return answers.fail(id, { status: 'cancelled', error: toText(new errors.CANCELLED(name, 'while it ran on another machine')) }, false)
  }
  // one that ran before has waited for something else than a worker
  if (deaths === 0 && job.attemptsMade === 0) times.of(name).wait.record(Math.max(0, clock.now() - envelope.at))
  const result = await runOne(bench, fetched, envelope, payload, leftMs)
  if (result.putBack === true) return undefined
  if (result.status === 'ok') return await answers.succeed(id, queue, job, envelope, result)
  if (result.status === 'cancelled') counters.cancelledHere++
  if (result.status === 'expired') counters.expired++
  if (result.status === 'failed') counters.failed++
  return answers.fail(id, result, result.mayRetry === true)
}

/** Its envelope and payload. Throws `EnvelopeError` for what none of ours has sent. */
async function open ({ settings, client, keys }: Bench, { id, queue, job }: Fetched): Promise<[Envelope, string]> {
  const envelope = readEnvelope(job.data, settings.maxPayloadBytes)
  const payload = envelope.p ?? await client.get(keys.payload(queue, job.id!, envelope.k))
  if (payload === null) throw new EnvelopeError('its payload is gone')
  checkEnvelope(id, envelope, payload, settings.signingKey)
  return [envelope, payload]
}

async function runOne ({ run, settings }: Bench, { id, name, version, job, abort }: Fetched, envelope: Envelope,
  payload: string, leftMs: number): Promise<RunResult> {
  const timer = setTimeout(() => abort.abort(new errors.REMOTE_EXPIRED(name, 'while it ran')), Math.min(leftMs, LONGEST_MS))
  let progressTimer: NodeJS.Timeout | undefined
  let progress: unknown
  const writeProgress = (): void => {
    progressTimer = setTimeout(() => {
      progressTimer = undefined
      if (progress !== undefined) writeProgress()
    }, PROGRESS_MS)
    if (isShort(progress, settings.inlineBytes)) {
      job.updateProgress(progress as object).catch(() => {}) // the next one may be written
    }
    progress = undefined
  }
  try {
    return await run({
      id,
      job: name,
      version,
      payload,
      codec: envelope.c,
      leftMs,
      timeoutMs: envelope.t,
      attempt: job.attemptsMade + 1,
      traceparent: envelope.tp,
      requestId: envelope.rq,
      signal: abort.signal,
      progress: (value) => {
        progress = value ?? null
        if (progressTimer === undefined) writeProgress()
      }
    })
  } finally {
    clearTimeout(timer)
    clearTimeout(progressTimer)
  }
}

/** What is longer, or no JSON, is not told: each look at the job reads it. */
function isShort (progress: unknown, maxCharacters: number): boolean {
  try {
    return JSON.stringify(progress).length <= maxCharacters
  } catch {
    return false
  }
}

/** Free slots of the whole process, which its shards share. */
export class Slots implements SlotSource {
  readonly #source: SlotSource
  taken = 0
  constructor (source: SlotSource) { this.#source = source }
  get size (): number { return this.#source.size }
  free (): number { return Math.min(this.#source.free(), this.size - this.taken) }
}
