// What a job finds in its worker besides its input: the caller's trace, and values that the user carries over.
import { describe } from './errors.js'
import { makeTraceRestorer } from './spans.js'
import type { ActorBoot, JobMeta } from './jobs.js'

/** Runs a job with what its meta carries; returns what the job returns. */
export type Carry = (meta: JobMeta, run: () => unknown) => unknown

/** Undefined where nothing is carried. Rejects when the user's module cannot be loaded. Worker thread only. */
export async function loadCarry (boot: Pick<ActorBoot, 'isTraced' | 'restore'>): Promise<Carry | undefined> {
  const inTrace = boot.isTraced ? makeTraceRestorer() : undefined
  const restore = boot.restore === null ? undefined : await loadRestore(boot.restore)
  if (inTrace === undefined && restore === undefined) return undefined
  return (meta, run) => {
    const restored = restore === undefined ? run : () => restore(meta.context, run)
    return inTrace === undefined || meta.trace === undefined ? restored() : inTrace(meta.trace, restored)
  }
}

type Restore = (value: unknown, run: () => unknown) => unknown

async function loadRestore (href: string): Promise<Restore> {
  let exported: { restore?: unknown, default?: { restore?: unknown } }
  try {
    exported = await import(href)
  } catch (error) {
    throw new Error(`context module ${href}: ${describe(error)}`)
  }
  const restore = exported.restore ?? exported.default?.restore
  if (typeof restore !== 'function') throw new Error(`context module ${href}: it exports no function restore(value, run)`)
  return restore as Restore
}
