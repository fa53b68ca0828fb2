// The injector: order by priority and age, jobs put back and taken out, against a simple model.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { Injector, priorities } from '#lib/queue'
import type { Queued } from '#lib/queue'

interface Job extends Queued { readonly id: number }

let ids = 0
const job = (acceptedAtMs: number, level = 1): Job => ({ id: ids++, level, acceptedAtMs, isQueued: false })
function drain (queue: Injector<Job>): Job[] {
  const jobs: Job[] = []
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) jobs.push(next)
  return jobs
}
function filled (ageMs: number, ...jobs: Job[]): Injector<Job> {
  const queue = new Injector<Job>(ageMs)
  for (const one of jobs) queue.push(one)
  return queue
}
const times = (jobs: Iterable<Job>) => [...jobs].map((one) => one.acceptedAtMs)

t.test('three priorities, high first', async (t) => {
  t.same(priorities, ['high', 'normal', 'low'])
})

t.test('4 jobs of one priority leave in the order they came, and an empty queue gives nothing', async (t) => {
  const queue = filled(1000, job(1), job(2), job(3), job(3))
  t.equal(queue.length, 4)
  t.equal(queue.peek()?.acceptedAtMs, 1)
  t.equal(queue.length, 4, 'peek takes nothing')
  const jobs = drain(queue)
  t.same(times(jobs), [1, 2, 3, 3])
  t.ok(jobs[2]!.id < jobs[3]!.id)
  t.ok(jobs.every((one) => !one.isQueued))
  t.equal(queue.length, 0)
  t.equal(queue.peek(), undefined)
  t.equal(queue.shift(), undefined)
})

t.test('accepted together: high before normal before low', async (t) => {
  const jobs = drain(filled(1000, job(0, 2), job(0, 1), job(0, 0)))
  t.same(jobs.map((one) => one.level), [0, 1, 2])
})

t.test('with ageMs 1000 a normal job of 0 ms goes after a high one of 999 ms and before one of 1001 ms', async (t) => {
  t.same(times(drain(filled(1000, job(0, 1), job(999, 0)))), [999, 0])
  t.same(times(drain(filled(1000, job(0, 1), job(1001, 0)))), [0, 1001])
})

t.test('a low job of 0 ms waits for 2 levels: 1999 ms overtakes, 2001 ms does not', async (t) => {
  t.same(times(drain(filled(1000, job(0, 2), job(1999, 0)))), [1999, 0])
  t.same(times(drain(filled(1000, job(0, 2), job(2001, 0)))), [0, 2001])
})

t.test('ageMs 0 leaves the order of acceptance alone', async (t) => {
  t.same(times(drain(filled(0, job(1, 2), job(2, 1), job(3, 0)))), [1, 2, 3])
})

t.test('a job in the middle is taken out, a second time changes nothing', async (t) => {
  const [a, b, c] = [job(1), job(2), job(3)]
  const queue = filled(1000, a, b, c)
  queue.remove(b)
  queue.remove(b)
  t.equal(b.isQueued, false)
  t.equal(queue.length, 2)
  t.same(times(queue), [1, 3])
  t.same(times(drain(queue)), [1, 3])
})

t.test('the first job is taken out after the second: the third is next', async (t) => {
  const [a, b, c] = [job(1), job(2), job(3)]
  const queue = filled(1000, a, b, c)
  queue.remove(b)
  queue.remove(a)
  t.equal(queue.peek(), c)
  t.equal(queue.length, 1)
})

t.test('a job put back goes ahead of all accepted after it, behind all accepted before', async (t) => {
  const queue = filled(1000, job(1), job(2), job(3), job(4))
  const [one, two, three] = [queue.shift()!, queue.shift()!, queue.shift()!]
  for (const back of [three, one]) queue.putBack(back)
  t.equal(one.isQueued, true)
  t.same(times(queue), [1, 3, 4])
  queue.putBack(two)
  t.equal(queue.length, 4)
  t.same(times(drain(queue)), [1, 2, 3, 4])
})

t.test('a job put back into an empty lane, and beside removed places', async (t) => {
  const [a, b, c] = [job(1), job(2), job(3)]
  const queue = filled(1000, a, b, c)
  queue.shift()
  queue.remove(c)
  queue.putBack(a)
  t.same(times(drain(queue)), [1, 2])
  queue.putBack(b)
  t.same(times(drain(queue)), [2])
})

