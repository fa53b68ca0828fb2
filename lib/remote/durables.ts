// Durable jobs: handed over, waited for, looked up and cancelled by their id.
import { unknownJob } from '../checks.js'
import { errors } from '../errors.js'
import { fingerprintOf } from './codecs.js'
import { isQueuePart } from './id.js'
import type { Codecs } from './codecs.js'
import type { RemoteJob, RemoteOutcome, RemoteStatus, RemoteTicket } from './contract.js'
import type { RemoteChecked } from './overflowing.js'
import type { Refusals } from './refusals.js'

/** Of the waiters there may be, what more than is kept for those who hand over jobs; chosen. */
const CROWDED = 0.8
/** What was seen longer ago than this says nothing of jobs of today, ms; chosen. */
const LATELY_MS = 30_000

/** Options of one durable job, beside its input. */
export interface DurableOptions {
  idempotencyKey?: { readonly scope: string, readonly value: string }
  owner?: string
  deadlineMs?: number
  timeoutMs?: number
  priority?: 'high' | 'normal' | 'low'
  traceparent?: string
  requestId?: string
}

/** A durable job that was handed over. */
export interface DurableTicket {
  readonly id: string
  readonly accepted: Promise<void>
  /** its result; rejects with the job's own error or one of ours */
  readonly done: Promise<unknown>
  detach (): void
}

/** How long a job took from submit to end, as far as was seen here: a moving mean; when it was seen and tried last. */
interface Total { meanMs: number, seenAtMs: number, triedAtMs: number }

/** The durable jobs of one pool. */
export class Durables {
  readonly #options: RemoteChecked
  readonly #codecs: Codecs
  readonly #refusals: Refusals
  /** names of the pool's jobs; empty before it is ready */
  readonly #jobs: () => readonly string[]
  readonly #totals = new Map<string, Total>()
  /** latest end that a status told, by job */
  readonly #endedAtMs = new Map<string, number>()
  readonly #now: () => number

  constructor (options: RemoteChecked, codecs: Codecs, refusals: Refusals, jobs: () => readonly string[],
    now: () => number = Date.now) {
    this.#options = options
    this.#codecs = codecs
    this.#refusals = refusals
    this.#jobs = jobs
    this.#now = now
  }

  /** Hand over a durable job. */
  submit (job: string, input: unknown, options: DurableOptions = {}): DurableTicket {
    const fail = (error: Error): DurableTicket => {
      const rejected = Promise.reject(error)
      rejected.catch(() => {}) // whoever reads the ticket sees it
      return { id: '', accepted: rejected, done: rejected, detach () {} }
    }
    const known = this.#jobs()
    if (!known.includes(job)) return fail(unknownJob(job, '', known, 'the pool is not ready'))
    if (!isQueuePart(job)) return fail(new errors.OPTION('durable', 'a job name of letters, digits, dots, _, $ and -', job))
    const encoded = this.#codecs.encode(input)
    if (encoded === undefined) return fail(new errors.INPUT_UNCLONEABLE(job, 'it cannot travel to another machine as it is'))
    const { tier, attempts, durableTtlMs, resultTtlMs } = this.#options
    const { idempotencyKey, owner, priority = 'normal', traceparent, requestId } = options
    const ticket = tier.submit({
      job,
      version: this.#options.jobs[job]?.version ?? '1',
      ...encoded,
      durable: true,
      reply: 'committed',
      deadlineMs: options.deadlineMs ?? durableTtlMs,
      timeoutMs: options.timeoutMs ?? 0,
      ...(idempotencyKey !== undefined && { key: { ...idempotencyKey, fingerprint: fingerprintOf(encoded) } }),
      owner,
      attempts,
      priority,
      traceparent,
      requestId,
      resultTtlMs
    } satisfies RemoteJob)
    this.#refusals.watch(ticket)
    const sinceMs = this.#now()
    // a key's job may have ended long ago
    if (idempotencyKey === undefined) ticket.done.then(({ status }) => { if (status === 'ok') this.#saw(job, this.#now() - sinceMs) }, () => {})
    return this.#open(job, ticket)
  }

  /** Wait for a durable job that was handed over before, here or elsewhere. */
  attach (id: string): DurableTicket { return this.#open(id, this.#options.tier.attach(id)) }

  /** Is its result no longer kept, although its record may still lie there? */
  isPast ({ endedAtMs, readAtMs }: RemoteStatus): boolean {
    return endedAtMs !== undefined && endedAtMs + this.#options.resultTtlMs < readAtMs
  }

  async lookup (id: string): Promise<RemoteStatus | null> {
    const status = await this.#options.tier.lookup(id)
    if (status?.state === 'succeeded') this.#sawEnd(status)
    return status
  }

  /** Is a job that is not found one of this owner's that is no longer kept? */
  isGone (id: string, owner: string | undefined): boolean { return this.#options.tier.isGivenTo(id, owner) }

  /** How long such a job took lately, its wait included, ms; undefined before this process has seen one succeed. */
  estimateMs (job: string): number | undefined { return this.#totals.get(job)?.meanMs }

  /** So many wait here that one who waits for an end would take the place of one who hands over a job. */
  get isCrowded (): boolean { return this.#options.tier.inFlightShare > CROWDED }

  /** May such a job end within `waitMs`? Where none did lately, one of those who ask is to try it. */
  mayEndWithin (job: string, waitMs: number): boolean {
    const total = this.#totals.get(job)
    if (total === undefined || total.meanMs < waitMs) return true
    const nowMs = this.#now()
    if (nowMs - Math.max(total.seenAtMs, total.triedAtMs) < LATELY_MS) return false
    total.triedAtMs = nowMs
    return true
  }

  /** Such a job did not end within that time. */
  outlasted (job: string, ms: number): void { this.#saw(job, Math.max(ms, this.estimateMs(job) ?? 0)) }

  cancel (id: string, reason: string): Promise<'removed' | 'signalled' | 'finished' | 'unknown'> { return this.#options.tier.cancel(id, reason) }

  valueOf (job: string, outcome: RemoteOutcome): unknown { return this.#codecs.valueOf(job, outcome) }

  /** Each end counts once, and an old one says nothing of today. */
  #sawEnd ({ job, createdAtMs, endedAtMs, readAtMs }: RemoteStatus): void {
    if (endedAtMs === undefined || readAtMs - endedAtMs >= LATELY_MS) return
    if (endedAtMs <= (this.#endedAtMs.get(job) ?? -Infinity)) return
    this.#endedAtMs.set(job, endedAtMs)
    this.#saw(job, endedAtMs - createdAtMs)
  }

  #saw (job: string, totalMs: number): void {
    const nowMs = this.#now()
    const total = this.#totals.get(job)
    if (total === undefined || nowMs - total.seenAtMs >= LATELY_MS) {
      this.#totals.set(job, { meanMs: totalMs, seenAtMs: nowMs, triedAtMs: nowMs })
    } else {
      total.meanMs += (totalMs - total.meanMs) / 8
      total.seenAtMs = nowMs
    }
  }

  #open (job: string, { id, accepted, done, detach }: RemoteTicket): DurableTicket {
    const value = done.then((outcome) => this.#codecs.valueOf(job, outcome))
    value.catch(() => {}) // a ticket whose result nobody asks for
    return { id, accepted, done: value, detach }
  }
}
