// Makes an overflow of a remote tier: which jobs go, what travels and comes back, and jobs of others that run here.
import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { decodeError, encodeError, errors } from '../errors.js'
import { isQueuePart, queueOf } from './id.js'
import { jsonCodec, parseSafely } from './json.js'
import { SHUTDOWN } from './contract.js'
import type { Overflow, OverflowCall, OverflowPool } from '../jobs.js'
import type { WireError } from '../errors.js'
import type {
  Codec, RemoteJob, RemoteLog, RemoteOutcome, RemoteStats, RemoteStatus, RemoteTicket, RemoteTier, RunResult, Served,
  Serving, TakenJob
} from './contract.js'

/** What is particular to one job. */
export interface RemoteJobOptions {
  /** goes into the queue's name: a worker of another version never takes it @default '1' */
  version?: string
  /** older or newer versions this process serves too, and the export that runs each */
  also?: Record<string, string>
  /** may it go elsewhere when this machine is full @default true */
  spill?: boolean
  /** checks the input once more where it runs: false or a text refuses it */
  validate?: (input: unknown) => boolean | string
}

/** Options of the remote tier. Times are ms. */
export interface RemoteOptions {
  tier: RemoteTier
  /** only jobs whose measured mean run time is at least this go elsewhere; measured: below 5 a loss @default 20 */
  minMeanMs?: number
  /** and only when the wait here is expected to be longer than this @default 10 */
  afterMs?: number
  /** take jobs of other machines too: 'when-idle' while no job waits here @default false */
  serve?: boolean | 'when-idle'
  /** runs of a durable job whose function throws or whose worker dies @default 3 */
  attempts?: number
  /** how long a durable job may wait and run @default 86400000 */
  durableTtlMs?: number
  /** how long the result of a durable job is kept @default 86400000 */
  resultTtlMs?: number
  jobs?: Record<string, RemoteJobOptions>
  /** what is served, as in `['resize@2']` @default every job in its versions */
  queues?: readonly string[] | null
  log?: RemoteLog
}

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

/** Granted where the call has no queueTimeoutMs, and where its run has no limit, ms. Chosen. */
const WAIT_MS = 10_000
const RUN_MS = 3600_000
/** How long the record of a spilled job is kept, ms: its waiter needs it only if a hint was lost. */
const SPILLED_TTL_MS = 60_000

const silent: RemoteLog = { info () {}, warn () {}, error () {} }

/** The remote tier as the scheduler and the routes see it. */
export class Spill implements Overflow {
  readonly #tier: RemoteTier
  readonly #options: Required<RemoteOptions>
  #pool: OverflowPool | undefined
  #serving: Promise<Serving> | undefined
  #ran = 0

