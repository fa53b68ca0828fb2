// Decides which cpus make up which tier, in what order and from which load on: Topology + options -> Plan. Pure.
import { errors } from './errors.js'
import { formatCpuList } from './topology.js'
import type { Cpu, Topology } from './topology.js'

export type TierId = 1 | 2 | 3

/** How cpus are dealt to tiers. */
export type Strategy = 'tiered' | 'even-odd' | 'linear' | 'avoid-smt' | 'l3-isolation' | 'none'

/** All strategies, the default first. */
export const strategies: readonly Strategy[] = ['tiered', 'even-odd', 'linear', 'avoid-smt', 'l3-isolation', 'none']

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

/** One tier as a user writes it: either `cpus` or `actors`. */
export interface ExplicitTier {
  /** Ids of cpus, in order of use. */
  readonly cpus?: readonly number[]
  /** A number of actors that are tied to no cpu, at least 1. */
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

// `'auto'` gives up at most a quarter of tier 1; chosen.
const minCoresToReserve = 4
// The seed's tiers 1 and 2 have 8 cpus each.
const seedTierSize = 8
// The kernel's distance of a node to itself, and what it assumes for another one.
const localDistance = 10
const unknownDistance = 20

type Entry = number | null
type Tiers = readonly [Entry[], Entry[], Entry[]]

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
  checkOptions(options)
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

function checkOptions ({ strategy, tiers, thresholds, reserve, home, maxActors }: PlanOptions): void {
  const isCount = (value: unknown, minimum: number) => Number.isSafeInteger(value) && (value as number) >= minimum
  const check = (isGood: boolean, name: string, expected: string, got: unknown) => {
    if (!isGood) throw new errors.OPTION(name, expected, typeof got === 'number' ? String(got) : JSON.stringify(got))
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
    thresholds[0] === 0 && thresholds.every((value, i) => isCount(value, thresholds[i - 1] ?? 0))),
  'thresholds', '1 to 3 integers in ascending order, the first 0', thresholds)
  if (tiers === undefined) return
  check(Array.isArray(tiers) && tiers.length >= 1 && tiers.length <= 3, 'tiers', '1 to 3 tiers', tiers)
  const seen = new Set<number>()
  tiers.forEach((tier, i) => {
    const name = `tiers[${i}]`
    check(typeof tier === 'object' && tier !== null && (tier.cpus === undefined) !== (tier.actors === undefined),
      name, 'either cpus or actors', tier)
    check(tier.actors === undefined || isCount(tier.actors, 1), `${name}.actors`, 'an integer of at least 1', tier.actors)
    check(tier.cpus === undefined || (Array.isArray(tier.cpus) && tier.cpus.length > 0 &&
      tier.cpus.every((cpu) => isCount(cpu, 0))), `${name}.cpus`, 'a list of cpu ids', tier.cpus)
    for (const cpu of tier.cpus ?? []) {
      check(!seen.has(cpu), `${name}.cpus`, 'each cpu once', cpu)
      seen.add(cpu)
    }
    check(tier.threshold === undefined || isCount(tier.threshold, 0), `${name}.threshold`,
      'an integer of at least 0', tier.threshold)
    check(i > 0 || !tier.threshold, `${name}.threshold`, '0, because the first tier is always open', tier.threshold)
  })
}

/** A core of the machine: its usable cpus, ascending, and the cpu that stands for it. */
interface Core {
  readonly cpus: readonly number[]
  readonly first: Cpu
}

interface Machine {
  readonly usable: readonly Cpu[]
  readonly cores: readonly Core[]
  readonly coreOf: ReadonlyMap<number, Core>
  readonly isEfficient: (cpu: Cpu) => boolean
  /** A name of the cpu's domain. */
  readonly domainOf: (cpu: Cpu) => string
}

