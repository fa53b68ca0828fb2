// Makes an overflow of a remote tier: which jobs go, and what comes back.
import { unknownJob } from '../checks.js'
import { errors } from '../errors.js'
import { Codecs } from './codecs.js'
import { Durables } from './durables.js'
import { runForeign } from './foreign.js'
import { isQueuePart, queueOf } from './id.js'
import { checkRemote } from './overflowing.js'
import { Refusals } from './refusals.js'
import type { Overflow, OverflowCall, OverflowPool } from '../jobs.js'
import type { RefusalKey, RemoteOutcome, RemoteStats, RemoteTicket, RemoteTier, Served, Serving } from './contract.js'
import type { RemoteChecked, RemoteOptions } from './overflowing.js'

export type { RemoteJobOptions, RemoteOptions } from './overflowing.js'
export type { DurableOptions, Durables, DurableTicket } from './durables.js'

/** Granted where the call has no queueTimeoutMs, and where its run has no limit, ms. Chosen. */
const WAIT_MS = 10_000
const RUN_MS = 3600_000
/** How long the record of a spilled job is kept, ms: its waiter needs it only if a hint was lost. */
const SPILLED_TTL_MS = 60_000

/** The remote tier as the scheduler and the routes see it. */
export class Spill implements Overflow {
  readonly #tier: RemoteTier
  readonly #options: RemoteChecked
  readonly #codecs: Codecs
  readonly #refusals = new Refusals()
  readonly durables: Durables
  readonly strict?: NonNullable<Overflow['strict']>
  #pool: OverflowPool | undefined
  #serving: Promise<Serving> | undefined
  #ran = 0

