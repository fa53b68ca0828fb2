// The remote tier: what the core asks of an engine that carries jobs to other machines. Payloads are opaque text to it.

import type { OverflowTimes } from '../jobs.js'

/** Makes text of a value and a value of text; which codec made a payload travels with it. */
export interface Codec {
  readonly name: string
  /** undefined: this value would not come back as it is */
  encode (value: unknown): string | undefined
  decode (text: string): unknown
}

/** Where a job lives: parsed from its id. */
export interface JobRef { readonly id: string, readonly job: string, readonly version: string, readonly shard: number }

/** One job to be carried. */
export interface RemoteJob {
  readonly job: string
  readonly version: string
  readonly payload: string
  readonly codec: string
  /** accepted only where the engine keeps it on disk; not cancelled when its waiter goes away */
  readonly durable: boolean
  /** `fast`: answer before the engine has booked the end; `committed`: after */
  readonly reply: 'fast' | 'committed'
  /** from now, ms; after it the job is not begun, and one that runs is stopped */
  readonly deadlineMs: number
  /** longest run, ms; 0 for none */
  readonly timeoutMs: number
  /** one job for one value in a scope; `fingerprint` tells whether its input is the same */
  readonly key?: { readonly scope: string, readonly value: string, readonly fingerprint: string }
  /** who may see it: a hash */
  readonly owner?: string
  readonly attempts: number
  readonly priority: 'high' | 'normal' | 'low'
  readonly traceparent?: string
  readonly requestId?: string
  /** how long its result is kept, ms */
  readonly resultTtlMs: number
}

/** How a job ended. `error` is JSON of a WireError. */
export type RemoteOutcome =
  { readonly status: 'ok', readonly codec: string, readonly payload: string } |
  { readonly status: 'failed' | 'expired' | 'cancelled', readonly error: string }

/** A submitted job. */
export interface RemoteTicket {
  readonly id: string
  /** the engine has it; rejects with one of our errors, whose `isCertain` tells that it certainly does not */
  readonly accepted: Promise<void>
  /** rejects with `REMOTE_LOST`, `REMOTE_EXPIRED` or `CLOSED` where no outcome will come */
  readonly done: Promise<RemoteOutcome>
  /** nobody waits here any more; the job goes on */
  detach (): void
}

/** Errors of a job that is not taken; the engine has never had it. */
export const refusalKeys = [
  'REMOTE_DOWN', 'REMOTE_FULL', 'NO_WORKER', 'REMOTE_PAYLOAD', 'REMOTE_EXPIRED', 'REMOTE_VOLATILE'
] as const
export type RefusalKey = typeof refusalKeys[number]

/** Answer of `admit`. */
export type Admit =
  { readonly ok: true, readonly waitMs: number } |
  { readonly ok: false, readonly code: RefusalKey, readonly reason: string, readonly retryAfterMs: number }

export interface AdmitQuery {
  readonly job: string
  readonly version: string
  readonly payloadBytes: number
  readonly durable: boolean
  readonly deadlineMs: number
  /** mean run time measured here, ms; NaN before the first run */
  readonly meanMs: number
}

export type RemoteState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'expired'

/** A job as the engine's record tells it; times are epoch ms of the engine's clock. */
export interface RemoteStatus {
  readonly id: string
  readonly job: string
  readonly version: string
  readonly state: RemoteState
  readonly attempt: number
  /** when it was read */
  readonly readAtMs: number
  readonly createdAtMs: number
  readonly deadlineAtMs: number
  /** of a job that ended */
  readonly endedAtMs?: number
  readonly progress: unknown
  readonly owner: string | undefined
  readonly fingerprint: string | undefined
  /** of a final state */
  readonly outcome: RemoteOutcome | undefined
}

/** A job taken from the engine, to be run here. */
export interface TakenJob {
  readonly id: string
  readonly job: string
  readonly version: string
  readonly payload: string
  readonly codec: string
  /** what is left of its deadline, ms */
  readonly leftMs: number
  /** longest run, ms; 0 for none */
  readonly timeoutMs: number
  readonly attempt: number
  readonly traceparent: string | undefined
  readonly requestId: string | undefined
  readonly signal: AbortSignal
  progress (value: unknown): void
}

/** Reason of an abort because the worker ends: the job is put back, not failed. */
export const SHUTDOWN = 'this worker ends'

/** What `run` made of a taken job. `mayRetry`: the job's own error. `putBack`: not run here, another worker may. */
export type RunResult = RemoteOutcome & { readonly mayRetry?: boolean, readonly putBack?: boolean }

/** A job this process serves. */
export interface Served { readonly job: string, readonly version: string }

/** How many more jobs may be fetched now. */
export interface SlotSource { readonly size: number, free (): number }

/** A worker at work. */
export interface Serving {
  /** fetch nothing more; resolves when what was fetched has ended, or after `drainMs` when it was given back */
  stop (drainMs: number): Promise<void>
}

export interface RemoteLog { info (text: string): void, warn (text: string): void, error (text: string): void }

export interface RemoteContext {
  readonly log: RemoteLog
  /** jobs that may be submitted, for sampling their queues */
  readonly served: readonly Served[]
}

/** Plain numbers of a remote tier. */
export interface RemoteStats {
  readonly kind: string
  readonly inFlight: number
  readonly shards: readonly ShardStats[]
  readonly counters: Readonly<Record<string, number>>
  readonly roundtrip: { count: number, meanMs: number, p50Ms: number, p99Ms: number, maxMs: number }
}

export interface ShardStats {
  readonly shard: number
  /** breaker of the producer's connection */
  readonly breaker: 'closed' | 'open' | 'half-open'
  readonly reason: string
  readonly roundtripMs: number
  readonly clockOffsetMs: number
  readonly isDurable: boolean
  readonly queues: Readonly<Record<string, { depth: number, workers: number, slots: number }>>
}

/** An engine with its connections. */
export interface RemoteTier {
  readonly kind: string
  /** beside JSON, in order of preference */
  readonly codecs: readonly Codec[]
  /** jobs that are waited for here, as a share of the most that may be: 0 to 1 */
  readonly inFlightShare: number
  /** connect; never fails because the engine is down: it is tried again for ever */
  start (context: RemoteContext): void
  /** decide now, without I/O */
  admit (query: AdmitQuery): Admit
  submit (job: RemoteJob): RemoteTicket
  /** wait for a job that was submitted before, here or elsewhere */
  attach (id: string): RemoteTicket
  /** read the record; null where there is none (any more) */
  lookup (id: string): Promise<RemoteStatus | null>
  /** of an id that `lookup` does not find: was it once given to that owner? */
  isGivenTo (id: string, owner: string | undefined): boolean
  cancel (id: string, reason: string): Promise<'removed' | 'signalled' | 'finished' | 'unknown'>
  serve (served: readonly Served[], run: (job: TakenJob) => Promise<RunResult>, slots: SlotSource): Promise<Serving>
  stats (): RemoteStats
  /** Times by job, of those that resolved with an outcome. */
  times (): ReadonlyMap<string, OverflowTimes>
  /** settle every waiter, close every connection; never rejects */
  close (): Promise<void>
}
