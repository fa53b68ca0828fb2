// Topologies and plans as the JSON that programs read.
import { formatCpuList } from './machine/cpulist.js'
import type { Plan } from './tiers.js'
import type { Topology } from './topology.js'

/** A topology as plain JSON in schema 1: cpu sets are texts in list form, raw numbers are absent where unknown. */
export function describeTopology (topology: Topology): Record<string, unknown> {
  const list = (cpus: readonly number[] | null) => cpus === null ? null : formatCpuList(cpus)
  const { cgroup } = topology
  return {
    schema: 1,
    source: topology.source,
    arch: topology.arch,
    online: list(topology.online),
    possible: list(topology.possible),
    present: list(topology.present),
    allowed: list(topology.allowed),
    cpusAllowedList: topology.cpusAllowedList,
    cgroup: cgroup && {
      version: cgroup.version,
      cpuset: list(cgroup.cpuset),
      ...(cgroup.quotaUs === null ? {} : { quotaUs: cgroup.quotaUs, periodUs: cgroup.periodUs }),
      ...(cgroup.file === null ? {} : { file: cgroup.file })
    },
    quotaCpus: topology.quotaCpus,
    perfEvidence: topology.perfEvidence,
    nodes: topology.nodes.map(({ id, cpus, distance, synthetic }) => ({
      id,
      cpus: list(cpus),
      ...(distance === null ? {} : { distance }),
      ...(synthetic ? { synthetic } : {})
    })),
    cpus: topology.cpus.map(({ capacity, maxFreqKHz, ...cpu }) => ({
      ...cpu,
      packageCpus: list(cpu.packageCpus),
      dieCpus: list(cpu.dieCpus),
      coreCpus: list(cpu.coreCpus),
      l2Cpus: list(cpu.l2Cpus),
      l3Cpus: list(cpu.l3Cpus),
      llcCpus: list(cpu.llcCpus),
      ...(capacity === null ? {} : { capacity }),
      ...(maxFreqKHz === null ? {} : { maxFreqKHz })
    })),
    notes: topology.notes
  }
}

/** A plan as plain JSON: tiers with cpus and thresholds, and the number of actors where they are tied to no cpu. */
export function describePlan (plan: Plan): Record<string, unknown> {
  return {
    ...plan,
    tiers: plan.tiers.map(({ tier, cpus, threshold, slots }) => ({
      tier,
      cpus,
      threshold,
      // Actors that are tied to no cpu would not show otherwise.
      ...(cpus.length === slots.length ? {} : { actors: slots.length })
    }))
  }
}