function readMachine (topology: Topology): Machine {
  const usable = topology.cpus.filter((cpu) => cpu.online && cpu.allowed).sort((a, b) => a.id - b.id)
  const byId = new Map(usable.map((cpu) => [cpu.id, cpu]))
  const coreOf = new Map<number, Core>()
  const cores: Core[] = []
  for (const first of usable) {
    if (coreOf.has(first.id)) continue
    // Files that contradict each other must not put one cpu into two cores.
    const mates = (first.coreCpus ?? []).filter((id) => id > first.id && byId.has(id) && !coreOf.has(id))
    const core = { cpus: [first.id, ...mates.sort((a, b) => a - b)], first }
    cores.push(core)
    for (const id of core.cpus) coreOf.set(id, core)
  }
  const isHybrid = usable.some((cpu) => cpu.perfClass !== 'efficiency')
  const coreNames = new Map(topology.cpus.map((cpu) => [cpu.id, formatCpuList(cpu.coreCpus ?? [cpu.id])]))
  return {
    usable,
    cores,
    coreOf,
    isEfficient: (cpu) => isHybrid && cpu.perfClass === 'efficiency',
    domainOf: (cpu) => {
      const cache = cpu.l3Cpus ?? cpu.llcCpus
      // A cache of one core says nothing about neighbours: POWER7 has such an L3, virtual machines often have.
      const isShared = cache !== null && new Set(cache.map((id) => coreNames.get(id) ?? id)).size > 1
      return isShared ? formatCpuList(cache) : `node ${cpu.node} package ${cpu.package}`
    }
  }
}

function dealStrategy (
  strategy: Strategy, topology: Topology, machine: Machine, home: number | undefined, notes: string[]
): Tiers {
  const { usable } = machine
  if (usable.length === 0) return dealCounts(topology, strategy, notes)
  if (strategy === 'none') return [usable.map(() => null), [], []]
  if (strategy === 'linear') return [usable.map((cpu) => cpu.id), [], []]
  if (strategy === 'even-odd') return dealEvenOdd(usable, notes)
  const tiers = dealTiered(topology, machine, home, notes)
  const unused = (cpus: readonly Entry[], why: string) => {
    if (cpus.length > 0) notes.push(`cpus ${formatCpuList(cpus as number[])} are not used: ${why}`)
  }
  if (strategy === 'avoid-smt') {
    unused(tiers[2], 'they are SMT siblings')
    return [tiers[0], tiers[1], []]
  }
  if (strategy === 'l3-isolation') {
    const homeDomain = machine.domainOf(machine.coreOf.get(tiers[0][0]!)!.first)
    const isHome = (id: Entry) => machine.domainOf(machine.coreOf.get(id!)!.first) === homeDomain
    // Efficiency cores under the home cache are inside the domain, so they stay a tier of their own.
    unused([...tiers[1], ...tiers[2]].filter((id) => !isHome(id)), 'they are outside the home L3 domain')
    return [tiers[0], tiers[1].filter(isHome), tiers[2].filter(isHome)]
  }
  return tiers
}

function dealTiered (topology: Topology, machine: Machine, home: number | undefined, notes: string[]): Tiers {
  const { usable, cores, coreOf, isEfficient, domainOf } = machine
  const homeCpu = usable.find((cpu) => home === undefined ? !isEfficient(cpu) : cpu.id === home)!
  // The domain of a core is that of the cpu that stands for it, also when the caller named one of its siblings.
  const homeDomain = domainOf(coreOf.get(homeCpu.id)!.first)
  const domains = orderDomains(topology, machine, homeDomain)
  const sorted = [...cores].sort((a, b) =>
    domains.indexOf(domainOf(a.first)) - domains.indexOf(domainOf(b.first)) ||
    (a.first.package ?? 0) - (b.first.package ?? 0) ||
    (a.first.core ?? a.first.id) - (b.first.core ?? b.first.id) ||
    a.first.id - b.first.id)
  const strong = sorted.filter((core) => !isEfficient(core.first))
  const weak = sorted.filter((core) => isEfficient(core.first))
  const isHome = (core: Core) => domainOf(core.first) === homeDomain
  // A home of efficiency cores only, which a caller may name: they are tier 1, for some tier must always be open.
  const tier1 = strong.some(isHome) ? strong.filter(isHome) : weak.filter(isHome)
  const tier2 = [...strong, ...weak].filter((core) => !tier1.includes(core))
  const tier3: number[] = []
  const order = [...tier1, ...tier2]
  const widest = Math.max(...order.map((core) => core.cpus.length))
  for (let nth = 1; nth < widest; nth++) {
    for (const core of order) if (core.cpus[nth] !== undefined) tier3.push(core.cpus[nth]!)
  }
  if (weak.length > 0) notes.push(`efficiency cores come after performance cores (${topology.perfEvidence ?? 'given'})`)
  if (usable.some((cpu) => domainOf(cpu).startsWith('node'))) {
    notes.push('no cache is known to be shared by cores: a domain is what has the same NUMA node and package')
  }
  return [tier1.map((core) => core.first.id), tier2.map((core) => core.first.id), tier3]
}

