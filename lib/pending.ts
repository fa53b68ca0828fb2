// What the host keeps of an accepted job, and what is known of all jobs of a name.
import { outcomes, Times } from './metrics.js'
import type { Deadline } from './deadlines.js'
import type { JobLog, JobMeta } from './jobs.js'
import type { Held } from './mailbox.js'
import type { Outcome } from './metrics.js'
import type { Priority, Queued } from './queue.js'
import type { JobSpans } from './spans.js'
import type { Actor } from './slots.js'

/** Options of one call. */
export interface OffloadOptions {
  /** cancels the job */
  signal?: AbortSignal
  /** longest run, ms; 0 for none @default the pool's */
  timeoutMs?: number
  /** longest wait before the run, ms; 0 for none @default the pool's */
  queueTimeoutMs?: number
  /** @default 'normal' */
  priority?: Priority
  /** jobs of one key run on one actor of tier 1, in the order they were accepted */
  key?: string
  /** ArrayBuffers and ports to move instead of copying; they are detached here */
  transfer?: readonly (ArrayBuffer | import('node:worker_threads').MessagePort)[]
  /** may run a second time if its actor dies while it runs @default false */
  idempotent?: boolean
  /** may go to another machine where `remote` is set @default true */
  spill?: boolean
  /** goes through the engine of `remote` always, and survives the end of this process @default false */
  durable?: boolean
  /** of a durable job: one job for one value in a scope, such as the user */
  idempotencyKey?: { readonly scope: string, readonly value: string }
  /** trace context of the caller, W3C `traceparent`; goes along to another machine */
  traceparent?: string
  /** becomes `ctx.requestId` */
  requestId?: string
  /** called with each value of the job's `ctx.progress`, before the job settles; of a durable job see its events */
  onProgress?: (value: unknown) => void
  /** where `ctx.log` writes: a pino logger @default the pool's */
  log?: Partial<JobLog>
}

/** A job that waits and travels longer than it runs; means of its last runs, ms. */
export interface Hint {
  readonly job: string
  readonly waitMs: number
  readonly borderMs: number
  readonly runMs: number
  readonly text: string
}

/** Runs of a job between two looks at whether offloading it pays; chosen. */
export const HINT_RUNS = 128

/** Longest mean run of jobs that one may wait behind, ms; chosen: above it a pause between two is nothing. */
const STEADY_MS = 10

/** All jobs of one name. */
export class Kind {
  /** moving mean of the run times, ms; NaN before the first has ended */
  meanMs = NaN
  /** moving mean of how far they are from it, ms; begins with the first run: some must agree before it is small */
  deviationMs = 0
  /** by index of the tier in the plan */
  readonly times: Times[]
  /** jobs settled, by outcome and by number of the tier; 0 where no actor had the job */
  readonly settled = Object.fromEntries(outcomes.map((outcome) => [outcome, new Float64Array(4)])) as
    Record<Outcome, Float64Array>

  /** runs until it is looked at whether offloading pays; Infinity once it was told that it does not */
  runsToHint = HINT_RUNS
  /** sums over all runs that were looked at */
  lookedAtMs: readonly [waitMs: number, borderMs: number, runMs: number] = [0, 0, 0]
  hint: Hint | undefined = undefined
  /** in quarantine until then; see quarantine.ts */
  refusedUntilMs = 0

  constructor (readonly name: string, readonly index: number, tiers: number) {
    this.times = Array.from({ length: tiers }, () => new Times())
  }

  /** One has run for so long. */
  ran (runMs: number): void {
    if (Number.isNaN(this.meanMs)) this.meanMs = this.deviationMs = runMs
    const off = runMs - this.meanMs
    this.meanMs += off / 8
    this.deviationMs += (Math.abs(off) - this.deviationMs) / 8
  }

  /** Is it known when one that runs will end, and soon? */
  get isSteady (): boolean { return this.meanMs <= STEADY_MS && this.deviationMs * 2 <= this.meanMs }
}

/** One accepted job, from `offload()` to its settling. */
export class Job implements Queued, Held {
  isQueued = false
  isSettled = false
  id = 0
  position = 0
  /** in whose mailbox it is */
  actor: Actor<Job> | undefined = undefined
  /** its share of the actor's `workMs` */
  workMs = 0
  /** how often its actor died while it ran */
  deaths = 0
  queueDeadline: Deadline | undefined = undefined
  /** where tracing is on */
  spans: JobSpans | undefined = undefined
  /** where its caller's stack is kept: from its acceptance on */
  caller: { stack?: string } | undefined = undefined

  constructor (
    /** rises with each accepted job */
    readonly order: number,
    readonly kind: Kind,
    readonly input: unknown,
    readonly options: OffloadOptions,
    readonly level: number,
    readonly acceptedAtMs: number,
    readonly timeoutMs: number,
    readonly queueTimeoutMs: number,
    /** sent with the input, where there is something to send */
    readonly meta: JobMeta | undefined,
    readonly resolve: (value: unknown) => void,
    readonly reject: (error: unknown) => void
  ) {}

  get isKeyed (): boolean { return this.options.key !== undefined }
  /** Moved buffers are gone from here, and a keyed job keeps its order: these stay where they were given. */
  get isMovable (): boolean { return this.options.transfer === undefined && this.options.key === undefined }
}
