// Reads the machine: which cpus there are, what they share, and which of them this process may use.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Where a topology comes from; `'none'` means that nothing but a number of cpus is known. */
export type TopologySource = 'kernel files' | 'systeminformation' | 'none'

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

/** One NUMA node. */
export interface NumaNode {
  readonly id: number
  /** Online cpus; none in a node that has only memory. */
  readonly cpus: readonly number[]
  /** Distance to each node by id, 10 is local; null where the kernel does not say. */
  readonly distance: Readonly<Record<string, number>> | null
  /** True where the machine has no node folders and node 0 stands for all of it. */
  readonly synthetic: boolean
}

/** What the control group of the process sets; absent limits are null. */
export interface Cgroup {
  readonly version: 1 | 2
  readonly cpuset: readonly number[] | null
  readonly quotaUs: number | null
  readonly periodUs: number | null
  /** The file of the cpuset, relative to the root. */
  readonly file: string | null
}

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

/** How files are reached; paths are relative to the root, and what cannot be read is null or empty. */
export interface TopologyReader {
  readonly readFile: (file: string) => string | null
  readonly readFolder: (folder: string) => readonly string[]
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

// NR_CPUS is 8192 at most on Linux 6; eight times that still bounds what a nonsense file can cost.
const maxCpus = 65536
// The longest real file is /proc/cpuinfo: about 1.5 KB a cpu, and its first entries are enough.
const maxFileBytes = 1 << 18
// Neighbouring kinds differ by 1.28 in frequency (i7-1370P) or 1.36 in capacity (GB10) at least, and the favoured
// cores of one kind by 1.04 at most: 1.2 lies between.
const minKindRatio = 1.2
// The kernel's own limit for the depth of a cgroup tree is far above what anyone nests; chosen.
const maxCgroupDepth = 64

const cpuRoot = 'sys/devices/system/cpu'
const nodeRoot = 'sys/devices/system/node'

// Old kernels have only the map of a set, and where the two differ the list has proved right.
const mapOf = {
  core_cpus_list: 'core_cpus',
  thread_siblings_list: 'thread_siblings',
  package_cpus_list: 'package_cpus',
  core_siblings_list: 'core_siblings',
  die_cpus_list: 'die_cpus',
  shared_cpu_list: 'shared_cpu_map',
  cpulist: 'cpumap'
} as const

/**
 * Parses the kernel's list form, `"0-3,8"`. An empty text is the empty set.
 * @returns ascending ids, or null if the text is not a list or names an id of 65536 or more
 */
export function parseCpuList (text: string): number[] | null {
  const ids = new Set<number>()
  let steps = 0
  for (const part of text.trim() === '' ? [] : text.trim().split(',')) {
    const match = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part)
    if (match === null) return null
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    steps += last - first + 1
    if (last < first || last >= maxCpus || steps > maxCpus) return null
    for (let id = first; id <= last; id++) ids.add(id)
  }
  return [...ids].sort((a, b) => a - b)
}

/**
 * Parses the kernel's map form: comma-separated 32-bit hexadecimal words, the highest first.
 * @returns ascending ids, or null if the text is not a map
 */
export function parseCpuMap (text: string): number[] | null {
  if (!/^(0x)?[0-9a-f]{1,8}(,[0-9a-f]{1,8})*$/i.test(text.trim())) return null
  const words = text.trim().replace(/^0x/i, '').split(',').reverse()
  if (words.length > maxCpus / 32) return null
  const ids: number[] = []
  words.forEach((word, index) => {
    const bits = Number.parseInt(word, 16)
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) ids.push(index * 32 + bit)
  })
  return ids
}

/** Writes cpu ids in the kernel's list form, sorted: `[0, 1, 2, 3, 8]` is `"0-3,8"`, `[]` is `""`. */
export function formatCpuList (cpus: Iterable<number>): string {
  const ids = [...new Set(cpus)].sort((a, b) => a - b)
  const parts: string[] = []
  for (let i = 0; i < ids.length;) {
    let end = i
    while (ids[end + 1] === ids[end]! + 1) end++
    parts.push(end === i ? `${ids[i]}` : `${ids[i]}-${ids[end]}`)
    i = end + 1
  }
  return parts.join(',')
}

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
  const limits = readCgroup(reader, ids, online)
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

