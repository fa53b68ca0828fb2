// A remote tier without an engine, in this process, for tests of what stands on it: same contract, same outcomes.
import { LONGEST_MS } from '../clock.js'
import { encodeError, errors } from '../errors.js'
import { isGivenTo, makeId, parseId, queueOf, uniquePart } from './id.js'
import { SHUTDOWN } from './contract.js'
import { Times } from './times.js'
import type {
  Admit, AdmitQuery, Codec, RemoteJob, RemoteOutcome, RemoteState, RemoteStatus, RemoteTicket, RemoteTier, RunResult,
  Served, Serving, SlotSource, TakenJob
} from './contract.js'

interface MemoryRecord {
  readonly id: string
  readonly job: RemoteJob
  readonly createdAtMs: number
  readonly deadlineAtMs: number
  state: RemoteState
  attempt: number
  progress: unknown
  endedAtMs: number | undefined
  outcome: RemoteOutcome | undefined
  abort: AbortController | undefined
  readonly done: Promise<RemoteOutcome>
  readonly settle: (outcome: RemoteOutcome) => void
}

interface MemoryWorker {
  readonly queues: ReadonlySet<string>
  readonly slots: SlotSource
  readonly run: (job: TakenJob) => Promise<RunResult>
  readonly running: Set<MemoryRecord>
  readonly times: Times
  isStopping: boolean
}

/** What several memory tiers share: the "engine". */
export class MemoryBroker {
  readonly records = new Map<string, MemoryRecord>()
  readonly workers = new Set<MemoryWorker>()
  readonly waiting: MemoryRecord[] = []
  /** set it to see what happens without the engine */
  isDown = false

  /** Give waiting jobs to workers with free slots. */
  dispatch (): void {
    for (const worker of this.workers) {
      while (!worker.isStopping && worker.slots.free() > 0 && worker.running.size < worker.slots.size) {
        const at = this.waiting.findIndex(({ job }) => worker.queues.has(queueOf(job.job, job.version)))
        if (at < 0) break
        this.#start(worker, this.waiting.splice(at, 1)[0]!)
      }
    }
  }

  #start (worker: MemoryWorker, record: MemoryRecord): void {
    const { job } = record
    const leftMs = record.deadlineAtMs - Date.now()
    if (leftMs <= 0) {
      this.finish(record, { status: 'expired', error: toText(new errors.REMOTE_EXPIRED(job.job, 'before it started')) })
      return
    }
    const abort = record.abort = new AbortController()
    const timer = setTimeout(() => abort.abort(new errors.REMOTE_EXPIRED(job.job, 'while it ran')), Math.min(leftMs, LONGEST_MS))
    record.state = 'running'
    record.attempt++
    if (record.attempt === 1) worker.times.of(job.job).wait.record(Date.now() - record.createdAtMs)
    worker.running.add(record)
    worker.run({
      id: record.id,
      job: job.job,
      version: job.version,
      payload: job.payload,
      codec: job.codec,
      leftMs,
      timeoutMs: job.timeoutMs,
      attempt: record.attempt,
      traceparent: job.traceparent,
      requestId: job.requestId,
      signal: abort.signal,
      progress: (value) => { record.progress = value }
    }).then((result) => {
      if (result.putBack === true || (result.mayRetry === true && record.attempt < job.attempts)) {
        record.state = 'queued'
        this.waiting.unshift(record)
      } else {
        this.finish(record, result)
      }
    }, (error: unknown) => this.finish(record, { status: 'failed', error: toText(error) })).finally(() => {
      clearTimeout(timer)
      worker.running.delete(record)
      this.dispatch()
    })
  }

  finish (record: MemoryRecord, outcome: RemoteOutcome): void {
    if (record.outcome !== undefined) return
    record.outcome = outcome
    record.endedAtMs = Date.now()
    record.state = outcome.status === 'ok' ? 'succeeded' : outcome.status
    record.settle(outcome)
    setTimeout(() => this.records.delete(record.id), record.job.resultTtlMs).unref()
  }
}

