// Jobs a second in a closed loop with a fixed number in flight, and the CPU they cost.
import { payloads } from '../payloads.js'
import { processCpuUs, threadCpuUs } from '../placing.js'
import { openPinned } from '../pool.js'

export default async function throughput ({ payload = 'object', inFlight, warmMs, measureMs, ...spec }) {
  const { pool, isPinned } = await openPinned(spec)
  const { job, make, isRight, moved } = payloads[payload]
  const send = moved ? pool.move : pool.call
  if (send === undefined) throw new Error('cannot transfer buffers')
  await check()
  await loop(warmMs)
  const measured = await loop(measureMs)
  await check()
  await pool.close()
  return { ...measured, isPinned }

  /** So many jobs at once as will be in flight; each result is looked at. */
  async function check () {
    const results = await Promise.all(Array.from({ length: inFlight }, () => send(job, make())))
    if (!results.every(isRight)) throw new Error(`wrong result: ${JSON.stringify(results.find((one) => !isRight(one)))}`)
  }

  /** Every lane sends its next job when the last one has come back. */
  async function loop (ms) {
    const state = { done: 0, end: undefined }
    const hostUs = threadCpuUs()
    const totalUs = processCpuUs()
    const startMs = performance.now()
    const stopMs = startMs + ms
    const lane = async () => {
      while (state.end === undefined) {
        const result = await send(job, make())
        if (result === null) throw new Error('a result is missing')
        if ((++state.done & 31) === 0 && state.end === undefined && performance.now() >= stopMs) finish()
      }
    }
    const finish = () => {
      const { done } = state
      const seconds = (performance.now() - startMs) / 1000
      state.end = {
        jobsPerSecond: done / seconds,
        hostUs: (threadCpuUs() - hostUs) / done,
        totalUs: (processCpuUs() - totalUs) / done
      }
    }
    await Promise.all(Array.from({ length: inFlight }, lane))
    return state.end
  }
}
