// How many durable jobs one caller may hand over in a time. Pure; in this process only.
import { errors } from '../lib/index.js'

/** Callers that are remembered; of more, the one heard of first is forgotten, to its advantage. Chosen: about 2 MB. */
const MAX_OWNERS = 10_000

/** `jobs` at once, which come back evenly over `perMs`. */
export interface LimitOptions { readonly jobs: number, readonly perMs: number }

/** A bucket for each caller, kept as the time at which it is full again: one number. */
export class OwnerLimit {
  readonly #perMs: number
  readonly #jobMs: number
  readonly #fullAtMs = new Map<string, number>()

  constructor ({ jobs, perMs }: LimitOptions) {
    this.#perMs = perMs
    this.#jobMs = perMs / jobs
  }

  /** Take one. Throws `FST_ERR_SPILLOVER_OWNER_LIMIT` where the bucket is empty. */
  take (owner: string, nowMs: number): void {
    const fullAtMs = Math.max(this.#fullAtMs.get(owner) ?? 0, nowMs) + this.#jobMs
    const overMs = fullAtMs - nowMs - this.#perMs
    if (overMs > 1e-6) {
      throw Object.assign(new errors.OWNER_LIMIT(Math.round(this.#perMs / this.#jobMs), this.#perMs),
        { retryAfterS: Math.max(1, Math.ceil(overMs / 1000)) })
    }
    // to the end of the order
    this.#fullAtMs.delete(owner)
    this.#fullAtMs.set(owner, fullAtMs)
    if (this.#fullAtMs.size > MAX_OWNERS) this.#fullAtMs.delete(this.#fullAtMs.keys().next().value!)
  }
}