function isCount (value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0
}

function diskReader (root: string): TopologyReader {
  return {
    readFile (file) {
      let handle: number | undefined
      try {
        // Not blocking, because a pipe in the place of a file would never answer.
        handle = fs.openSync(path.join(root, file), fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0))
        const buffer = Buffer.alloc(4096)
        const chunks: Buffer[] = []
        for (let bytes = 0, size = 0; bytes < maxFileBytes; bytes += size) {
          size = fs.readSync(handle, buffer)
          chunks.push(Buffer.from(buffer.subarray(0, size)))
          // Files of /proc may come in short pieces, those of /sys come whole.
          if (size === 0 || (size < buffer.length && file.startsWith('sys/'))) break
        }
        return Buffer.concat(chunks).toString('latin1')
      } catch {
        // Whatever the reason, the value is unknown: the caller notes that, and most files are missing somewhere.
        return null
      } finally {
        if (handle !== undefined) fs.closeSync(handle)
      }
    },
    readFolder (folder) {
      try {
        return fs.readdirSync(path.join(root, folder))
      } catch {
        // A folder that cannot be read is the same to us as one without entries.
        return []
      }
    }
  }
}

/** Linux 5.15-rc1 writes a NUL after the newline of a node's `cpulist`. */
function cleanReader (reader: TopologyReader): TopologyReader {
  return {
    readFile: (file) => reader.readFile(file)?.replaceAll('\0', '').trim() ?? null,
    readFolder: reader.readFolder
  }
}

function readList (reader: TopologyReader, file: string): number[] | null {
  const text = reader.readFile(file)
  return text === null ? null : parseCpuList(text)
}

function readInteger (reader: TopologyReader, file: string): number | null {
  const text = reader.readFile(file)
  return text !== null && /^\d{1,12}$/.test(text) ? Number(text) : null
}

/** A set of online cpus from the first of the list files that names any, else from the first such map. */
function readSet (
  reader: TopologyReader, folder: string, lists: readonly (keyof typeof mapOf)[], online: ReadonlySet<number>
): number[] | null {
  for (const list of lists) {
    const cpus = readList(reader, `${folder}/${list}`)
    if (cpus !== null && cpus.length > 0) return cpus.filter((id) => online.has(id))
  }
  for (const list of lists) {
    const cpus = parseCpuMap(reader.readFile(`${folder}/${mapOf[list]}`) ?? '')
    if (cpus !== null && cpus.length > 0) return cpus.filter((id) => online.has(id))
  }
  return null
}

function numbered (names: readonly string[], prefix: string): number[] {
  const ids: number[] = []
  for (const name of names) {
    const id = name.startsWith(prefix) && /^\d{1,5}$/.test(name.slice(prefix.length))
      ? Number(name.slice(prefix.length))
      : maxCpus
    if (id < maxCpus) ids.push(id)
  }
  return ids.sort((a, b) => a - b)
}

