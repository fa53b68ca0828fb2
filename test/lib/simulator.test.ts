import t from 'tap'
import { simulate } from '#lib/index'
import { planOf } from '../fixtures/virtual'

const cheap = { hostUs: 0.001, actorUs: 0.001, wakeUs: 0.001 }

t.test('one actor, jobs of 10 ms at 0 and 5 ms: the second waits 5 ms', async (t) => {
  const { waits, times, completed, simulated } = await simulate({
    plan: planOf([1, 0]),
    jobs: { hash: { meanMs: 10, distribution: 'fixed' } },
    arrivals: [{ atMs: 0, job: 'hash' }, { atMs: 5, job: 'hash' }],
    seconds: 1,
    costs: cheap
  })
  t.equal(completed, 2)
  t.ok(simulated)
  t.ok(Math.abs(waits.maxMs - 5) < 0.1, `${waits.maxMs}`)
  t.ok(Math.abs(times.maxMs - 15) < 0.1, `${times.maxMs}`)
})

t.test('8 + 8 actors: 6 running jobs leave tier 2 closed, 7 open it', async (t) => {
  const highest = async (running: number) => {
    const { samples } = await simulate({
      plan: planOf([8, 0], [8, 6]),
      jobs: { hash: { meanMs: 500, distribution: 'fixed' } },
      arrivals: Array.from({ length: running }, (_, at) => ({ atMs: at, job: 'hash' })),
      seconds: 1,
      costs: cheap
    })
    return Math.max(...samples.map(({ openTier }) => openTier))
  }
  t.equal(await highest(6), 1)
  t.equal(await highest(7), 2)
})

t.test('4 actors with jobs of 10 ms do 400 jobs a second, and no more when 800 are asked for', async (t) => {
  const { throughput, refused, tiers } = await simulate({
    plan: planOf([4, 0]), jobs: { hash: { meanMs: 10, distribution: 'fixed' } }, rate: 800, seconds: 2, options: { maxQueued: 10 }
  })
  t.ok(throughput > 380 && throughput <= 400, `${throughput}`)
  t.ok(refused > 700 && refused < 900, `${refused}`)
  t.ok(tiers[0]!.use > 0.95)
})

t.test('the host thread is the limit of short jobs: at 10 µs a job it does 100,000 a second', async (t) => {
  const { throughput, hostUse } = await simulate({
    plan: planOf([16, 0]),
    jobs: { short: { meanMs: 0.02, distribution: 'fixed' } },
    rate: 200_000,
    seconds: 0.2,
    costs: { hostUs: 10, actorUs: 1, wakeUs: 10 },
    options: { maxQueued: 100 }
  })
  t.ok(throughput < 100_500, `${throughput}`)
  t.ok(hostUse > 0.95, `${hostUse}`)
})

t.test('same seed, same figures; another seed, others', async (t) => {
  const run = (seed: number) =>
    simulate({ plan: planOf([2, 0], [2, 1]), jobs: { a: { meanMs: 3 }, b: { meanMs: 9, share: 2, distribution: 'lognormal' } }, rate: 300, seconds: 1, seed })
  t.same(await run(3), await run(3))
  t.not((await run(3)).offered, (await run(4)).offered)
})

t.test('wrong input is named', async (t) => {
  const jobs = { a: { meanMs: 1 } }
  const plan = planOf([1, 0])
  await t.rejects(simulate({ jobs, rate: 1 }), { code: 'FST_ERR_SPILLOVER_OPTION', message: /option plan/ })
  await t.rejects(simulate({ plan, jobs: {}, rate: 1 }), { message: /option jobs/ })
  await t.rejects(simulate({ plan, jobs: { a: { meanMs: 0 } }, rate: 1 }), { message: /option jobs\.a\.meanMs/ })
  await t.rejects(simulate({ plan, jobs: { a: null } as never, rate: 1 }), { message: /option jobs\.a: expected an object as in .*, got null/ })
  await t.rejects(simulate({ plan, jobs }), { message: /option rate/ })
  await t.rejects(simulate({ plan, jobs, rate: -1 }), { message: /option rate/ })
  await t.rejects(simulate({ plan, jobs, arrivals: [{ atMs: 0, job: 'b' }] }), { message: /option arrivals/ })
  await t.rejects(simulate({ plan, jobs, rate: 1, costs: { hostUs: NaN } }), { message: /option costs\.hostUs/ })
})
