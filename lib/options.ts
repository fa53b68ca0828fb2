// Every option: one table of default and check; checked once, at boot.
import { statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { every, either, flag, integer, isRecord, keysOf, listOf, oneOf, readOption, readOptions, record, show, texts } from './checks.js'
import { errors } from './errors.js'
import { whyUncloneable } from './uncloneable.js'
import type { Check, Table } from './checks.js'
import type { JobInput, JobLog, JobModule, JobName, Overflow } from './jobs.js'
import type { RecycleOptions } from './recycling.js'
import type { RemoteTier } from './remote/contract.js'
import type { RemoteOptions } from './remote/spill.js'
import type { PoolIdentity } from './trace.js'
import type { ResourceLimits } from 'node:worker_threads'
import type { ExplicitTier, Strategy } from './tiers.js'

/** Options of a pool. Times are milliseconds; 0 switches a limit off unless said otherwise. */
export interface Options {
  /** module of jobs (path or `file:` URL), or `{ prefix: module }` for several: names are `prefix.export` */
  jobs: string | URL | Record<string, string | URL>
  /** where jobs run: on threads, or in this process and its event loop, for tests @default 'threads' */
  runtime?: 'threads' | 'inline'
  /** how the machine's CPUs become tiers @default 'tiered' */
  strategy?: Strategy
  /** an explicit plan instead: 1 to 3 tiers of `cpus` or a number of `actors`, each with a `threshold` if given */
  tiers?: readonly ExplicitTier[]
  /** active actors above which tiers 1, 2, 3 open @default by the general rule */
  thresholds?: readonly number[]
  /** cores kept free for the event loop; 'auto' is 1 where tier 1 has 4 cores or more @default 'auto' */
  reserve?: number | 'auto'
  /** a CPU of the home L3 domain @default the lowest allowed */
  home?: number
  /** most actors, at least 1 @default as many as the plan has */
  maxActors?: number
  /** what counts as active: actors with unfinished jobs, or only while they run one @default 'demand' */
  metric?: 'demand' | 'running'
  /** pin each actor to its CPU: true wherever it can be done, 'auto' only where it does no harm @default 'auto' */
  pin?: boolean | 'auto'
  /** pin only to cores that no other process of this user has claimed, and claim them @default true */
  claim?: boolean
  /** how long a tier stays open after the load fell below its threshold, at least 1 @default 100 */
  closeDelayMs?: number
  /** idle time after which an actor of tier 2 or 3 ends its thread @default 30000 */
  retireMs?: number
  /** priority below the event loop's, 0 to 19: for all tiers, or one each @default 10 */
  nice?: number | readonly number[]
  /** jobs that may wait when every open actor is busy, at least 0 @default 10000 */
  maxQueued?: number
  /** longest wait: a job is refused where it is estimated to be longer, dropped where it is; 0: none @default 10000 */
  maxQueueWaitMs?: number
  /** an input or result whose texts and buffers surely have more bytes is refused @default 268435456 */
  maxPayloadBytes?: number
  /** glibc keeps up to 64 MB that large inputs and results have left, for the next ones @default true */
  keepFreedMemory?: boolean
  /** a job of a lower priority is overtaken only by jobs accepted up to this much later, a level @default 1000 */
  ageMs?: number
  /** longest run of a job @default 30000 */
  timeoutMs?: number
  /** longest wait of a job before its run @default 0 */
  queueTimeoutMs?: number
  /** time a cancelled job has to end by itself before its thread is killed @default 100 */
  graceMs?: number
  /** time that close() gives the accepted jobs @default 10000 */
  drainMs?: number
  /** time an actor has to load the job modules, at least 1 @default 9000 */
  bootTimeoutMs?: number
  /** deaths of one slot within `withinMs` above which it has failed; it is tried again after `withinMs` @default 5 */
  maxRestarts?: number
  /** window of `maxRestarts`, at least 1 @default 30000 */
  withinMs?: number
  /** pause before the second restart in the window; doubles @default 50 */
  backoffMs?: number
  /** time a thread that was told to end has for it before its slot gets another, at least 1 @default 1000 */
  terminateMs?: number
  /** actors that runs of one job end within `withinMs`, from which on its name is refused; 0 for never @default 5 */
  quarantineDeaths?: number
  /** for how long, at least 1 @default 30000 */
  quarantineMs?: number
  /** replace an actor's thread above `maxHeapMb`, `maxJobs` or `maxAgeMs`, the replacement first @default never */
  recycle?: RecycleOptions
  /** async jobs one actor may have pending at once, at least 1 @default 1 */
  asyncPerActor?: number
  /** may an idle actor block its event loop; 'auto': only if the job modules keep no timer or socket @default 'auto' */
  blockWhenIdle?: boolean | 'auto'
  /** spin for up to 50 µs for the next job where that pays; 'auto': on fewer actors than CPUs @default 'auto' */
  spin?: boolean | 'auto'
  /** follow cpus that go offline and limits that change; explicit tiers stay as they are @default true */
  watch?: boolean
  /** add the caller's stack to the errors of jobs; 'auto': not of jobs that run less than 1 ms @default 'auto' */
  callerStack?: boolean | 'auto'
  /** `{ job: input }` to be called in each new actor before it opens @default {} */
  warmup?: { [Name in JobName]?: JobInput<Name> }
  /** how often each call of `warmup` is made, so that the job is compiled before the first request @default 1 */
  warmupCalls?: number
  /** heap limits of each thread, as in node:worker_threads @default Node's own */
  resourceLimits?: ResourceLimits
  /** environment of the threads @default a copy of the process's */
  env?: Record<string, string>
  /** Node options of the threads @default the process's */
  execArgv?: readonly string[]
  /** name of this pool in metrics, spans and messages @default 'default'; in Fastify its namespace */
  name?: string
  /** OpenTelemetry spans of each job's wait and run, through @opentelemetry/api @default false */
  tracing?: boolean
  /** carries values of the caller into the job; see docs/observability.md @default nothing */
  context?: ContextOptions
  /** pino logger for `ctx.log` of jobs that were called without one @default none; in Fastify the server's */
  log?: Partial<JobLog>
  /** where jobs go when the injector is full @default nowhere */
  overflow?: Overflow
  /** the tier of other machines, alone or with its options: an overflow, and the way of durable jobs @default none */
  remote?: RemoteTier | RemoteOptions
}

/** A pair of hooks: what is captured at the call is restored around the job. */
export interface ContextOptions {
  /** called in the caller's context for each job; returns what is to travel, by structured clone */
  capture (): unknown
  /** module (path or `file:` URL) loaded in each worker: its export `restore(value, run)` returns what `run()` does */
  restore: string | URL
}

/** Options with defaults applied and modules resolved. */
export type CheckedOptions = Omit<Required<Options>, OptionalKey | 'jobs' | 'nice'> & Pick<Options, OptionalKey> & {
  modules: JobModule[]
  /** URL of the module of `context.restore` */
  restore: string | null
  identity: PoolIdentity
  nice: readonly number[]
}
type OptionalKey = 'recycle' | 'tiers' | 'thresholds' | 'home' | 'maxActors' | 'resourceLimits' | 'env' | 'execArgv' | 'log' |
'context' | 'overflow' | 'remote'

const isTier = (value: unknown): boolean =>
  isRecord(value) && typeof value.admit === 'function' && typeof value.submit === 'function'
const ms = integer(0)

/** The table: default and check of every option but `jobs`. A default of undefined means: not set. */
export const optionTable = {
  runtime: ['threads', oneOf('threads', 'inline')],
  strategy: ['tiered', oneOf('tiered', 'even-odd', 'linear', 'avoid-smt', 'l3-isolation', 'none')],
  tiers: [undefined, listOf(record, 'tiers, as in [{ cpus: [0, 2], threshold: 0 }]')],
  thresholds: [undefined, listOf(integer(0), 'integers of at least 0')],
  reserve: ['auto', either(oneOf('auto'), integer(0))],
  home: [undefined, integer(0)],
  maxActors: [undefined, integer(1)],
  metric: ['demand', oneOf('demand', 'running')],
  pin: ['auto', oneOf(true, false, 'auto')],
  claim: [true, flag],
  closeDelayMs: [100, integer(1)],
  retireMs: [30000, ms],
  nice: [10, either(integer(0, 19), listOf(integer(0, 19), 'integers from 0 to 19'))],
  maxQueued: [10000, integer(0)],
  maxQueueWaitMs: [10000, ms],
  maxPayloadBytes: [268435456, integer(0)],
  keepFreedMemory: [true, flag],
  ageMs: [1000, ms],
  timeoutMs: [30000, ms],
  queueTimeoutMs: [0, ms],
  graceMs: [100, ms],
  drainMs: [10000, ms],
  bootTimeoutMs: [9000, integer(1)],
  maxRestarts: [5, integer(0)],
  withinMs: [30000, integer(1)],
  backoffMs: [50, ms],
  terminateMs: [1000, integer(1)],
  quarantineDeaths: [5, integer(0)],
  quarantineMs: [30000, integer(1)],
  recycle: [undefined, { expected: 'an object of maxHeapMb, maxJobs and maxAgeMs', test: isRecord }],
  asyncPerActor: [1, integer(1, 256)],
  blockWhenIdle: ['auto', oneOf(true, false, 'auto')],
  spin: ['auto', oneOf(true, false, 'auto')],
  watch: [true, flag],
  callerStack: ['auto', oneOf(true, false, 'auto')],
  warmup: [{}, record],
  warmupCalls: [1, integer(1, 100_000)],
  resourceLimits: [undefined, record],
  env: [undefined, texts],
  execArgv: [undefined, {
    expected: 'an array of strings',
    test: (value) => every(value, (text) => typeof text === 'string')
  }],
  name: ['default', {
    expected: 'a name of letters, digits, _, . and -',
    test: (value) => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)
  }],
  tracing: [false, flag],
  context: [undefined, {
    expected: 'an object with a function capture and a module restore',
    test: (value) => isRecord(value) && typeof value.capture === 'function' &&
      (typeof value.restore === 'string' || value.restore instanceof URL)
  }],
  log: [undefined, {
    expected: 'a logger with the methods of pino',
    test: (value) => value !== null && typeof value === 'object' && typeof (value as JobLog).info === 'function'
  }],
  overflow: [undefined, {
    expected: 'an object with a method take',
    test: (value) => isRecord(value) && typeof value.take === 'function'
  }],
  remote: [undefined, {
    expected: 'a remote tier, or options with one in tier',
    test: (value) => isRecord(value) && isTier(value.tier ?? value)
  }]
} as const satisfies Record<Exclude<keyof Options, 'jobs'>, readonly [unknown, Check]>

