// What an application sees of a pool.
import type {
  JobInput, JobName, JobNameAlone, JobResult, OffloadOptions, Plan, PoolIdentity, RecordOptions, Snapshot, Trace
} from '../lib/index.js'

/** Runs a job. Resolves with its result; rejects with its own error or one of ours; never throws. */
export interface Offload {
  <Name extends JobName>(name: Name, input: JobInput<Name>, options?: OffloadOptions): Promise<JobResult<Name>>
  <Name extends JobNameAlone>(name: Name): Promise<JobResult<Name>>
}

/** A pool as `app.spillover` has it. */
export interface Pool {
  readonly plan: Plan
  readonly jobs: readonly string[]
  offload: Offload
  /**
   * Call a job's function with this value in every actor: those that live now, and each that opens later before it
   * takes a job. Resolves when all that live have called it; rejects with what it threw.
   */
  broadcast: <Name extends JobName>(name: Name, value: JobInput<Name>) => Promise<void>
  ready (): Promise<void>
  drain (): Promise<void>
  snapshot (): Snapshot
  /**
   * Is it well? False where no actor of tier 1 is open or no jobs are accepted. Waits for `ready()`. Made to be the
   * `healthCheck` of @fastify/under-pressure.
   */
  healthCheck (): Promise<false | { spillover: 'ok' | 'degraded' }>
  /** what messages of the diagnostics channels carry as `pool` */
  readonly identity: PoolIdentity
  /** Record the pool at work: a trace that Chrome and Perfetto open, as an object. */
  record (options: RecordOptions): Promise<Trace>
}
