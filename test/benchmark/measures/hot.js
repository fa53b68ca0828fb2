// How long one job takes that computes without a pause, when V8 knows it well.
import { work } from '../jobs/jobs.js'
import { openPinned } from '../pool.js'

export default async function hot ({ steps, warmMs, measureMs, ...spec }) {
  const { pool } = await openPinned(spec)
  const value = work(steps)
  await run(warmMs)
  const jobUs = await run(measureMs)
  await pool.close()
  return { jobUs }

  async function run (ms) {
    const startMs = performance.now()
    let done = 0
    const lane = async () => {
      while (performance.now() - startMs < ms) {
        if (await pool.call('work', steps) !== value) throw new Error('wrong result')
        done++
      }
    }
    await Promise.all([lane(), lane()])
    return (performance.now() - startMs) * 1000 / done
  }
}
