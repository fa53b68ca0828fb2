// Starts and ends threads; the only file with piscina: one pool a tier, one long task a thread.
import { join } from 'node:path'
import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import { readBothClocks } from './clock.js'
import { decodeError } from './errors.js'
import { logLevelOf, warn } from './log.js'
import { HostEnd } from './mailbox.js'
import { keepFreed } from './malloc.js'
import { closedLate, unclosed } from './modules.js'
import { unpinned } from './pinning.js'
import { hasOwnPriority } from './priority.js'
import type { Worker } from 'node:worker_threads'
import type { WireError } from './errors.js'
import type { ActorBoot, JobLog, JobModule } from './jobs.js'
import type { Load } from './load.js'
import type { Held } from './mailbox.js'
import type { Pinning } from './pinning.js'
import type { Started, Threads, Told } from './slots.js'
import type { Plan, Slot } from './tiers.js'

/** What the threads need to be told. */
export interface SupervisorOptions {
  readonly modules: readonly JobModule[]
  readonly warmup: Readonly<Record<string, unknown>>
  readonly warmupCalls: number
  readonly metric: 'demand' | 'running'
  readonly asyncPerActor: number
  readonly blockWhenIdle: boolean | 'auto'
  readonly spin: boolean | 'auto'
  readonly timeoutMs: number
  readonly terminateMs: number
  readonly log?: Partial<JobLog>
  readonly tracing: boolean
  readonly restore: string | null
  readonly nice: readonly number[]
  readonly maxPayloadBytes: number
  readonly keepFreedMemory: boolean
  readonly resourceLimits?: object
  readonly env?: Record<string, string>
  readonly execArgv?: readonly string[]
}

/** Longest wait for threads that a close() finds, ms; chosen. One inside native code is not waited for. */
const CLOSE_MS = 2000

/**
 * Time that a thread has to end after its port was closed, ms; chosen: an exit closes it, and on a busy machine the
 * thread, which can say why, ends some 100 ms later. Where a job closed it, nothing would be heard of the thread again.
 */
const CLOSED_MS = 1000

/** Why a thread was killed that had been told to end. */
const CLOSED_LATE = new Error('its job modules did not close in time')

/** What piscina tells a balancer of a thread, and of a task: `Piscina.queueOptionsSymbol` has what came with it. */
interface Candidate { readonly id: number, readonly currentUsage: number }
interface Task { readonly [key: symbol]: unknown }
type OnThread = (thread: Worker, candidate: Candidate) => void

/** The threads of one plan. Main thread only. */
export class Supervisor<T extends Held> implements Threads<T> {
  readonly #options: SupervisorOptions
  readonly #load: Load
  #pinning: Pinning
  readonly #kept: () => ActorBoot['kept']
  readonly #pools = new Map<number, Piscina>()
  /** where no thread could be made */
  readonly #barren = new Set<Piscina>()
  /** by slot, what its jobs have changed in a thread: a thread each time would be too dear, so from then on they may */
  readonly #meant = new Map<number, Set<string>>()
  /** threads that have had their task */
  readonly #used = new WeakSet<Worker>()

  constructor (plan: Plan, options: SupervisorOptions, load: Load,
    pinning: Pinning = unpinned('nothing was said about pinning'), kept: () => ActorBoot['kept'] = () => []) {
    this.#options = options
    this.#load = load
    this.#pinning = pinning
    this.#kept = kept
    if (options.keepFreedMemory) keepFreed()
    for (const { tier, slots } of plan.tiers) {
      const pool: Piscina = new Piscina({
        filename: join(__dirname, 'actor.js'),
        minThreads: 0,
        // room for threads that are still ending and for one that is to replace another; the slots bound them
        maxThreads: slots.length * 2 + 2,
        concurrentTasksPerWorker: 1,
        idleTimeout: 0,
        atomics: 'disabled',
        recordTiming: false,
        loadBalancer: (task, workers) => this.#assign(pool, task as unknown as Task, workers),
        niceIncrement: hasOwnPriority ? 0 : options.nice[tier - 1] ?? 0,
        ...(options.resourceLimits !== undefined && { resourceLimits: options.resourceLimits }),
        ...(options.env !== undefined && { env: options.env }),
        ...(options.execArgv !== undefined && { execArgv: [...options.execArgv] })
      })
      // a thread that dies without a task has nobody to tell; its slot's task has been rejected before
      pool.on('error', () => {})
      this.#pools.set(tier, pool)
    }
  }

