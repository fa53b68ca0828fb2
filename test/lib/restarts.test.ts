import t from 'tap'
import { Restarts } from '#lib/restarts'

t.test('the first death costs no pause, the next 50, 100 and 200 ms, the fifth of 4 fails the slot for the window', async (t) => {
  const restarts = new Restarts({ maxRestarts: 4, withinMs: 30_000, backoffMs: 50 })
  const pauses = [0, 10, 20, 30].map((nowMs) => restarts.note(0, nowMs, false))
  t.same(pauses, [
    { deaths: 1, hasFailed: false, pauseMs: 0 },
    { deaths: 2, hasFailed: false, pauseMs: 50 },
    { deaths: 3, hasFailed: false, pauseMs: 100 },
    { deaths: 4, hasFailed: false, pauseMs: 200 }
  ])
  t.same(restarts.note(0, 40, false), { deaths: 5, hasFailed: true, pauseMs: 30_000 })
})

t.test('deaths older than the window do not count, nor do those of another slot', async (t) => {
  const restarts = new Restarts({ maxRestarts: 1, withinMs: 100, backoffMs: 50 })
  t.equal(restarts.note(0, 0, false).deaths, 1)
  t.equal(restarts.note(1, 50, false).deaths, 1)
  t.equal(restarts.note(0, 100, false).deaths, 1, 'the one at 0 ms is 100 ms old')
  t.equal(restarts.note(0, 199, false).hasFailed, true)
})

t.test('one that died while it opened has a pause at once, and no pause is longer than 5 s', async (t) => {
  const restarts = new Restarts({ maxRestarts: 100, withinMs: 1e6, backoffMs: 50 })
  t.equal(restarts.note(0, 0, true).pauseMs, 50)
  for (let death = 1; death < 20; death++) restarts.note(0, death, true)
  t.equal(restarts.note(0, 20, true).pauseMs, 5000)
})
