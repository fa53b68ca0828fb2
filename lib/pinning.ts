// Decides whether actors are pinned, and on which of the cores that other processes leave. Pure but for the claims.
import { formatCpuList, parseCpuList } from './machine/cpulist.js'
import { readMachine } from './plan/cores.js'
import { makePlan } from './tiers.js'
import type { Claims } from './claims.js'
import type { Plan, PlanOptions, Slot } from './tiers.js'
import type { Topology } from './topology.js'

/** What one pool does about pinning. */
export interface Pinning {
  /** null: actors that have a cpu are pinned to it; else why none is */
  readonly reason: string | null
  /** cores claimed before other processes, each named by its lowest cpu */
  readonly claimed: readonly number[]
  /** cpus of the process that no other process has claimed */
  readonly cpus: readonly number[]
  /** Why this slot's actor is not to be pinned; null: it is. */
  reasonFor (slot: Slot): string | null
  /** Give back the claims of cores that none of these cpus belongs to: the plan does without them. */
  keep (cpus: readonly number[]): void
  /** Give the claims back: no actor lives any more. */
  release (): void
}

/** What a user says about pinning and the plan. */
export interface PinningOptions extends PlanOptions {
  readonly pin: boolean | 'auto'
  readonly claim: boolean
}

/** No actor is pinned. */
export function unpinned (reason: string): Pinning {
  return { reason, claimed: [], cpus: [], reasonFor: () => reason, keep: () => {}, release: () => {} }
}

/**
 * Why actors are not to be pinned at all, or null: with `true` only what makes it impossible counts, with `'auto'` also
 * what would make it harmful.
 * @param addonReason why the affinity addon is not there, or null
 */
export function whyUnpinned (pin: boolean | 'auto', topology: Topology, plan: Plan, addonReason: string | null):
string | null {
  if (pin === false) return 'the option pin is false'
  if (plan.tiers.every(({ cpus }) => cpus.length === 0)) return 'no actor of the plan has a cpu'
  if (addonReason !== null) return addonReason
  if (pin === true) return null
  // a throttled group's threads all stop at once; then the kernel should be free to run them wherever there is room
  if (topology.quotaCpus !== null) return `a cpu quota of ${topology.quotaCpus} is set`
  const cores = coresOf(topology, topology.allowed)
  if (cores.length < 2) return `${cores.length} core is usable, and the event loop needs it too`
  // who narrowed it, such as taskset or a process manager, says where this process is to run, and may say so again
  const mask = topology.cpusAllowedList === null ? null : parseCpuList(topology.cpusAllowedList)
  if (mask === null) return 'the affinity mask of the process is unknown'
  const given = new Set(mask)
  const offered = topology.online.filter((id) => topology.cgroup?.cpuset?.includes(id) ?? true)
  const taken = offered.filter((id) => !given.has(id))
  if (taken.length > 0) return `the affinity mask was narrowed: it leaves out cpus ${formatCpuList(taken)}`
  return null
}

/**
 * Lay out the actors, decide on pinning, and claim the cores of the plan. Where other processes hold some of them the
 * plan is made of the others; where too few are left it is the plan of the whole machine, and nothing is pinned.
 * Explicit tiers stay as they are, and only actors on cores of others are not pinned.
 */
export function planPinned (topology: Topology, options: PinningOptions, addonReason: string | null, claims: Claims):
{ plan: Plan, pinning: Pinning } {
  const whole = makePlan(topology, options)
  const reason = whyUnpinned(options.pin, topology, whole, addonReason)
  if (reason !== null) return { plan: whole, pinning: unpinned(reason) }
  if (!options.claim) return { plan: whole, pinning: pinned([], new Set(), topology, claims) }
  const held = new Set<number>()
  const mine = new Set<number>()
  const giveUp = (reason: string) => {
    claims.release([...mine])
    return { plan: noted(whole, `actors are not pinned: ${reason}`), pinning: unpinned(reason) }
  }
  try {
    let plan: Plan | undefined = whole
    for (;;) {
      const wanted = coresOf(topology, [...plan.tiers.flatMap(({ cpus }) => cpus), ...plan.reserved])
      const missing = wanted.filter((core) => !mine.has(core) && !held.has(core))
      if (missing.length === 0) {
        const spare = [...mine].filter((core) => !wanted.includes(core))
        claims.release(spare)
        for (const core of spare) mine.delete(core)
        break
      }
      const others = new Set(claims.claim(missing))
      for (const core of missing) (others.has(core) ? held : mine).add(core)
      if (whole.strategy === 'explicit' || others.size === 0) continue
      plan = planOfRest(topology, options, whole, held)
      if (plan === undefined) return giveUp(`too few cores are left: ${textOf(topology, held)}`)
    }
    if (mine.size === 0 && held.size > 0) return giveUp(`no core is left: ${textOf(topology, held)}`)
    return {
      plan: held.size === 0 ? plan : noted(plan, textOf(topology, held)),
      pinning: pinned([...mine].sort((a, b) => a - b), held, topology, claims)
    }
  } catch (error) {
    return giveUp(`no core can be claimed: ${(error as Error).message}`)
  }
}