const aboveZero: Check = { expected: 'a number above 0', test: (value) => typeof value === 'number' && value > 0 && value < Infinity }
/** Parts of options that are objects. */
const limits = {
  maxOldGenerationSizeMb: [undefined, aboveZero],
  maxYoungGenerationSizeMb: [undefined, aboveZero],
  codeRangeSizeMb: [undefined, aboveZero],
  stackSizeMb: [undefined, aboveZero]
} as const satisfies Record<keyof ResourceLimits, readonly [unknown, Check]>
const recycleLimits = {
  maxHeapMb: [undefined, integer(1)],
  maxJobs: [undefined, integer(1)],
  maxAgeMs: [undefined, integer(1)]
} as const satisfies Record<keyof RecycleOptions, readonly [unknown, Check]>
/** What is only read here and checked elsewhere. */
const any: Check = { expected: 'a value that can be read', test: () => true }
/** The plan checks them. */
const tierParts = {
  cpus: [undefined, any],
  actors: [undefined, any],
  threshold: [undefined, any]
} as const satisfies Record<keyof ExplicitTier, readonly [unknown, Check]>

/** Check options against the table. Throws `FST_ERR_SPILLOVER_OPTION`, naming the option, what was expected and got. */
export function checkOptions (given: Options): CheckedOptions {
  if (!isRecord(given)) throw new errors.OPTION('options', 'an object with jobs', show(given))
  const checked = readOptions(given, optionTable as Table, undefined, ['jobs'])
  const { nice, context, tiers } = checked as { nice: unknown, context?: object, tiers?: readonly object[] }
  checked.nice = Array.isArray(nice) ? nice : [nice, nice, nice]
  for (const [name, table] of [['resourceLimits', limits], ['recycle', recycleLimits]] as const) {
    const parts = checked[name] as Record<string, unknown> | undefined
    if (parts !== undefined) checked[name] = readOptions(parts, table, (key) => `${name}.${key}`)
  }
  if (tiers !== undefined) {
    checked.tiers = Array.from(tiers, (tier, at) =>
      readOptions(tier as Record<string, unknown>, tierParts, (key) => `tiers[${at}].${key}`))
  }
  checked.warmup = checkWarmup(checked.warmup as Record<string, unknown>)
  checked.modules = modulesOf(readOption(given, 'jobs', { expected: JOBS, test: () => true }))
  checked.identity = { name: checked.name }
  checked.restore = context === undefined ? null : restoreOf(context as Record<string, unknown>)
  return checked as unknown as CheckedOptions
}

