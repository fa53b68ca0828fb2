// The breaker of one connection: pure; time comes in as nowMs.

/** Failures in a row that open it, and the pause between probes, ms; both from the experiments with a frozen Redis. */
const FAILURES = 3
const PROBE_MS = 1000

/** The reason while nothing went wrong yet. */
export const NOT_CONNECTED = 'not connected yet'

/**
 * Closed: jobs may go. Open: they are refused without a try. A probe is due each second while open; its success closes.
 * It begins open, with the reason that nothing is connected yet.
 */
export class Breaker {
  #failures = FAILURES
  #probedAtMs = -Infinity
  #isProbing = false
  reason = NOT_CONNECTED

  get isOpen (): boolean { return this.#failures >= FAILURES }
  get state (): 'closed' | 'open' | 'half-open' { return !this.isOpen ? 'closed' : this.#isProbing ? 'half-open' : 'open' }

  /** A command was answered, or a probe. */
  succeed (): void {
    this.#failures = 0
    this.#isProbing = false
    this.reason = ''
  }

  /** A command was not answered. */
  fail (reason: string): void {
    this.#failures++
    this.#isProbing = false
    this.reason = reason
  }

  /** The connection is gone. */
  trip (reason: string): void {
    this.#failures = FAILURES
    this.#isProbing = false
    this.reason = reason
  }

  /** Is it time to send a probe? Says yes once a period. */
  isProbeDue (nowMs: number): boolean {
    if (!this.isOpen || nowMs - this.#probedAtMs < PROBE_MS) return false
    this.#probedAtMs = nowMs
    this.#isProbing = true
    return true
  }
}