/** Domains as tier 2 uses them: home, then the nearest by NUMA distance, package, node and cpu. */
function orderDomains (topology: Topology, { usable, domainOf }: Machine, homeDomain: string): string[] {
  const firsts = new Map<string, Cpu>()
  for (const cpu of usable) if (!firsts.has(domainOf(cpu))) firsts.set(domainOf(cpu), cpu)
  const home = firsts.get(homeDomain)!
  const row = topology.nodes.find((node) => node.id === home.node)?.distance
  const rank = ([name, first]: [string, Cpu]) => [
    name === homeDomain ? 0 : 1,
    first.node !== null && first.node === home.node ? localDistance : row?.[String(first.node)] ?? unknownDistance,
    first.package === home.package ? 0 : 1,
    first.node ?? -1,
    first.id
  ]
  return [...firsts].map((entry) => ({ name: entry[0], rank: rank(entry) })).sort((a, b) => {
    const i = a.rank.findIndex((value, index) => value !== b.rank[index])
    return i < 0 ? 0 : a.rank[i]! - b.rank[i]!
  }).map(({ name }) => name)
}

/** The seed's rule, kept as it was: it knows nothing but the parity of the ids. */
function dealEvenOdd (usable: readonly Cpu[], notes: string[]): Tiers {
  const even = usable.filter((cpu) => cpu.id % 2 === 0).map((cpu) => cpu.id)
  const odd = usable.filter((cpu) => cpu.id % 2 === 1).map((cpu) => cpu.id)
  const left = even.slice(2 * seedTierSize)
  if (left.length > 0) notes.push(`cpus ${formatCpuList(left)} are not used: even-odd deals 16 even ids`)
  if (even.length === 0) notes.push('no even cpu is usable: tier 3 is the only tier, and always open')
  return [even.slice(0, seedTierSize), even.slice(seedTierSize, 2 * seedTierSize), odd]
}

/** Without ids: as many actors as there may be, in the tiers that the numbers of cores give. */
function dealCounts ({ parallelism, counts }: Topology, strategy: Strategy, notes: string[]): Tiers {
  const some = (count: number): null[] => Array.from({ length: Math.max(0, count) }, () => null)
  if (counts === null || !['tiered', 'avoid-smt', 'l3-isolation'].includes(strategy)) {
    notes.push(`no cpu is known: ${parallelism} actors in one tier, tied to no cpu`)
    return [some(parallelism), [], []]
  }
  notes.push('only numbers of cores are known: no actor is tied to a cpu')
  const tier1 = Math.min(parallelism, counts.performanceCores)
  const tier2 = Math.min(parallelism - tier1, counts.efficiencyCores)
  return [some(tier1), some(tier2), strategy === 'avoid-smt' ? [] : some(parallelism - tier1 - tier2)]
}