/** What warm-up jobs are given has to travel as every input has. */
function checkWarmup (warmup: Record<string, unknown>): Record<string, unknown> {
  const expected = 'an input that can be sent to a thread'
  const checked = keysOf(warmup, 'warmup.*').map((key) => {
    const name = `warmup.${String(key)}`
    const input = readOption(warmup, key as string, { expected, test: () => true }, name)
    try {
      structuredClone(input)
    } catch (error) {
      throw new errors.OPTION(name, expected, whyUncloneable(error, input))
    }
    return [key, input] as const
  })
  return Object.fromEntries(checked)
}

function restoreOf (context: Record<string, unknown>): string {
  const { restore } = readOptions(context, { capture: [undefined, any], restore: [undefined, any] }, (key) => `context.${key}`)
  return moduleOf('', restore, 'context.restore').href
}

const JOBS = 'a path or file: URL of a module, or an object of them'

function modulesOf (jobs: unknown): JobModule[] {
  if (typeof jobs === 'string' || jobs instanceof URL) return [moduleOf('', jobs)]
  if (isRecord(jobs) && Object.keys(jobs).length > 0) {
    return Object.entries(jobs).map(([prefix, module]) => moduleOf(prefix, module))
  }
  throw new errors.OPTION('jobs', JOBS, show(jobs))
}

function moduleOf (prefix: string, module: unknown, name = prefix === '' ? 'jobs' : `jobs.${prefix}`): JobModule {
  const expected = 'the path or file: URL of a module that exists'
  let path: string
  if (module instanceof URL || (typeof module === 'string' && module.startsWith('file:'))) {
    const url = String(module)
    if (!url.startsWith('file:')) throw new errors.OPTION(name, expected, url)
    path = attempt(() => fileURLToPath(url)) ?? ''
  } else if (typeof module === 'string' && module !== '') {
    path = isAbsolute(module) ? module : resolve(module)
  } else {
    throw new errors.OPTION(name, expected, show(module))
  }
  if (attempt(() => statSync(path).isFile()) !== true) throw new errors.OPTION(name, expected, path === '' ? show(module) : path)
  return { prefix, href: pathToFileURL(path).href }
}

function attempt<T> (read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // not a path, or not one that can be read: the caller says so
  }
}