  constructor (options: RemoteOptions) {
    this.#options = checkRemote(options)
    this.#tier = options.tier
    this.#codecs = new Codecs(options.tier.codecs)
    this.durables = new Durables(this.#options, this.#codecs, this.#refusals, () => this.#pool?.jobs ?? [])
    if (this.#options.strictEncoding) this.strict = (...call) => this.#strict(...call)
  }

  open (pool: OverflowPool): void {
    this.#pool = pool
    const { log, serve, jobs, queues } = this.#options
    for (const name of Object.keys(jobs)) {
      if (!pool.jobs.includes(name)) throw unknownJob(name, ' (remote.jobs)', pool.jobs)
    }
    const named = pool.jobs.filter(isQueuePart)
    this.#tier.start({ log, served: named.map((job) => ({ job, version: this.#versionOf(job) })) })
    if (serve === false) return
    const served: Served[] = []
    for (const job of named) {
      for (const version of [this.#versionOf(job), ...Object.keys(jobs[job]?.also ?? {})]) {
        if (queues === null || queues.includes(queueOf(job, version))) served.push({ job, version })
      }
    }
    const missing = queues?.filter((queue) => !served.some(({ job, version }) => queueOf(job, version) === queue)) ?? []
    if (missing.length > 0) throw unknownJob(missing.join(', '), ' (remote.queues)', named.map((job) => queueOf(job, this.#versionOf(job))))
    this.#serving = this.#tier.serve(served, (job) => runForeign(this.#options, this.#codecs, pool, job), {
      size: pool.size,
      free: () => serve === 'when-idle' ? pool.idle() : pool.size
    })
    this.#serving.catch((error: Error) => log.error(`jobs of other machines are not served: ${error.message}`))
  }

  take (call: OverflowCall): Promise<unknown> | undefined {
    const { minMeanMs, afterMs, jobs } = this.#options
    const { job, meanMs, isRefused } = call
    // not (mean >= floor): a job without a measurement is not sent
    if (this.#pool === undefined || !(meanMs >= minMeanMs) || jobs[job]?.spill === false ||
      !isQueuePart(job)) return undefined
    const waitHereMs = call.waitMs + meanMs / this.#pool.size
    if (!isRefused && waitHereMs <= afterMs) return undefined
    if (call.options.signal?.aborted === true) return undefined
    const encoded = this.#codecs.encode(call.input)
    if (encoded === undefined) return undefined
    const deadlineMs = (call.queueTimeoutMs || WAIT_MS) + (call.timeoutMs || RUN_MS)
    const version = this.#versionOf(job)
    const payloadBytes = Buffer.byteLength(encoded.payload)
    const answer = this.#tier.admit({ job, version, payloadBytes, durable: false, deadlineMs, meanMs })
    if (!answer.ok) {
      this.#refusals.counts[answer.code]++
      return undefined
    }
    if (!isRefused && answer.waitMs >= waitHereMs) return undefined
    const { priority = 'normal', traceparent, requestId } = call.options
    const ticket = this.#tier.submit({
      job,
      version,
      ...encoded,
      durable: false,
      reply: 'fast',
      deadlineMs,
      timeoutMs: call.timeoutMs,
      attempts: 1,
      priority,
      traceparent,
      requestId,
      resultTtlMs: SPILLED_TTL_MS
    })
    this.#refusals.watch(ticket)
    return this.#wait(call, ticket)
  }

  async keep (call: OverflowCall): Promise<unknown> {
    const { signal } = call.options
    const ticket = this.durables.submit(call.job, call.input, { ...call.options, timeoutMs: call.timeoutMs })
    return await race(ticket.done, signal, () => {
      ticket.detach() // the job goes on: somebody else may wait for it
      return Object.assign(new errors.CANCELLED(call.job, 'while waiting for a durable job, which goes on'), { cause: signal!.reason })
    })
  }

  stats (): RemoteStats & { ranHere: number, refusals: Readonly<Record<RefusalKey, number>> } {
    return { ...this.#tier.stats(), ranHere: this.#ran, refusals: { ...this.#refusals.counts } }
  }

  times (): ReturnType<RemoteTier['times']> { return this.#tier.times() }

  async close (graceMs: number): Promise<void> {
    const serving = await this.#serving?.catch(() => undefined)
    await serving?.stop(graceMs)
    await this.#tier.close()
  }

  #strict (...[job, input, resolve, reject]: Parameters<NonNullable<Overflow['strict']>>): (value: unknown) => void {
    if (this.#options.jobs[job]?.spill === false || !isQueuePart(job)) return resolve
    const why = 'it would not arrive as it is on another machine (remote.strictEncoding)'
    if (this.#codecs.encode(input) === undefined) throw new errors.INPUT_UNCLONEABLE(job, why)
    return (value) => {
      // what comes from elsewhere has travelled
      if (value instanceof Promise || this.#codecs.encode(value) !== undefined) resolve(value)
      else reject(new errors.RESULT_UNCLONEABLE(job, why))
    }
  }

  #versionOf (job: string): string { return this.#options.jobs[job]?.version ?? '1' }

  /** Result of a spilled job; a job that certainly is nowhere, or may run twice, runs here after all. */
  async #wait (call: OverflowCall, ticket: RemoteTicket): Promise<unknown> {
    const { signal, idempotent } = call.options
    let outcome: RemoteOutcome
    try {
      outcome = await race(ticket.done, signal, () => {
        ticket.detach()
        this.#tier.cancel(ticket.id, 'its caller went away').catch(() => {}) // its deadline ends it
        return Object.assign(new errors.CANCELLED(call.job, 'while on another machine'), { cause: signal!.reason })
      })
    } catch (error) {
      const { isCertain } = error as { isCertain?: boolean }
      const isLost = error instanceof errors.REMOTE_LOST || isCertain === false
      if (isCertain !== true && !(isLost && idempotent === true)) throw error
      this.#ran++
      return await call.runHere()
    }
    return this.#codecs.valueOf(call.job, outcome)
  }
}

/** The promise, or the error made when the signal fires first. */
async function race<T> (promise: Promise<T>, signal: AbortSignal | undefined, onAbort: () => Error): Promise<T> {
  if (signal === undefined) return await promise
  let listener: (() => void) | undefined
  const gone = new Promise<never>((_resolve, reject) => {
    listener = () => reject(onAbort())
    if (signal.aborted) listener()
    else signal.addEventListener('abort', listener, { once: true })
  })
  try {
    return await Promise.race([promise, gone])
  } finally {
    signal.removeEventListener('abort', listener!)
  }
}
