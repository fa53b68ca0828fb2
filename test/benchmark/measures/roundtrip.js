// The way to an actor and back of one job alone: back to back, and after a silence in which both sides go to sleep.
import { setTimeout as sleep } from 'node:timers/promises'
import { payloads } from '../payloads.js'
import { openPinned } from '../pool.js'
import { quantile } from '../statistics.js'

export default async function roundtrip ({ payload = 'object', warmMs, measureMs, silences, silenceMs, ...spec }) {
  const { pool, isPinned } = await openPinned(spec)
  const { job, make, isRight } = payloads[payload]
  await backToBack(warmMs)
  const hot = await backToBack(measureMs)
  const parked = []
  for (let round = 0; round < silences; round++) {
    await sleep(silenceMs)
    const startMs = performance.now()
    const result = await pool.call(job, make())
    parked.push(performance.now() - startMs)
    if (!isRight(result)) throw new Error('wrong result')
  }
  await pool.close()
  return { ...times('hot', hot), ...times('parked', parked), isPinned }

  async function backToBack (ms) {
    const samples = []
    const stopMs = performance.now() + ms
    let nowMs = performance.now()
    while (nowMs < stopMs) {
      const result = await pool.call(job, make())
      const thenMs = performance.now()
      samples.push(thenMs - nowMs)
      nowMs = thenMs
      if (!isRight(result)) throw new Error('wrong result')
    }
    return samples
  }
}

function times (name, samples) {
  const sorted = Float64Array.from(samples).sort()
  return { [`${name}Us`]: quantile(sorted, 0.5) * 1000, [`${name}P99Us`]: quantile(sorted, 0.99) * 1000 }
}
