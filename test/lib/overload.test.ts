// Three times the capacity for 60 s of virtual time: goodput, waits, Retry-After, backlog, ageing of priorities; what
// the estimate cannot know.
import t from 'tap'
import { exponential, randomOf } from '#lib/simulator/random'
import { planOf, virtualPool } from '../fixtures/virtual'
import type { World } from '#lib/simulator/mailbox'
import type { OffloadOptions } from '#lib/pending'
import type { Ended } from '../fixtures/virtual'

t.setTimeout(240_000)
const SECONDS = 60
const ACTORS = 4
const MEAN_MS = 20
/** 200 jobs a second. */
const CAPACITY = ACTORS * 1000 / MEAN_MS
const MAX_WAIT_MS = 4000

interface Offered { readonly atMs: number, readonly runMs: number, readonly ended: Ended, readonly isLow: boolean }

type RunOf = (random: () => number, atMs: number) => number

async function overload (rate: number, runOf: RunOf, times: Partial<World> = {}, lowShare = 0.1) {
  const { offer, at, clock, scheduler } = await virtualPool(planOf([ACTORS, 0]),
    { maxQueueWaitMs: MAX_WAIT_MS, ageMs: 1000, timeoutMs: 0 }, times)
  const random = randomOf(1)
  const beganAtMs = clock.now()
  const admitted: Offered[] = []
  const refused: { atMs: number, retryAfterS: number, newest: Offered }[] = []
  let mostWaiting = 0
  for (let atMs = beganAtMs; atMs < beganAtMs + SECONDS * 1000; atMs += exponential(random, 1000 / rate)) {
    at(atMs)
    const runMs = runOf(random, atMs - beganAtMs)
    const isLow = random() < lowShare
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
    const done = admitted.filter(({ ended }) => ended.code === 'ok')
    const inVain = admitted.length - done.length
    t.ok(inVain <= 0.002 * admitted.length, `${inVain} of ${admitted.length} waited in vain`)
    t.ok(admitted.every(({ ended }) => ended.code === 'ok' || ended.code === 'QUEUE_TIMEOUT'), 'nothing else befell any')
    const waits = done.filter(({ isLow }) => !isLow).map(waitOf).sort((a, b) => a - b)
    const most = waits.at(-1)!
    t.comment(`waits: median ${waits[waits.length >> 1]!.toFixed(0)} ms, most ${most.toFixed(0)} ms; backlog ${mostWaiting}`)
    t.ok(most < MAX_WAIT_MS, `the longest wait was ${most.toFixed(0)} ms`)
    const low = Math.max(...done.filter(({ isLow }) => isLow).map(waitOf))
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

t.test('actors that get no CPU for 5 ms before and after a run of 20 ms: 133/s, and nobody waits for more than 4 s or in vain', async (t) => {
  const { admitted, goodput, waitOf } = await overload(3 * CAPACITY, () => MEAN_MS, { stepMs: () => 5 }, 0)
  t.ok(goodput > 0.9 * 133 && goodput < 1.1 * 133, `goodput ${goodput.toFixed(0)}/s`)
  t.ok(admitted.every(({ ended }) => ended.code === 'ok'), 'all that was admitted ended well')
  const most = Math.max(...admitted.map(waitOf))
  t.ok(most < MAX_WAIT_MS && most > 0.9 * MAX_WAIT_MS, `the longest wait was ${most.toFixed(0)} ms`)
})

for (const [beforeMs, afterMs, rate] of [[20, 40, 600], [20, 200, 600], [200, 20, 600]] as const) {
  t.test(`jobs of ${beforeMs} ms take ${afterMs} from the 30th second on: what would wait for more than 4 s is told so then, and never runs`, async (t) => {
    const { admitted, refused, waitOf } =
      await overload(rate, (_random, atMs) => atMs < 30_000 ? beforeMs : afterMs, {}, 0)
    const beganAtMs = admitted[0]!.atMs
    const ran = admitted.filter(({ ended }) => ended.code === 'ok')
    for (const [from, to, runMs] of [[0, 30, beforeMs], [35, 60, afterMs]] as const) {
      const done = ran.filter(({ ended }) => {
        const atMs = ended.settledAtMs - beganAtMs
        return atMs >= from * 1000 && atMs < to * 1000
      }).length / (to - from)
      t.ok(done > 0.9 * ACTORS * 1000 / runMs, `goodput ${done.toFixed(0)}/s from second ${from} to ${to}`)
    }
    const most = Math.max(...ran.map(waitOf))
    t.ok(most < MAX_WAIT_MS, `the longest wait was ${most.toFixed(0)} ms`)
    const dropped = admitted.filter(({ ended }) => ended.code !== 'ok')
    t.ok(dropped.length < 4 * ACTORS * 1000 / Math.min(beforeMs, afterMs),
      `${dropped.length} of ${admitted.length}, at most as many as waited`)
    for (const { atMs, ended } of dropped) {
      const { code, settledAtMs, error } = ended
      const waitMs = settledAtMs - atMs
      if (code !== 'QUEUE_TIMEOUT' || waitMs >= MAX_WAIT_MS || waitMs < MAX_WAIT_MS - 22 || !(error.retryAfterS >= 1) ||
        error.statusCode !== 503 || !/within 4000 ms \(maxQueueWaitMs\)/.test(error.message)) {
        return t.fail(`${code} after ${waitMs} ms: ${error.message}`)
      }
    }
    const tooLong = refused.filter(({ retryAfterS }) => retryAfterS * 1000 > MAX_WAIT_MS)
    t.equal(tooLong.length, 0, 'nobody is told to wait for longer than what waits may wait')
    const later = refused.filter(({ atMs }) => atMs > beganAtMs + 35_000)
    const wrong = later.filter(({ atMs, retryAfterS, newest }) => {
      const leftMs = Math.max(0, newest.ended.settledAtMs - atMs)
      return retryAfterS * 1000 > 2 * leftMs + 1000 || retryAfterS * 1000 < leftMs / 2
    })
    t.ok(wrong.length <= later.length / 100,
      `${wrong.length} of ${later.length} times Retry-After was wrong by more than a factor of 2 since second 35`)
  })
}

t.test('what an actor was given and has not begun waits for no longer either', async (t) => {
  const { offer, at } = await virtualPool(planOf([1, 0]), { maxQueueWaitMs: 1000, timeoutMs: 0 })
  for (let atMs = 2; atMs < 40; atMs += 2) {
    at(atMs)
    offer({ runMs: 0.01 }, { key: 'a' })
  }
  at(50)
  const first = offer({ runMs: 5000 }, { key: 'a' })
  const behind = [1, 2, 3].map(() => offer({ runMs: 0.01 }, { key: 'a' }))
  at(1060)
  t.same(behind.map(({ code }) => code), ['QUEUE_TIMEOUT', 'QUEUE_TIMEOUT', 'QUEUE_TIMEOUT'])
  t.ok(behind.every(({ settledAtMs }) => settledAtMs > 1030 && settledAtMs < 1050), 'before the second is over')
  at(5100)
  t.equal(first.code, 'ok')
})

t.test('an actor that gets no CPU for 5 s does not have its jobs wait for it longer than a second', async (t) => {
  let wakeMs = 0.01
  const { offer, at } =
    await virtualPool(planOf([1, 0]), { maxQueueWaitMs: 1000, timeoutMs: 0 }, { wakeMs: () => wakeMs })
  at(10)
  wakeMs = 5000
  const late = offer({ runMs: 1 })
  at(1020)
  t.equal(late.code, 'QUEUE_TIMEOUT')
  at(6000)
  wakeMs = 0.01
  const later = offer({ runMs: 1 })
  at(6100)
  t.equal(later.code, 'ok')
})

t.test('the jobs of one key wait for its home alone: they are refused by its line, others by that of all', async (t) => {
  const { offer, at } = await virtualPool(planOf([ACTORS, 0]), { maxQueueWaitMs: 100, timeoutMs: 0 })
  const texts: string[] = []
  const codes = (count: number, options: OffloadOptions): string[] => Array.from({ length: count }, () => {
    try {
      return offer({ runMs: 20 }, options).code
    } catch (error: any) {
      texts.push(error.message)
      return error.code.slice(18)
    }
  })
  for (let atMs = 2; atMs < 4000; atMs += 20) {
    at(atMs)
    offer({ runMs: 20 })
  }
  at(5000)
  const one = codes(10, { key: 'a' })
  // one runs, and behind 3 others and it the wait is 80 ms
  t.same(one, [...Array(5).fill('pending'), ...Array(5).fill('OVERLOADED')])
  t.match(texts[0], /^job job: 4 actors open, 4 jobs queued, expected to wait 10\d ms, limit 100 \(maxQueueWaitMs\); retry /)
  const others = codes(40, {})
  // three run; 4 wait already, and behind 15 on 4 actors and what runs it is 95 ms
  t.same(others.filter((code) => code === 'pending').length, 3 + 12)
})
