// Deadlines: in order, one timer a duration, cancelled and cleared; the clock and the timers are played by hand.
import t from 'tap'
import { systemClock } from '#lib/clock'
import { Deadlines } from '#lib/deadlines'

import type { Clock } from '#lib/clock'

interface Timer { atMs: number, fire: () => void }

/** A clock that only `to` moves. */
class HandClock implements Clock {
  nowMs = 0
  timers: Timer[] = []
  started = 0
  now = (): number => this.nowMs
  soon = (): void => {}
  withinTurn = (): void => {}
  spin = (_ms: number, look: () => boolean): boolean => look()
  hold = (): void => {}
  close = (): void => {}

  after (ms: number, fire: () => void): { cancel: () => void } {
    const timer = { atMs: this.nowMs + ms, fire }
    this.timers.push(timer)
    this.started++
    return { cancel: () => { this.timers = this.timers.filter((other) => other !== timer) } }
  }

  to (nowMs: number): void {
    for (;;) {
      const [next] = this.timers.toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined || next.atMs > nowMs) break
      this.timers = this.timers.filter((other) => other !== next)
      this.nowMs = next.atMs
      next.fire()
    }
    this.nowMs = nowMs
  }
}

function setUp () {
  const clock = new HandClock()
  const fired: [string, number][] = []
  const deadlines = new Deadlines(clock)
  const add = (ms: number, name: string) => deadlines.add(ms, () => fired.push([name, clock.nowMs]))
  return { clock, fired, deadlines, add }
}

t.test('durations of 30, 10 and 20 ms fire at 10, 20 and 30, each once', async (t) => {
  const { clock, fired, add } = setUp()
  add(30, 'c')
  add(10, 'a')
  add(20, 'b')
  clock.to(9)
  t.same(fired, [])
  clock.to(1000)
  t.same(fired, [['a', 10], ['b', 20], ['c', 30]])
})

t.test('3 deadlines of 10 ms share one timer and fire at 10, 14 and 17, in order', async (t) => {
  const { clock, fired, add } = setUp()
  add(10, 'a')
  clock.to(4)
  add(10, 'b')
  clock.to(7)
  add(10, 'c')
  t.equal(clock.timers.length, 1)
  clock.to(100)
  t.same(fired, [['a', 10], ['b', 14], ['c', 17]])
  t.equal(clock.started, 3, 'one at a time')
  t.equal(clock.timers.length, 0, 'and none is left')
})

t.test('1,000 deadlines of one moment need one timer', async (t) => {
  const { clock, fired, add } = setUp()
  for (let i = 0; i < 1000; i++) add(5, String(i))
  clock.to(5)
  t.same(fired.map(([name]) => +name), Array.from({ length: 1000 }, (_, i) => i))
  t.equal(clock.started, 1)
})

for (const [name, places] of Object.entries({ first: [0], middle: [1], last: [2], 'first two': [0, 1], every: [2, 0, 1] })) {
  t.test(`cancelled, the ${name} of 3 deadlines do not fire and the others do`, async (t) => {
    const { clock, fired, add } = setUp()
    const three = ['a', 'b', 'c'].map((name) => add(10, name))
    for (const place of places) {
      three[place]!.cancel()
      three[place]!.cancel()
    }
    clock.to(10)
    t.same(fired.map(([name]) => name), ['a', 'b', 'c'].filter((_, place) => !places.includes(place)))
    clock.to(50)
    t.equal(clock.timers.length, 0)
  })
}

t.test('a deadline added after the cancelled ones fires at its own time', async (t) => {
  const { clock, fired, add } = setUp()
  add(10, 'a').cancel()
  clock.to(6)
  add(10, 'b')
  clock.to(100)
  t.same(fired, [['b', 16]])
})

t.test('a deadline that fires may add one of the same duration and cancel another', async (t) => {
  const { clock, fired, deadlines, add } = setUp()
  deadlines.add(10, () => {
    fired.push(['a', clock.nowMs])
    other.cancel()
    add(10, 'c')
  })
  const other = add(10, 'b')
  clock.to(100)
  t.same(fired, [['a', 10], ['c', 20]])
  t.equal(clock.timers.length, 0)
})

t.test('cancelling after the deadline fired leaves its neighbour alone', async (t) => {
  const { clock, fired, add } = setUp()
  const first = add(10, 'a')
  clock.to(5)
  add(10, 'b')
  clock.to(10)
  first.cancel()
  clock.to(15)
  t.same(fired, [['a', 10], ['b', 15]])
})

t.test('cleared, none of 2 durations fires and no timer is left; later ones do fire', async (t) => {
  const { clock, fired, deadlines, add } = setUp()
  add(10, 'a')
  const b = add(20, 'b')
  deadlines.clear()
  t.equal(clock.timers.length, 0)
  b.cancel()
  clock.to(50)
  t.same(fired, [])
  add(10, 'c')
  clock.to(60)
  t.same(fired, [['c', 60]])
})

t.test('cleared by one that fires, the next of the same moment and of 5 ms later do not', async (t) => {
  const { clock, fired, deadlines, add } = setUp()
  deadlines.add(10, () => {
    fired.push(['a', clock.nowMs])
    deadlines.clear()
  })
  add(10, 'b')
  clock.to(5)
  add(10, 'c')
  clock.to(100)
  t.same(fired, [['a', 10]])
  t.equal(clock.timers.length, 0)
})

t.test('with real timers, 20 ms fires after 5 ms and not early', async (t) => {
  const deadlines = new Deadlines(systemClock())
  const alive = setInterval(() => {}, 1000)
  const startMs = performance.now()
  const order: number[] = []
  await new Promise<void>((resolve) => {
    deadlines.add(20, () => {
      order.push(20)
      resolve()
    })
    deadlines.add(5, () => order.push(5))
  })
  clearInterval(alive)
  t.same(order, [5, 20])
  t.ok(performance.now() - startMs >= 19, 'half a millisecond early at most, and a rounding')
})
