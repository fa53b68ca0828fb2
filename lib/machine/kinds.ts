// Tells performance cores from efficiency cores.
import { readList } from './files.js'
import type { Cpu } from './cpus.js'
import type { TopologyReader } from './files.js'

// Neighbouring kinds differ by 1.28 in frequency (i7-1370P) or 1.36 in capacity (GB10) at least, and the favoured
// cores of one kind by 1.04 at most: 1.2 lies between.
const minKindRatio = 1.2
// The kernel's scale of capacity ends at 1024; no processor of a machine with an operating system like this runs
// below 100 MHz or above 100 GHz. A number out of its range is nonsense and tells nothing.
const ranges = { capacity: [1, 1024], maxFreqKHz: [1e5, 1e8] } as const

/** Tells the kinds of cores apart: by the kernel's own lists, else by capacity, else by the highest frequency. */
export function withPerfClass (
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
    const [least, most] = ranges[field]
    const valueOf = (cpu: Cpu) => {
      const value = cpu[field] ?? 0
      return value >= least && value <= most ? value : 0
    }
    const values = [...new Set(up.map(valueOf))].sort((a, b) => a - b)
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
