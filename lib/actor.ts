// The worker side: load the job modules, take, run, reply, park; started by piscina as one long task.
import { AsyncLocalStorage } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { threadId } from 'node:worker_threads'
import { pinThread } from './affinity.js'
import { loadCarry } from './carry.js'
import { readBothClocks } from './clock.js'
import { Context, warmContext } from './context.js'
import { encodeError, describe } from './errors.js'
import { Intrinsics } from './intrinsics.js'
import { Load } from './load.js'
import { ActorEnd, ERROR, OK, OVERSIZED, UNREADABLE, UNSENDABLE, WITH_META } from './mailbox.js'
import { closeAll, loadJobs, warmUp } from './modules.js'
import { lowerPriority } from './priority.js'
import { TooLarge } from './size.js'
import { whyUncloneable } from './uncloneable.js'
import { trapExit } from './unloadable.js'
import type { Carry } from './carry.js'
import type { ActorPorts, Taken } from './mailbox.js'
import type { Closer } from './modules.js'
import type { ActorBoot, JobContext, JobFunction, JobMeta, Moved, Tell, ToActor } from './jobs.js'

/** Longest spin for the next job; measured: it covers a reply's way to the host and back, see lib/README.md. */
const SPIN_MS = 0.05
/** Results older than this are rung for even while more jobs wait: the first is not held behind the others. */
const RING_MS = 0.05
/** Longest run of jobs without a turn of the event loop, so that timers and late errors of jobs surface; chosen. */
const TURN_MS = 5
/** Pause between two looks at the heap and at what jobs change seldom: 0.1 % of the time; chosen. */
const LOOK_EVERY_MS = 100

/** As they are before any job runs: one that replaces the globals breaks itself and not the actor. */
const { setImmediate } = globalThis
const getActiveResources = process.getActiveResourcesInfo.bind(process)

/** Whose code runs: carried by timers and promises, so that a late error finds its job. 20 ns a job. */
const owner = new AsyncLocalStorage<Context | undefined>()

/**
 * Calls a job. V8 would make a short job part of the actor's own code once that is hot, and a loop in it may then run
 * 2.5 times slower (lib/README.md, "A job's way"); it does not where this place has called several functions.
 */
const call = (job: JobFunction, input: unknown, context: JobContext): unknown => job(input, context)
for (let n = 0; n < 1000; n++) call([() => 0, () => 1, () => 2][n % 3]!, undefined, undefined as never)

/** Runs as an actor until told to stop. Rejects when a job module cannot be loaded. */
export default async function actor ({ boot, ports }: { boot: ActorBoot, ports: ActorPorts }): Promise<void> {
  const startMs = performance.now()
  // before the job modules: threads that they start inherit the mask
  const pinReason = boot.pinReason ?? pinThread(boot.pinCpu!)
  // the mailbox port begins to listen after this, so it is counted here
  baselinePorts = process.getActiveResourcesInfo().length + 1
  const freeExit = trapExit()
  const { table, closers } = await loadJobs(boot)
  const carry = await loadCarry(boot)
  const names = [...table.keys()]
  for (const [name, value] of boot.kept) await table.get(name)!(value, warmContext(boot))
  await warmUp(table, boot, warmContext(boot))
  // not before: beside busy processes a boot would take ten times as long, and what waits for it with it
  lowerPriority(boot.nice)
  freeExit()
  const end = new ActorEnd(boot.mailbox, ports, boot.maxPayloadBytes)
  const bootMs = performance.now() - startMs
  const jobs = [...table.values()]
  return await new Promise((resolve) => {
    let actor: Actor | undefined
    const begin = (): void => {
      actor = new Actor(boot, end, names, jobs, carry, closers, resolve)
      setImmediate(() => actor!.pump())
    }
    end.onMessage((message) => {
      if (message !== 0 && message.type === 'tell') tell(boot, end, jobs, message)
      else if (message !== 0 && message.type === 'move') move(end, message.cpu)
      else if (actor === undefined) begin() // the actor that it replaces has ended
      else if (message === 0) actor.pump()
      else actor.cancel(message.id)
    })
    if (!boot.waits) begin()
    end.send({ type: 'ready', names, threadId, bootMs, pinReason, closes: closers.length > 0 })
  })
}

