// Virtual time: a heap of events. The host is one thread: its events queue while it is busy, those of actors do not.
import type { Clock, Timer } from '../clock.js'

interface Event {
  atMs: number
  readonly order: number
  fire: (() => void) | undefined
  readonly isHost: boolean
  /** the actor whose it is, where that is told */
  readonly whose: object | undefined
}

/** What a timer and `soon` add to the time asked for, ms; `soon` must be more than 0, or polling would not end. */
export interface Lateness { timerMs (): number, soonMs (): number }

/** A clock that goes from event to event. Events of one moment come in the order in which they were set. */
export class VirtualClock implements Clock {
  readonly #late: Lateness
  readonly #heap: Event[] = []
  readonly #waiting: Event[] = []
  #waitingFrom = 0
  #order = 0
  #nowMs = 0
  #hostFreeAtMs = 0
  /** calls of `soon` that have not fired */
  soonCount = 0
  isHeld = false
  isClosed = false
  /** the event under way is one of the host */
  isHost = false
  /** time for which the host was busy, ms */
  hostBusyMs = 0

  constructor (late: Lateness) {
    this.#late = late
  }

  now (): number { return this.#nowMs }

  /** The host is busy for so long from now on. */
  spend (ms: number): void {
    this.hostBusyMs += ms
    this.#hostFreeAtMs = Math.max(this.#hostFreeAtMs, this.#nowMs) + ms
  }

  /** The host loses its cpu for so long in the middle of an event: actors go on meanwhile. */
  preempt (ms: number): void {
    const untilMs = this.#nowMs + ms
    const late: Event[] = []
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      if (next.isHost) late.push(next)
      else if (next.fire !== undefined) this.#fire(next)
    }
    for (const event of late) this.#insert(event)
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** One of the next steps of this actor, or of any, comes at once in the middle of an event of the host. */
  hurry (pick: (most: number) => number, of?: object): boolean {
    const steps = this.#heap.filter(({ fire, isHost, whose }) =>
      !isHost && fire !== undefined && (of === undefined || whose === of))
    if (steps.length === 0) return false
    this.#fire(steps[pick(steps.length - 1)]!, this.#nowMs)
    return true
  }

  /** An event of the host, in `ms`. */
  host (ms: number, fire: () => void): Timer { return this.#push(ms, fire, true) }
  /** An event of an actor, in `ms`. */
  actor (ms: number, fire: () => void, whose?: object): Timer { return this.#push(ms, fire, false, whose) }
  after (ms: number, fire: () => void): Timer { return this.#push(ms + this.#late.timerMs(), fire, true) }

  soon (fire: () => void): void {
    this.soonCount++
    this.#push(this.#late.soonMs(), () => {
      this.soonCount--
      fire()
    }, true)
  }

  withinTurn (fire: () => void): void { this.soon(fire) }

  /** Time stands still within an event, so one look tells all. */
  spin (_ms: number, look: () => boolean): boolean { return look() }
  hold (isHeld: boolean): void { this.isHeld = isHeld }
  close (): void { this.isClosed = true }

  /** Go to the next event and let it happen. False: there is none up to `untilMs`. */
  step (untilMs = Infinity): boolean {
    for (;;) {
      const next = this.#heap[0]
      const isWaiting = this.#waitingFrom < this.#waiting.length
      if (isWaiting && this.#hostFreeAtMs <= (next?.atMs ?? Infinity)) {
        if (this.#hostFreeAtMs > untilMs) return false
        const event = this.#waiting[this.#waitingFrom]!
        this.#waiting[this.#waitingFrom++] = undefined as never
        if (this.#waitingFrom > 1024 && this.#waitingFrom * 2 > this.#waiting.length) {
          this.#waiting.splice(0, this.#waitingFrom)
          this.#waitingFrom = 0
        }
        if (event.fire === undefined) continue
        this.#nowMs = Math.max(this.#nowMs, this.#hostFreeAtMs)
        this.#fire(event)
        return true
      }
      if (next === undefined || next.atMs > untilMs) return false
      this.#pop()
      if (next.fire === undefined) continue
      if (next.isHost && (isWaiting || this.#hostFreeAtMs > next.atMs)) {
        this.#waiting.push(next)
        continue
      }
      this.#fire(next)
      return true
    }
  }

  #fire (event: Event, atMs = event.atMs): void {
    const { fire } = event
    const { isHost } = this
    event.fire = undefined
    this.#nowMs = Math.max(this.#nowMs, atMs)
    this.isHost = event.isHost
    fire!()
    this.isHost = isHost
  }

  #push (ms: number, fire: () => void, isHost: boolean, whose?: object): Timer & Event {
    const event = {
      atMs: this.#nowMs + ms, order: this.#order++, fire, isHost, whose, cancel () { (this as Event).fire = undefined }
    }
    this.#insert(event)
    return event
  }

  #insert (event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(event, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = event
  }

  #pop (): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++
      if (!isBefore(heap[below]!, last)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = last
  }
}

function isBefore (one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}
