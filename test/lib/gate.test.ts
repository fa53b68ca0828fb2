// When tiers of 8 + 8 + 16 actors open and close: the spill policy with a clock of its own.
import t from 'tap'
import { Gate } from '#lib/gate'
import type { GateTier } from '#lib/gate'

const seed: GateTier[] = [
  { tier: 1, threshold: 0, size: 8 }, { tier: 2, threshold: 6, size: 8 }, { tier: 3, threshold: 14, size: 16 }
]

t.test('tier 2 opens at 7 active and not at 6, tier 3 at 15 and not at 14', async (t) => {
  const gate = new Gate(seed, 100)
  const seen: number[][] = []
  for (let active = 0; active <= 32; active++) {
    const hasChanged = gate.update(active, 0, 0)
    if (hasChanged) seen.push([active, gate.openTier])
  }
  t.same(seen, [[7, 2], [15, 3]])
})

t.test('a jump from 0 to 15 active opens tiers 2 and 3 in one update', async (t) => {
  const gate = new Gate(seed, 100)
  t.equal(gate.openTier, 1)
  t.equal(gate.update(15, 0, 0), true)
  t.equal(gate.openTier, 3)
  t.equal(gate.update(32, 99, 1), false, 'all are open already')
})

t.test('the next tier and its threshold: 2 at 6, 3 at 14, then none', async (t) => {
  const gate = new Gate(seed, 100)
  const next = () => [gate.nextTier, gate.nextThreshold]
  t.same(next(), [2, 6])
  gate.update(7, 0, 0)
  t.same(next(), [3, 14])
  gate.update(15, 0, 0)
  t.same(next(), [undefined, Infinity])
})

t.test('tier 3 closes 100 ms after the load fell to 14, not at 99 ms', async (t) => {
  const gate = new Gate(seed, 100)
  gate.update(15, 0, 1000)
  t.equal(gate.closesAtMs, Infinity)
  t.equal(gate.update(14, 0, 1010), false)
  t.equal(gate.closesAtMs, 1110)
  t.equal(gate.update(14, 0, 1109), false)
  t.equal(gate.openTier, 3)
  t.equal(gate.closesAtMs, 1110, 'looking again moves nothing')
  t.equal(gate.update(14, 0, 1110), true)
  t.equal(gate.openTier, 2, 'the highest goes; 14 is above 6')
  t.equal(gate.closesAtMs, Infinity)
})

t.test('load that comes back at 99 ms keeps the tier, and the 100 ms start anew', async (t) => {
  const gate = new Gate(seed, 100)
  gate.update(7, 0, 0)
  gate.update(6, 0, 0)
  gate.update(7, 0, 99)
  t.equal(gate.closesAtMs, Infinity)
  gate.update(6, 0, 150)
  t.equal(gate.closesAtMs, 250)
  t.equal(gate.update(6, 0, 249), false)
  t.equal(gate.openTier, 2)
  t.equal(gate.update(6, 0, 250), true)
  t.equal(gate.openTier, 1)
})

t.test('tier 2, wanted until 1 ms before tier 3 closes, stays open for 100 ms of its own', async (t) => {
  const gate = new Gate(seed, 100)
  gate.update(15, 0, 0)
  gate.update(10, 0, 0)
  gate.update(10, 0, 99)
  gate.update(0, 0, 100)
  t.equal(gate.openTier, 2)
})

t.test('idle for long, all close down to tier 1, and tier 1 never does', async (t) => {
  const gate = new Gate(seed, 100)
  gate.update(15, 0, 0)
  const tiers: number[] = []
  for (let nowMs = 0; nowMs <= 1000; nowMs += 50) {
    gate.update(0, 0, nowMs)
    tiers.push(gate.openTier)
  }
  t.same(tiers.slice(0, 2), [3, 3], 'open at 0 and 50 ms')
  t.ok(tiers.every((tier, i) => i === 0 || tier <= tiers[i - 1]!), 'highest first, none reopens')
  t.equal(tiers.at(-1), 1)
  t.equal(gate.closesAtMs, Infinity)
})

t.test('a delay of 0 ms closes at once', async (t) => {
  const gate = new Gate(seed, 0)
  gate.update(7, 0, 5)
  t.equal(gate.update(6, 0, 5), true)
  t.equal(gate.openTier, 1)
})

t.test('a backlog opens: tier 2 at 9 waiting above its 8 lower slots, tier 3 at 17 above 16', async (t) => {
  const opened = (backlog: number) => {
    const gate = new Gate(seed, 100)
    gate.update(0, backlog, 0)
    return gate.openTier
  }
  t.same([8, 9, 16, 17].map(opened), [1, 2, 2, 3])
})

t.test('a backlog of 9 holds tier 2 open while no actor is active', async (t) => {
  const gate = new Gate(seed, 100)
  gate.update(0, 9, 0)
  gate.update(0, 9, 1000)
  t.equal(gate.openTier, 2)
  gate.update(0, 8, 1000)
  t.equal(gate.closesAtMs, 1100)
})

t.test('reasons say why each tier is open or closed', async (t) => {
  const gate = new Gate(seed, 100)
  const reasons = () => ([1, 2, 3] as const).map((tier) => gate.reason(tier))
  t.same(reasons(), ['always open', 'below threshold', 'below threshold'])
  gate.update(7, 0, 0)
  t.same(reasons(), ['always open', 'active over threshold', 'below threshold'])
  gate.update(6, 0, 0)
  t.same(reasons(), ['always open', 'closing', 'below threshold'])
  gate.update(6, 9, 50)
  t.same(reasons(), ['always open', 'backlog', 'below threshold'])
  gate.update(6, 0, 60)
  gate.update(6, 0, 160)
  t.same(reasons(), ['always open', 'below threshold', 'below threshold'])
})

t.test('one tier alone is open at any load; tiers 1 and 3 open by their own ids', async (t) => {
  const single = new Gate([{ tier: 1, threshold: 0, size: 4 }], 100)
  t.equal(single.update(4, 1000, 0), false)
  t.equal(single.openTier, 1)
  t.equal(single.nextThreshold, Infinity)
  const gap = new Gate([{ tier: 1, threshold: 0, size: 8 }, { tier: 3, threshold: 6, size: 8 }], 100)
  t.equal(gap.nextTier, 3)
  t.equal(gap.reason(2), 'below threshold')
  gap.update(7, 0, 0)
  t.equal(gap.openTier, 3)
  t.equal(gap.reason(3), 'active over threshold')
})
