// What a user may ask of a plan, and the check of it.
import { every, isRecord, show, unknownOption } from '../checks.js'
import { errors } from '../errors.js'

/** How cpus are dealt to tiers. */
export type Strategy = 'tiered' | 'even-odd' | 'linear' | 'avoid-smt' | 'l3-isolation' | 'none'

/** All strategies, the default first. */
export const strategies: readonly Strategy[] = ['tiered', 'even-odd', 'linear', 'avoid-smt', 'l3-isolation', 'none']

/** One tier as a user writes it: either `cpus` or `actors`. */
export interface ExplicitTier {
  /** Ids of cpus, in order of use. */
  readonly cpus?: readonly number[]
  /** A number of actors that are tied to no cpu, from 1 to 4096. */
  readonly actors?: number
  /** The tier is open while more than this many actors are active. @default two less than all lower tiers hold */
  readonly threshold?: number
}

/** Options of `makePlan`. */
export interface PlanOptions {
  /** @default 'tiered' */
  readonly strategy?: Strategy
  /** 1 to 3 tiers in place of a strategy. */
  readonly tiers?: readonly ExplicitTier[]
  /** Thresholds of tiers 1, 2 and 3 in active actors, the first 0. @default the general rule, see `threshold` */
  readonly thresholds?: readonly number[]
  /**
   * Cores kept free for the event loop: the first of tier 1 with all their SMT siblings. `'auto'` is 1 when tier 1
   * has 4 cores or more, else 0; it is 0 for `even-odd`, `none` and explicit tiers, which are taken as they stand.
   * @default 'auto'
   */
  readonly reserve?: number | 'auto'
  /** A cpu in the L3 domain that is to be tier 1. @default the lowest usable performance cpu */
  readonly home?: number
  /** Upper bound of actors, at least 1; the last slots are cut. */
  readonly maxActors?: number
}

const TIER = ['cpus', 'actors', 'threshold']
/** Most actors of a tier; chosen: each is a thread, and a number mistaken by its unit would exhaust the memory. */
const MAX_ACTORS = 4096

export function checkPlanOptions ({ strategy, tiers, thresholds, reserve, home, maxActors }: PlanOptions): void {
  const isCount = (value: unknown, minimum: number, most = Infinity) =>
    Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= most
  const check = (isGood: boolean, name: string, expected: string, got: unknown) => {
    if (!isGood) throw new errors.OPTION(name, expected, asJson(got))
  }
  check(strategy === undefined || strategies.includes(strategy), 'strategy', `one of ${strategies.join(', ')}`, strategy)
  // The default is no wish, so it may stand beside explicit tiers.
  check(tiers === undefined || strategy === undefined || strategy === 'tiered', 'strategy',
    'none beside explicit tiers', strategy)
  check(reserve === undefined || reserve === 'auto' || isCount(reserve, 0), 'reserve',
    '"auto" or an integer of at least 0', reserve)
  check(home === undefined || isCount(home, 0), 'home', 'the id of a cpu', home)
  check(maxActors === undefined || isCount(maxActors, 1), 'maxActors', 'an integer of at least 1', maxActors)
  check(thresholds === undefined || (Array.isArray(thresholds) && thresholds.length >= 1 && thresholds.length <= 3 &&
    thresholds[0] === 0 && Array.from(thresholds).every((value, i) => isCount(value, thresholds[i - 1] ?? 0))),
  'thresholds', '1 to 3 integers in ascending order, the first 0', thresholds)
  if (tiers === undefined) return
  check(home === undefined, 'home', 'none beside explicit tiers', home)
  check(!reserve || reserve === 'auto', 'reserve', '0 or "auto" beside explicit tiers', reserve)
  check(Array.isArray(tiers) && tiers.length >= 1 && tiers.length <= 3, 'tiers', '1 to 3 tiers', tiers)
  const seen = new Set<number>()
  Array.from(tiers).forEach((tier, i) => {
    const name = `tiers[${i}]`
    for (const key of Object.keys(tier ?? {})) {
      if (!TIER.includes(key)) throw unknownOption(`${name}.${key}`, key, TIER)
    }
    check(isRecord(tier) && (tier.cpus === undefined) !== (tier.actors === undefined),
      name, 'either cpus or actors', tier)
    check(tier.actors === undefined || isCount(tier.actors, 1, MAX_ACTORS), `${name}.actors`,
      `an integer from 1 to ${MAX_ACTORS}`, tier.actors)
    check(tier.cpus === undefined || (Array.isArray(tier.cpus) && tier.cpus.length > 0 &&
      every(tier.cpus, (cpu) => isCount(cpu, 0))), `${name}.cpus`, 'a list of cpu ids', tier.cpus)
    for (const cpu of tier.cpus ?? []) {
      check(!seen.has(cpu), `${name}.cpus`, 'each cpu once', cpu)
      seen.add(cpu)
    }
    check(tier.threshold === undefined || thresholds === undefined, `${name}.threshold`, 'none beside thresholds',
      tier.threshold)
    check(tier.threshold === undefined || isCount(tier.threshold, 0), `${name}.threshold`,
      'an integer of at least 0', tier.threshold)
    check(i > 0 || !tier.threshold, `${name}.threshold`, '0, because the first tier is always open', tier.threshold)
  })
}

function asJson (value: unknown): string {
  try {
    const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
    return text === undefined || text.length > 200 ? show(value) : text
  } catch {
    return show(value) // a bigint, or a circle
  }
}