  constructor (options: RemoteOptions) {
    checkRemote(options)
    this.#tier = options.tier
    this.#options = {
      minMeanMs: 20,
      afterMs: 10,
      serve: false,
      attempts: 3,
      durableTtlMs: 86_400_000,
      resultTtlMs: 86_400_000,
      jobs: {},
      queues: null,
      log: silent,
      ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    } as Required<RemoteOptions>
  }

  open (pool: OverflowPool): void {
    this.#pool = pool
    const { log, serve, jobs, queues } = this.#options
    for (const name of Object.keys(jobs)) {
      if (!pool.jobs.includes(name)) throw new errors.UNKNOWN_JOB(name, ' (remote.jobs)', pool.jobs.join(', '))
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
    if (missing.length > 0) throw new errors.UNKNOWN_JOB(missing.join(', '), ' (remote.queues)', named.map((job) => queueOf(job, this.#versionOf(job))).join(', '))
    this.#serving = this.#tier.serve(served, (job) => this.#run(job), {
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
    const encoded = this.#encode(call.input)
    if (encoded === undefined) return undefined
    const deadlineMs = (call.queueTimeoutMs || WAIT_MS) + (call.timeoutMs || RUN_MS)
    const version = this.#versionOf(job)
    const payloadBytes = Buffer.byteLength(encoded.payload)
    const answer = this.#tier.admit({ job, version, payloadBytes, durable: false, deadlineMs, meanMs })
    if (!answer.ok || (!isRefused && answer.waitMs >= waitHereMs)) return undefined
    const { priority = 'normal', traceparent, requestId } = call.options
    return this.#wait(call, this.#tier.submit({
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
    }))
  }

  async keep (call: OverflowCall): Promise<unknown> {
    const { signal } = call.options
    const ticket = this.submit(call.job, call.input, { ...call.options, timeoutMs: call.timeoutMs })
    return await race(ticket.done, signal, () => {
      ticket.detach() // the job goes on: somebody else may wait for it
      return Object.assign(new errors.CANCELLED(call.job, 'while waiting for a durable job, which goes on'), { cause: signal!.reason })
    })
  }

  /** Hand over a durable job. */
  submit (job: string, input: unknown, options: DurableOptions = {}): DurableTicket {
    const fail = (error: Error): DurableTicket => {
      const rejected = Promise.reject(error)
      rejected.catch(() => {}) // whoever reads the ticket sees it
      return { id: '', accepted: rejected, done: rejected, detach () {} }
    }
    if (this.#pool?.jobs.includes(job) !== true) {
      return fail(new errors.UNKNOWN_JOB(job, '', this.#pool?.jobs.join(', ') ?? 'none: the pool is not ready'))
    }
    if (!isQueuePart(job)) return fail(new errors.OPTION('durable', 'a job name of letters, digits, dots, _, $ and -', job))
    const encoded = this.#encode(input)
    if (encoded === undefined) return fail(new errors.INPUT_UNCLONEABLE(job, 'it cannot travel to another machine as it is'))
    const { attempts, durableTtlMs, resultTtlMs } = this.#options
    const { idempotencyKey, owner, priority = 'normal', traceparent, requestId } = options
    const ticket = this.#tier.submit({
      job,
      version: this.#versionOf(job),
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
    return this.#open(job, ticket)
  }

  /** Wait for a durable job that was handed over before, here or elsewhere. */
  attach (id: string): DurableTicket { return this.#open(id, this.#tier.attach(id)) }

  lookup (id: string): Promise<RemoteStatus | null> { return this.#tier.lookup(id) }
  cancel (id: string, reason: string): Promise<'removed' | 'signalled' | 'finished' | 'unknown'> { return this.#tier.cancel(id, reason) }

  /** The value of an outcome. Throws the job's own error, or one of ours. */
  valueOf (job: string, outcome: RemoteOutcome): unknown {
    if (outcome.status !== 'ok') throw decodeError(parseSafely(outcome.error) as WireError)
    const codec = this.#codec(outcome.codec)
    if (codec === undefined) throw new errors.REMOTE_ENVELOPE(job, `codec ${outcome.codec.slice(0, 20)} is not known here`)
    return codec.decode(outcome.payload)
  }

  stats (): RemoteStats & { ranHere: number } { return { ...this.#tier.stats(), ranHere: this.#ran } }

  async close (graceMs: number): Promise<void> {
    const serving = await this.#serving?.catch(() => undefined)
    await serving?.stop(graceMs)
    await this.#tier.close()
  }

  #versionOf (job: string): string { return this.#options.jobs[job]?.version ?? '1' }

  #codec (name: string): Codec | undefined {
    return [jsonCodec, ...this.#tier.codecs].find((codec) =>
      codec.name === name)
  }

  #encode (value: unknown): { codec: string, payload: string } | undefined {
    for (const codec of [jsonCodec, ...this.#tier.codecs]) {
      const payload = codec.encode(value)
      if (payload !== undefined) return { codec: codec.name, payload }
    }
    return undefined
  }

  #open (job: string, { id, accepted, done, detach }: RemoteTicket): DurableTicket {
    const value = done.then((outcome) => this.valueOf(job, outcome))
    value.catch(() => {}) // a ticket whose result nobody asks for
    return { id, accepted, done: value, detach }
  }

  /** Result of a spilled job; a job that certainly is nowhere, or may run twice, runs here after all. */
  async #wait (call: OverflowCall, ticket: RemoteTicket): Promise<unknown> {
    const { signal, idempotent } = call.options
    try {
      const outcome = await race(ticket.done, signal, () => {
        ticket.detach()
        this.#tier.cancel(ticket.id, 'its caller went away').catch(() => {}) // its deadline ends it
        return Object.assign(new errors.CANCELLED(call.job, 'while on another machine'), { cause: signal!.reason })
      })
      return this.valueOf(call.job, outcome)
    } catch (error) {
      const { isCertain } = error as { isCertain?: boolean }
      const isLost = error instanceof errors.REMOTE_LOST || isCertain === false
      if (isCertain !== true && !(isLost && idempotent === true)) throw error
      this.#ran++
      return await call.runHere()
    }
  }

  /** A job of another machine, run on the pool of this one. */
  async #run (taken: TakenJob): Promise<RunResult> {
    const { job, version, signal, leftMs } = taken
    const options = this.#options.jobs[job]
    const name = version === this.#versionOf(job) ? job : options?.also?.[version]
    const codec = this.#codec(taken.codec)
    try {
      if (name === undefined) throw new errors.UNKNOWN_JOB(`${job}@${version}`, '', this.#pool!.jobs.join(', '))
      if (codec === undefined) throw new errors.REMOTE_ENVELOPE(job, `codec ${taken.codec.slice(0, 20)} is not known here`)
      const input = decodeInput(job, codec, taken.payload)
      const verdict = options?.validate?.(input) ?? true
      if (verdict !== true) throw new errors.REMOTE_ENVELOPE(job, `its input is not valid${verdict === false ? '' : `: ${verdict}`}`)
      const timeoutMs = Math.max(1, Math.ceil(taken.timeoutMs === 0 ? leftMs : Math.min(leftMs, taken.timeoutMs)))
      const { traceparent, requestId } = taken
      const result = await this.#pool!.run(name, input, { signal, timeoutMs, traceparent, requestId })
      const encoded = this.#encode(result)
      if (encoded === undefined) throw new errors.RESULT_UNCLONEABLE(job, 'it cannot travel to another machine as it is')
      return { status: 'ok', ...encoded }
    } catch (error) {
      return resultOf(error, signal)
    }
  }
}

const number = (value: unknown): boolean => typeof value === 'number' && value >= 0
const object = (value: unknown): boolean => value !== null && typeof value === 'object'

/** What each option but `tier` must be. */
const checks: Record<Exclude<keyof RemoteOptions, 'tier'>, readonly [string, (value: unknown) => boolean]> = {
  minMeanMs: ['a number of at least 0', number],
  afterMs: ['a number of at least 0', number],
  serve: ["true, false or 'when-idle'", (value) => [true, false, 'when-idle'].includes(value as boolean)],
  attempts: ['an integer from 1 to 100', (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 100],
  durableTtlMs: ['a number of at least 0', number],
  resultTtlMs: ['a number of at least 0', number],
  jobs: ["an object, as in { resize: { version: '2' } }", (value) => object(value) && Object.values(value as object).every(object)],
  queues: ["an array of names, as in ['resize@2']", (value) => value === null || Array.isArray(value)],
  log: ['a logger', object]
}

function checkRemote (options: RemoteOptions): void {
  for (const [key, value] of Object.entries(options)) {
    if (key === 'tier') continue
    if (!Object.hasOwn(checks, key)) throw new errors.OPTION(`remote.${key}`, `one of tier, ${Object.keys(checks).join(', ')}`, 'an unknown option')
    const [expected, test] = checks[key as keyof typeof checks]
    if (value !== undefined && !test(value)) throw new errors.OPTION(`remote.${key}`, expected, inspect(value))
  }
  for (const [job, { version = '1', also = {} }] of Object.entries(options.jobs ?? {})) {
    for (const part of [version, ...Object.keys(also)]) {
      if (!/^[\w$-]{1,128}$/.test(part)) throw new errors.OPTION(`remote.jobs.${job}`, 'versions of letters, digits, _, $ and -', inspect(part))
    }
  }
}

function decodeInput (job: string, codec: Codec, payload: string): unknown {
  try {
    return codec.decode(payload)
  } catch (error) {
    throw new errors.REMOTE_ENVELOPE(job, `its payload is no ${codec.name}: ${(error as Error).message.slice(0, 100)}`)
  }
}

/** What an error of a run means for the engine. */
function resultOf (error: unknown, signal: AbortSignal): RunResult {
  const failed = { status: 'failed', error: toText(error) } as const
  if (signal.aborted && signal.reason === SHUTDOWN) return { ...failed, putBack: true }
  const isOurs = (...keys: (keyof typeof errors)[]): boolean => keys.some((key) => error instanceof errors[key])
  // this pool could not run it, another one may
  if (isOurs('CLOSED', 'NOT_READY', 'OVERLOADED')) return { ...failed, putBack: true }
  if (signal.aborted && signal.reason instanceof errors.REMOTE_EXPIRED) return { status: 'expired', error: toText(signal.reason) }
  if (isOurs('CANCELLED')) return { ...failed, status: 'cancelled' }
  return { ...failed, mayRetry: !isOurs('REMOTE_ENVELOPE', 'UNKNOWN_JOB', 'RESULT_UNCLONEABLE', 'INPUT_UNCLONEABLE') }
}

/** JSON of a thrown thing; own properties that are no JSON are left out, and the text is bounded. */
function toText (thrown: unknown): string {
  const wire = encodeError(thrown)
  for (let depth = 0; depth < 2; depth++) {
    try {
      const text = JSON.stringify(wire, (_key, value: unknown) => typeof value === 'bigint' ? String(value) : value)
      if (text.length <= 16384) return text
    } catch {
      // a cycle among its own properties
    }
    if ('own' in wire) {
      Object.assign(wire, {
        own: pick(wire.own),
        cause: undefined,
        errors: undefined,
        stack: wire.stack?.slice(0, 4096),
        message: wire.message.slice(0, 4096)
      })
    }
  }
  return JSON.stringify({ name: 'Error', message: 'own' in wire ? wire.message.slice(0, 1000) : 'not an error', own: {} })
}

const pick = ({ code, statusCode }: Record<string, unknown>): Record<string, unknown> => ({ code, statusCode })

const fingerprintOf = ({ codec, payload }: { codec: string, payload: string }): string =>
  createHash('sha256').update(`${codec}\0${payload}`).digest('base64url')

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