function dealExplicit (
  tiers: readonly ExplicitTier[], topology: Topology, { usable }: Machine, notes: string[]
): Tiers {
  const usableIds = new Set(usable.map((cpu) => cpu.id))
  const known = new Set(topology.cpus.map((cpu) => cpu.id))
  const named = tiers.flatMap((tier) => tier.cpus ?? [])
  const missing = named.filter((id) => !known.has(id))
  const barred = named.filter((id) => known.has(id) && !usableIds.has(id))
  if (missing.length > 0) notes.push(`cpus ${formatCpuList(missing)} of the explicit tiers are not on this machine`)
  if (barred.length > 0) notes.push(`cpus ${formatCpuList(barred)} of the explicit tiers are offline or not allowed`)
  const deal = (tier?: ExplicitTier): Entry[] =>
    [...tier?.cpus ?? Array.from({ length: tier?.actors ?? 0 }, () => null)]
  return [deal(tiers[0]), deal(tiers[1]), deal(tiers[2])]
}

/**
 * Takes the first cores of the lowest tier, and their siblings in every tier, for the event loop. The first, because
 * it lies in the home domain, where the host shares the cache with the actors it posts to most, and because the
 * kernel's own interrupts and threads are on the lowest cpus anyhow, so that the actors are spared them.
 */
function keepFree (
  tiers: Tiers,
  strategy: Plan['strategy'],
  reserve: number | 'auto',
  { coreOf }: Machine,
  reserved: number[],
  notes: string[]
): Tiers {
  const lowest = tiers.find((tier) => tier.length > 0) ?? tiers[0]
  // A cpu that is not on the machine, or no cpu at all, is a core of its own.
  const cores = [...new Set(lowest.map((id, index) => (id === null ? undefined : coreOf.get(id)) ?? index))]
  const isLiteral = strategy === 'even-odd' || strategy === 'none' || strategy === 'explicit'
  const wanted = reserve !== 'auto' ? reserve : !isLiteral && cores.length >= minCoresToReserve ? 1 : 0
  const count = Math.min(wanted, cores.length - 1)
  if (count < wanted) notes.push(`${count} of ${wanted} cores are reserved: the lowest tier has ${cores.length}`)
  if (count === 0) return tiers
  const taken = cores.slice(0, count)
  const drop = new Set<number>()
  const dropIndex = new Set<number>()
  for (const core of taken) {
    if (typeof core === 'number') {
      dropIndex.add(core)
      if (lowest[core] !== null) drop.add(lowest[core]!)
    } else {
      for (const id of core.cpus) drop.add(id)
    }
  }
  reserved.push(...[...drop].sort((a, b) => a - b))
  notes.push(drop.size > 0
    ? `cpus ${formatCpuList(drop)} are kept free for the event loop`
    : `${count} fewer actors leave room for the event loop`)
  const keep = (tier: Entry[]) => tier.filter((id, index) =>
    id === null ? tier !== lowest || !dropIndex.has(index) : !drop.has(id))
  return [keep(tiers[0]), keep(tiers[1]), keep(tiers[2])]
}

/** Cuts the list of all slots to what the quota and `maxActors` allow. */
function cut (
  tiers: Tiers, quotaCpus: number | null, strategy: Plan['strategy'], maxActors: number, notes: string[]
): Tiers {
  const size = tiers[0].length + tiers[1].length + tiers[2].length
  let limit = maxActors
  if (quotaCpus !== null) {
    const quota = Math.max(1, Math.floor(quotaCpus))
    // The seed's rule and explicit tiers are taken as they stand; `maxActors` still bounds them.
    if (strategy === 'even-odd' || strategy === 'explicit') {
      if (size > quota) notes.push(`the quota of ${quotaCpus} cpus does not cut ${strategy} tiers: ${size} actors may be throttled`)
    } else {
      if (quota < Math.min(size, maxActors)) notes.push(`the quota of ${quotaCpus} cpus allows ${quota} of ${size} actors`)
      limit = Math.min(limit, quota)
    }
  }
  if (maxActors < size && limit === maxActors) notes.push(`maxActors allows ${maxActors} of ${size} actors`)
  let left = limit
  const take = (tier: Entry[]) => {
    const kept = tier.slice(0, left)
    left -= kept.length
    return kept
  }
  return [take(tiers[0]), take(tiers[1]), take(tiers[2])]
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
      notes.push(`tier ${tier} never opens: its threshold is ${opensAt}, and the lower tiers have ${lower} actors`)
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