function move (end: ActorEnd, cpu: number): void {
  end.send({ type: 'moved', pinReason: pinThread(cpu) })
}

/** Give a broadcast value to a function, and say that it has it. */
async function tell (boot: ActorBoot, end: ActorEnd, jobs: readonly JobFunction[], { seq, job, value }: Tell):
Promise<void> {
  telling++
  try {
    await owner.run(undefined, () => jobs[job]!(value, warmContext(boot)))
    end.send({ type: 'told', seq })
  } catch (error) {
    end.send({ type: 'told', seq, error: encodeError(error) })
  }
  telling--
}

class Actor {
  readonly #boot: ActorBoot
  readonly #end: ActorEnd
  readonly #names: readonly string[]
  readonly #jobs: readonly JobFunction[]
  readonly #load: Load
  readonly #closers: readonly Closer[]
  readonly #finish: () => void
  readonly #endThread: typeof process.exit
  readonly #carry: Carry | undefined
  /** what to add to this thread's clock to have the host's */
  readonly #clockMs: number
  readonly #pending = new Map<number, Context>()
  readonly #hasWork = (): boolean => (this.#end.hasRequest && this.#mayTake()) || this.#end.mustLook
  #unrungSinceMs = 0
  /** the job whose synchronous part runs */
  #running: Context | undefined
  /** errors that were told already: a trapped exit is thrown on */
  readonly #told = new WeakSet<object>()
  readonly #intrinsics: Intrinsics
  /** index of the job that ran or settled last */
  #last = -1
  #isTainted = false
  #isTurned = false
  #isScheduled = false
  #isDone = false
  #spinHits = 1
  #spinSkips = 0
  #baseline: number
  #lookDueMs = 0