  pinReasonOf (slot: Slot): string | null { return this.#pinning.reasonFor(slot) }
  get cpus (): readonly number[] { return this.#pinning.cpus }
  pinBy (pinning: Pinning): void { this.#pinning = pinning }

  start (slot: Slot, names: readonly string[] | null, waits: boolean, told: Told, cpu: number | null):
  Started<T> {
    const options = this.#options
    const meant = this.#meant.get(slot.id) ?? new Set()
    this.#meant.set(slot.id, meant)
    const kill = new AbortController()
    let thread: Worker | undefined
    let record: object = {}
    let hasEnded = false
    let closedTimer: NodeJS.Timeout | undefined
    let closingTimer: NodeJS.Timeout | undefined
    let closes = false
    const mailbox = new HostEnd<T>((message) => {
      if (message === 0) return told.message(message)
      if (message.type === 'unclosed') return warn(options.log, unclosed(decodeError(message.error as WireError)))
      if (message.type === 'closing') {
        if (hasEnded) return
        closingTimer = setTimeout(() => {
          warn(options.log, closedLate(options.terminateMs))
          kill.abort(CLOSED_LATE)
        }, options.terminateMs)
        return
      }
      if (message.type === 'moved') return told.moved(message.pinReason)
      if (message.type === 'meddled') for (const name of message.names) meant.add(name)
      if (message.type !== 'ready') return told.message(message)
      letGo(record)
      closes = message.closes
      told.ready(message.names, message.pinReason)
    }, options.maxPayloadBytes)
    mailbox.onClosed(() => {
      if (!hasEnded) closedTimer = setTimeout(() => kill.abort(new Error('its ports were closed')), CLOSED_MS)
    })
    const boot = {
      slot: slot.id,
      tier: slot.tier,
      cpu: slot.cpu,
      pinReason: this.#pinning.reasonFor(slot),
      pinCpu: cpu,
      nice: options.nice[slot.tier - 1] ?? 0,
      modules: options.modules,
      names,
      warmup: options.warmup,
      warmupCalls: options.warmupCalls,
      metric: options.metric,
      asyncPerActor: options.asyncPerActor,
      blockWhenIdle: options.blockWhenIdle,
      // never more spinners than processors beside the host's
      maySpin: options.spin === 'auto' ? slot.id < availableParallelism() - 1 : options.spin,
      timeoutMs: options.timeoutMs,
      maxPayloadBytes: options.maxPayloadBytes,
      logLevel: logLevelOf(options.log),
      isTraced: options.tracing,
      restore: options.restore,
      waits,
      kept: this.#kept(),
      meant: [...meant],
      load: this.#load.buffer,
      mailbox: mailbox.buffer,
      clock: readBothClocks()
    }
    const { ports } = mailbox
    const onThread: OnThread = (assigned, candidate) => {
      thread = assigned
      record = candidate
      thread.once('exit', () => told.exited())
    }
    const ended = (reason: unknown): void => {
      hasEnded = true
      clearTimeout(closedTimer)
      clearTimeout(closingTimer)
      told.ended(reason)
      if (thread === undefined) told.exited() // it never had one
    }
    const pool = this.#pools.get(slot.tier)!
    const task = { boot, ports, [Piscina.queueOptionsSymbol]: onThread }
    // a promise of our own: where no thread can be made, piscina throws
    new Promise((resolve) => {
      this.#barren.add(pool)
      resolve(pool.run(task, { transferList: [ports.bell, ports.values], signal: kill.signal }))
      this.#barren.delete(pool)
    }).then(() => ended(undefined), (error: unknown) => ended(whyEnded(kill.signal, error)))
    return {
      mailbox,
      get thread () { return thread },
      get closingMs () { return hasEnded || !closes ? 0 : options.terminateMs },
      get isClosing () { return closingTimer !== undefined && !hasEnded },
      begin: () => mailbox.begin(),
      kill: (reason) => kill.abort(reason)
    }
  }

  /** Threads that were told to end. */
  async close (): Promise<void> {
    const limit = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())
    // where a thread could not be made piscina has kept the task, and would reject a promise that it never gave away
    const pools = [...this.#pools.values()].filter((pool) => !this.#barren.has(pool) || pool.threads.length > 0)
    const ended = Promise.allSettled(pools.map((pool) => pool.destroy()))
    await Promise.race([limit, ended.then(() => this.#pinning.release())])
  }

  /**
   * A thread runs one task in its life: piscina would give the next one to a thread that has just ended its task, with
   * all that the jobs before have left in it.
   */
  #assign (pool: Piscina, task: Task, candidates: readonly Candidate[]): never | null {
    for (const candidate of candidates) {
      const thread = pool.threads.find(({ threadId }) => threadId === candidate.id)
      if (candidate.currentUsage > 0 || thread === undefined || this.#used.has(thread)) continue
      this.#used.add(thread)
      ;(task[Piscina.queueOptionsSymbol] as OnThread)(thread, candidate)
      return candidate as never
    }
    return null
  }
}

/** One that was told to end, and was killed since its modules took too long for it, has ended as it was told. */
function whyEnded ({ aborted, reason }: AbortSignal, error: unknown): unknown {
  if (!aborted) return error
  return reason === CLOSED_LATE ? undefined : reason
}

/**
 * piscina holds the process while a task runs, and ours never ends: the scheduler holds it instead, and only while it
 * has jobs. What a balancer sees of a thread has its record under a symbol that piscina does not export.
 */
function letGo (candidate: object): void {
  for (const key of Object.getOwnPropertySymbols(candidate)) {
    (candidate as Record<symbol, { unref? (): void }>)[key]?.unref?.()
  }
}
