// Deals the usable cpus to three tiers, each strategy in its own way.
import { counted, errors } from '../errors.js'
import { cpusAre, formatCpuList } from '../machine/cpulist.js'
import { orderDomains } from './cores.js'
import type { Cpu, Topology } from '../topology.js'
import type { Core, Machine } from './cores.js'
import type { ExplicitTier, Strategy } from './options.js'

export type Entry = number | null
export type Tiers = readonly [Entry[], Entry[], Entry[]]

// The seed's tiers 1 and 2 have 8 cpus each.
const seedTierSize = 8

export function dealStrategy (
  strategy: Strategy, topology: Topology, machine: Machine, home: number | undefined, notes: string[]
): Tiers {
  const { usable } = machine
  if (usable.length === 0) return dealCounts(topology, strategy, notes)
  if (strategy === 'none') return [usable.map(() => null), [], []]
  if (strategy === 'linear') return [usable.map((cpu) => cpu.id), [], []]
  if (strategy === 'even-odd') return dealEvenOdd(usable, notes)
  const tiers = dealTiered(topology, machine, home, notes)
  const unused = (cpus: readonly Entry[], why: string) => {
    if (cpus.length > 0) notes.push(`${cpusAre(cpus as number[])} not used: ${why}`)
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
  const rank = new Map(domains.map((name, index) => [name, index]))
  const sorted = [...cores].sort((a, b) =>
    rank.get(domainOf(a.first))! - rank.get(domainOf(b.first))! ||
    (a.first.package ?? 0) - (b.first.package ?? 0) ||
    (a.first.core ?? a.first.id) - (b.first.core ?? b.first.id) ||
    a.first.id - b.first.id)
  const strong = sorted.filter((core) => !isEfficient(core.first))
  const weak = sorted.filter((core) => isEfficient(core.first))
  const isHome = (core: Core) => domainOf(core.first) === homeDomain
  // A home of efficiency cores only, which a caller may name: they are tier 1, for some tier must always be open.
  const tier1 = strong.some(isHome) ? strong.filter(isHome) : weak.filter(isHome)
  const inTier1 = new Set(tier1)
  const tier2 = [...strong, ...weak].filter((core) => !inTier1.has(core))
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

/** The seed's rule, kept as it was: it knows nothing but the parity of the ids. */
function dealEvenOdd (usable: readonly Cpu[], notes: string[]): Tiers {
  const even = usable.filter((cpu) => cpu.id % 2 === 0).map((cpu) => cpu.id)
  const odd = usable.filter((cpu) => cpu.id % 2 === 1).map((cpu) => cpu.id)
  const left = even.slice(2 * seedTierSize)
  if (left.length > 0) notes.push(`${cpusAre(left)} not used: even-odd deals 16 even ids`)
  if (even.length === 0) notes.push('no even cpu is usable: tier 3 is the only tier, and always open')
  return [even.slice(0, seedTierSize), even.slice(seedTierSize, 2 * seedTierSize), odd]
}

/** Without ids: as many actors as there may be, in the tiers that the numbers of cores give. */
function dealCounts ({ parallelism, counts }: Topology, strategy: Strategy, notes: string[]): Tiers {
  const some = (count: number): null[] => Array.from({ length: Math.max(0, count) }, () => null)
  if (counts === null || !['tiered', 'avoid-smt', 'l3-isolation'].includes(strategy)) {
    notes.push(`no cpu is known: ${counted(parallelism, 'actor')} in one tier, tied to no cpu`)
    return [some(parallelism), [], []]
  }
  notes.push('only numbers of cores are known: no actor is tied to a cpu')
  const tier1 = Math.min(parallelism, counts.performanceCores)
  const tier2 = Math.min(parallelism - tier1, counts.efficiencyCores)
  return [some(tier1), some(tier2), strategy === 'avoid-smt' ? [] : some(parallelism - tier1 - tier2)]
}

export function dealExplicit (
  tiers: readonly ExplicitTier[], topology: Topology, { usable }: Machine, notes: string[]
): Tiers {
  const usableIds = new Set(usable.map((cpu) => cpu.id))
  const known = new Set(topology.cpus.map((cpu) => cpu.id))
  const named = tiers.flatMap((tier) => tier.cpus ?? [])
  for (const [index, { cpus = [] }] of tiers.entries()) {
    const missing = cpus.filter((id) => known.size > 0 && !known.has(id))
    if (missing.length === 0) continue
    throw new errors.OPTION(`tiers[${index}].cpus`, `cpus of the machine, ${formatCpuList(known)}`, formatCpuList(missing))
  }
  const barred = named.filter((id) => known.has(id) && !usableIds.has(id))
  if (barred.length > 0) notes.push(`of the explicit tiers ${cpusAre(barred)} offline or not allowed`)
  const deal = (tier?: ExplicitTier): Entry[] =>
    [...tier?.cpus ?? Array.from({ length: tier?.actors ?? 0 }, () => null)]
  return [deal(tiers[0]), deal(tiers[1]), deal(tiers[2])]
}
