// A plan made anew in the slots of a running pool: pure, by hand.
import t from 'tap'
import { refit } from '#lib/refit'
import { threshold } from '#lib/tiers'
import type { Plan } from '#lib/tiers'

/** Tiers 1, 2, 3 of these cpus, slots numbered through. */
function planOf (...tiers: number[][]): Plan {
  let id = 0
  return {
    strategy: 'tiered',
    tiers: tiers.map((cpus, index) => {
      const tier = (index + 1) as 1 | 2 | 3
      return { tier, cpus, threshold: threshold(id), slots: cpus.map((cpu) => ({ id: id++, cpu, tier })) }
    }),
    reserved: [],
    quotaCpus: null,
    maxActors: id,
    notes: []
  }
}

const slotsOf = (plan: Plan | null) =>
  plan!.tiers.map(({ slots }) => Object.fromEntries(slots.map(({ id, cpu }) => [id, cpu])))

t.test('a cpu that is gone leaves its slot empty, the others keep theirs, and thresholds follow', async (t) => {
  const layout = planOf([0, 2, 4, 6], [8, 10], [1, 3])
  const plan = refit(layout, layout, planOf([0, 4, 6], [8, 10], [1]))
  t.same(slotsOf(plan), [{ 0: 0, 2: 4, 3: 6 }, { 4: 8, 5: 10 }, { 6: 1 }])
  t.same(plan!.tiers.map((tier) => tier.threshold), [0, 1, 3])
  t.equal(plan!.maxActors, 6)
  const back = refit(layout, plan!, layout)
  t.same(slotsOf(back), slotsOf(layout))
  t.same(back!.tiers.map((tier) => tier.threshold), [0, 2, 4])
})

t.test('a tier without a cpu stays, with no slot', async (t) => {
  const layout = planOf([0, 2], [4, 6])
  t.same(slotsOf(refit(layout, layout, planOf([0, 2]))), [{ 0: 0, 1: 2 }, {}])
})

t.test('new cpus take free slots of their tier; what does not fit is left out, noted, and not counted', async (t) => {
  const layout = planOf([0, 2], [4])
  const plan = refit(layout, layout, planOf([4, 6, 7], [0, 2], [1]))
  t.same(slotsOf(plan), [{ 0: 4, 1: 6 }, { 2: 0 }])
  t.same(plan!.tiers.map((tier) => tier.threshold), [0, 1])
  t.equal(plan!.maxActors, 3)
  t.match(plan!.notes.join(), /cpus 1-2,7 are not used before a restart/)
})

t.test('a lowest tier that is another one is refused', async (t) => {
  const layout = planOf([0, 2], [4])
  const { tiers } = planOf([], [4])
  t.equal(refit(layout, layout, { ...layout, tiers: tiers.slice(1) }), null)
})
