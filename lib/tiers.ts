// Decides which cpus make up which tier, in what order and from which load on: Topology + options -> Plan. Pure.
import { counted, errors } from './errors.js'
import { formatCpuList } from './machine/cpulist.js'
import { readMachine } from './plan/cores.js'
import { cut, keepFree } from './plan/cut.js'
import { dealExplicit, dealStrategy } from './plan/deal.js'
import { checkPlanOptions, strategies } from './plan/options.js'
import type { Tiers } from './plan/deal.js'
import type { ExplicitTier, PlanOptions, Strategy } from './plan/options.js'
import type { Topology } from './topology.js'

export { strategies }
export type { ExplicitTier, PlanOptions, Strategy }

export type TierId = 1 | 2 | 3

/** An actor's place in the plan; `cpu` is null where the actor may run anywhere. */
export interface Slot {
  /** 0, 1, 2 ... in order over all tiers. */
  readonly id: number
  readonly cpu: number | null
  readonly tier: TierId
}

/** One tier: open while more than `threshold` actors are active. */
export interface TierPlan {
  readonly tier: TierId
  /** In order of use; empty where the slots are tied to no cpu. */
  readonly cpus: readonly number[]
  /** In active actors; 0 in the lowest tier of a plan, which is always open. */
  readonly threshold: number
  readonly slots: readonly Slot[]
}

/** All slots of a pool. It has at least one tier with at least one slot. */
export interface Plan {
  readonly strategy: Strategy | 'explicit'
  /** Ascending; a tier without slots is left out. */
  readonly tiers: readonly TierPlan[]
  /** Cpus kept free for the event loop. */
  readonly reserved: readonly number[]
  readonly quotaCpus: number | null
  /** Number of slots. */
  readonly maxActors: number
  /** What was left out or changed and why, in sentences. */
  readonly notes: readonly string[]
}

/**
 * The general rule: a tier opens when more actors are active than this.
 * @param lower number of actors in all lower tiers together
 * @returns `lower` − 2, but at least 1 and at most `lower` − 1; 0 where `lower` is 0 or 1
 */
export function threshold (lower: number): number {
  return Math.max(0, Math.min(Math.max(lower - 2, 1), lower - 1))
}

/**
 * Lays out the actors of a pool on a machine.
 * @throws `FST_ERR_SPILLOVER_OPTION` for an option that is not as documented
 */
export function makePlan (topology: Topology, options: PlanOptions = {}): Plan {
  checkPlanOptions(options)
  const strategy = options.tiers === undefined ? options.strategy ?? 'tiered' : 'explicit'
  const machine = readMachine(topology)
  const notes: string[] = []
  if (options.home !== undefined && !machine.usable.some((cpu) => cpu.id === options.home)) {
    const usable = formatCpuList(machine.usable.map((cpu) => cpu.id))
    throw new errors.OPTION('home', `one of the usable cpus ${usable || '(none is known)'}`, JSON.stringify(options.home))
  }
  const all = strategy === 'explicit'
    ? dealExplicit(options.tiers!, topology, machine, notes)
    : dealStrategy(strategy, topology, machine, options.home, notes)
  const reserved: number[] = []
  const free = keepFree(all, strategy, options.reserve ?? 'auto', machine, reserved, notes)
  const tiers = cut(free, topology.quotaCpus, strategy, options.maxActors ?? Infinity, notes)
  const built = buildTiers(tiers, options, notes)
  const maxActors = built.reduce((sum, tier) => sum + tier.slots.length, 0)
  return { strategy, tiers: built, reserved, quotaCpus: topology.quotaCpus, maxActors, notes }
}

function buildTiers (tiers: Tiers, options: PlanOptions, notes: string[]): TierPlan[] {
  const plans: TierPlan[] = []
  let lower = 0
  for (const [index, entries] of tiers.entries()) {
    if (entries.length === 0) continue
    const tier = (index + 1) as TierId
    const given = options.tiers?.[index]?.threshold ?? options.thresholds?.[index]
    const opensAt = lower === 0 ? 0 : given ?? threshold(lower)
    if (lower > 0 && opensAt >= lower) {
      notes.push(`tier ${tier} opens only for jobs that wait: its threshold is ${opensAt}, and the lower tiers have ` +
        counted(lower, 'actor'))
    }
    plans.push({
      tier,
      cpus: entries.filter((cpu) => cpu !== null),
      threshold: opensAt,
      slots: entries.map((cpu, i) => ({ id: lower + i, cpu, tier }))
    })
    lower += entries.length
  }
  return plans
}
