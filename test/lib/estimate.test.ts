import t from 'tap'
import { Estimate } from '#lib/estimate'

const isClose = (got: number, wanted: number, by = 1): boolean => Math.abs(got - wanted) < by

function filled (jobs: number, msOf: (job: number) => number): Estimate {
  const estimate = new Estimate()
  for (let job = 0; job < jobs; job++) estimate.pace(msOf(job), 1)
  return estimate
}

t.test('one job in 20 ms, always the same: 100 jobs on 4 actors wait 520 ms, for what runs too', async (t) => {
  t.equal(new Estimate().waitMs(100, 4), 26, 'before the first it is 1 ms')
  const estimate = filled(300, () => 20)
  t.ok(isClose(estimate.waitMs(100, 4), 520), `${estimate.waitMs(100, 4)}`)
  for (const actors of [0, 1]) t.ok(isClose(estimate.waitMs(100, actors), 2020), `without an actor it is as with one, ${actors}`)
  t.ok(isClose(estimate.waitMs(0, 4), 20), 'only what runs')
})

t.test('settled many at once, each counts: 64 in 1.28 ms are 20 µs each, the first batch and later ones', async (t) => {
  const estimate = new Estimate()
  for (let batch = 0; batch < 20; batch++) {
    estimate.pace(1.28, 64)
    t.ok(isClose(estimate.paceMs, 0.02, 1e-9), `${estimate.paceMs}`)
  }
  // each pair is 2 and 182 ms, or two of 2, so that the deviation of one is known from pairs
  const pairs = new Estimate()
  for (let pair = 0; pair < 5000; pair++) pairs.pace(pair % 5 === 0 ? 184 : 4, 2)
  t.ok(isClose(pairs.spread, 2.7, 0.5), `${pairs.spread}`)
})

t.test('jobs of 10 and 30 ms: 20 on average, √200 their deviation, over 128 jobs: 8 on 2 actors wait 152.07 ms', async (t) => {
  for (const unitMs of [1, 0.001]) {
    const estimate = new Estimate()
    estimate.pace(10 * unitMs, 1)
    estimate.pace(30 * unitMs, 1)
    t.ok(isClose(estimate.paceMs / unitMs, 20, 1e-9), `${estimate.paceMs}`)
    t.ok(isClose(estimate.spread, Math.SQRT1_2, 1e-9), `${estimate.spread}`)
    // what is ahead: 8 + 2 × √½ × (8 / √256 + √8) = 12.70711, by two actors; what runs: 1 + ½ / 2
    const waitMs = estimate.waitMs(8, 2) / unitMs
    t.ok(isClose(waitMs, 20 * (12.70711 / 2 + 1.25), 1e-3), `${waitMs}`)
  }
})

t.test('jobs that are all alike: the mean is over 32, so one of 40 ms among those of 20 makes it 20.625', async (t) => {
  const estimate = filled(300, () => 20)
  estimate.pace(40, 1)
  t.equal(estimate.paceMs, 20.625)
})

t.test('no job in no time, and no time for a job, are no number to divide by', async (t) => {
  const estimate = new Estimate()
  estimate.pace(5, 0, true)
  estimate.pace(5, 0)
  t.strictSame([estimate.paceMs, estimate.isKnown], [1, false], 'none settled says nothing')
  estimate.pace(0, 1)
  t.strictSame([estimate.spread, estimate.waitMs(10, 1)], [0, 0])
  estimate.pace(0, 0)
  t.equal(estimate.paceMs, 0)
})

t.test('jobs of 20 ms that take 40 from now on: after 64 of them the estimate is at 36 or more', async (t) => {
  const estimate = filled(300, () => 20)
  for (let job = 0; job < 64; job++) estimate.pace(40, 1)
  t.ok(estimate.paceMs >= 36 && estimate.paceMs <= 40, `${estimate.paceMs}`)
})

t.test('2 ms (90 %) and 182 ms: the mean is 20 ms, the deviation 54 ms, and the estimate is above the mean wait', async (t) => {
  const estimate = filled(5000, (job) => job % 10 === 0 ? 182 : 2)
  t.ok(isClose(estimate.paceMs, 20, 3), `${estimate.paceMs}`)
  t.ok(isClose(estimate.spread, 2.7, 0.3), `${estimate.spread}`)
  const waitMs = estimate.waitMs(800, 4)
  t.ok(waitMs > 1.2 * 4000 && waitMs < 1.9 * 4000, `${waitMs}`)
  // 20 × (1 + 2.7² / 2): what runs is a long one in 9 of 10 looks
  t.ok(isClose(estimate.waitMs(0, 4), 93, 15), `${estimate.waitMs(0, 4)}`)
})

t.test('one job of 30 s among those of 20 ms counts as 200 ms: 100 jobs on 4 actors still wait less than a second', async (t) => {
  const estimate = filled(300, () => 20)
  estimate.pace(30_000, 1)
  t.ok(isClose(estimate.paceMs, 20 + 180 / 32, 0.1), `${estimate.paceMs}`)
  for (let job = 0; job < 10; job++) estimate.pace(20, 1)
  t.ok(estimate.waitMs(100, 4) < 1500, `${estimate.waitMs(100, 4)}`)
  for (let job = 0; job < 300; job++) estimate.pace(30_000, 1)
  t.ok(estimate.paceMs > 25_000, 'but all of them are the truth')
})

t.test('the first jobs of an actor, which load and compile, are no reason to refuse', async (t) => {
  const estimate = new Estimate()
  estimate.pace(6000, 2, true)
  t.equal(estimate.isKnown, false)
  t.equal(estimate.paceMs, 3000, 'until another has settled it is all that is known')
  estimate.pace(20, 1)
  t.equal(estimate.isKnown, true)
  estimate.pace(3000, 1, true)
  t.equal(estimate.paceMs, 20)
  t.equal(estimate.spread, 0)
})
