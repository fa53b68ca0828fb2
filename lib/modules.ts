// Job modules: loads them into a table of functions, says why one cannot be loaded, warms the jobs up, and closes them.
import { describe } from './errors.js'
import { isCallable, whyNoJobs, whyNotLoaded } from './unloadable.js'
import type { ActorBoot, JobContext, JobFunction } from './jobs.js'

/** The export that is no job: called when the thread ends. */
const ON_CLOSE = 'onClose'

/** Of an actor's thread: it loads its modules, and a pool that one of them made would load it again, and so on. */
export const loading = { isActor: false }

/** What the modules export. */
export interface Exported {
  /** by name, in table order */
  readonly table: Map<string, JobFunction>
  /** what is to be called when the thread ends, in the order of the modules */
  readonly closers: readonly Closer[]
}
export type Closer = () => unknown

/**
 * Load all modules. Rejects with what is wrong with which file. `boot.names` is the order that the first actor found.
 */
export async function loadJobs (boot: Pick<ActorBoot, 'modules' | 'names'> & { readonly slot?: number }):
Promise<Exported> {
  const found = new Map<string, JobFunction>()
  const closers: Closer[] = []
  loading.isActor = boot.slot !== undefined
  for (const { prefix, href } of boot.modules) {
    let exported: Record<string, unknown>
    try {
      exported = await import(href)
    } catch (error) {
      throw new Error(`job module ${href}: ${whyNotLoaded(href, error)}`)
    }
    // a CommonJS module gives its exports as `default`, and by name only where the names can be seen
    const { default: whole } = exported
    if (whole !== null && typeof whole === 'object') exported = { ...whole, ...exported }
    const { [ON_CLOSE]: onClose } = exported
    if (onClose !== undefined && !isCallable(onClose)) {
      throw new Error(`job module ${href}: its export ${ON_CLOSE} is no function: it is called when the thread ends`)
    }
    if (onClose !== undefined) closers.push(onClose as Closer)
    const jobs = Object.entries(exported).filter(([name, job]) =>
      isCallable(job) && name !== 'default' && name !== 'module.exports' && name !== ON_CLOSE)
    if (jobs.length === 0) throw new Error(`job module ${href}: ${whyNoJobs(exported, whole)}`)
    for (const [name, job] of jobs) found.set(prefix === '' ? name : `${prefix}.${name}`, job as JobFunction)
  }
  loading.isActor = false
  const names = boot.names ?? [...found.keys()].sort()
  const table = new Map(names.map((name) => {
    const job = found.get(name)
    if (job === undefined) throw new Error(`job ${name} was there when the pool started and is missing now`)
    return [name, job]
  }))
  return { table, closers }
}

/**
 * Call the jobs that are to be warm before the first request; a name that is none is told by who knows all names.
 * Rejects where one of them does.
 */
export async function warmUp (table: ReadonlyMap<string, JobFunction>, boot: Pick<ActorBoot, 'warmup' | 'warmupCalls'>,
  context: JobContext): Promise<void> {
  for (const [name, input] of Object.entries(boot.warmup)) {
    const job = table.get(name)
    if (job === undefined) continue
    try {
      for (let call = 0; call < boot.warmupCalls; call++) await job(input, context)
    } catch (error) {
      throw new Error(`warm-up of job ${name}: ${describe(error)}`, { cause: error })
    }
  }
}

/** The thread ends in an orderly way. Each is called, one after the other; what they throw is handed over. */
export async function closeAll (closers: readonly Closer[], onError: (error: unknown) => void): Promise<void> {
  for (const close of closers) {
    try {
      await close()
    } catch (error) {
      onError(error)
    }
  }
}

/** What is logged of an `onClose` that threw, and of one that took too long. */
export const unclosed = (error: unknown): string => `${ON_CLOSE} of a job module: ${describe(error)}`
export const closedLate = (ms: number): string =>
  `${ON_CLOSE} of a job module did not end within ${ms} ms (terminateMs): its thread is not waited for`
