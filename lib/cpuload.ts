// The load of each processor, as the kernel counts it.

/** Load of one processor since the last reading, by anything that runs on it. */
export interface CpuLoad { readonly cpu: number, readonly percent: number }

/** Load since the last call in this process; null where it cannot be read. `online`: the processors that are up. */
export async function readCpuLoad (online: readonly number[]): Promise<CpuLoad[] | null> {
  const { currentLoad } = await import('systeminformation')
  try {
    const { cpus } = await currentLoad()
    return cpus.map(({ load }, index) => ({ cpu: online[index] ?? index, percent: Math.min(100, Math.max(0, load)) }))
  } catch {
    return null // the page says that it is unknown
  }
}
