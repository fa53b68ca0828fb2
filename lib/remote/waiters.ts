// Who waits here for which job: the first settle wins, everything later is only counted.
import type { RemoteOutcome } from './contract.js'

export interface Waiter {
  readonly id: string
  readonly promise: Promise<RemoteOutcome>
  readonly resolve: (outcome: RemoteOutcome) => void
  readonly reject: (error: unknown) => void
  /** when its record is read, ms of `performance.now()`, should no hint have come by then */
  lookAtMs: number
  /** the engine has confirmed the job: only then a missing record means a lost one */
  isAccepted: boolean
  timer: NodeJS.Timeout | undefined
}

/** Waiters of one shard. Several may wait for one id. */
export class Waiters {
  readonly #byId = new Map<string, Set<Waiter>>()
  readonly #counters: { lateHints: number }
  size = 0

  constructor (counters: { lateHints: number }) { this.#counters = counters }

  /** Wait for an id; `onDeadline` is called once after `limitMs` if nothing settled it. */
  add (id: string, lookAtMs: number, limitMs: number, onDeadline: (waiter: Waiter) => void): Waiter {
    let resolve!: Waiter['resolve']
    let reject!: Waiter['reject']
    const promise = new Promise<RemoteOutcome>((_resolve, _reject) => { [resolve, reject] = [_resolve, _reject] })
    promise.catch(() => {}) // a waiter that nobody reads yet is no unhandled rejection
    const waiter: Waiter = { id, promise, resolve, reject, lookAtMs, isAccepted: false, timer: undefined }
    if (limitMs < 2 ** 31) waiter.timer = setTimeout(() => onDeadline(waiter), limitMs)
    const waiters = this.#byId.get(id)
    if (waiters === undefined) this.#byId.set(id, new Set([waiter]))
    else waiters.add(waiter)
    this.size++
    return waiter
  }

  has (id: string): boolean { return this.#byId.has(id) }

  /** Settle all who wait for an id. */
  settle (id: string, outcome: RemoteOutcome): void {
    const waiters = this.#byId.get(id)
    if (waiters === undefined) this.#counters.lateHints++
    else for (const waiter of waiters) if (this.remove(waiter)) waiter.resolve(outcome)
  }

  rejectAll (id: string, error: unknown): void {
    for (const waiter of this.#byId.get(id) ?? []) this.reject(waiter, error)
  }

  reject (waiter: Waiter, error: unknown): void {
    if (this.remove(waiter)) waiter.reject(error)
  }

  /** False: it was settled before. */
  remove (waiter: Waiter): boolean {
    const waiters = this.#byId.get(waiter.id)
    if (waiters?.delete(waiter) !== true) return false
    if (waiters.size === 0) this.#byId.delete(waiter.id)
    clearTimeout(waiter.timer)
    this.size--
    return true
  }

  /**
   * Ids whose record is to be read now, or all, and whether the engine is known to have had them. The next look is
   * `nextMs` later.
   */
  due (nowMs: number, nextMs: number, isAll: boolean): { id: string, isAccepted: boolean }[] {
    const ids: { id: string, isAccepted: boolean }[] = []
    for (const [id, waiters] of this.#byId) {
      let isDue = isAll
      let isAccepted = true
      for (const waiter of waiters) {
        isDue ||= waiter.lookAtMs <= nowMs
        isAccepted &&= waiter.isAccepted
      }
      if (!isDue) continue
      for (const waiter of waiters) waiter.lookAtMs = nowMs + nextMs
      ids.push({ id, isAccepted })
    }
    return ids
  }

  closeAll (error: (id: string) => unknown): void {
    for (const [id] of [...this.#byId]) this.rejectAll(id, error(id))
  }
}
