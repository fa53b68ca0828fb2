// The first job of a tier-2 actor: when its thread must be started, and when it is parked.
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from '../statistics.js'

const { createScheduler } = createRequire(import.meta.url)('../../../dist/lib/index.js')

export default async function spill ({ repeats }) {
  const jobs = new URL('../jobs/jobs.js', import.meta.url)
  // tier 2 is opened one ahead when the load stands at its threshold: two at once leave it no time
  const pool = createScheduler({ jobs, tiers: [{ actors: 2 }, { actors: 1, threshold: 1 }] })
  await pool.ready()
  const coldMs = await spillOnce(1500)
  const parked = []
  for (let count = 0; count < repeats; count++) parked.push(await spillOnce(40))
  await pool.close()
  return { coldMs, parkedMs: median(parked) }

  /** Keep tier 1 busy for so long, and send a job that must go to tier 2. */
  async function spillOnce (busyMs) {
    await closed()
    const busy = [pool.offload('block', busyMs), pool.offload('block', busyMs)]
    const startMs = performance.now()
    const tier = await pool.offload('tier')
    const tookMs = performance.now() - startMs
    await Promise.all(busy)
    if (tier !== 2) throw new Error(`the job ran on tier ${tier}, not on tier 2`)
    return tookMs
  }

  /** The tier closes some time after the load has gone; then its actor parks. */
  async function closed () {
    for (let looks = 0; pool.snapshot().openTier > 1; looks++) {
      if (looks > 100) throw new Error('tier 2 stays open')
      await sleep(20)
    }
    await sleep(20)
  }
}
