// Which online cpus the process may use: its affinity mask and its cpuset together.
import { parseCpuList, parseCpuMap } from './cpulist.js'

/** The affinity mask of the process; null where it is unknown. */
export function readMask (status: string | null, list: string | null): number[] | null {
  const mask = list === null ? null : parseCpuList(list)
  if (mask !== null && mask.length > 0) return mask
  const words = status === null ? null : /^Cpus_allowed:[ \t]*(\S*)$/m.exec(status)?.[1] ?? null
  return words === null ? null : parseCpuMap(words)
}

export function intersectAllowed (
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
