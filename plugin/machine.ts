// The machine as a picture needs it: packages, domains of a shared cache, cores, threads; and the actors' places. Pure.
import type { Cpu, Plan, Topology } from '../lib/index.js'

/** What the dashboard draws. */
export interface Drawing {
  readonly packages: readonly DrawnPackage[]
  readonly slots: readonly { readonly slot: number, readonly cpu: number | null, readonly tier: number }[]
}

interface DrawnPackage { readonly name: string, readonly domains: readonly DrawnDomain[] }
interface DrawnDomain { readonly name: string, readonly cores: readonly DrawnCore[] }

interface DrawnCore {
  readonly name: string
  readonly kind: Cpu['perfClass']
  readonly cpus: readonly { readonly cpu: number, readonly isUsable: boolean, readonly note: string }[]
}

/** Groups processors by what they share; what is unknown is called so and not guessed. */
export function drawMachine (topology: Topology, plan: Plan): Drawing {
  const reserved = new Set(plan.reserved)
  const online = topology.cpus.filter((cpu) => cpu.online)
  const packages = groups(online, (cpu) => cpu.package).map(([id, members]) => ({
    name: id === null ? 'Package unknown' : `Package ${id}`,
    domains: groups(members, (cpu) => cpu.llcCpus?.[0] ?? null).map(([first, shared], index) => ({
      name: first === null ? 'Caches unknown' : `L${shared[0]!.llcLevel ?? '?'} domain ${index}`,
      cores: groups(shared, (cpu) => cpu.coreCpus?.[0] ?? cpu.id).map(([lowest, threads]) => ({
        name: `core ${threads[0]!.core ?? lowest}`,
        kind: threads[0]!.perfClass,
        cpus: threads.map(({ id, allowed }) => ({
          cpu: id,
          isUsable: allowed,
          note: !allowed ? 'not allowed to this process' : reserved.has(id) ? 'kept free for the event loop' : ''
        }))
      }))
    }))
  }))
  const slots = plan.tiers.flatMap(({ tier, slots }) => slots.map(({ id, cpu }) => ({ slot: id, cpu, tier })))
  return { packages, slots }
}

/** Members by key, both in the order first seen. */
function groups<T, K> (members: readonly T[], keyOf: (member: T) => K): [K, T[]][] {
  const found = new Map<K, T[]>()
  for (const member of members) {
    const key = keyOf(member)
    const group = found.get(key)
    if (group === undefined) found.set(key, [member])
    else group.push(member)
  }
  return [...found]
}
