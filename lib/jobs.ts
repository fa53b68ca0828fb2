// What a job is: the function's context, the registry of names, and the messages of the control port.

/** What a job function is given beside its input. */
export interface JobContext {
  /** true once the caller cancelled, the timeout passed or the pool is closing: at once, also in a synchronous loop */
  readonly cancelled: boolean
  /** fires when `cancelled` becomes true and the worker's event loop turns */
  readonly signal: AbortSignal
  /** throws the signal's reason if cancelled */
  throwIfCancelled (): void
  /** epoch milliseconds at which the job's `timeoutMs` will have passed; undefined without one */
  readonly deadline: number | undefined
  /** records reach the logger given with the call (in Fastify: the request's) */
  readonly log: JobLog
  /**
   * Tell how far the job is: reaches `onProgress` of the call, and the status and events of a durable job. Any value
   * that can be cloned; without anybody who listens nothing is sent.
   */
  progress (value: unknown): void
  /** id of the request that offloaded the job, if one did */
  readonly requestId: string | undefined
  /**
   * Move these ArrayBuffers and ports of the result instead of copying them; views stand for their buffers, and what
   * cannot be moved is copied. They are empty here once the job has ended. Throws `TypeError` for anything else.
   * @returns the value: `return ctx.transfer(bytes, [bytes.buffer])`
   */
  transfer<Value> (value: Value, parts: readonly (Moved | ArrayBufferView)[]): Value
  readonly tier: number
  /** the logical processor this actor is planned on, and pinned to where health says so; null if it has none */
  readonly cpu: number | null
}

/** What is moved to another thread and not copied. */
export type Moved = ArrayBuffer | import('node:worker_threads').MessagePort

/** pino's calling forms. */
export type LogMethod = (...args: unknown[]) => void
export type JobLog = Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', LogMethod>

/** A job: any exported function of a job module. */
export type JobFunction = (input: any, ctx: JobContext) => unknown

/**
 * What the functions of a module mean as jobs: `JobsOf<typeof import('./jobs.js')>`, or with the prefix that the
 * module has in the option `jobs`: `JobsOf<typeof import('./images.js'), 'images'>`.
 */
export type JobsOf<Module, Prefix extends string = ''> = {
  [Name in keyof Module as NameOf<Name, Module[Name], Prefix>]:
  Module[Name] extends (...args: infer Args) => infer Result
    ? { input: Args extends [] ? undefined : Args[0], result: Awaited<Result> }
    : never
}
type NameOf<Name, Value, Prefix extends string> = Name extends 'default' | 'onClose' ? never : Value extends JobFunction
  ? Prefix extends '' ? Name & string : `${Prefix}.${Name & string}`
  : never

/** Augment this interface to have names, inputs and results checked: `interface SpilloverJobs extends JobsOf<…> {}`. */
export interface SpilloverJobs {}

export type JobName = keyof SpilloverJobs extends never ? string : keyof SpilloverJobs & string
/** Of several names: what each of them takes. */
export type JobInput<Name> = TakerOf<Name> extends (input: infer Input) => void ? Input : never
type TakerOf<Name> = Name extends keyof SpilloverJobs
  ? (input: SpilloverJobs[Name] extends { input: infer Input } ? Input : unknown) => void
  : (input: any) => void
export type JobResult<Name> =
  Name extends keyof SpilloverJobs ? SpilloverJobs[Name] extends { result: infer Result } ? Result : unknown : any
/** Names of the jobs that may be called without an input. */
export type JobNameAlone = keyof SpilloverJobs extends never ? string : {
  [Name in JobName]: undefined extends JobInput<Name> ? Name : never
}[JobName]

/** One job module as the actor imports it: names become `prefix + '.' + export`, or the export where prefix is ''. */
export interface JobModule { readonly prefix: string, readonly href: string }

/** What an actor is started with; sent once. */
export interface ActorBoot {
  readonly slot: number
  readonly tier: number
  readonly cpu: number | null
  /** null: the actor pins itself to `pinCpu`; else why it does not */
  readonly pinReason: string | null
  /** its own, or another while a thread that could not be ended holds that */
  readonly pinCpu: number | null
  /** how far below the process's other threads this one runs once it is ready, 0 to 19 */
  readonly nice: number
  readonly modules: readonly JobModule[]
  /** names in table order as the first actor reported them; null for the first actor */
  readonly names: readonly string[] | null
  readonly warmup: Readonly<Record<string, unknown>>
  /** how often each of them is called */
  readonly warmupCalls: number
  readonly metric: 'demand' | 'running'
  readonly asyncPerActor: number
  readonly blockWhenIdle: boolean | 'auto'
  readonly maySpin: boolean
  readonly timeoutMs: number
  /** a result or error that surely has more bytes is refused; 0 for no limit */
  readonly maxPayloadBytes: number
  /** lowest level of `ctx.log`, as an index of pino's levels, where a call does not say another */
  readonly logLevel: number
  readonly isTraced: boolean
  /** module whose `restore` runs each job; null for none */
  readonly restore: string | null
  /** when ready it does nothing, its slot's words included, before a message says that it may begin */
  readonly waits: boolean
  /** the last value of each broadcast, to be given to the jobs of these names before anything else */
  readonly kept: readonly (readonly [name: string, value: unknown])[]
  /** names of what jobs of this slot changed before, and may */
  readonly meant: readonly string[]
  readonly load: SharedArrayBuffer
  readonly mailbox: SharedArrayBuffer
  /** `readBothClocks()` of the host: makes one clock of two */
  readonly clock: readonly [bigint, number]
}

