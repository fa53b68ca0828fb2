// How many steps of the job `work` make a microsecond on this machine.
import { work } from './jobs/jobs.js'

const STEPS = 1_000_000

/** By the fastest of 30 runs: what others do on the machine only makes it slower. */
export function calibrate () {
  let bestMs = Infinity
  for (let run = 0; run < 30; run++) {
    const startMs = performance.now()
    work(STEPS)
    bestMs = Math.min(bestMs, performance.now() - startMs)
  }
  return STEPS / (bestMs * 1000)
}
