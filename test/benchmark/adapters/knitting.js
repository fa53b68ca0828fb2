// knitting: shared memory, spins when idle; needs Node 22 or later and is installed only where the registry has it.
import { createPool } from 'knitting'
import * as jobs from '../jobs/jobs.js'

/** @param {{ actors: number, options?: object }} settings */
export async function open ({ actors, options }) {
  const pool = createPool({ threads: actors, ...options })({ ...jobs })
  return {
    call: (name, input) => pool.call[name](input),
    move: undefined,
    close: () => pool.shutdown()
  }
}
