// The one way of lib/ to the affinity addon: pins the calling thread and verifies it, and locks files for claims.
import { access } from 'node:fs'
import { affinity, reason } from '#native-affinity'
import { formatCpuList } from './machine/cpulist.js'

/** Why the addon is not there; null where it is. */
export const addonReason: string | null = reason

export const { lockFile, unlockFile } = affinity

/** Let the calling thread run on this cpu only. @returns null when the mask read back says so, else the reason */
export function pinThread (cpu: number): string | null {
  try {
    affinity.setAffinity([cpu])
    const mask = affinity.getAffinity()
    if (mask.length === 1 && mask[0] === cpu) return null
    return `cpu ${cpu} was asked for, and the mask read back is ${formatCpuList(mask)}`
  } catch (error) {
    return `cpu ${cpu} was refused: ${(error as Error).message}`
  }
}

/**
 * Have libuv start the threads of its pool now. It starts all of them at the pool's first work, as children of the
 * thread that has it, whose mask they keep: if that were a pinned actor, the file system, DNS and crypto of the whole
 * process would share that actor's cpu.
 */
export function startThreadPool (): void {
  access('.', () => {}) // whatever comes of it
}