/** Options of one call that the actor must know; sent only where there are some. */
export interface JobMeta {
  readonly timeoutMs?: number
  readonly requestId?: string
  readonly logLevel?: number
  /** somebody listens to `ctx.progress` */
  readonly hasListener?: true
  /** W3C trace context, where tracing is on */
  readonly trace?: Readonly<Record<string, string>>
  /** what `context.capture()` returned */
  readonly context?: unknown
}

/** Actor to host, beside the rings. `0` is the bell: there are replies. */
export type FromActor = 0 |
  /** a broadcast has reached this actor; `error` as it was encoded, where the function threw */
  { readonly type: 'told', readonly seq: number, readonly error?: unknown } |
  { readonly type: 'stray', readonly job: string | null, readonly error: unknown } |
  /** after this job, what all jobs of a thread build on was not as it was */
  { readonly type: 'meddled', readonly job: string | null, readonly names: readonly string[] } |
  {
    readonly type: 'ready'
    readonly names: readonly string[]
    readonly threadId: number
    readonly bootMs: number
    /** null: the actor is pinned, and read its mask back; else why it is not */
    readonly pinReason: string | null
    /** a job module has something to be called when this thread ends */
    readonly closes: boolean
  } |
  /** it was told to move to another cpu; null, or why it could not */
  { readonly type: 'moved', readonly pinReason: string | null } |
  /** the actor takes no more jobs and calls that */
  { readonly type: 'closing' } |
  /** it threw */
  { readonly type: 'unclosed', readonly error: unknown } |
  { readonly type: 'progress', readonly id: number, readonly value: unknown } |
  {
    readonly type: 'log'
    readonly id: number
    readonly level: number
    readonly args: readonly unknown[]
    /** an error among the first argument, taken apart as errors of jobs are */
    readonly err?: unknown
  }

/** Host to actor, beside the rings. `0` wakes an actor that waits in its event loop. */
export type ToActor = 0 | { readonly type: 'cancel', readonly id: number } | Tell |
  /** pin yourself to this cpu */
  { readonly type: 'move', readonly cpu: number }

/** Call a job's function with a value, apart from all jobs. `job` is its index in the table. */
export interface Tell { readonly type: 'tell', readonly seq: number, readonly job: number, readonly value: unknown }

/** One job as the overflow sees it. */
export interface OverflowCall {
  readonly job: string
  readonly input: unknown
  /** moving mean of the job's measured run time, ms; NaN before its first run */
  readonly meanMs: number
  /** expected wait here, ms */
  readonly waitMs: number
  /** would be refused here: it goes elsewhere or nowhere */
  readonly isRefused: boolean
  /** longest run, ms; 0 for none */
  readonly timeoutMs: number
  /** longest wait before the run, ms; 0 for none */
  readonly queueTimeoutMs: number
  readonly options: OverflowOptions
  /** run it here after all, for a job that certainly did not go elsewhere */
  runHere (): Promise<unknown>
}

/** What an overflow reads of the options of a call. */
export interface OverflowOptions {
  readonly signal?: AbortSignal
  readonly priority?: 'high' | 'normal' | 'low'
  readonly idempotent?: boolean
  readonly requestId?: string
  readonly traceparent?: string
  readonly idempotencyKey?: { readonly scope: string, readonly value: string }
  readonly onProgress?: (value: unknown) => void
}

/** Durations as metrics read them: how many, their sum, and how many lie below each edge, given in ascending ms. */
export interface Durations {
  readonly count: number
  readonly sumMs: number
  cumulative (edgesMs: readonly number[]): number[]
}

/** Times and sizes of the jobs of one name that go elsewhere or come from there. */
export interface OverflowTimes {
  /** of a job that came from elsewhere: from handing it over there to its first start here */
  readonly wait: Durations
  /** of a job that went elsewhere: from handing it over here to its outcome */
  readonly roundtrip: Durations
  /** bytes of the input of a job that went elsewhere, as it travels, and of its result; a byte counts as a µs */
  readonly payload: Durations
  readonly result: Durations
}

/** Where a job goes when no open actor can take it in time. lib/remote/spill.ts makes one of a remote tier. */
export interface Overflow {
  /** Decide, without I/O, whether this job can be taken elsewhere, and take it: undefined is no. */
  take (call: OverflowCall): Promise<unknown> | undefined
  /**
   * Where it is there: called for each job that may be taken. Throws where the input would not arrive as it is, and
   * returns what settles the job: it rejects a result that would not either.
   */
  strict? (job: string, input: unknown, resolve: (value: unknown) => void, reject: (error: unknown) => void):
  (value: unknown) => void
  /** Take a durable job, or reject. */
  keep? (call: OverflowCall): Promise<unknown>
  /** The pool is ready; `run` runs a job of it that came from elsewhere, and such a job never spills again. */
  open? (pool: OverflowPool): void
  /** No more jobs will be taken. Resolves when its connections are closed; never rejects. */
  close? (graceMs: number): Promise<void>
  /** Plain numbers for the snapshot. */
  stats? (): unknown
  /** For metrics, by job. */
  times? (): ReadonlyMap<string, OverflowTimes>
}

/** The pool as an overflow sees it, for taking jobs of other machines. */
export interface OverflowPool {
  readonly jobs: readonly string[]
  run (job: string, input: unknown, options: OverflowRun): Promise<unknown>
  /** actors that could start a job now, while no job of this machine waits */
  idle (): number
  /** actors of the plan */
  readonly size: number
}

/** Options of a job that came from elsewhere; `timeoutMs` is what is left of its deadline. */
export interface OverflowRun extends OverflowOptions { readonly timeoutMs: number }
