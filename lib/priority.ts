// How the calling thread ranks among the others of its process and machine.
import { getPriority, setPriority } from 'node:os'

/** Can a thread have a nice value of its own, and set it? Elsewhere than on Linux the calls are the whole process's. */
export const hasOwnPriority = process.platform === 'linux'

/** Let the calling thread run so far below where it does now, 0 to 19, and at 19 at most; it stays where that fails. */
export function lowerPriority (by: number): void {
  if (!hasOwnPriority || by === 0) return
  try {
    setPriority(0, Math.min(19, getPriority(0) + by))
  } catch {} // its jobs run all the same
}
