// Loads the addon from the prebuilt binaries of the package, or stands in for it and says why it is not there.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeFallback } from './fallback.js'
import type { Affinity } from './fallback.js'

export type { Affinity, FileLock } from './fallback.js'

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
