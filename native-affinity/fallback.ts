// What the addon can do, and what stands in where it is not there: checks arguments as it does, then says ENOTSUP.

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

/** The functions of the addon without their effect. @param reason why the addon is not there, for the errors */
export function makeFallback (reason: string): Affinity {
  const refuse = (what: string): never => {
    throw Object.assign(new Error(`${what}: ENOTSUP: ${reason}`), { code: 'ENOTSUP' })
  }
  return {
    setAffinity (cpus) {
      if (!Array.isArray(cpus) && (!ArrayBuffer.isView(cpus) || cpus instanceof DataView)) {
        throw typeError('setAffinity: expected an array or typed array of cpus')
      }
      const { length } = cpus as readonly unknown[]
      if (length === 0 || length > 65536) throw rangeError('setAffinity: expected 1 to 65536 cpus')
      for (let i = 0; i < length; i++) {
        const cpu: unknown = cpus[i]
        if (typeof cpu !== 'number') throw typeError('setAffinity: expected every cpu to be a number')
        if (!Number.isInteger(cpu) || cpu < 0 || cpu > 65535) {
          throw rangeError('setAffinity: expected every cpu to be an integer from 0 to 65535')
        }
      }
      return refuse('setAffinity')
    },
    getAffinity: () => refuse('getAffinity'),
    threadId: () => refuse('threadId'),
    cpuTimeMs: () => refuse('cpuTimeMs'),
    lockFile (path) {
      if (typeof path !== 'string') throw typeError('lockFile: expected a path as text')
      const bytes = Buffer.byteLength(path)
      if (bytes === 0 || bytes > 4096) throw rangeError('lockFile: expected a path of 1 to 4096 bytes')
      if (path.includes('\0')) throw rangeError('lockFile: expected a path without a NUL')
      return refuse('lockFile')
    },
    // nothing gave a lock, so nothing is one
    unlockFile: () => { throw typeError('unlockFile: expected a lock that lockFile gave') }
  }
}

function typeError (text: string): TypeError {
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' })
}

function rangeError (text: string): RangeError {
  return Object.assign(new RangeError(text), { code: 'ERR_OUT_OF_RANGE' })
}
