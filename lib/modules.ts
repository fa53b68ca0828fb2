// Job modules: loads them into a table of functions, says why one cannot be loaded, and warms the jobs up.
import { extname } from 'node:path'
import { describe } from './errors.js'
import type { ActorBoot, JobContext, JobFunction } from './jobs.js'

/** Of an actor's thread: it loads its modules, and a pool that one of them made would load it again, and so on. */
export const loading = { isActor: false }

/**
 * The jobs of all modules by name, in table order. Rejects with what is wrong with which file. `boot.names` is the
 * order that the first actor found.
 */
export async function loadJobs (boot: Pick<ActorBoot, 'modules' | 'names'> & { readonly slot?: number }):
Promise<Map<string, JobFunction>> {
  const found = new Map<string, JobFunction>()
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
    const jobs = Object.entries(exported).filter(([name, job]) =>
      typeof job === 'function' && name !== 'default' && name !== 'module.exports')
    if (jobs.length === 0) throw new Error(`job module ${href}: ${whyNoJobs(whole)}`)
    for (const [name, job] of jobs) found.set(prefix === '' ? name : `${prefix}.${name}`, job as JobFunction)
  }
  loading.isActor = false
  const names = boot.names ?? [...found.keys()].sort()
  return new Map(names.map((name) => {
    const job = found.get(name)
    if (job === undefined) throw new Error(`job ${name} was there when the pool started and is missing now`)
    return [name, job]
  }))
}

/** Call the jobs that are to be warm before the first request. Rejects where one of them does. */
export async function warmUp (table: ReadonlyMap<string, JobFunction>, boot: Pick<ActorBoot, 'warmup' | 'warmupCalls'>,
  context: JobContext): Promise<void> {
  for (const [name, input] of Object.entries(boot.warmup)) {
    const job = table.get(name)
    if (job === undefined) throw new Error(`option warmup names the unknown job ${name}`)
    try {
      for (let call = 0; call < boot.warmupCalls; call++) await job(input, context)
    } catch (error) {
      throw new Error(`warm-up of job ${name}: ${describe(error)}`, { cause: error })
    }
  }
}

function whyNoJobs (whole: unknown): string {
  const has = typeof whole === 'function' ? 'its only function is the default export, which is no job' : 'it exports no function'
  return `${has}: each job is an export with a name, as in \`export function hash (input) {}\``
}

/** What to do about TypeScript that this Node does not load; else what Node said. */
function whyNotLoaded (href: string, error: unknown): string {
  const { code } = Object(error) as { code?: unknown }
  const said = describe(error)
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return `${said}. Node only strips types: for enums, namespaces and parameter properties give the threads ` +
      "execArgv: ['--experimental-transform-types'], or a loader"
  }
  // a file with the suffix, or one that it imports
  const isUnknownType = code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts\b/.test(said)
  const isUnread = /\.[cm]?ts$/.test(extname(href)) && error instanceof SyntaxError && !stripsTypes()
  if (!isUnknownType && !isUnread) return said
  return `this Node (${process.versions.node}) does not load TypeScript. Node 22.18 and later do; else give the threads ` +
    'a loader by the option execArgv (docs/recipes.md, "Jobs in TypeScript"), or name the compiled file as jobs ' +
    `(${said})`
}

function stripsTypes (): boolean {
  return Boolean((process.features as { typescript?: unknown }).typescript)
}
