// The shape of a virtual machine, and what the plan for it must be: worked out from QEMU's own rules of numbering,
// by nothing of lib/, so that a fault there cannot hide.

/** A machine to boot and what is to be done to it first. */
export interface Shape {
  readonly name: string
  /** QEMU's -smp. */
  readonly smp: string
  /** A number of nodes, or one list of cpus a node, as in `0-7;8-15`. */
  readonly numa?: string
  /** Distances in both directions, as in `0,1,15;0,2,30`; the others are 20. */
  readonly dist?: string
  readonly offline?: string
  readonly cpuset?: string
  readonly affinity?: string
  /** Cpus to take offline and bring back while jobs run. */
  readonly hotplug?: string
}

/** Where a cpu is; `die` and `core` are counted over the whole machine. */
export interface Cpu {
  readonly id: number
  readonly socket: number
  readonly die: number
  readonly core: number
  readonly node: number
}

export interface Expected {
  /** In order of use. */
  readonly tiers: readonly (readonly number[])[]
  readonly thresholds: readonly number[]
}

export function parseList (text: string): number[] {
  return text.split(',').filter((part) => part !== '').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?]
    return Array.from({ length: last! - first + 1 }, (_, index) => first + index)
  })
}

const units = ['sockets', 'dies', 'cores', 'threads'] as const

/** Counts of a -smp text; what is not given is 1, and the cores make up the number of cpus. */
export function countsOf (smp: string): Record<typeof units[number], number> {
  const [total, ...parts] = smp.split(',')
  const given = new Map(parts.map((part) => part.split('=') as [string, string]))
  for (const name of given.keys()) {
    if (!(units as readonly string[]).includes(name)) throw new Error(`--smp: expected ${units.join(', ')}, got ${name}`)
  }
  const of = (name: string) => Number(given.get(name) ?? 1)
  const others = of('sockets') * of('dies') * of('threads')
  const cores = Number(given.get('cores') ?? Number(total) / others)
  const counts = { sockets: of('sockets'), dies: of('dies'), cores, threads: of('threads') }
  const product = others * counts.cores
  if (!Number.isInteger(counts.cores) || product !== Number(total)) {
    throw new Error(`--smp ${smp}: expected ${total} cpus, got ${product}`)
  }
  return counts
}

/** QEMU numbers threads first, then cores, dies and sockets. */
export function cpusOf (shape: Shape): Cpu[] {
  const { sockets, dies, cores, threads } = countsOf(shape.smp)
  const total = sockets * dies * cores * threads
  const lists = nodeLists(shape, total)
  return Array.from({ length: total }, (_, id) => {
    const core = Math.floor(id / threads)
    const die = Math.floor(core / cores)
    const node = Math.max(0, lists.findIndex((list) => list.includes(id)))
    return { id, core, die, socket: Math.floor(die / dies), node }
  })
}

export function nodeLists ({ numa }: Shape, total: number): number[][] {
  if (numa === undefined) return []
  if (!/^\d+$/.test(numa)) return numa.split(';').map(parseList)
  const each = total / Number(numa)
  return Array.from({ length: Number(numa) }, (_, node) =>
    Array.from({ length: each }, (_, index) => node * each + index))
}

/** The plan: home die, the other dies by distance, then second and further threads. */
export function expectedPlan (shape: Shape): Expected {
  const all = cpusOf(shape)
  const isOffline = new Set(parseList(shape.offline ?? ''))
  const online = all.filter(({ id }) => !isOffline.has(id))
  const limit = (cpus: Cpu[], list: string | undefined) =>
    list === undefined ? cpus : cpus.filter(({ id }) => parseList(list).includes(id))
  const usable = limit(limit(online, shape.cpuset), shape.affinity)
  // A die of one core has an L3 that joins nothing: then what is of one node and socket is together.
  const isShared = (die: number) => new Set(online.filter((cpu) => cpu.die === die).map(({ core }) => core)).size > 1
  const domainOf = ({ die, node, socket }: Cpu) => isShared(die) ? `die ${die}` : `node ${node} socket ${socket}`
  const home = usable[0]!
  const distance = (node: number) => {
    if (node === home.node) return 10
    const pairs = (shape.dist ?? '').split(';').map((part) => part.split(',').map(Number))
    return pairs.find(([a, b]) => (a === node && b === home.node) || (b === node && a === home.node))?.[2] ?? 20
  }
  const domains = [...new Set(usable.map(domainOf))].map((name) => usable.filter((cpu) => domainOf(cpu) === name))
  domains.sort(([a], [b]) => Number(domainOf(b!) === domainOf(home)) - Number(domainOf(a!) === domainOf(home)) ||
    distance(a!.node) - distance(b!.node) || Number(b!.socket === home.socket) - Number(a!.socket === home.socket) ||
    a!.node - b!.node || a!.id - b!.id)
  const coresOf = (cpus: Cpu[]) => [...new Set(cpus.map(({ core }) => core))]
    .map((core) => usable.filter((cpu) => cpu.core === core))
    .sort(([a], [b]) => a!.socket - b!.socket || a!.core - b!.core)
  const cores = domains.map(coresOf)
  const tier1 = cores[0]!.map(([cpu]) => cpu!.id)
  const tier2 = cores.slice(1).flat().map(([cpu]) => cpu!.id)
  const tier3: number[] = []
  const { threads } = countsOf(shape.smp)
  for (let nth = 1; nth < threads; nth++) {
    for (const core of cores.flat()) if (core[nth] !== undefined) tier3.push(core[nth]!.id)
  }
  const opensAt = (lower: number) => lower <= 1 ? 0 : Math.min(Math.max(lower - 2, 1), lower - 1)
  const tiers = [tier1, tier2, tier3].filter((tier) => tier.length > 0)
  return { tiers, thresholds: tiers.map((_, index) => opensAt(tiers.slice(0, index).flat().length)) }
}