function readOnline (reader: TopologyReader, notes: string[]): { ids: number[], online: number[] } {
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

/** The affinity mask of the process; null where it is unknown. */
function readMask (status: string | null, list: string | null): number[] | null {
  const mask = list === null ? null : parseCpuList(list)
  if (mask !== null && mask.length > 0) return mask
  const words = status === null ? null : /^Cpus_allowed:[ \t]*(\S*)$/m.exec(status)?.[1] ?? null
  return words === null ? null : parseCpuMap(words)
}

function intersectAllowed (
  online: readonly number[], mask: readonly number[] | null, cpuset: readonly number[] | null, notes: string[]
): number[] {
  const limit = (cpus: readonly number[], by: readonly number[] | null) => {
    const set = new Set(by ?? cpus)
    return cpus.filter((id) => set.has(id))
  }
  const both = limit(limit(online, mask), cpuset)
  if (both.length > 0 || online.length === 0) return both
  // The process runs, so some cpu is allowed: one of the two files is wrong or of another moment.
  notes.push('the affinity mask and the cpuset leave no online cpu: the one that leaves any is believed')
  return [limit(online, mask), limit(online, cpuset), [...online]].find((cpus) => cpus.length > 0)!
}

function readNodes (reader: TopologyReader, online: readonly number[], notes: string[]): NumaNode[] {
  const onlineSet = new Set(online)
  const ids = numbered(reader.readFolder(nodeRoot), 'node')
  if (ids.length === 0) {
    if (online.length > 0) notes.push('there are no NUMA node folders: all cpus are taken as one node')
    return online.length > 0 ? [{ id: 0, cpus: online, distance: { 0: 10 }, synthetic: true }] : []
  }
  const nodes = ids.map((id) => ({ id, cpus: readSet(reader, `${nodeRoot}/node${id}`, ['cpulist'], onlineSet) ?? [] }))
  // A firmware fault: several nodes hold the very same cpus. Only the first can mean anything.
  const kept = nodes.filter((node, index) => node.cpus.length === 0 ||
    nodes.findIndex((other) => formatCpuList(other.cpus) === formatCpuList(node.cpus)) === index)
  if (kept.length < nodes.length) notes.push('several NUMA nodes hold the same cpus: only the first is kept')
  return kept.map(({ id, cpus }) => {
    const row = (reader.readFile(`${nodeRoot}/node${id}/distance`) ?? '').split(/\s+/)
      .filter((word) => /^\d{1,5}$/.test(word)).map(Number)
    // A row has one entry for each existing node, in order of their ids, which may have gaps.
    const distance = row.length === ids.length
      ? Object.fromEntries(kept.map((other) => [other.id, row[ids.indexOf(other.id)]!]))
      : row.includes(10) ? { [id]: 10 } : null
    return { id, cpus, distance, synthetic: false }
  })
}

function offlineCpu (id: number): Cpu {
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

function readCpu (
  reader: TopologyReader,
  id: number,
  online: readonly number[],
  onlineSet: ReadonlySet<number>,
  allowed: boolean,
  nodes: readonly NumaNode[]
): Cpu {
  const folder = `${cpuRoot}/cpu${id}`
  const topology = `${folder}/topology`
  const holdingSelf = (cpus: number[] | null) => cpus !== null && cpus.includes(id) ? cpus : null
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
  const caches = new Map<number, number[]>()
  for (const index of numbered(reader.readFolder(folder), 'index')) {
    const type = reader.readFile(`${folder}/index${index}/type`)
    const level = readInteger(reader, `${folder}/index${index}/level`)
    if ((type !== 'Data' && type !== 'Unified') || level === null || level < 1 || level > 9 || caches.has(level)) continue
    const cpus = readSet(reader, `${folder}/index${index}`, ['shared_cpu_list'], online)
    if (cpus !== null && cpus.includes(id)) caches.set(level, cpus)
  }
  return caches
}

/** Tells the kinds of cores apart: by the kernel's own lists, else by capacity, else by the highest frequency. */
function withPerfClass (
  reader: TopologyReader, online: readonly number[], cpus: readonly Cpu[]
): { cpus: readonly Cpu[], evidence: string | null } {
  const classify = (isPerformance: (cpu: Cpu) => boolean | null, evidence: string) => ({
    cpus: cpus.map((cpu): Cpu => {
      const answer = cpu.online ? isPerformance(cpu) : null
      return { ...cpu, perfClass: answer === null ? null : answer ? 'performance' : 'efficiency' }
    }),
    evidence
  })
  const core = readList(reader, 'sys/devices/cpu_core/cpus') ?? []
  const lists = ['cpu_atom', 'cpu_lowpower'].filter((name) => (readList(reader, `sys/devices/${name}/cpus`) ?? []).length)
  const small = lists.flatMap((name) => readList(reader, `sys/devices/${name}/cpus`) ?? [])
  if (core.length > 0 && small.length > 0) {
    return classify((cpu) => core.includes(cpu.id) ? true : small.includes(cpu.id) ? false : null,
      `sys/devices/cpu_core/cpus and ${lists.map((name) => `${name}/cpus`).join(', ')}`)
  }
  const up = cpus.filter((cpu) => cpu.online)
  for (const [field, name, text] of [
    ['capacity', 'cpu_capacity', String],
    ['maxFreqKHz', 'cpufreq/cpuinfo_max_freq', (kHz: number) => `${Math.round(kHz / 1e4) / 100} GHz`]
  ] as const) {
    const values = [...new Set(up.map((cpu) => cpu[field] ?? 0))].sort((a, b) => a - b)
    // A value that one cpu lacks says nothing about the others.
    if (values.length === 0 || values[0] === 0) continue
    let cut = 0
    for (let i = 1; i < values.length; i++) {
      const ratio = values[i]! / values[i - 1]!
      if (ratio >= minKindRatio && (cut === 0 || ratio > values[cut]! / values[cut - 1]!)) cut = i
    }
    if (cut > 0) {
      return classify((cpu) => cpu[field]! >= values[cut]!,
        `${name} ${values.slice(cut).map(text).join(' and ')} against ${values.slice(0, cut).map(text).join(' and ')}`)
    }
    // Capacity already weighs the frequency: where it is the same, the cores are.
    if (field === 'capacity') break
  }
  return { cpus, evidence: null }
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

/** The architecture as `uname -m` names it, as far as a recorded machine shows it. */
function readArch (reader: TopologyReader): string | null {
  const info = reader.readFile('proc/cpuinfo') ?? ''
  // A 32-bit kernel on a 64-bit processor shows the flag lm too, but only it prints the old bugs.
  if (/^flags\s*:/m.test(info)) return /^flags\s*:.*\blm\b/m.test(info) && !/^fdiv_bug/m.test(info) ? 'x86_64' : 'i686'
  if (/^vendor_id\s*:\s*IBM\/S390/m.test(info)) return 's390x'
  const arm = /^CPU architecture\s*:\s*(\d+|AArch64)/m.exec(info)?.[1]
  if (arm !== undefined) return arm === 'AArch64' || Number(arm) >= 8 ? 'aarch64' : 'arm'
  if (/^cpu\s*:\s*(POWER|PPC|Cell)/im.test(info)) {
    return /ppc64le|ppc64el/.test(reader.readFile('proc/version') ?? '') ? 'ppc64le' : 'ppc64'
  }
  return /^isa\s*:\s*rv64/m.test(info) ? 'riscv64' : null
}

interface Mount {
  readonly root: string
  readonly point: string
  readonly version: 1 | 2
  readonly controllers: ReadonlySet<string>
}

/** Path segments; `..` is dropped, so that no text from a file leads out of the root. */
function segments (text: string): string[] {
  return text.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
}

function readMounts (reader: TopologyReader): Mount[] {
  const mounts: Mount[] = []
  const add = (root: string, point: string, type: string, options: string) => {
    if (!['cgroup', 'cgroup2', 'cpuset'].includes(type)) return
    mounts.push({
      root,
      point: segments(point.replace(/\\040/g, ' ')).join('/'),
      version: type === 'cgroup2' ? 2 : 1,
      controllers: new Set(type === 'cpuset' ? ['cpuset'] : options.split(','))
    })
  }
  for (const line of (reader.readFile('proc/self/mountinfo') ?? '').split('\n')) {
    const [before, after] = line.split(' - ')
    const [, , , root, point] = before!.split(' ')
    const [type, , options] = after?.split(' ') ?? []
    if (root && point && type) add(root, point, type, options ?? '')
  }
  // `mounts` lacks the root of a mount, so it is only the second choice.
  const text = mounts.length > 0 ? '' : reader.readFile('proc/self/mounts') ?? reader.readFile('proc/mounts') ?? ''
  for (const line of text.split('\n')) {
    const [, point, type, options] = line.split(' ')
    if (point && type) add('/', point, type, options ?? '')
  }
  return mounts
}

/** The folders of a group and its ancestors below a mount, the group first. */
function groupFolders (mount: Mount, group: string): string[] {
  const root = segments(mount.root)
  let parts = segments(group)
  // Without a namespace of its own a container sees the host's path, of which the mount shows only the end.
  if (root.length > 0) parts = root.every((part, index) => parts[index] === part) ? parts.slice(root.length) : []
  const folders: string[] = []
  for (let depth = Math.min(parts.length, maxCgroupDepth); depth >= 0; depth--) {
    folders.push([mount.point, ...parts.slice(0, depth)].join('/'))
  }
  return folders
}

interface CgroupLimits {
  readonly cgroup: Cgroup | null
  readonly cpuset: readonly number[] | null
  readonly quotaCpus: number | null
}

function readCgroup (reader: TopologyReader, ids: readonly number[], online: readonly number[]): CgroupLimits {
  const mounts = readMounts(reader)
  const groups = new Map<string, string>()
  for (const line of (reader.readFile('proc/self/cgroup') ?? '').split('\n')) {
    const [hierarchy, controllers, ...rest] = line.split(':')
    if (rest.length === 0) continue
    for (const name of hierarchy === '0' ? [''] : controllers!.split(',')) groups.set(name, rest.join(':'))
  }
  const cpusetPath = reader.readFile('proc/self/cpuset')
  if (!groups.has('cpuset') && cpusetPath) groups.set('cpuset', cpusetPath)
  const find = (controller: string): { version: 1 | 2, folders: string[] } | null => {
    const legacy = mounts.find((mount) => mount.version === 1 && mount.controllers.has(controller))
    if (legacy !== undefined) {
      const group = groups.get(controller)
      return group === undefined ? null : { version: 1, folders: groupFolders(legacy, group) }
    }
    const unified = mounts.find((mount) => mount.version === 2)
    const group = groups.get('')
    if (unified === undefined || group === undefined) return null
    return { version: 2, folders: groupFolders(unified, group) }
  }
  const sets = find('cpuset')
  const set = sets === null ? null : readCpuset(reader, sets.version, sets.folders)
  const times = find('cpu')
  const quota = times === null ? null : readQuota(reader, times.version, times.folders)
  // The root group allows everything, so only a limit is worth a word; version 1 lists what was set, version 2 what
  // is online of it.
  const every = set?.version === 2 ? online : ids
  const setIds = new Set(set?.cpus)
  const isLimit = set !== null && (set.isOwn || every.some((id) => !setIds.has(id)))
  if (!isLimit && quota === null) return { cgroup: null, cpuset: set?.cpus ?? null, quotaCpus: null }
  return {
    cgroup: {
      version: set?.version ?? times!.version,
      cpuset: set?.cpus ?? null,
      quotaUs: quota?.quotaUs ?? null,
      periodUs: quota?.periodUs ?? null,
      file: set?.file ?? null
    },
    cpuset: set?.cpus ?? null,
    quotaCpus: quota === null ? null : quota.quotaUs / quota.periodUs
  }
}

/** The cpuset of the nearest group that has one; `isOwn` if that is the process's own group and not the root. */
function readCpuset (reader: TopologyReader, version: 1 | 2, folders: readonly string[]) {
  const names = version === 2 ? ['cpuset.cpus.effective'] : ['cpuset.cpus', 'cpus', 'cpuset.effective_cpus']
  for (const [index, folder] of folders.entries()) {
    for (const name of names) {
      const cpus = readList(reader, `${folder}/${name}`)
      if (cpus === null || cpus.length === 0) continue
      return { version, cpus, file: `${folder}/${name}`, isOwn: index === 0 && folders.length > 1 }
    }
  }
  return null
}

/** The lowest quota of a group and its ancestors. */
function readQuota (reader: TopologyReader, version: 1 | 2, folders: readonly string[]) {
  let lowest: { quotaUs: number, periodUs: number } | null = null
  for (const folder of folders) {
    const [quota, period] = version === 2
      ? (reader.readFile(`${folder}/cpu.max`) ?? '').split(/\s+/)
      : [reader.readFile(`${folder}/cpu.cfs_quota_us`), reader.readFile(`${folder}/cpu.cfs_period_us`)]
    if (!/^\d{1,15}$/.test(quota ?? '')) continue
    const quotaUs = Number(quota)
    // 100 ms is the kernel's default period.
    const periodUs = /^\d{1,15}$/.test(period ?? '') ? Number(period) : 100_000
    if (quotaUs === 0 || periodUs === 0) continue
    if (lowest === null || quotaUs / periodUs < lowest.quotaUs / lowest.periodUs) lowest = { quotaUs, periodUs }
  }
  return lowest
}
