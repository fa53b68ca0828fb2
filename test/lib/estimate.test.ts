import t from 'tap'
import { Estimate } from '#lib/estimate'

t.test('runs of 20 ms, always the same: 100 jobs on 4 actors wait 500 ms, on none as on one', async (t) => {
  const estimate = new Estimate()
  t.equal(estimate.waitMs(100, 4), 25, 'before the first run it is 1 ms')
  for (let run = 0; run < 300; run++) estimate.record(20)
  t.equal(estimate.meanMs, 20)
  t.ok(Math.abs(estimate.waitMs(100, 4) - 500) < 1, `${estimate.waitMs(100, 4)}`)
  t.equal(estimate.waitMs(100, 0), estimate.waitMs(100, 1))
  t.equal(estimate.waitMs(0, 4), 0)
})

t.test('2 ms (90 %) and 182 ms: the mean is 20 ms, the deviation 54 ms, and the estimate is above the mean wait', async (t) => {
  const estimate = new Estimate()
  for (let run = 0; run < 5000; run++) estimate.record(run % 10 === 0 ? 182 : 2)
  t.ok(Math.abs(estimate.meanMs - 20) < 3, `${estimate.meanMs}`)
  t.ok(Math.abs(estimate.deviationMs - 54) < 6, `${estimate.deviationMs}`)
  const waitMs = estimate.waitMs(800, 4)
  t.ok(waitMs > 1.2 * 4000 && waitMs < 1.9 * 4000, `${waitMs}`)
})
