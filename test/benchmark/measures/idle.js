// What a pool costs that has nothing to do: CPU of the whole process while all its threads are parked.
import { setTimeout as sleep } from 'node:timers/promises'
import { processCpuUs } from '../placing.js'
import { openPinned } from '../pool.js'

export default async function idle ({ settleMs, measureMs, ...spec }) {
  const { pool } = await openPinned(spec)
  await sleep(settleMs)
  const startMs = performance.now()
  const startUs = processCpuUs()
  await sleep(measureMs)
  const usedUs = processCpuUs() - startUs
  const percent = usedUs / 10 / (performance.now() - startMs)
  await pool.close()
  return { percent }
}
