// What a job is given beside its input.
import { performance } from 'node:perf_hooks'
import { types } from 'node:util'
import { show } from './checks.js'
import { makeLog, SILENT } from './log.js'
import type { ActorBoot, FromActor, JobContext, JobLog, JobMeta, Moved } from './jobs.js'

/** As it is before any job runs. */
const { MessagePort } = globalThis

/** What a context needs of its actor. */
type ContextBoot = Pick<ActorBoot, 'timeoutMs' | 'logLevel' | 'tier' | 'cpu'>
interface ContextEnd {
  isCancelled (id: number): boolean
  log (record: FromActor): void
}

/** That of one run. */
export class Context implements JobContext {
  readonly #id: number
  readonly #job: number
  readonly #boot: ContextBoot
  readonly #end: ContextEnd
  readonly #meta: JobMeta
  readonly #startedMs: number
  #controller: AbortController | undefined
  #log: JobLog | undefined
  #moved: readonly Moved[] | undefined

  constructor (id: number, job: number, boot: ContextBoot, end: ContextEnd, meta: JobMeta, startedMs: number) {
    this.#id = id
    this.#job = job
    this.#boot = boot
    this.#end = end
    this.#meta = meta
    this.#startedMs = startedMs
  }

  /** what the actor needs of its own; not part of the job's view */
  get id (): number { return this.#id }
  get job (): number { return this.#job }
  get startedMs (): number { return this.#startedMs }
  get moved (): readonly Moved[] | undefined { return this.#moved }

  get cancelled (): boolean { return this.#end.isCancelled(this.#id) }

  get signal (): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.cancelled) this.abort()
    return this.#controller.signal
  }

  throwIfCancelled (): void {
    if (this.cancelled) this.signal.throwIfAborted()
  }

  progress (value: unknown): void {
    if (this.#meta.hasListener) this.#end.log({ type: 'progress', id: this.#id, value })
  }

  transfer<Value> (value: Value, parts: readonly (Moved | ArrayBufferView)[]): Value {
    this.#moved = movable(parts)
    return value
  }

  get deadline (): number | undefined {
    const timeoutMs = this.#meta.timeoutMs ?? this.#boot.timeoutMs
    return timeoutMs === 0 ? undefined : performance.timeOrigin + this.#startedMs + timeoutMs
  }

  get requestId (): string | undefined { return this.#meta.requestId }
  get tier (): number { return this.#boot.tier }
  get cpu (): number | null { return this.#boot.cpu }

  get log (): JobLog {
    this.#log ??= makeLog(this.#id, this.#meta.logLevel ?? this.#boot.logLevel, (record) => this.#end.log(record))
    return this.#log
  }

  abort (): void {
    this.#controller?.abort()
  }
}

// what it gives a job is the same for all
Object.freeze(Context.prototype)

/** That of a warm-up or a broadcast, which nobody cancels. */
export function warmContext (boot: Pick<ActorBoot, 'tier' | 'cpu'>): JobContext {
  const signal = new AbortController().signal
  const log = makeLog(0, SILENT, () => {})
  const { tier, cpu } = boot
  return {
    cancelled: false,
    signal,
    throwIfCancelled: () => {},
    progress: () => {},
    transfer: (value, parts) => {
      movable(parts)
      return value
    },
    deadline: undefined,
    requestId: undefined,
    log,
    tier,
    cpu
  }
}

/** Each once; one that is shared needs no moving. Undefined for none. */
function movable (parts: unknown): Moved[] | undefined {
  const expected = 'ctx.transfer(value, parts): expected as parts an array of ArrayBuffers, views and MessagePorts, got '
  if (!Array.isArray(parts)) throw new TypeError(expected + show(parts))
  const moved = new Set<Moved>()
  for (const part of parts) {
    const whole: unknown = ArrayBuffer.isView(part) ? part.buffer : part
    if (types.isArrayBuffer(whole) || whole instanceof MessagePort) moved.add(whole as Moved)
    else if (!types.isSharedArrayBuffer(whole)) throw new TypeError(`${expected}one with ${show(part)}`)
  }
  return moved.size === 0 ? undefined : [...moved]
}
