// The cores that this process has claimed before other processes: one lock file a core, held through kernel locks.
import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { lockFile, unlockFile } from './affinity.js'

/** Lets this process have cores for itself; `claimCores` and `releaseCores`, or what a test puts in their place. */
export interface Claims {
  claim (cores: readonly number[]): number[]
  release (cores: readonly number[]): void
}

/** By core. A claim belongs to the process: its pools share it, and the last one lets it go. */
const own = new Map<number, { readonly lock: object, pools: number }>()

/**
 * Claim cores, each named by its lowest cpu. Those that no other process holds are then this process's, until they are
 * released as often as they were claimed, or the process ends, however it ends.
 * @returns the cores that other processes hold
 * @throws where no claim can be made, with the reason; then nothing was claimed
 */
export function claimCores (cores: readonly number[]): number[] {
  const folder = claimFolder()
  const taken: number[] = []
  const held: number[] = []
  try {
    for (const core of cores) {
      const claim = own.get(core)
      if (claim !== undefined) {
        claim.pools++
      } else {
        const lock = lockFile(join(folder, `core-${core}.lock`))
        if (lock === null) {
          held.push(core)
          continue
        }
        own.set(core, { lock, pools: 1 })
      }
      taken.push(core)
    }
  } catch (error) {
    releaseCores(taken)
    throw new Error(`${folder}: ${(error as Error).message}`)
  }
  return held
}

/** Take back one claim of each core. */
export function releaseCores (cores: readonly number[]): void {
  for (const core of cores) {
    const claim = own.get(core)
    if (claim === undefined || --claim.pools > 0) continue
    own.delete(core)
    unlockFile(claim.lock)
  }
}

/**
 * The folder of the lock files, made if it is not there: `$XDG_RUNTIME_DIR/fastify-spillover` where that variable names
 * a folder of this user, else `fastify-spillover-<user id>` in the folder of temporary files. Only this user may write
 * there, so that nobody can put a link in a file's place or hold a lock against us.
 */
export function claimFolder (): string {
  const user = process.geteuid?.()
  const base = process.env.XDG_RUNTIME_DIR
  const folder = base !== undefined && isAbsolute(base) && isOwnFolder(base, user)
    ? join(base, 'fastify-spillover')
    : join(tmpdir(), `fastify-spillover-${user ?? userInfo().username}`)
  try {
    mkdirSync(folder, 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const about = lstatSync(folder)
  const fail = (expected: string, got: string): never => { throw new Error(`${folder}: expected ${expected}, got ${got}`) }
  if (about.isSymbolicLink()) fail('a folder', 'a link')
  if (!about.isDirectory()) fail('a folder', 'something else')
  if (user !== undefined && about.uid !== user) fail(`a folder of user ${user}`, `one of user ${about.uid}`)
  const mode = about.mode & 0o777
  if (user !== undefined && (mode & 0o077) !== 0) fail('mode 0700', `0${mode.toString(8)}`)
  return folder
}

function isOwnFolder (folder: string, user: number | undefined): boolean {
  const about = lstatSync(folder, { throwIfNoEntry: false })
  return about !== undefined && about.isDirectory() && (user === undefined || about.uid === user)
}
