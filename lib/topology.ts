// Reads the machine: which cpus there are, what they share, and which of them this process may use.
import os from 'node:os'
import { intersectAllowed, readMask } from './machine/allowed.js'
import { readArch } from './machine/arch.js'
import { readCgroup } from './machine/cgroup.js'
import { offlineCpu, readCpu, readOnline } from './machine/cpus.js'
import { cleanReader, diskReader, readList } from './machine/files.js'
import { withPerfClass } from './machine/kinds.js'
import { readNodes } from './machine/nodes.js'
import type { Cgroup } from './machine/cgroup.js'
import type { Cpu } from './machine/cpus.js'
import type { TopologyReader } from './machine/files.js'
import type { NumaNode } from './machine/nodes.js'

export type { Cgroup, Cpu, NumaNode, TopologyReader }

/** Where a topology comes from; `'none'` means that nothing but a number of cpus is known. */
export type TopologySource = 'kernel files' | 'systeminformation' | 'none'

/** A machine as one process may use it. */
export interface Topology {
  readonly source: TopologySource
  readonly arch: string | null
  readonly online: readonly number[]
  readonly possible: readonly number[] | null
  readonly present: readonly number[] | null
  readonly allowed: readonly number[]
  /** `Cpus_allowed_list` as the kernel wrote it. */
  readonly cpusAllowedList: string | null
  readonly cgroup: Cgroup | null
  /** CPU time in cpus that the cgroup or one of its ancestors grants; null is no limit. */
  readonly quotaCpus: number | null
  /** The files that tell performance from efficiency cores; null on uniform machines. */
  readonly perfEvidence: string | null
  readonly nodes: readonly NumaNode[]
  readonly cpus: readonly Cpu[]
  /** How many cpus may be used where it is not known which; at least 1. */
  readonly parallelism: number
  /** Numbers of cores without their ids, from systeminformation. */
  readonly counts: CoreCounts | null
  /** What is not known, in sentences. */
  readonly notes: readonly string[]
}

/** Numbers of cores on a machine whose cpu ids are unknown. */
export interface CoreCounts {
  readonly performanceCores: number
  readonly efficiencyCores: number
}

/** Options of `readTopology`. */
export interface ReadOptions {
  /** Folder that holds `sys` and `proc`. @default '/' */
  readonly root?: string
  /** Replaces the disk. @default the disk below `root` */
  readonly reader?: TopologyReader
  /** How many cpus to assume where none can be read. @default `os.availableParallelism()` for '/', else 1 */
  readonly parallelism?: number
}

const cpuRoot = 'sys/devices/system/cpu'

/**
 * Reads the machine from the kernel's files below `root`. With the root `'/'` it is the machine as this process may
 * use it, so call it before any thread is pinned. Never throws: what cannot be read is null and has a note, and
 * without any cpu `source` is `'none'`.
 */
export function readTopology (options: ReadOptions = {}): Topology {
  const root = options.root ?? '/'
  const reader = cleanReader(options.reader ?? diskReader(root))
  const notes: string[] = []
  const { ids, online } = readOnline(reader, notes)
  const onlineSet = new Set(online)
  const status = reader.readFile('proc/self/status')
  const cpusAllowedList = status === null ? null : /^Cpus_allowed_list:[ \t]*(.*)$/m.exec(status)?.[1]?.trim() ?? null
  const limits = readCgroup(reader, ids, online, notes)
  const allowed = intersectAllowed(online, readMask(status, cpusAllowedList), limits.cpuset, notes)
  const allowedSet = new Set(allowed)
  const nodes = readNodes(reader, online, notes)
  const cpus = withPerfClass(reader, online, ids.map((id) => onlineSet.has(id)
    ? readCpu(reader, id, online, onlineSet, allowedSet.has(id), nodes)
    : offlineCpu(id)))
  noteUnknown(cpus.cpus, notes)
  if (root === '/' && cpusAllowedList === null) notes.push('the affinity mask of the process is unknown')
  return {
    source: online.length > 0 ? 'kernel files' : 'none',
    arch: root === '/' && options.reader === undefined ? os.machine() : readArch(reader),
    online,
    possible: readList(reader, `${cpuRoot}/possible`),
    present: readList(reader, `${cpuRoot}/present`),
    allowed,
    cpusAllowedList,
    cgroup: limits.cgroup,
    quotaCpus: limits.quotaCpus,
    perfEvidence: cpus.evidence,
    nodes,
    cpus: cpus.cpus,
    parallelism: Math.max(1, allowed.length || (options.parallelism ?? (root === '/' ? os.availableParallelism() : 1))),
    counts: null,
    notes
  }
}

/**
 * Reads this machine: the kernel's files where there are any, else the numbers of cores that systeminformation
 * reports, else no more than `os.availableParallelism()`. Never rejects.
 */
export async function detectTopology (options: ReadOptions = {}): Promise<Topology> {
  const topology = readTopology(options)
  if (topology.source !== 'none' || (options.root ?? '/') !== '/') return topology
  const parallelism = Math.max(1, options.parallelism ?? os.availableParallelism())
  try {
    const { cpu } = await import('systeminformation')
    const { physicalCores, performanceCores, efficiencyCores } = await cpu()
    const efficiency = isCount(efficiencyCores) ? efficiencyCores : 0
    const performance = isCount(performanceCores) && performanceCores > 0
      ? performanceCores
      : physicalCores - efficiency
    if (!isCount(performance) || performance === 0) throw new Error(`it reports ${physicalCores} physical cores`)
    return {
      ...topology,
      source: 'systeminformation',
      parallelism,
      counts: { performanceCores: performance, efficiencyCores: efficiency },
      notes: [...topology.notes, 'only the numbers of cores are known, not which cpu belongs to which core or cache']
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ...topology, parallelism, notes: [...topology.notes, `systeminformation cannot tell the cores: ${reason}`] }
  }
}

function isCount (value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0
}

function noteUnknown (cpus: readonly Cpu[], notes: string[]): void {
  const up = cpus.filter((cpu) => cpu.online)
  const note = (count: number, what: string) => {
    if (count > 0) notes.push(`${what} unknown for ${count === up.length ? 'every cpu' : `${count} of ${up.length} cpus`}`)
  }
  note(up.filter((cpu) => cpu.package === null).length, 'the package is')
  note(up.filter((cpu) => cpu.core === null).length, 'the core id is')
  note(up.filter((cpu) => cpu.llcCpus === null).length, 'the shared caches are')
  note(up.filter((cpu) => cpu.node === null).length, 'the NUMA node is')
}
