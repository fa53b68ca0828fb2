// NUMA nodes: their cpus and how far they are from each other.
import { formatCpuList } from './cpulist.js'
import { numbered, readSet } from './files.js'
import type { TopologyReader } from './files.js'

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

const nodeRoot = 'sys/devices/system/node'

export function readNodes (reader: TopologyReader, online: readonly number[], notes: string[]): NumaNode[] {
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
    const words = (reader.readFile(`${nodeRoot}/node${id}/distance`) ?? '').split(/\s+/)
    const row = words.every((word) => /^\d{1,5}$/.test(word)) ? words.map(Number) : []
    // A row has one entry for each existing node, in order of their ids, which may have gaps.
    const distance = row.length === ids.length
      ? Object.fromEntries(kept.map((other) => [other.id, row[ids.indexOf(other.id)]!]))
      : row.includes(10) ? { [id]: 10 } : null
    return { id, cpus, distance, synthetic: false }
  })
}
