// Stands in where the addon is not there: checks arguments as it does, then says ENOTSUP and why.
import type { Affinity } from './index.js'

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
