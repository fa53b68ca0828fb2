// Decides which tiers are open: the whole spill policy, pure; time comes in as nowMs.
import type { TierId } from './tiers.js'

/** What the gate needs to know of a tier. */
export interface GateTier {
  readonly tier: TierId
  /** the tier opens when more actors than this are active */
  readonly threshold: number
  /** slots in this tier */
  readonly size: number
}

/** Why a tier is open or closed, for health. */
export type GateReason = 'always open' | 'active over threshold' | 'backlog' | 'closing' | 'below threshold'

/**
 * The gate. The lowest tier is always open. Another opens when all below it are open and either more actors are
 * active than its threshold or more jobs wait than the lower tiers have slots; it closes, highest first, when
 * neither has held for `closeDelayMs`.
 */
export class Gate {
  #tiers: readonly GateTier[] = []
  readonly #closeDelayMs: number
  #lower: number[] = []
  #reasons: GateReason[] = []
  #open = 1
  #closesAtMs = Infinity

  constructor (tiers: readonly GateTier[], closeDelayMs: number) {
    this.#closeDelayMs = closeDelayMs
    this.replan(tiers)
  }

  /** The tiers are these from now on. Those that were open stay so until an update finds no reason for it. */
  replan (tiers: readonly GateTier[]): void {
    const openTier = this.#tiers.length > 0 ? this.openTier : 0
    this.#tiers = tiers
    this.#lower = tiers.map((_, index) => tiers.slice(0, index).reduce((sum, { size }) => sum + size, 0))
    this.#reasons = tiers.map((_, index) => index === 0 ? 'always open' : 'below threshold')
    this.#open = Math.max(1, tiers.filter(({ tier }) => tier <= openTier).length)
    this.#closesAtMs = Infinity
  }

  get openTier (): TierId { return this.#tiers[this.#open - 1]!.tier }
  /** When an open tier will close if nothing changes, in the caller's clock; Infinity if none is closing. */
  get closesAtMs (): number { return this.#closesAtMs }

  /** Threshold of the next tier that would open, or Infinity when all are open. */
  get nextThreshold (): number { return this.#tiers[this.#open]?.threshold ?? Infinity }
  get nextTier (): TierId | undefined { return this.#tiers[this.#open]?.tier }

  reason (tier: TierId): GateReason {
    return this.#reasons[this.#tiers.findIndex((entry) => entry.tier === tier)] ?? 'below threshold'
  }

  /** Look at the load. Returns true when the set of open tiers changed. */
  update (active: number, backlog: number, nowMs: number): boolean {
    const before = this.#open
    while (this.#open < this.#tiers.length && this.#wanted(this.#open, active, backlog)) this.#open++
    if (this.#open > 1 && !this.#wanted(this.#open - 1, active, backlog)) {
      if (this.#closesAtMs === Infinity) {
        this.#closesAtMs = nowMs + this.#closeDelayMs
        this.#reasons[this.#open - 1] = 'closing'
      }
      if (nowMs >= this.#closesAtMs) {
        this.#reasons[--this.#open] = 'below threshold'
        // the tier below has its own delay from now on
        this.#closesAtMs = this.#open > 1 && !this.#wanted(this.#open - 1, active, backlog)
          ? nowMs + this.#closeDelayMs
          : Infinity
      }
    } else {
      this.#closesAtMs = Infinity
    }
    return this.#open !== before
  }

  #wanted (index: number, active: number, backlog: number): boolean {
    const reason = active > this.#tiers[index]!.threshold
      ? 'active over threshold'
      : backlog > this.#lower[index]! ? 'backlog' : undefined
    if (reason !== undefined) this.#reasons[index] = reason
    return reason !== undefined
  }
}