function pinned (cores: readonly number[], held: ReadonlySet<number>, topology: Topology, claims: Claims): Pinning {
  let claimed = cores
  const keepCores = (kept: readonly number[]): void => {
    claims.release(claimed.filter((core) => !kept.includes(core)))
    claimed = claimed.filter((core) => kept.includes(core))
  }
  return {
    reason: null,
    get claimed () { return claimed },
    cpus: topology.allowed.filter((cpu) => coresOf(topology, [cpu]).every((core) => !held.has(core))),
    reasonFor: ({ cpu }) => {
      if (cpu === null) return 'its slot has no cpu'
      return coresOf(topology, [cpu]).some((core) => held.has(core)) ? `the core of cpu ${cpu} is another process's` : null
    },
    keep: (cpus) => keepCores(coresOf(topology, cpus)),
    release: () => keepCores([])
  }
}

/**
 * The cpu for a thread, its own unless `lost` has it, where a thread is that could not be ended: then of `planned` the
 * one that the fewest of `used` are, else another of `cpus`, and its own only where all are lost.
 */
export function cpuBeside (own: number, lost: ReadonlySet<number | null>, planned: readonly (number | null)[],
  used: readonly (number | null)[], cpus: readonly number[]): number {
  if (!lost.has(own)) return own
  const threads = (cpu: number): number => used.filter((each) => each === cpu).length
  const free = cpus.filter((cpu) => !lost.has(cpu)).sort((one, other) => threads(one) - threads(other) || other - one)
  return free.find((cpu) => planned.includes(cpu)) ?? free[0] ?? own
}

/** The plan of the cores that are not held by others; undefined where they are too few for what was asked. */
function planOfRest (topology: Topology, options: PinningOptions, whole: Plan, held: ReadonlySet<number>):
Plan | undefined {
  const isFree = (id: number) => !coresOf(topology, [id]).some((core) => held.has(core))
  const allowed = topology.allowed.filter(isFree)
  if (coresOf(topology, allowed).length < (options.pin === 'auto' ? 2 : 1)) return undefined
  const cpus = topology.cpus.map((cpu) => isFree(cpu.id) ? cpu : { ...cpu, allowed: false })
  const home = homeOf(topology, options.home, allowed)
  if (options.home !== undefined && home === undefined) return undefined
  const plan = makePlan({ ...topology, allowed, cpus }, { ...options, home })
  return plan.maxActors < Math.min(options.maxActors ?? 1, whole.maxActors) ? undefined : plan
}

/** The home that was asked for, or where its core is another's, a free cpu of its domain. */
function homeOf (topology: Topology, home: number | undefined, allowed: readonly number[]): number | undefined {
  if (home === undefined || allowed.includes(home)) return home
  const { usable, domainOf } = readMachine(topology)
  const domain = domainOf(usable.find((cpu) => cpu.id === home)!)
  return usable.find((cpu) => allowed.includes(cpu.id) && domainOf(cpu) === domain)?.id
}

/** Cores of cpus, ascending, each named by its lowest online cpu; a cpu that the machine does not have has none. */
function coresOf ({ cpus }: Topology, ids: readonly number[]): number[] {
  const wanted = new Set(ids)
  const cores = cpus.filter((cpu) => wanted.has(cpu.id)).map((cpu) => Math.min(cpu.id, ...cpu.coreCpus ?? []))
  return [...new Set(cores)].sort((a, b) => a - b)
}

function textOf ({ cpus }: Topology, held: ReadonlySet<number>): string {
  const ids = cpus.filter((cpu) => cpu.online && held.has(Math.min(cpu.id, ...cpu.coreCpus ?? []))).map(({ id }) => id)
  return `other processes hold the cores of cpus ${formatCpuList(ids)}`
}

function noted (plan: Plan, note: string): Plan {
  return { ...plan, notes: [...plan.notes, note] }
}
