// Time as the host uses it. It is passed in, so that the simulator can run the same code in virtual time.
import { performance } from 'node:perf_hooks'

/** A timer that was set; `cancel` takes it back and may be called at any time. */
export interface Timer { cancel (): void }

/** A clock in milliseconds. Nothing that waits for it keeps the process alive, but `hold` does. */
export interface Clock {
  /** milliseconds since some start */
  now (): number
  /** Call `fire` once after at least `ms`, or 24.8 days. */
  after (ms: number, fire: () => void): Timer
  /** Call `fire` once after the input and output that is ready now. */
  soon (fire: () => void): void
  /** Call `fire` once after the code that runs now and what waits for its promises, within the same turn. */
  withinTurn (fire: () => void): void
  /** Look until there is something, for up to `ms`, at least once; true if there was. */
  spin (ms: number, look: () => boolean): boolean
  /** Keep the process alive, or no longer. */
  hold (isHeld: boolean): void
  /** Let go of everything. */
  close (): void
}

/** Longest time that Node's timers know, ms; of a longer one they make 1. Who waits longer is woken and waits again. */
export const LONGEST_MS = 2 ** 31 - 1

/** Readings of both clocks of which the quickest counts; chosen: a thread seldom loses its CPU in each of them. */
const READINGS = 5

/**
 * `process.hrtime.bigint()` and `performance.now()` of one moment, to make one clock of those of two threads. Between
 * the two readings a thread may lose its CPU for some ms, and all that it told of its times would be off by that.
 */
export function readBothClocks (): readonly [bigint, number] {
  let best: readonly [bigint, number] = [0n, 0]
  let leastMs = Infinity
  for (let reading = 0; reading < READINGS; reading++) {
    const beforeMs = performance.now()
    const clock = process.hrtime.bigint()
    const afterMs = performance.now()
    if (afterMs - beforeMs >= leastMs) continue
    leastMs = afterMs - beforeMs
    best = [clock, (beforeMs + afterMs) / 2]
  }
  return best
}

/** Its reactions are microtasks, and cheaper than those of queueMicrotask. */
const settled = Promise.resolve()

/** The machine's own. */
export function systemClock (): Clock {
  const holder = setInterval(() => {}, 2 ** 30).unref()
  return {
    now: () => performance.now(),
    after: (ms, fire) => {
      const timer = setTimeout(fire, Math.min(ms, LONGEST_MS)).unref()
      return { cancel: () => clearTimeout(timer) }
    },
    soon: (fire) => { setImmediate(fire) },
    withinTurn: (fire) => { settled.then(fire) },
    spin: (ms, look) => {
      const untilMs = performance.now() + ms
      do if (look()) return true
      while (performance.now() < untilMs)
      return false
    },
    hold: (isHeld) => { isHeld ? holder.ref() : holder.unref() },
    close: () => clearInterval(holder)
  }
}
