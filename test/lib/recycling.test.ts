// Actors that are replaced because of their age, heap or number of jobs.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { whyRecycle } from '#lib/recycling'
import { until } from '../fixtures/until'
import { planOf, virtualPool } from '../fixtures/virtual'

t.setTimeout(240_000)

t.test('why: more than 100 MiB of heap, 10 jobs, or 5000 ms; no limit, no reason', async (t) => {
  const young = { heapMb: 100, jobs: 9, ageMs: 4999 }
  const limits = { maxHeapMb: 100, maxJobs: 10, maxAgeMs: 5000 }
  t.equal(whyRecycle(limits, young), undefined)
  t.equal(whyRecycle(limits, { ...young, heapMb: 100.6 }), 'recycled: 101 MiB of heap in use, limit 100')
  t.equal(whyRecycle(limits, { ...young, jobs: 10 }), 'recycled: 10 jobs run, limit 10')
  t.equal(whyRecycle(limits, { ...young, ageMs: 5000 }), 'recycled: 5000 ms old, limit 5000')
  t.equal(whyRecycle({}, { heapMb: 1e9, jobs: 1e9, ageMs: 1e9 }), undefined)
})

t.test('virtual: after 3 jobs the replacement opens beside the actor, and no job waits for a boot of 100 ms', async (t) => {
  const { offer, at, actors, scheduler } = await virtualPool(planOf([1, 0]), { recycle: { maxJobs: 3 } },
    { bootMs: () => 100 })
  const begunAtMs = 101
  at(begunAtMs)
  const ended = Array.from({ length: 200 }, () => offer({ runMs: 1 }))
  at(begunAtMs + 4)
  t.equal(actors[0]!.state, 'open')
  t.ok(actors[0]!.successor !== undefined, 'the replacement opens')
  at(begunAtMs + 240)
  t.ok(ended.every(({ code }) => code === 'ok'))
  const last = Math.max(...ended.map(({ settledAtMs }) => settledAtMs)) - begunAtMs
  t.ok(last < 215, `200 jobs of 1 ms took ${last} ms`)
  t.equal(scheduler.snapshot().counters.recycled, 2)
  t.equal(scheduler.snapshot().tiers[0]!.actors[0]!.restarts, 0)
})

t.test('virtual: of 4 actors that are all 50 ms old one is replaced at a time', async (t) => {
  const { at, actors, scheduler, clock } = await virtualPool(planOf([4, 0]), { recycle: { maxAgeMs: 50 } },
    { bootMs: () => 5 })
  let most = 0
  while (clock.now() < 90) {
    clock.step()
    most = Math.max(most, actors.filter(({ state, successor }) => state !== 'open' || successor !== undefined).length)
  }
  t.equal(most, 1)
  at(300)
  t.ok(scheduler.snapshot().counters.recycled >= 4)
})

const jobs = join(__dirname, '..', 'fixtures', 'supervised.cjs')

t.test('real threads: by jobs and by heap the slot gets a new thread, and every job offered meanwhile ends well', async (t) => {
  const pool = createScheduler({
    jobs, tiers: [{ actors: 1 }], execArgv: [], recycle: { maxJobs: 2000, maxHeapMb: 60 }
  })
  t.teardown(() => pool.close())
  await pool.ready()
  const offload = (job: string, input?: unknown): Promise<any> => pool.offload(job as never, input as never)
  const threads = new Set<number>()
  while (threads.size < 3) {
    const [thread, runs] = await offload('thread')
    threads.add(thread)
    t.ok(runs < 100_000)
  }
  t.ok(pool.snapshot().counters.recycled >= 2)
  t.match(pool.snapshot().tiers[0]!.actors[0]!.reason, /^recycled: \d+ jobs run, limit 2000$/)
  await offload('heap', 80)
  await until('a replacement for the heap', async () => {
    await offload('thread') // an actor says what heap it uses while it runs jobs
    return /MiB of heap in use, limit 60/.test(pool.snapshot().tiers[0]!.actors[0]!.reason ?? '')
  })
})