t.test('1,000 jobs, 990 of them taken out: the other 10 remain in order', async (t) => {
  const jobs = Array.from({ length: 1000 }, (_, i) => job(i, i % 3))
  const queue = filled(10_000, ...jobs)
  for (const one of jobs) if (one.acceptedAtMs % 100 !== 99) queue.remove(one)
  t.equal(queue.length, 10)
  t.same(times(queue).sort((a, b) => a - b), [99, 199, 299, 399, 499, 599, 699, 799, 899, 999])
  t.same(times(drain(queue)), [99, 399, 699, 999, 199, 499, 799, 299, 599, 899], 'ids by 3: 0, 1, 2')
})

t.test('5,000 through a queue of 1,500 keep their order', async (t) => {
  const queue = new Injector<Job>(1000)
  const seen: number[] = []
  for (let i = 0; i < 5000; i++) {
    queue.push(job(i))
    if (queue.length > 1500) seen.push(queue.shift()!.acceptedAtMs)
  }
  seen.push(...times(drain(queue)))
  t.same(seen, Array.from({ length: 5000 }, (_, i) => i))
})

type Step = { do: 'push', level: number, afterMs: number } | { do: 'shift' } | { do: 'remove' | 'back', pick: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('push' as const), level: fc.nat(2), afterMs: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('shift' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('remove' as const, 'back' as const), pick: fc.nat() }) }
)

t.test('any 300 steps of push, shift, remove and put back agree with a sorted array', async (t) => {
  fc.assert(fc.property(fc.array(step, { maxLength: 300, size: 'max' }), fc.integer({ min: 0, max: 40 }), (steps, ageMs) => {
    const queue = new Injector<Job>(ageMs)
    let model: Job[] = []
    const out: Job[] = []
    let nowMs = 0
    const rank = (one: Job) => one.acceptedAtMs + one.level * ageMs
    const best = () => model.toSorted((a, b) => rank(a) - rank(b) || a.level - b.level)[0]
    for (const one of steps) {
      if (one.do === 'push') {
        const added = job(nowMs += one.afterMs, one.level)
        queue.push(added)
        model.push(added)
      } else if (one.do === 'shift') {
        const expected = best()
        if (queue.shift() !== expected) throw new Error(`shift at ${nowMs}`)
        if (expected !== undefined) out.push(expected)
        model = model.filter((other) => other !== expected)
      } else if (one.do === 'remove' && model.length > 0) {
        const victim = model[one.pick % model.length]!
        queue.remove(victim)
        model = model.filter((other) => other !== victim)
      } else if (one.do === 'back' && out.length > 0) {
        const [back] = out.splice(one.pick % out.length, 1)
        queue.putBack(back!)
        model.push(back!)
      }
      if (queue.length !== model.length) throw new Error(`length ${queue.length}, expected ${model.length}`)
      if (queue.peek() !== best()) throw new Error(`peek at ${nowMs}`)
      if ([...queue].length !== model.length) throw new Error('iteration')
    }
  }), { numRuns: 300 })
  t.pass('300 runs')
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** Bytes in use after this beyond those before it. */
function held (make: () => unknown): number {
  collect()
  const before = process.memoryUsage().heapUsed
  const kept = make()
  collect()
  return process.memoryUsage().heapUsed - before + (kept === undefined ? 1 : 0)
}

t.test('of 1000 jobs cancelled behind one that waits, at most 70 are held', async (t) => {
  const queue = filled(1000, job(0))
  const jobs = Array.from({ length: 1000 }, (_, n) => new WeakRef(job(n)))
  for (const one of jobs) queue.push(one.deref()!)
  for (const one of jobs) queue.remove(one.deref()!)
  // what was asked for is kept until the turn ends
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  const held = jobs.filter((one) => one.deref() !== undefined).length
  t.ok(held <= 70, `${held} jobs`)
  t.same(times(drain(queue)), [0])
})

t.test('a queue that a million jobs went through, one of which always waited, is no longer than one of 2000', async (t) => {
  const bytes = held(() => {
    const queue = filled(1000, job(0))
    for (let n = 0; n < 1_000_000; n++) {
      queue.push(job(n))
      queue.shift()
    }
    return queue
  })
  t.ok(bytes < 1_000_000, `${bytes} bytes`)
})

t.test('4 jobs put back while a thousand come and go keep their places', async (t) => {
  const queue = new Injector<Job>(1000)
  const first = [1, 2, 3, 4].map((atMs) => job(atMs))
  for (let round = 0; round < 300; round++) {
    for (const one of first) queue.putBack(one)
    const later = [job(10 + round), job(10 + round)]
    for (const one of later) queue.push(one)
    for (const one of later) queue.remove(one)
    if (round < 299) for (const one of first) queue.remove(one)
  }
  t.same(times(drain(queue)), [1, 2, 3, 4])
})
