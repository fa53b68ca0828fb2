// Owns the job call without spillover: on the event loop, or as the file that a plain piscina pool loads.

import * as jobs from './jobs.js'

/** The names, inputs and results of the example's jobs. */
export type Jobs = typeof jobs
export type JobName = keyof Jobs
export type JobInput<Name extends JobName> = Parameters<Jobs[Name]>[0]
export type JobResult<Name extends JobName> = Awaited<ReturnType<Jobs[Name]>>

export interface Call<Name extends JobName = JobName> {
  readonly name: Name
  readonly input: JobInput<Name>
}

// Neither way can cancel a job that runs.
const context: jobs.Context = { throwIfCancelled: () => {} }

/** Runs one job on this thread. */
export const call = ({ name, input }: Call): unknown => {
  const job = jobs[name] as (input: unknown, ctx: jobs.Context) => unknown
  return job(input, context)
}
