// Resident memory of a parked actor: what the process grew by, divided by the number of actors.
import { setTimeout as sleep } from 'node:timers/promises'
import { openVariant } from '../variants.js'

export default async function memory ({ variant, actors, options, settleMs }) {
  // what is loaded only once shall not be counted as an actor's
  const first = await openVariant(variant, 1, options)
  await first.call('echo', 1)
  const before = await resident()
  const pool = await openVariant(variant, actors, options)
  await Promise.all(Array.from({ length: 16 * actors }, () => pool.call('burn', 500)))
  const after = await resident()
  await pool.close()
  await first.close()
  return { mbPerActor: (after - before) / actors / 2 ** 20 }

  async function resident () {
    globalThis.gc?.()
    await sleep(settleMs)
    return process.memoryUsage().rss
  }
}
