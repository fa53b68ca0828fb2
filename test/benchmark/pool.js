// A pool ready to be measured: all its threads up, and each put where the measurement wants it.
import { allowedCpus, pin, startLibuv, threadIds } from './placing.js'
import { openVariant } from './variants.js'

/**
 * @param {{ variant: string, actors: number, options?: object, placement?: 'split' | 'same' | 'free' }} spec
 * placement is done after the pool has started, so that it does not know; free leaves the threads to the kernel
 */
export async function openPinned ({ variant, actors, options, placement = 'free' }) {
  await startLibuv()
  const before = threadIds()
  const pool = await openVariant(variant, actors, options)
  // enough jobs at once that every thread has been given some
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 8 * actors }, () => pool.call('burn', 200)))
  }
  return { pool, isPinned: placement === 'free' ? undefined : pin(placement, before, allowedCpus()) }
}
