// The set of idle slots: the lowest below a limit, over the edges of its words.
import t from 'tap'
import { IdleSet } from '#lib/idle'

t.test('an empty set has none; the lowest of 70, 31, 32 and 5 comes first', async (t) => {
  const idle = new IdleSet(96)
  t.equal(idle.first(96), -1)
  for (const slot of [70, 31, 32, 5]) idle.add(slot)
  for (const slot of [5, 31, 32, 70]) {
    t.equal(idle.first(96), slot)
    idle.remove(slot)
  }
  t.equal(idle.first(96), -1)
})

t.test('slots at the limit and above are not found', async (t) => {
  const idle = new IdleSet(64)
  idle.add(31)
  idle.add(63)
  t.equal(idle.first(31), -1)
  t.equal(idle.first(32), 31)
  idle.remove(31)
  t.equal(idle.first(63), -1)
  t.equal(idle.first(64), 63)
})

t.test('adding twice is adding once, and removing what is not there does nothing', async (t) => {
  const idle = new IdleSet(1)
  idle.remove(0)
  idle.add(0)
  idle.add(0)
  t.equal(idle.first(1), 0)
  idle.remove(0)
  t.equal(idle.first(1), -1)
})
