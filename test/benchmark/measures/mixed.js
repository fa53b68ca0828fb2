// Short and long jobs mixed at an open load: how long the short ones take from their call to their result.
import { openPinned } from '../pool.js'
import { quantile } from '../statistics.js'

const shortUs = 200
const longUs = 20_000
const longShare = 0.1

/** `names`: 1, both lengths are one job; 2, each has a name. */
export default async function mixed ({ load, names, warmMs, measureMs, seed, ...spec }) {
  const { pool } = await openPinned(spec)
  const random = randomFrom(seed)
  const meanMs = (shortUs * (1 - longShare) + longUs * longShare) / 1000
  const gapMs = meanMs / (load * spec.actors)
  const shorts = []
  const all = []
  const pending = []
  const startMs = performance.now()
  const endMs = startMs + warmMs + measureMs
  let dueMs = startMs
  await new Promise((resolve) => {
    const tick = () => {
      const nowMs = performance.now()
      while (dueMs <= nowMs && dueMs < endMs) {
        pending.push(send(dueMs))
        dueMs += -Math.log(1 - random()) * gapMs
      }
      if (dueMs >= endMs) resolve()
      else setTimeout(tick, Math.max(0, dueMs - performance.now()))
    }
    tick()
  })
  await Promise.all(pending)
  await pool.close()
  const sorted = Float64Array.from(shorts).sort()
  const sortedAll = Float64Array.from(all).sort()
  return {
    shortP50Ms: quantile(sorted, 0.5),
    shortP99Ms: quantile(sorted, 0.99),
    allP99Ms: quantile(sortedAll, 0.99),
    meanMs: all.reduce((sum, one) => sum + one, 0) / all.length
  }

  async function send (dueMs) {
    const isLong = random() < longShare
    const us = isLong ? longUs : shortUs
    const name = names === 1 ? 'burn' : isLong ? 'long' : 'short'
    const sentMs = performance.now()
    if (await pool.call(name, us) !== us) throw new Error('wrong result')
    const tookMs = performance.now() - sentMs
    if (dueMs - startMs < warmMs) return
    all.push(tookMs)
    if (!isLong) shorts.push(tookMs)
  }
}

/** Numbers from 0 to 1 that are the same for each variant (mulberry32). */
function randomFrom (seed) {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
