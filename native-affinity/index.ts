// Loads the addon from the prebuilt binaries of the package, or stands in for it and says why it is not there.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeFallback } from './fallback.js'

/** A held lock: an opaque handle. The file stays locked until it is unlocked, collected, or its thread ends. */
export type FileLock = object & { readonly __lock?: never }

/** What the addon can do. Wrong arguments throw `TypeError` or `RangeError`; the system's refusals have its `code`. */
export interface Affinity {
  /**
   * Let the calling thread run on these cpus only; ids from 0 to 65535. The system leaves out cpus that are not there
   * or not allowed, and throws `EINVAL` where none is left: read the mask back. On Windows a cpu is 64 × its processor
   * group + its number there, and all must be of one group.
   */
  setAffinity (cpus: readonly number[] | Uint8Array | Uint16Array | Uint32Array | Int32Array): void
  /** Cpus on which the calling thread may run, ascending. */
  getAffinity (): number[]
  /** The kernel's id of the calling thread: the folder in `/proc/self/task` on Linux. */
  threadId (): number
  /** CPU time that the calling thread has used, ms. */
  cpuTimeMs (): number
  /** Make and lock a file, mode 0600, following no link; null where someone has the lock. Throws `ELOOP`, `EACCES` … */
  lockFile (path: string): FileLock | null
  /** Let the lock go; the file stays. False where it was let go before. */
  unlockFile (lock: FileLock): boolean
}

/** The addon, or its stand-in; `reason` is null for the addon, else why it is not there. */
export interface Loaded { readonly affinity: Affinity, readonly reason: string | null }

/** Load the first binary for this platform that can be loaded. Never throws. @param root the folder of `prebuilds` */
export function load (root: string): Loaded {
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`)
  const reasons: string[] = []
  // one for each C library: the other's cannot be loaded, and says so
  for (const name of binariesIn(folder)) {
    try {
      return { affinity: require(join(folder, name)) as Affinity, reason: null }
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
    }
  }
  const reason = reasons.length === 0
    ? `the package has no affinity addon for ${process.platform}-${process.arch}`
    : `the affinity addon cannot be loaded: ${reasons.join('; ')}`
  return { affinity: makeFallback(reason), reason }
}

function binariesIn (folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.node')).sort()
  } catch {
    return [] // no folder: the reason above says what that means
  }
}

/** The package's own, for this thread. */
export const { affinity, reason } = load(join(__dirname, '..', '..'))
