// Histograms and counters: percentiles of known durations, at most one bucket (a quarter of a power of two) above.
import t from 'tap'
import { Counters, Histogram, outcomes, Times } from '#lib/metrics'

t.test('an empty histogram is 0 throughout', async (t) => {
  t.same(new Histogram().view(), { count: 0, meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 })
})

t.test('one value of 3 ms is every percentile: no edge exceeds the maximum', async (t) => {
  const histogram = new Histogram()
  histogram.record(3)
  t.same(histogram.view(), { count: 1, meanMs: 3, p50Ms: 3, p99Ms: 3, maxMs: 3 })
})

t.test('1 to 100 ms: p50 of 50 reads 57.344, p99 of 99 reads 100, the mean is 50.5', async (t) => {
  const histogram = new Histogram()
  for (let ms = 100; ms >= 1; ms--) histogram.record(ms)
  // 50,000 µs lie in [49,152, 57,344), the third quarter above 2^15; 99,000 in [98,304, 114,688), cut at the maximum
  t.same(histogram.view(), { count: 100, meanMs: 50.5, p50Ms: 57.344, p99Ms: 100, maxMs: 100 })
})

t.test('98 fast and 2 slow: p50 near 1 ms, p99 the slow one', async (t) => {
  const histogram = new Histogram()
  for (let i = 0; i < 98; i++) histogram.record(1)
  for (let i = 0; i < 2; i++) histogram.record(500)
  // 1,000 µs lie in [896, 1,024)
  t.equal(histogram.percentile(0.5), 1.024)
  t.equal(histogram.percentile(0.98), 1.024)
  t.equal(histogram.percentile(0.99), 500)
})

t.test('every duration from 1 µs to 18 minutes reads 0 to 25 % too long, never too short', async (t) => {
  let worst = 0
  for (let us = 1; us < 2 ** 30; us = Math.ceil(us * 1.01)) {
    const histogram = new Histogram()
    histogram.record(us / 1000)
    histogram.record(2 ** 31)
    const ratio = histogram.percentile(0.5) * 1000 / us
    if (ratio < 1 - 1e-9) t.fail(`${us} µs read ${ratio} times as long`)
    worst = Math.max(worst, ratio)
  }
  t.ok(worst <= 1.25 + 1e-9, `worst ${worst}`)
})

t.test('0 ms and less than 1 µs fall into the first bucket, up to 1.25 µs', async (t) => {
  const histogram = new Histogram()
  for (const ms of [0, 0.0005, 10]) histogram.record(ms)
  t.equal(histogram.percentile(0.5), 0.00125)
  t.equal(histogram.count, 3)
})

t.test('30 minutes, above the last edge but one, are still the longest', async (t) => {
  const histogram = new Histogram()
  histogram.record(1)
  histogram.record(30 * 60_000)
  t.equal(histogram.percentile(1), 30 * 60_000)
})

t.test('72 and 73 minutes, above 2^32 µs, read as no less than 18 minutes', async (t) => {
  const histogram = new Histogram()
  for (const minutes of [72, 73]) histogram.record(minutes * 60_000)
  t.ok(histogram.percentile(0.5) >= 2 ** 30 / 1000, `${histogram.percentile(0.5)} ms`)
})

t.test('2 hours read as no less than 18 minutes', async (t) => {
  const histogram = new Histogram()
  for (let i = 0; i < 3; i++) histogram.record(2 * 3_600_000)
  t.ok(histogram.percentile(0.5) >= 2 ** 30 / 1000, `${histogram.percentile(0.5)} ms`)
})

t.test('times keep wait, run and border apart', async (t) => {
  const times = new Times()
  times.record(1, 20, 300)
  const { wait, run, border } = times.view()
  t.same([wait.maxMs, run.maxMs, border.maxMs], [1, 20, 300])
})

t.test('counters start at 0 for each of the 7 outcomes, each pool with its own', async (t) => {
  const counters = new Counters()
  t.same(Object.keys(counters.settled), outcomes)
  t.equal(outcomes.length, 7)
  t.ok(Object.values(counters.settled).every((count) => count === 0))
  counters.settled.ok++
  t.equal(new Counters().settled.ok, 0)
})
