// Three times the capacity for 60 s of virtual time: goodput, waits, Retry-After, backlog, ageing of priorities.
import t from 'tap'
import { exponential, randomOf } from '#lib/simulator/random'
import { planOf, virtualPool } from '../fixtures/virtual'
import type { Ended } from '../fixtures/virtual'

t.setTimeout(240_000)
const SECONDS = 60
const ACTORS = 4
const MEAN_MS = 20
/** 200 jobs a second. */
const CAPACITY = ACTORS * 1000 / MEAN_MS
const MAX_WAIT_MS = 4000

interface Offered { readonly atMs: number, readonly runMs: number, readonly ended: Ended, readonly isLow: boolean }

async function overload (rate: number, runOf: (random: () => number) => number) {
  const { offer, at, clock, scheduler } = await virtualPool(planOf([ACTORS, 0]),
    { maxQueueWaitMs: MAX_WAIT_MS, ageMs: 1000, timeoutMs: 0 })
  const random = randomOf(1)
  const beganAtMs = clock.now()
  const admitted: Offered[] = []
  const refused: { atMs: number, retryAfterS: number, newest: Offered }[] = []
  let mostWaiting = 0
  for (let atMs = beganAtMs; atMs < beganAtMs + SECONDS * 1000; atMs += exponential(random, 1000 / rate)) {
    at(atMs)
    const runMs = runOf(random)
    const isLow = random() < 0.1
    try {
      admitted.push({ atMs, runMs, isLow, ended: offer({ runMs }, { priority: isLow ? 'low' : 'normal' }) })
    } catch (error) {
      const { code, retryAfterS } = error as { code: string, retryAfterS: number }
      if (code !== 'FST_ERR_SPILLOVER_OVERLOADED') throw error
      refused.push({ atMs, retryAfterS, newest: admitted.findLast((job) => !job.isLow)! })
    }
    mostWaiting = Math.max(mostWaiting, scheduler.snapshot().backlog)
  }
  const endMs = beganAtMs + SECONDS * 1000
  const goodput = admitted.filter(({ ended }) => ended.settledAtMs <= endMs).length / SECONDS
  at(endMs + 60_000)
  const waitOf = ({ atMs, runMs, ended }: Offered): number => ended.settledAtMs - atMs - runMs
  return { admitted, refused, goodput, mostWaiting, waitOf }
}

for (const [name, runOf] of [
  ['of 20 ms', () => MEAN_MS],
  ['of 2 ms (90 %) and 182 ms', (random: () => number) => random() < 0.9 ? 2 : 182],
  ['exponential around 20 ms', (random: () => number) => exponential(random, MEAN_MS)]
] as [string, (random: () => number) => number][]) {
  t.test(`jobs ${name} at 600/s on a pool that does 200/s`, async (t) => {
    const { admitted, refused, goodput, mostWaiting, waitOf } = await overload(3 * CAPACITY, runOf)
    t.ok(goodput > 0.9 * CAPACITY && goodput < 1.1 * CAPACITY, `goodput ${goodput.toFixed(0)}/s`)
    t.ok(admitted.every(({ ended }) => ended.code === 'ok'), 'all that was admitted ended well')
    const waits = admitted.filter(({ isLow }) => !isLow).map(waitOf).sort((a, b) => a - b)
    const most = waits.at(-1)!
    t.comment(`waits: median ${waits[waits.length >> 1]!.toFixed(0)} ms, most ${most.toFixed(0)} ms; backlog ${mostWaiting}`)
    t.ok(most < MAX_WAIT_MS, `the longest wait was ${most.toFixed(0)} ms`)
    const low = Math.max(...admitted.filter(({ isLow }) => isLow).map(waitOf))
    t.ok(low < MAX_WAIT_MS + 1200, `a job of low priority is served 1 s later at most: ${low.toFixed(0)} ms`)
    const wrong = refused.filter(({ atMs, retryAfterS, newest }) => {
      // what the newest job in the queue still had to wait then
      const leftMs = newest.atMs + waitOf(newest) - atMs
      return retryAfterS * 1000 > 2 * leftMs + 1000 || retryAfterS * 1000 < leftMs / 2
    })
    t.ok(refused.length > SECONDS * 100)
    t.ok(wrong.length === 0, `${wrong.length} of ${refused.length} times Retry-After was wrong by more than a factor of 2`)
  })
}
