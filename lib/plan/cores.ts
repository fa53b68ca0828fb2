// The usable cpus as cores and L3 domains, and the order of the domains.
import { formatCpuList } from '../machine/cpulist.js'
import type { Cpu, Topology } from '../topology.js'

// The kernel's distance of a node to itself, and what it assumes for another one.
const localDistance = 10
const unknownDistance = 20

/** A core of the machine: its usable cpus, ascending, and the cpu that stands for it. */
export interface Core {
  readonly cpus: readonly number[]
  readonly first: Cpu
}

export interface Machine {
  readonly usable: readonly Cpu[]
  readonly cores: readonly Core[]
  readonly coreOf: ReadonlyMap<number, Core>
  readonly isEfficient: (cpu: Cpu) => boolean
  /** A name of the cpu's domain. */
  readonly domainOf: (cpu: Cpu) => string
}

export function readMachine (topology: Topology): Machine {
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
  const nameOf = once(formatCpuList)
  const coreNames = new Map(topology.cpus.map((cpu) => [cpu.id, nameOf(cpu.coreCpus ?? [cpu.id])]))
  const isShared = once((cpus) => new Set(cpus.map((id) => coreNames.get(id) ?? id)).size > 1)
  const domains = new Map(usable.map((cpu) => {
    const cache = cpu.l3Cpus ?? cpu.llcCpus
    // A cache of one core says nothing about neighbours: POWER7 has such an L3, virtual machines often have.
    return [cpu, cache !== null && isShared(cache) ? nameOf(cache) : `node ${cpu.node} package ${cpu.package}`]
  }))
  return {
    usable,
    cores,
    coreOf,
    isEfficient: (cpu) => isHybrid && cpu.perfClass === 'efficiency',
    domainOf: (cpu) => domains.get(cpu)!
  }
}

/** `tell` asked once for each array: cpus that share a cache share the array that says so. */
function once<T> (tell: (cpus: readonly number[]) => T): (cpus: readonly number[]) => T {
  const told = new Map<readonly number[], T>()
  return (cpus) => {
    if (!told.has(cpus)) told.set(cpus, tell(cpus))
    return told.get(cpus)!
  }
}

/** Domains as tier 2 uses them: home, then the nearest by NUMA distance, package, node and cpu. */
export function orderDomains (topology: Topology, { usable, domainOf }: Machine, homeDomain: string): string[] {
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
