// One record a cpu: what it shares with others, as its own folder says.
import { numbered, readInteger, readList, readSet } from './files.js'
import type { TopologyReader } from './files.js'
import type { NumaNode } from './nodes.js'

/** One logical processor. Everything but `id`, `online` and `allowed` is null where it is unknown or offline. */
export interface Cpu {
  /** The kernel's number of the cpu; ids may have gaps. */
  readonly id: number
  readonly online: boolean
  /** Online, and in both the process's affinity mask and its cgroup's cpuset. */
  readonly allowed: boolean
  readonly package: number | null
  /** Online cpus of the package; do not trust it where `package` is null. */
  readonly packageCpus: readonly number[] | null
  /** Only where a die is smaller than its package. */
  readonly die: number | null
  readonly dieCpus: readonly number[] | null
  /** The NUMA node that holds the cpu: the smallest, then the lowest, if there are several. */
  readonly node: number | null
  /** `core_id` of the core's lowest cpu: an order inside a package, not an identity. */
  readonly core: number | null
  /** SMT siblings, the cpu itself included: this says what a core is. */
  readonly coreCpus: readonly number[] | null
  readonly l2Cpus: readonly number[] | null
  readonly l3Cpus: readonly number[] | null
  /** The highest data or unified cache level there is. */
  readonly llcLevel: number | null
  readonly llcCpus: readonly number[] | null
  /** Null on machines whose cores are all of one kind. */
  readonly perfClass: 'performance' | 'efficiency' | null
  /** The kernel's `cpu_capacity`, 1024 for the strongest. */
  readonly capacity: number | null
  readonly maxFreqKHz: number | null
}

const cpuRoot = 'sys/devices/system/cpu'

export function readOnline (reader: TopologyReader, notes: string[]): { ids: number[], online: number[] } {
  const ids = numbered(reader.readFolder(cpuRoot), 'cpu')
  const known = new Set(ids)
  const listed = readList(reader, `${cpuRoot}/online`)
  if (ids.length === 0) {
    if (listed === null || listed.length === 0) notes.push('no cpus can be read')
    else notes.push('there is no folder of any cpu: what they share is unknown')
    return { ids: listed ?? [], online: listed ?? [] }
  }
  const online = listed?.filter((id) => known.has(id)) ?? []
  if (online.length > 0) return { ids, online }
  notes.push('the list of online cpus cannot be read: taken from the folders of the cpus')
  // An offline cpu has no topology; where no cpu has one, the kernel is too old or too odd to say anything by it.
  const withTopology = new Set(ids.filter((id) => reader.readFolder(`${cpuRoot}/cpu${id}/topology`).length > 0))
  const up = ids.filter((id) => reader.readFile(`${cpuRoot}/cpu${id}/online`) !== '0' &&
    (withTopology.size === 0 || withTopology.has(id)))
  return { ids, online: up.length > 0 ? up : ids }
}

export function offlineCpu (id: number): Cpu {
  return {
    id,
    online: false,
    allowed: false,
    package: null,
    packageCpus: null,
    die: null,
    dieCpus: null,
    node: null,
    core: null,
    coreCpus: null,
    l2Cpus: null,
    l3Cpus: null,
    llcLevel: null,
    llcCpus: null,
    perfClass: null,
    capacity: null,
    maxFreqKHz: null
  }
}

export function readCpu (
  reader: TopologyReader,
  id: number,
  online: readonly number[],
  onlineSet: ReadonlySet<number>,
  allowed: boolean,
  nodes: readonly NumaNode[]
): Cpu {
  const folder = `${cpuRoot}/cpu${id}`
  const topology = `${folder}/topology`
  const holdingSelf = (cpus: readonly number[] | null) => cpus !== null && cpus.includes(id) ? cpus : null
  const coreCpus = holdingSelf(
    readSet(reader, topology, ['core_cpus_list', 'thread_siblings_list'], onlineSet)) ?? [id]
  const packageCpus = holdingSelf(
    readSet(reader, topology, ['package_cpus_list', 'core_siblings_list'], onlineSet))
  const dieId = readInteger(reader, `${topology}/die_id`)
  const dieCpus = dieId === null ? null : holdingSelf(readSet(reader, topology, ['die_cpus_list'], onlineSet))
  const isDie = dieCpus !== null && dieCpus.length < (packageCpus ?? online).length
  const caches = readCaches(reader, `${folder}/cache`, id, onlineSet)
  const levels = [...caches.keys()]
  const llcLevel = levels.length > 0 ? Math.max(...levels) : null
  const holders = nodes.filter((node) => node.cpus.includes(id)).sort((a, b) => a.cpus.length - b.cpus.length)
  return {
    id,
    online: true,
    allowed,
    package: readInteger(reader, `${topology}/physical_package_id`),
    packageCpus,
    die: isDie ? dieId : null,
    dieCpus: isDie ? dieCpus : null,
    node: holders[0]?.id ?? null,
    core: readInteger(reader, `${cpuRoot}/cpu${coreCpus[0]}/topology/core_id`),
    coreCpus,
    l2Cpus: caches.get(2) ?? null,
    l3Cpus: caches.get(3) ?? null,
    llcLevel,
    llcCpus: llcLevel === null ? null : caches.get(llcLevel)!,
    perfClass: null,
    capacity: readInteger(reader, `${folder}/cpu_capacity`),
    maxFreqKHz: readInteger(reader, `${folder}/cpufreq/cpuinfo_max_freq`)
  }
}

/** Online cpus that share the data or unified cache of each level; the N of `indexN` is not the level. */
function readCaches (reader: TopologyReader, folder: string, id: number, online: ReadonlySet<number>) {
  const caches = new Map<number, readonly number[]>()
  for (const index of numbered(reader.readFolder(folder), 'index')) {
    const type = reader.readFile(`${folder}/index${index}/type`)
    const level = readInteger(reader, `${folder}/index${index}/level`)
    if ((type !== 'Data' && type !== 'Unified') || level === null || level < 1 || level > 9 || caches.has(level)) continue
    const cpus = readSet(reader, `${folder}/index${index}`, ['shared_cpu_list'], online)
    if (cpus !== null && cpus.includes(id)) caches.set(level, cpus)
  }
  return caches
}
