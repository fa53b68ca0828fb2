// Jobs a second while the event loop has work of its own: how well an actor does without the host.
import { openPinned } from '../pool.js'

/** @param spec with the work of the event loop, `busyMs` of every `everyMs`, and `steps` of a job */
export default async function busy ({ steps, busyMs, everyMs, inFlight, warmMs, measureMs, ...spec }) {
  const { pool } = await openPinned(spec)
  const right = await pool.call('work', steps)
  const timer = setInterval(() => {
    const untilMs = performance.now() + busyMs
    while (performance.now() < untilMs);
  }, everyMs)
  const state = { done: 0, end: undefined }
  const lane = async () => {
    while (state.end === undefined) {
      if (await pool.call('work', steps) !== right) throw new Error('wrong result')
      state.done++
    }
  }
  const lanes = Array.from({ length: inFlight }, lane)
  await passed(warmMs)
  const { done } = state
  const startMs = performance.now()
  await passed(measureMs)
  state.end = (state.done - done) / (performance.now() - startMs) * 1000
  clearInterval(timer)
  await Promise.all(lanes)
  await pool.close()
  return { jobsPerSecond: state.end }
}

function passed (ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}