/** A tier on the given broker; without one it is alone. */
export function memoryTier (broker: MemoryBroker = new MemoryBroker(),
  options: { maxPayloadBytes?: number, maxInFlight?: number, codecs?: readonly Codec[] } = {}): RemoteTier {
  return new MemoryTier(broker, options.maxPayloadBytes ?? 262144, options.maxInFlight ?? 1000, options.codecs ?? [])
}

class MemoryTier implements RemoteTier {
  readonly kind = 'memory'
  readonly codecs: readonly Codec[]
  readonly #broker: MemoryBroker
  readonly #maxPayloadBytes: number
  readonly #maxInFlight: number
  readonly #waiting = new Set<(error: unknown) => void>()
  readonly #servings: Serving[] = []
  readonly #times = new Times()
  #isClosed = false

  constructor (broker: MemoryBroker, maxPayloadBytes: number, maxInFlight: number, codecs: readonly Codec[]) {
    this.#broker = broker
    this.#maxPayloadBytes = maxPayloadBytes
    this.#maxInFlight = maxInFlight
    this.codecs = codecs
  }

  get inFlightShare (): number { return this.#waiting.size / this.#maxInFlight }

  start (): void {}

  admit ({ job, version, payloadBytes, durable, deadlineMs, meanMs }: AdmitQuery): Admit {
    const queue = queueOf(job, version)
    const refuse = (code: Exclude<Admit, { ok: true }>['code'], reason: string): Admit => ({ ok: false, code, reason, retryAfterMs: 1000 })
    if (payloadBytes > this.#maxPayloadBytes) return refuse('REMOTE_PAYLOAD', `its input has ${payloadBytes} bytes, limit ${this.#maxPayloadBytes}`)
    if (this.#broker.isDown || this.#isClosed) return refuse('REMOTE_DOWN', 'the broker is down')
    if (this.#waiting.size >= this.#maxInFlight) return refuse('REMOTE_FULL', `${this.#waiting.size}, limit ${this.#maxInFlight}`)
    if (durable) return { ok: true, waitMs: 0 }
    const workers = [...this.#broker.workers].filter(({ queues, isStopping }) => queues.has(queue) && !isStopping)
    if (workers.length === 0) return refuse('NO_WORKER', queue)
    const slots = workers.reduce((sum, worker) => sum + worker.slots.size, 0)
    const waitMs = this.#broker.waiting.length * (Number.isNaN(meanMs) ? 0 : meanMs) / Math.max(1, slots)
    return waitMs > deadlineMs ? refuse('REMOTE_EXPIRED', `expected wait ${waitMs} ms`) : { ok: true, waitMs }
  }

  submit (job: RemoteJob): RemoteTicket {
    const queue = queueOf(job.job, job.version)
    const id = makeId('memory', 0, queue, uniquePart(queue, job.key, job.owner))
    const answer = this.admit({ ...job, payloadBytes: Buffer.byteLength(job.payload), meanMs: NaN })
    if (!answer.ok) return this.#refused(id, new errors[answer.code](job.job, answer.reason))
    const { records, waiting } = this.#broker
    let record = records.get(id)
    if (record !== undefined && record.job.key?.fingerprint !== job.key?.fingerprint) {
      return this.#refused(id, new errors.KEY_REUSED(job.job))
    }
    if (record === undefined) {
      let settle!: MemoryRecord['settle']
      const done = new Promise<RemoteOutcome>((resolve) => { settle = resolve })
      const nowMs = Date.now()
      record = {
        id,
        job,
        createdAtMs: nowMs,
        deadlineAtMs: nowMs + job.deadlineMs,
        state: 'queued',
        attempt: 0,
        progress: undefined,
        endedAtMs: undefined,
        outcome: undefined,
        abort: undefined,
        done,
        settle
      }
      records.set(id, record)
      if (job.priority === 'high') waiting.unshift(record)
      else waiting.push(record)
      setImmediate(() => this.#broker.dispatch())
    }
    const ticket = this.#ticket(record)
    this.#times.watch(job, ticket.done)
    return ticket
  }

  attach (id: string): RemoteTicket {
    const record = this.#broker.records.get(id)
    if (record === undefined) return this.#refused(id, new errors.REMOTE_LOST(id, 'its record is gone from the engine'))
    return this.#ticket(record)
  }

  async lookup (id: string): Promise<RemoteStatus | null> {
    if (this.#broker.isDown) throw new errors.REMOTE_DOWN(id, 'the broker is down')
    const record = this.#broker.records.get(id)
    if (record === undefined) return null
    const { state, attempt, createdAtMs, deadlineAtMs, endedAtMs, progress, outcome, job } = record
    const { version, owner, key } = job
    return {
      id,
      job: job.job,
      version,
      state,
      attempt,
      readAtMs: Date.now(),
      createdAtMs,
      deadlineAtMs,
      ...(endedAtMs !== undefined && { endedAtMs }),
      progress,
      owner,
      fingerprint: key?.fingerprint,
      outcome
    }
  }

  isGivenTo (id: string, owner: string | undefined): boolean { return isGivenTo(id, owner) }

  async cancel (id: string, reason: string): Promise<'removed' | 'signalled' | 'finished' | 'unknown'> {
    const record = this.#broker.records.get(id)
    if (record === undefined || parseId(id) === undefined) return 'unknown'
    if (record.outcome !== undefined) return 'finished'
    const at = this.#broker.waiting.indexOf(record)
    if (at >= 0) {
      this.#broker.waiting.splice(at, 1)
      this.#broker.finish(record, { status: 'cancelled', error: toText(new errors.CANCELLED(record.job.job, 'before it started')) })
      return 'removed'
    }
    record.abort?.abort(reason)
    return 'signalled'
  }

  async serve (served: readonly Served[], run: (job: TakenJob) => Promise<RunResult>,
    slots: SlotSource): Promise<Serving> {
    const broker = this.#broker
    const worker: MemoryWorker = {
      queues: new Set(served.map(({ job, version }) => queueOf(job, version))),
      slots,
      run,
      running: new Set(),
      times: this.#times,
      isStopping: false
    }
    broker.workers.add(worker)
    setImmediate(() => broker.dispatch())
    const serving: Serving = {
      async stop (drainMs) {
        worker.isStopping = true
        const ended = Promise.all([...worker.running].map(({ done }) => done))
        let timer: NodeJS.Timeout | undefined
        await Promise.race([ended, new Promise((resolve) => { timer = setTimeout(resolve, drainMs) })])
        clearTimeout(timer)
        for (const { abort } of worker.running) abort?.abort(SHUTDOWN)
        broker.workers.delete(worker)
        broker.dispatch()
      }
    }
    this.#servings.push(serving)
    return serving
  }

  stats (): ReturnType<RemoteTier['stats']> {
    return {
      kind: this.kind,
      inFlight: this.#waiting.size,
      shards: [],
      counters: {},
      roundtrip: this.#times.view()
    }
  }

  times (): Times['byJob'] { return this.#times.byJob }

  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await Promise.all(this.#servings.map((serving) => serving.stop(0)))
    for (const reject of [...this.#waiting]) reject(new errors.CLOSED('a remote job'))
  }

  #ticket (record: MemoryRecord): RemoteTicket {
    let detach!: () => void
    const done = new Promise<RemoteOutcome>((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(fail)
        clearTimeout(timer)
      }
      const fail = (error: unknown): void => {
        settle()
        reject(error)
      }
      const timer = setTimeout(() => fail(new errors.REMOTE_EXPIRED(record.job.job, 'no result came')), Math.min(LONGEST_MS, record.job.deadlineMs + 1000))
      this.#waiting.add(fail)
      record.done.then((outcome) => {
        settle()
        resolve(outcome)
      }, fail)
      detach = settle
    })
    done.catch(() => {}) // a ticket that nobody reads is no unhandled rejection
    return { id: record.id, accepted: Promise.resolve(), done, detach }
  }

  #refused (id: string, error: Error): RemoteTicket {
    const rejected = Promise.reject(Object.assign(error, { isCertain: true, retryAfterS: 1 }))
    rejected.catch(() => {}) // whoever reads the ticket sees it
    return { id, accepted: rejected, done: rejected, detach: () => {} }
  }
}

const toText = (error: unknown): string => JSON.stringify(encodeError(error))
