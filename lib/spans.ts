// OpenTelemetry: a span for a job's wait and one for its run, and the trace carried into the worker. The only file
// with @opentelemetry/api, which is loaded when tracing is asked for.
import { describe, errors } from './errors.js'

/** What is used of `@opentelemetry/api`; it is an optional peer, so its types may be missing. */
interface Api {
  readonly trace: {
    getTracer (name: string, version?: string): Tracer
    setSpan (context: Context, span: Span): Context
    setSpanContext (context: Context, spanContext: SpanContext): Context
    getSpanContext (context: Context): SpanContext | undefined
  }
  readonly context: { active (): Context, with<T> (context: Context, run: () => T): T }
  readonly propagation: {
    inject (context: Context, carrier: Carrier): void
    extract (context: Context, carrier: Carrier): Context
  }
  readonly ROOT_CONTEXT: Context
  createTraceState (raw?: string): TraceState
}
interface Context { readonly __context?: never }
interface TraceState { serialize (): string }
interface SpanContext {
  traceId: string
  spanId: string
  traceFlags: number
  isRemote?: boolean
  traceState?: TraceState
}
interface Tracer { startSpan (name: string, options: object, context: Context): Span }
interface Span {
  end (atMs?: number): void
  spanContext (): SpanContext
  addEvent (name: string, attributes: object, atMs: number): unknown
  setAttribute (key: string, value: string | number): unknown
  setStatus (status: { code: number, message?: string }): unknown
  recordException (error: Error): unknown
}

/** What travels with a job: the headers of W3C trace context, and what else the propagator in use writes. */
export type Carrier = Record<string, string>

const STATUS_ERROR = 2

/** Makes the spans of one pool. Host only; the times it is given are `performance.now()`. */
export class Spans {
  readonly #api = loadApi()
  readonly #tracer: Tracer
  readonly #pool: string
  readonly #originMs: number

  /** @throws `FST_ERR_SPILLOVER_PEER_MISSING` without the package */
  constructor (pool: string, originMs: number) {
    this.#tracer = this.#api.trace.getTracer('fastify-spillover')
    this.#pool = pool
    this.#originMs = originMs
  }

  /** The wait of a job begins, in the caller's context, or that of a `traceparent` given with the call. */
  accepted (job: string, atMs: number, traceparent?: string): JobSpans {
    const api = this.#api
    const context = traceparent === undefined ? api.context.active() : restoreContext(api, { traceparent })
    const attributes = { 'spillover.pool': this.#pool, 'spillover.job': job }
    return new JobSpans(api, this.#tracer, context, attributes, job, this.#originMs, atMs)
  }

  /** Of the caller, for a job that goes to another machine. */
  traceparent (): string | undefined {
    const spanContext = this.#api.trace.getSpanContext(this.#api.context.active())
    return spanContext === undefined ? undefined : headersOf(spanContext).traceparent
  }
}

/** The spans of one job. */
export class JobSpans {
  readonly #api: Api
  readonly #tracer: Tracer
  readonly #attributes: object
  readonly #job: string
  readonly #originMs: number
  readonly #context: Context
  readonly #wait: Span
  #run: Span | undefined
  #givenAtMs = 0

  constructor (api: Api, tracer: Tracer, context: Context, attributes: object, job: string, originMs: number,
    atMs: number) {
    this.#api = api
    this.#tracer = tracer
    this.#attributes = attributes
    this.#job = job
    this.#originMs = originMs
    this.#context = context
    this.#wait = tracer.startSpan(`wait ${job}`, { startTime: originMs + atMs, attributes }, this.#context)
  }

  /**
   * The job is given to an actor: its run begins, as far as the host can tell; what is to travel with it. Called again
   * where the job was taken back: the run before is forgotten.
   */
  given (slot: number, tier: number, atMs: number): Carrier {
    this.#givenAtMs = atMs
    const attributes = { ...this.#attributes, 'spillover.slot': slot, 'spillover.tier': tier }
    this.#run = this.#tracer.startSpan(`run ${this.#job}`, { startTime: this.#originMs + atMs, attributes }, this.#context)
    const carrier: Carrier = {}
    this.#api.propagation.inject(this.#api.trace.setSpan(this.#context, this.#run), carrier)
    // without a propagator the standard is written all the same
    if (carrier.traceparent === undefined) Object.assign(carrier, headersOf(this.#run.spanContext()))
    return carrier
  }

  /** The job was taken back from its actor. */
  takenBack (): void {
    this.#run = undefined
  }

  /** Both spans end. `startedAtMs`: when the function began, 0 where it did not. */
  settled (outcome: string, atMs: number, startedAtMs: number, error: unknown): void {
    const last = this.#run ?? this.#wait
    if (startedAtMs > 0) this.#run?.addEvent('started', {}, this.#originMs + startedAtMs)
    last.setAttribute('spillover.outcome', outcome)
    if (outcome !== 'ok') {
      last.setStatus({ code: STATUS_ERROR, message: describe(error) })
      if (error instanceof Error) last.recordException(error)
    }
    this.#wait.end(this.#originMs + (this.#run === undefined ? atMs : this.#givenAtMs))
    this.#run?.end(this.#originMs + atMs)
  }

  /** Run something in the caller's trace context. */
  inContext<T> (run: () => T): T {
    return this.#api.context.with(this.#context, run)
  }
}

/** Runs a job so that spans made in it are children of its run. Worker thread only. */
export function makeTraceRestorer (): (carrier: Carrier, run: () => unknown) => unknown {
  const api = loadApi()
  return (carrier, run) => api.context.with(restoreContext(api, carrier), run)
}

/** By the propagator in use, and by the standard where there is none. */
function restoreContext (api: Api, carrier: Carrier): Context {
  const context = api.propagation.extract(api.ROOT_CONTEXT, carrier)
  if (api.trace.getSpanContext(context) !== undefined) return context
  const spanContext = spanContextOf(api, carrier)
  return spanContext === undefined ? context : api.trace.setSpanContext(context, spanContext)
}

/** https://www.w3.org/TR/trace-context/; nothing where there is no trace: without an SDK the ids are all zero. */
function headersOf ({ traceId, spanId, traceFlags, traceState }: SpanContext): Carrier {
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return {}
  const flags = (traceFlags & 255).toString(16).padStart(2, '0')
  const state = traceState?.serialize() ?? ''
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, ...(state !== '' && { tracestate: state }) }
}

function spanContextOf (api: Api, { traceparent = '', tracestate }: Carrier): SpanContext | undefined {
  const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent)
  if (parts === null) return undefined
  return {
    traceId: parts[1]!,
    spanId: parts[2]!,
    traceFlags: parseInt(parts[3]!, 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: api.createTraceState(tracestate) })
  }
}

function loadApi (): Api {
  try {
    return require('@opentelemetry/api') as Api
  } catch (error) {
    throw new errors.PEER_MISSING('option tracing', 'the package @opentelemetry/api', describe(error).split('\n')[0], '@opentelemetry/api')
  }
}