  constructor (boot: ActorBoot, end: ActorEnd, names: readonly string[], jobs: readonly JobFunction[],
    carry: Carry | undefined, closers: readonly Closer[], finish: () => void) {
    this.#names = names
    this.#boot = boot
    this.#end = end
    this.#jobs = jobs
    this.#closers = closers
    this.#finish = finish
    this.#carry = carry
    this.#load = new Load(boot.load)
    const [hostClock, hostMs] = boot.clock
    const [clock, ms] = readBothClocks()
    this.#clockMs = Number(clock - hostClock) / 1e6 + hostMs - ms
    this.#baseline = baselinePorts
    this.#load.begin(boot.slot)
    process.on('uncaughtException', (error) => this.#late(error))
    process.on('unhandledRejection', (error) => this.#late(error))
    const { exit } = process
    this.#endThread = exit.bind(process)
    process.exit = (code) => this.#exit(code, exit)
    this.#intrinsics = new Intrinsics(boot.meant)
  }

  /** Looks for jobs. What throws here was broken by a job before: the thread ends, and what it has not begun moves. */
  pump (): void {
    try {
      this.#pump()
    } catch (error) {
      this.#end.send({ type: 'stray', job: null, error: encodeError(error) })
      this.#endThread(1)
    }
  }

  /** The state machine: take and run until there is nothing to take, then wait in the way that fits. */
  #pump (): void {
    this.#isScheduled = false
    if (this.#isDone) return
    const end = this.#end
    end.awake()
    let nowMs = this.#look(performance.now())
    const turnAtMs = nowMs + TURN_MS
    for (;;) {
      if (end.mustLook) {
        if (end.mustStop) return this.#stop()
        this.#isTurned = false
        end.readNews(this.#onNews)
      }
      if (!this.#isTainted && !this.#intrinsics.isIntact()) this.#restore()
      const taken = this.#pending.size < this.#boot.asyncPerActor && this.#mayTake() ? end.take() : undefined
      if (taken !== undefined) {
        this.#isTurned = false
        nowMs = this.#run(taken, nowMs)
        if (nowMs >= turnAtMs) {
          this.#ring()
          return this.#schedule()
        }
        continue
      }
      owner.enterWith(undefined)
      this.#ring()
      if (this.#pending.size >= this.#boot.asyncPerActor) return // a settled job pumps again
      if (this.#pending.size === 0 && this.#spin()) {
        nowMs = performance.now()
        continue
      }
      if (this.#pending.size === 0 && this.#load.backlog === 0) {
        this.#load.leave(this.#boot.slot)
        if (this.#hasWork()) continue
      }
      // one turn of the event loop first: microtasks, timers and output of the last job
      if (!this.#isTurned) {
        this.#isTurned = true
        return this.#schedule()
      }
      if (this.#pending.size > 0 || !this.#mayBlock()) {
        if (end.waitInLoop(this.#hasWork)) return
      } else {
        this.#look(nowMs)
        this.#load.parkAt(this.#boot.slot, performance.now() + this.#clockMs)
        end.park(this.#hasWork)
        nowMs = performance.now()
        this.#load.wokeAt(this.#boot.slot, nowMs + this.#clockMs)
      }
      nowMs = performance.now()
    }
  }

  /**
   * Ten times a second at most: tell the host how much heap is in use, and look at what jobs change seldom. Returns the
   * time after it: it takes 0.1 ms, and a job that came meanwhile has not begun before.
   */
  #look (nowMs: number): number {
    if (nowMs < this.#lookDueMs) return nowMs
    this.#lookDueMs = nowMs + LOOK_EVERY_MS
    this.#load.setHeap(this.#boot.slot, getHeapStatistics().used_heap_size)
    if (!this.#isTainted) this.#restore()
    return performance.now()
  }

  /** Put back what a job has changed of what the others build on. Where it was not meant nothing more begins here. */
  #restore (): void {
    const names = this.#intrinsics.restore()
    if (names.length === 0) return
    this.#isTainted = true
    this.#end.send({ type: 'meddled', job: this.#names[this.#last] ?? null, names })
  }

  readonly #onNews = (message: ToActor): void => {
    if (message === 0) return // awake already
    if (message.type === 'cancel') this.cancel(message.id)
    else if (message.type === 'move') move(this.#end, message.cpu)
    else tell(this.#boot, this.#end, this.#jobs, message)
  }

  cancel (id: number): void {
    this.#end.heard()
    this.#pending.get(id)?.abort()
  }

  /** The gate: an actor of a closed tier takes nothing; nor does one that was told to halt. */
  #mayTake (): boolean {
    return this.#isGateOpen() && !this.#end.mustHalt && !this.#isTainted
  }

  #isGateOpen (): boolean {
    return this.#boot.tier <= this.#load.openTier
  }

  /** Runs one job up to its first await; returns the time after it. */
  #run (taken: Taken, nowMs: number): number {
    const { id } = taken
    this.#load.enter(this.#boot.slot)
    this.#end.started(id, nowMs + this.#clockMs)
    let input = taken.value
    let meta: JobMeta = {}
    if (taken.error === undefined && (taken.meta & WITH_META) !== 0) {
      ({ input, meta } = taken.value as { input: unknown, meta: JobMeta })
    }
    if (taken.error !== undefined) return this.#reply(id, nowMs, UNREADABLE, describe(taken.error))
    const context = new Context(id, taken.meta & (WITH_META - 1), this.#boot, this.#end, meta, nowMs)
    owner.enterWith(context)
    this.#running = context
    this.#last = context.job
    this.#end.running(id)
    let isPending = false
    try {
      const job = this.#jobs[taken.meta & (WITH_META - 1)]!
      const result = this.#carry === undefined
        ? call(job, input, context)
        : this.#carry(meta, () => call(job, input, context))
      if (isThenable(result)) {
        this.#pending.set(id, context)
        isPending = true
        result.then(
          (value) => this.#settle(id, nowMs, OK, value, context.moved),
          (error: unknown) => this.#settle(id, nowMs, ERROR, encodeError(error)))
        return performance.now()
      }
      return this.#reply(id, nowMs, OK, result, context.moved)
    } catch (error) {
      // a `then` that throws when it has settled is not heard, as with a promise
      if (isPending && !this.#pending.delete(id)) return performance.now()
      return this.#reply(id, nowMs, ERROR, encodeError(error))
    } finally {
      this.#running = undefined
      this.#end.running(0)
    }
  }

  #settle (id: number, startedMs: number, status: number, value: unknown, moved?: readonly Moved[]): void {
    const context = this.#pending.get(id)
    if (context === undefined) return
    this.#pending.delete(id)
    this.#last = context.job
    this.#reply(id, startedMs, status, value, moved)
    this.#ring()
    this.#schedule()
  }

  #reply (id: number, startedMs: number, status: number, value: unknown, moved?: readonly Moved[]): number {
    const nowMs = performance.now()
    const runUs = Math.min(0x7fffffff, Math.round((nowMs - startedMs) * 1000))
    try {
      this.#end.reply(id, runUs, status, value, moved)
    } catch (error) {
      if (error instanceof TooLarge) this.#end.reply(id, runUs, OVERSIZED, error.bytes)
      else this.#end.reply(id, runUs, UNSENDABLE, whyUncloneable(error, value))
    }
    if (this.#boot.metric === 'running' && this.#pending.size === 0) this.#load.leave(this.#boot.slot)
    if (this.#unrungSinceMs === 0) this.#unrungSinceMs = nowMs
    if (nowMs - startedMs > RING_MS || nowMs - this.#unrungSinceMs > RING_MS) this.#ring()
    return nowMs
  }

  #ring (): void {
    if (this.#unrungSinceMs === 0) return
    this.#unrungSinceMs = 0
    this.#end.ring()
  }

  /** Look for a job for a moment where that has paid lately: an exponential hit rate, tried every 32nd time if low. */
  #spin (): boolean {
    if (!this.#boot.maySpin || this.#isTurned) return false
    if (this.#spinHits < 0.3 && ++this.#spinSkips % 32 !== 0) return false
    const untilMs = performance.now() + SPIN_MS
    let isHit = false
    do isHit = this.#hasWork()
    while (!isHit && performance.now() < untilMs)
    this.#spinHits += ((isHit ? 1 : 0) - this.#spinHits) / 8
    return isHit
  }

  /** Sleep in the kernel only where nothing of the user's module needs the event loop. */
  #mayBlock (): boolean {
    if (telling > 0) return false
    if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) return false
    if (this.#boot.blockWhenIdle !== 'auto') return this.#boot.blockWhenIdle
    return getActiveResources().length <= this.#baseline
  }

  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    owner.enterWith(undefined)
    setImmediate(() => this.pump())
  }

  /** An error that no job caught. Its job fails if it still runs; else it is told, and nobody is charged with it. */
  #late (error: unknown): void {
    if (error !== null && typeof error === 'object') {
      if (this.#told.has(error)) return
      this.#told.add(error)
    }
    const context = owner.getStore()
    const wire = encodeError(error)
    this.#isTainted = true
    if (context !== undefined && this.#pending.get(context.id) === context) {
      this.#settle(context.id, context.startedMs, ERROR, wire)
    }
    this.#end.send({ type: 'stray', job: context === undefined ? null : this.#names[context.job] ?? null, error: wire })
  }

  /** Ends the thread where that hurts only the job that asked for it; else it is an error of that job. */
  #exit (code: number | string | null | undefined, exit: typeof process.exit): never {
    const context = owner.getStore()
    const others = this.#pending.size - (context !== undefined && this.#pending.get(context.id) === context ? 1 : 0)
    const isAlive = context !== undefined && (this.#running === context || this.#pending.get(context.id) === context)
    if (others === 0 && isAlive) return exit(code)
    const error = new Error(`process.exit(${String(code ?? '')}) was called`)
    if (this.#running === undefined) this.#late(error)
    throw error
  }

  #stop (): void {
    this.#ring()
    if (this.#pending.size > 0) return // the last of them pumps again
    this.#isDone = true
    this.#load.leave(this.#boot.slot)
    if (this.#closers.length === 0) return this.#leave()
    owner.enterWith(undefined)
    this.#end.send({ type: 'closing' })
    closeAll(this.#closers, (error) => this.#end.send({ type: 'unclosed', error: encodeError(error) }))
      .then(() => this.#leave())
  }

  #leave (): void {
    this.#end.close()
    this.#finish()
  }
}

/** Event-loop handles of an actor that idles: the ports of piscina and of the mailbox. */
let baselinePorts = 0
/** Broadcasts whose function has not ended. */
let telling = 0

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return value !== null && (typeof value === 'object' || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
}
