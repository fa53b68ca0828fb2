// Jobs that end their actors: the rule alone, and what callers see, in virtual time and with real threads.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { Quarantine } from '#lib/quarantine'
import { until } from '../fixtures/until'
import { planOf, virtualPool } from '../fixtures/virtual'

t.setTimeout(240_000)
const limits = { quarantineDeaths: 3, quarantineMs: 5000, withinMs: 1000 }
const exits = { runMs: 0.1, ends: 'exit' } as const

t.test('the third death in 1 s puts a name into quarantine for 5 s, and deaths 1 s apart never do', async (t) => {
  const quarantine = new Quarantine(limits)
  const resize = { name: 'resize', refusedUntilMs: 0 }
  t.same([0, 400].map((nowMs) => quarantine.note(resize, 'exit', nowMs)), [false, false])
  t.equal(quarantine.note(resize, 'no memory', 999), true)
  t.equal(resize.refusedUntilMs, 5999)
  t.match(quarantine.error(resize, 1499), {
    code: 'FST_ERR_SPILLOVER_QUARANTINED',
    statusCode: 503,
    retryAfterS: 5,
    message: 'job resize: refused for 5 s: its runs ended 3 actors, the last by: no memory'
  })
  t.same(quarantine.view(1000), [{ job: 'resize', deaths: 3, reason: 'no memory', forMs: 4999 }])
  t.same(quarantine.view(5999), [])
  const slow = { name: 'slow', refusedUntilMs: 0 }
  for (let atMs = 0; atMs < 10_000; atMs += 500) quarantine.note(slow, 'exit', atMs)
  t.equal(slow.refusedUntilMs, 0, 'two within each window')
})

t.test('a death right after the quarantine puts the name back where the window still holds the others', async (t) => {
  const quarantine = new Quarantine({ ...limits, quarantineMs: 100 })
  const resize = { name: 'resize', refusedUntilMs: 0 }
  for (const nowMs of [0, 1, 2]) quarantine.note(resize, 'exit', nowMs)
  t.equal(resize.refusedUntilMs, 102)
  t.equal(quarantine.note(resize, 'exit', 150), true)
  t.equal(quarantine.note({ name: 'other', refusedUntilMs: 0 }, 'exit', 151), false)
})

t.test('0 deaths: nothing is ever refused', async (t) => {
  const quarantine = new Quarantine({ ...limits, quarantineDeaths: 0 })
  const resize = { name: 'resize', refusedUntilMs: 0 }
  for (let atMs = 0; atMs < 100; atMs++) t.equal(quarantine.note(resize, 'exit', atMs), false)
})

t.test('virtual: two exits; the job is refused, what waits of it is told, another job runs on, and it comes back', async (t) => {
  const pool = await virtualPool(planOf([1, 0]), { quarantineDeaths: 2, quarantineMs: 100, backoffMs: 1 })
  const { offer, at, scheduler } = pool
  const ended = [offer(exits), offer(exits), offer({ runMs: 1 }), offer({ runMs: 1 }, {}, 'other'), offer({ runMs: 1 })]
  at(20)
  t.same(ended.map(({ code }) => code), ['ACTOR_EXIT', 'ACTOR_EXIT', 'QUARANTINED', 'ok', 'QUARANTINED'])
  t.match(ended[2]!.error, { statusCode: 503, retryAfterS: 1, started: false })
  t.throws(() => offer({ runMs: 1 }), { code: 'FST_ERR_SPILLOVER_QUARANTINED' })
  t.match(scheduler.snapshot(), {
    counters: { quarantined: 3 }, quarantine: [{ job: 'job', deaths: 2, reason: 'Error: exited' }]
  })
  at(130)
  t.same(scheduler.snapshot().quarantine, [])
  const later = offer({ runMs: 1 })
  at(200)
  t.equal(later.code, 'ok')
})

t.test('virtual: kills that cancellations lead to are not the job’s fault', async (t) => {
  const { offer, at, scheduler } = await virtualPool(planOf([1, 0]), { quarantineDeaths: 1, graceMs: 1, backoffMs: 1 })
  const stuck = offer({ runMs: 1, ends: 'never' }, { timeoutMs: 5 })
  at(50)
  t.equal(stuck.code, 'TIMEOUT')
  t.equal(scheduler.snapshot().counters.kills, 1)
  t.same(scheduler.snapshot().quarantine, [])
})

t.test('virtual: where two async jobs had begun it is not known which of them it was: neither is blamed', async (t) => {
  const { offer, at, scheduler } = await virtualPool(planOf([1, 0]), { quarantineDeaths: 1, asyncPerActor: 2 })
  offer({ runMs: 0.01 }) // so that jobs of its name are taken for short ones
  at(2)
  const ended = [offer({ runMs: 50, isAsync: true }), offer({ runMs: 5, isAsync: true, ends: 'exit' })]
  at(100)
  t.same(ended.map(({ code }) => code), ['ACTOR_EXIT', 'ACTOR_EXIT'])
  t.same(scheduler.snapshot().quarantine, [])
})

t.test('real threads: exits, late errors and a full heap count; then 503 with the reason, and other jobs run', async (t) => {
  const pool = createScheduler({
    jobs: join(__dirname, '..', 'fixtures', 'supervised.cjs'),
    tiers: [{ actors: 1 }],
    execArgv: [],
    backoffMs: 1,
    quarantineDeaths: 2,
    maxRestarts: 100,
    withinMs: 600_000,
    quarantineMs: 600_000,
    resourceLimits: { maxOldGenerationSizeMb: 32 }
  })
  t.teardown(() => pool.close())
  await pool.ready()
  const offload = (job: string): Promise<any> => pool.offload(job as never, undefined as never)
  const expected: [string, string | undefined, RegExp][] = [
    ['exit', 'ACTOR_EXIT', /exited with code: 3/],
    ['late', undefined, /Error: late/],
    ['oom', 'OUT_OF_MEMORY', /memory/]
  ]
  for (const [job, code, reason] of expected) {
    for (let run = 1; run <= 2; run++) {
      if (code === undefined) await offload(job)
      else await t.rejects(offload(job), { code: `FST_ERR_SPILLOVER_${code}` })
      await until(`actor ${run} to end`, () => {
        const { restarts, outOfMemory, strays } = pool.snapshot().counters
        return (job === 'late' ? strays : job === 'oom' ? outOfMemory : restarts) === run
      })
    }
    await t.rejects(offload(job), { code: 'FST_ERR_SPILLOVER_QUARANTINED', statusCode: 503, message: reason })
    t.match(pool.snapshot().quarantine.find((entry) => entry.job === job), { deaths: 2, reason })
  }
  t.ok((await offload('thread'))[0] > 0)
})
