// Actors without threads, for tests: the same functions in the caller's process, behind the same mailbox and errors.
import { loadCarry } from './carry.js'
import { warmContext } from './context.js'
import { InlineMailbox, NO_THREADS } from './inline/mailbox.js'
import { warn } from './log.js'
import { closeAll, closedLate, loadJobs, unclosed, warmUp } from './modules.js'
import type { Loaded } from './inline/mailbox.js'
import type { Tell } from './jobs.js'
import type { Load } from './load.js'
import type { Held } from './mailbox.js'
import type { Started, Threads, Told } from './slots.js'
import type { SupervisorOptions } from './supervisor.js'
import type { Slot } from './tiers.js'

/** Where actors come from with `runtime: 'inline'`. */
export class Inline<T extends Held> implements Threads<T> {
  readonly #options: SupervisorOptions
  readonly #load: Load
  #loading: Promise<Loaded> | undefined
  #isClosed = false
  /** one call of a function for each broadcast, however many actors there are */
  readonly #told = new Map<number, Promise<unknown>>()

  constructor (options: SupervisorOptions, load: Load) {
    this.#options = options
    this.#load = load
  }

  readonly cpus = []
  pinReasonOf (): string { return NO_THREADS }
  pinBy (): void {} // nothing is ever pinned

  start (slot: Slot, _names: readonly string[] | null, waits: boolean, told: Told): Started<T> {
    const mailbox = new InlineMailbox<T>(slot, this.#options, this.#load, told, (message) => this.#tell(slot, message))
    this.#loading ??= this.#loadAll(slot)
    this.#loading.then((loaded) => mailbox.ready(loaded, waits), (error: unknown) => mailbox.end(error))
    return { mailbox, thread: undefined, begin: () => mailbox.begin(), kill: (reason) => mailbox.end(reason) }
  }

  /** The modules are closed with the pool, since all actors share them. */
  async close (): Promise<void> {
    const loaded = await this.#loading?.catch(() => undefined)
    if (loaded === undefined || this.#isClosed) return
    this.#isClosed = true
    const { log, terminateMs } = this.#options
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        warn(log, closedLate(terminateMs))
        resolve()
      }, terminateMs)
    })
    await Promise.race([limit, closeAll(loaded.closers, (error) => warn(log, unclosed(error)))])
    clearTimeout(timer)
  }

  async #loadAll ({ tier, cpu }: Slot): Promise<Loaded> {
    const { modules, warmup, warmupCalls, restore, tracing } = this.#options
    const { table, closers } = await loadJobs({ modules, names: null })
    const carry = await loadCarry({ restore, isTraced: tracing })
    await warmUp(table, { warmup, warmupCalls }, warmContext({ tier, cpu }))
    return { names: [...table.keys()], jobs: [...table.values()], closers, carry }
  }

  async #tell (slot: Slot, { seq, job, value }: Tell): Promise<void> {
    const { jobs } = await this.#loading!
    let call = this.#told.get(seq)
    if (call === undefined) {
      call = (async () => jobs[job]!(structuredClone(value), warmContext(slot)))()
      this.#told.set(seq, call)
    }
    await call
  }
}
