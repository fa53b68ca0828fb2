// BullMQ's worker with a limit and the engine's clock: what is too long to be a job of ours is not parsed.
import { Worker } from 'bullmq'
import { FETCH_WAIT_S } from './connection.js'
import { Standing } from './standing.js'
import type { Client } from './connection.js'
import type { Processor, WorkerOptions } from 'bullmq'
import type { Envelope } from './envelope.js'

export interface LimitedOptions extends WorkerOptions {
  readonly maxDataText: number
  /** the engine's clock */
  readonly now: () => number
  /** set of ended jobs that were not durable */
  readonly spilled: string
  /** key that ends waits of the worker with this id */
  readonly woken: (id: string) => string
}

/** What makes the arguments of the script that books an end. */
interface Booking {
  moveToFinishedArgs (job: { data: unknown }, value: unknown, property: string, keep: unknown, target: string,
    token: string, timestamp: number, ...rest: unknown[]): unknown[]
}

/** Where among them the set stands that the job is put into, and that is trimmed as the job's options say. */
const SET_OF_ENDED = 10

/**
 * Where Redis refuses, since it is full, loads its data or became a replica, a worker asks again after this, ms. BullMQ
 * asks as often as Redis can refuse. Chosen: as long as where it cannot connect.
 */
const REFUSED_MS = 250

/** A job with a longer text gets `null` as its data, and fails as no job of ours. */
export class LimitedWorker extends Worker {
  readonly #processed = new Map<string, Promise<unknown>>()
  /**
   * Set where a job was started: the turn of the event loop after this one has begun. The answer of a job that ends at
   * once goes out before the fetch of the next one, with a write of its own.
   */
  #next: Promise<void> | undefined
  readonly #standing: Standing

  /**
   * Ends are booked by the engine's clock: records are removed by their age, and clients are told of it. A worker whose
   * own clock is fast would remove what others have just written. The end of each job trims the whole set it is put
   * into, so the durable ones, which are kept for a day, do not share one with those that are kept for a minute.
   */
  constructor (name: string, processor: Processor, options: LimitedOptions) {
    super(name, processor, options)
    const backend = this.backend as unknown as Booking
    const make = backend.moveToFinishedArgs.bind(backend)
    backend.moveToFinishedArgs = (job, value, property, keep, target, token, _timestamp, ...rest) => {
      const args = make(job, value, property, keep, target, token, Math.round(options.now()), ...rest)
      if ((job.data as Partial<Envelope> | null)?.du === 0) args[SET_OF_ENDED] = options.spilled
      return args
    }
    const client = options.connection as unknown as Client
    this.#standing = new Standing(this.backend, client, options.woken(this.id), this.id, () => this.#next)
  }

  /**
   * A job that lost its lock can be fetched again while it still runs here. Locks are renewed by the job: the end of
   * the first run would leave the second's alone.
   */
  override async processJob (...args: Parameters<Worker['processJob']>):
  Promise<Awaited<ReturnType<Worker['processJob']>>> {
    const id = args[0].id!
    while (this.#processed.has(id)) await this.#processed.get(id)
    this.#next ??= new Promise((resolve) => setImmediate(() => setImmediate(() => {
      this.#next = undefined
      resolve()
    })))
    const end = super.processJob(...args)
    this.#processed.set(id, end.catch(() => {})) // told to who called
    return await end.finally(() => { this.#processed.delete(id) })
  }

  protected override async moveToActive (...[token, name]: Parameters<Worker['moveToActive']>):
  ReturnType<Worker['moveToActive']> {
    if (this.#standing.token === undefined) await this.#next
    const { token: own, isLone } = this.#standing
    try {
      const job = await super.moveToActive(own ?? token, name)
      if (job !== undefined && isLone) this.#waitAgain()
      return job
    } catch (error) {
      if ((error as Error).name === 'ReplyError' && this.closing === undefined) await this.delay(REFUSED_MS)
      throw error
    }
  }

  /**
   * The job came while this worker waited: most likely it is the only one. BullMQ would ask for more, find none, and
   * wait when the job has ended; so it waits at once, which asks, too.
   */
  #waitAgain (): void {
    this.emit('drained');
    (this as unknown as { drained: boolean }).drained = true
  }

  /** BullMQ would wait 10 s where a further run is due later, and the connection ends after 8 s of silence. */
  override get maximumBlockTimeout (): number { return FETCH_WAIT_S }

  protected override createJob (...[json, id]: Parameters<Worker['createJob']>): ReturnType<Worker['createJob']> {
    const { maxDataText } = this.opts as LimitedOptions
    return super.createJob(json.data.length <= maxDataText ? json : { ...json, data: 'null' }, id)
  }

  override async close (isForced?: boolean): Promise<void> {
    await this.#standing.end()
    await super.close(isForced)
  }

  /**
   * End the timer of the locks and the connection that waits for jobs: where Redis, or a node of its cluster, went
   * away, `close()` waits for ever before it comes to these, and the process with it.
   */
  async abandon (): Promise<void> {
    await this.lockManager.close()
    await this.backend.close(true)
  }
}
