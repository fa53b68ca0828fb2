// Which cpu gets which tier and threshold: recorded machines by their reference plans, the rest by hand.
import path from 'node:path'
import t from 'tap'
import { makePlan, threshold } from '#lib/tiers'
import type { Plan } from '#lib/tiers'
import { parseCpuList } from '#lib/machine/cpulist'
import { readTopology } from '#lib/topology'
import type { Cpu, Topology } from '#lib/topology'
import { listMachines, readMachine } from '../fixtures/machines'

const { folders, missing } = listMachines()

function cpusOf (plan: Plan): Record<string, readonly number[]> {
  const of = (id: number) => plan.tiers.find((tier) => tier.tier === id)?.cpus ?? []
  return { tier1: of(1), tier2: of(2), tier3: of(3) }
}

function compare (t: any, plan: Plan, expected: any, title: string): void {
  const { tier1, tier2, tier3, thresholds } = expected
  t.same(cpusOf(plan), { tier1, tier2, tier3 }, title)
  for (const { tier, cpus, slots, threshold } of plan.tiers) {
    t.equal(threshold, tier === 1 ? 0 : thresholds[`tier${tier}`], `${title}: threshold of tier ${tier}`)
    t.same(slots.map((slot) => slot.cpu), cpus, `${title}: slots of tier ${tier}`)
  }
  t.same(plan.tiers.flatMap((tier) => tier.slots.map((slot) => slot.id)),
    [...tier1, ...tier2, ...tier3].map((_, index) => index), `${title}: ids of slots`)
}

for (const folder of folders) {
  t.test(`machine ${path.basename(folder)} has the plans of its reference`, async (t) => {
    const { reader, tiers } = readMachine(folder)
    const topology = readTopology({ root: '/recorded', reader })
    const unlimited = { ...topology, quotaCpus: null }
    compare(t, makePlan(unlimited, { reserve: 0 }), tiers.auto, 'auto')
    compare(t, makePlan(topology, { reserve: 0 }), tiers.capped, 'capped')
    t.equal(makePlan(topology, { reserve: 0 }).maxActors, tiers.maxActors, 'maxActors')
    compare(t, makePlan(topology, { strategy: 'even-odd' }), tiers.seed, 'seed')
    if (tiers.otherHome !== null) {
      compare(t, makePlan(unlimited, { reserve: 0, home: tiers.otherHome.homeCpu }), tiers.otherHome, 'otherHome')
    }
  })
}

t.test('the recorded machines beside the repository', { skip: missing ?? false }, async (t) => {
  t.ok(folders.length > 16, `${folders.length} machines`)
})

t.test('a tier opens two below the size of all lower tiers, but at least at 1 and at most one below', async (t) => {
  t.same([0, 1, 2, 3, 4, 8, 16].map(threshold), [0, 0, 1, 1, 2, 6, 14])
})

/** 16 cores in two L3 domains; the siblings are the odd ids, as on the machine the rule was made for. */
function seedMachine (): Topology {
  return build(Array.from({ length: 32 }, (_, id) => ({
    id, core: id >> 1, coreCpus: [id & ~1, id | 1], l3Cpus: parseCpuList(id < 16 ? '0-15' : '16-31')
  })))
}

function build (parts: (Partial<Cpu> & { id: number })[], others: Partial<Topology> = {}): Topology {
  const cpus = parts.map((part): Cpu => ({
    online: true,
    allowed: true,
    package: 0,
    packageCpus: null,
    die: null,
    dieCpus: null,
    node: 0,
    core: part.id,
    coreCpus: [part.id],
    l2Cpus: null,
    l3Cpus: null,
    llcLevel: null,
    llcCpus: null,
    perfClass: null,
    capacity: null,
    maxFreqKHz: null,
    ...part
  }))
  const ids = cpus.map((cpu) => cpu.id)
  return {
    source: 'kernel files',
    arch: null,
    online: ids,
    possible: null,
    present: null,
    allowed: ids,
    cpusAllowedList: null,
    cgroup: null,
    quotaCpus: null,
    perfEvidence: null,
    nodes: [],
    cpus,
    parallelism: Math.max(1, ids.length),
    counts: null,
    notes: [],
    ...others
  }
}

const seedTiers = {
  tier1: [0, 2, 4, 6, 8, 10, 12, 14],
  tier2: [16, 18, 20, 22, 24, 26, 28, 30],
  tier3: [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]
}
const thresholdsOf = (plan: Plan) => plan.tiers.map((tier) => tier.threshold)

t.test('8 + 8 + 16: tiered and even-odd agree, and open at 0, 6 and 14', async (t) => {
  const recorded = readTopology({ root: '/recorded', reader: readMachine('vm-seed-16c32t').reader })
  for (const topology of [seedMachine(), recorded]) {
    for (const plan of [makePlan(topology, { reserve: 0 }), makePlan(topology, { strategy: 'even-odd' })]) {
      t.same(cpusOf(plan), seedTiers)
      t.same(thresholdsOf(plan), [0, 6, 14])
      t.equal(plan.maxActors, 32)
      t.same(plan.reserved, [])
      t.same(plan.notes, [])
    }
  }
})

t.test('reserve auto keeps the first core of tier 1 with its sibling free: 7 + 8 + 15, 0 / 5 / 13', async (t) => {
  const plan = makePlan(seedMachine())
  t.equal(plan.strategy, 'tiered')
  t.same(plan.reserved, [0, 1])
  t.same(plan.tiers.map((tier) => tier.cpus.length), [7, 8, 15])
  t.same(plan.tiers[0]?.cpus[0], 2)
  t.notOk(plan.tiers[2]?.cpus.includes(1))
  t.same(thresholdsOf(plan), [0, 5, 13])
})

t.test('reserve auto keeps nothing where tier 1 has 3 cores', async (t) => {
  const three = build([0, 1, 2].map((id) => ({ id, l3Cpus: [0, 1, 2] })))
  t.same(makePlan(three).reserved, [])
  const four = build([0, 1, 2, 3].map((id) => ({ id, l3Cpus: [0, 1, 2, 3] })))
  t.same(makePlan(four).reserved, [0])
})

t.test('reserve never empties tier 1, and says so', async (t) => {
  const plan = makePlan(seedMachine(), { reserve: 9 })
  t.same(plan.tiers[0]?.cpus, [14])
  t.equal(plan.reserved.length, 14)
  t.match(plan.notes.join('\n'), /7 of 9 cores are reserved: the lowest tier has 8/)
  const single = makePlan(build([{ id: 0 }]), { reserve: 1 })
  t.same(single.tiers.map((tier) => tier.cpus), [[0]])
})

t.test('linear: every usable cpu in order of the ids, in tier 1', async (t) => {
  const plan = makePlan(seedMachine(), { strategy: 'linear', reserve: 0 })
  t.same(plan.tiers.map((tier) => tier.cpus), [Array.from({ length: 32 }, (_, id) => id)])
  t.same(makePlan(seedMachine(), { strategy: 'linear' }).reserved, [0, 1])
})

t.test('avoid-smt: tiers 1 and 2 only, and the siblings are said to be unused', async (t) => {
  const plan = makePlan(seedMachine(), { strategy: 'avoid-smt', reserve: 0 })
  t.same(cpusOf(plan), { ...seedTiers, tier3: [] })
  t.match(plan.notes.join('\n'), /1,3,5.* are not used: they are SMT siblings/)
})

t.test('l3-isolation: the home domain and its siblings, nothing outside it', async (t) => {
  const plan = makePlan(seedMachine(), { strategy: 'l3-isolation', reserve: 0, home: 20 })
  t.same(cpusOf(plan), { tier1: seedTiers.tier2, tier2: [], tier3: [17, 19, 21, 23, 25, 27, 29, 31] })
  t.same(plan.tiers.map((tier) => tier.tier), [1, 3])
  t.same(thresholdsOf(plan), [0, 6])
})

t.test('none: as many actors as usable cpus, tied to none; a quota of 2.5 cpus leaves 2', async (t) => {
  const plan = makePlan(seedMachine(), { strategy: 'none' })
  t.equal(plan.maxActors, 32)
  t.same(plan.tiers.map((tier) => tier.cpus), [[]])
  t.ok(plan.tiers[0]?.slots.every((slot) => slot.cpu === null))
  const capped = makePlan({ ...seedMachine(), quotaCpus: 2.5 }, { strategy: 'none' })
  t.equal(capped.maxActors, 2)
  t.match(capped.notes.join('\n'), /quota of 2.5 cpus allows 2 of 32/)
})

t.test('a quota below one cpu leaves one actor', async (t) => {
  const plan = makePlan({ ...seedMachine(), quotaCpus: 0.5 }, { reserve: 0 })
  t.same(plan.tiers.map((tier) => tier.cpus), [[0]])
  t.equal(plan.quotaCpus, 0.5)
})

t.test('even-odd and explicit tiers are taken as they stand: a quota is noted, not applied', async (t) => {
  const limited = { ...seedMachine(), quotaCpus: 6 }
  const plan = makePlan(limited, { strategy: 'even-odd' })
  t.equal(plan.maxActors, 32)
  t.match(plan.notes.join('\n'), /quota of 6 cpus does not cut even-odd tiers/)
  t.equal(makePlan(limited, { strategy: 'even-odd', maxActors: 6 }).maxActors, 6)
  t.equal(makePlan(limited, { tiers: [{ actors: 9 }] }).maxActors, 9)
})

t.test('even-odd with odd cpus only: tier 3 alone, always open', async (t) => {
  const plan = makePlan(build([1, 3, 5].map((id) => ({ id }))), { strategy: 'even-odd' })
  t.same(plan.tiers.map(({ tier, cpus, threshold }) => ({ tier, cpus, threshold })),
    [{ tier: 3, cpus: [1, 3, 5], threshold: 0 }])
})

t.test('maxActors 10 cuts the last slots: 8 + 2, thresholds 0 / 6', async (t) => {
  const plan = makePlan(seedMachine(), { reserve: 0, maxActors: 10 })
  t.same(cpusOf(plan), { tier1: seedTiers.tier1, tier2: [16, 18], tier3: [] })
  t.equal(plan.maxActors, 10)
  t.match(plan.notes.join('\n'), /maxActors allows 10 of 32/)
})

t.test('efficiency cores come after the performance cores, and a home of efficiency cores is tier 1', async (t) => {
  const hybrid = build([0, 1, 2, 3, 4, 5].map((id) => ({
    id, l3Cpus: id < 3 ? [0, 1, 2] : [3, 4, 5], perfClass: id < 3 ? 'efficiency' as const : 'performance' as const
  })))
  t.same(cpusOf(makePlan(hybrid, { reserve: 0 })), { tier1: [3, 4, 5], tier2: [0, 1, 2], tier3: [] })
  t.same(cpusOf(makePlan(hybrid, { reserve: 0, home: 0 })), { tier1: [0, 1, 2], tier2: [3, 4, 5], tier3: [] })
})

t.test('the other domains come by distance, 20 where it is unknown, then by package, then by node', async (t) => {
  // Domains of two cpus on nodes 0 to 4; node 2 is at 15, node 4 at 30, the others' distances are unknown.
  const domains = [0, 1, 2, 3, 4].flatMap((node) => [2 * node, 2 * node + 1].map((id) => ({
    id, node, package: node === 3 ? 0 : node, l3Cpus: [2 * node, 2 * node + 1]
  })))
  const nodes = [{ id: 0, cpus: [0, 1], distance: { 0: 10, 2: 15, 4: 30 }, synthetic: false }]
  t.same(cpusOf(makePlan(build(domains, { nodes }), { reserve: 0 })),
    { tier1: [0, 1], tier2: [4, 5, 6, 7, 2, 3, 8, 9], tier3: [] })
})

t.test('files that contradict each other give no cpu two slots', async (t) => {
  const plan = makePlan(build([{ id: 0, coreCpus: [0, 2] }, { id: 1, coreCpus: [1, 2] }, { id: 2, coreCpus: [2] }]))
  t.same(plan.tiers.flatMap((tier) => tier.cpus).sort(), [0, 1, 2])
})

t.test('no usable cpu is known: one tier of as many actors as the topology says', async (t) => {
  const plan = makePlan(build([], { parallelism: 5 }))
  t.same(plan.tiers.map((tier) => [tier.tier, tier.cpus, tier.threshold]), [[1, [], 0]])
  t.equal(plan.maxActors, 4, 'reserve auto leaves room for the event loop')
  t.equal(makePlan(build([], { parallelism: 5 }), { reserve: 0 }).maxActors, 5)
})

t.test('only numbers of cores are known: 4 performance, 2 efficiency, 10 threads are 4 + 2 + 4', async (t) => {
  const counts = { performanceCores: 4, efficiencyCores: 2 }
  const plan = makePlan(build([], { parallelism: 10, counts }), { reserve: 0 })
  t.same(plan.tiers.map((tier) => tier.slots.length), [4, 2, 4])
  t.same(thresholdsOf(plan), [0, 2, 4])
})

t.test('explicit tiers: cpus or numbers of actors, thresholds given or by the rule', async (t) => {
  const plan = makePlan(seedMachine(), { tiers: [{ cpus: [4, 6, 8, 10] }, { actors: 3, threshold: 1 }, { cpus: [5] }] })
  t.equal(plan.strategy, 'explicit')
  t.same(plan.tiers.map((tier) => tier.slots), [
    [4, 6, 8, 10].map((cpu, id) => ({ id, cpu, tier: 1 })),
    [4, 5, 6].map((id) => ({ id, cpu: null, tier: 2 })),
    [{ id: 7, cpu: 5, tier: 3 }]
  ])
  t.same(thresholdsOf(plan), [0, 1, 5])
  t.same(plan.reserved, [])
  t.same(makePlan(seedMachine(), { tiers: [{ actors: 2 }], strategy: 'tiered' }).maxActors, 2, 'beside the default')
  const none: Topology = { ...seedMachine(), cpus: [] }
  t.same(makePlan(none, { tiers: [{ cpus: [99] }] }).tiers[0]!.cpus, [99], 'where no cpu is known none is refused')
})

t.test('given thresholds replace the rule, and one that only waiting jobs get over is noted', async (t) => {
  t.same(thresholdsOf(makePlan(seedMachine(), { reserve: 0, thresholds: [0, 3, 9] })), [0, 3, 9])
  const plan = makePlan(seedMachine(), { reserve: 0, thresholds: [0, 8] })
  t.same(thresholdsOf(plan), [0, 8, 14])
  t.match(plan.notes.join('\n'), /tier 2 opens only for jobs that wait: its threshold is 8, and the lower tiers have 8 actors/)
  const one = makePlan(seedMachine(), { tiers: [{ actors: 1 }, { actors: 1, threshold: 1 }] })
  t.match(one.notes.join('\n'), /tier 2 opens only for jobs that wait: its threshold is 1, and the lower tiers have 1 actor$/m)
})

t.test('bad options are refused by name, with what was expected and got', async (t) => {
  const refuses = (options: any, message: RegExp) => {
    t.throws(() => makePlan(seedMachine(), options), { code: 'FST_ERR_SPILLOVER_OPTION', message })
  }
  refuses({ strategy: 'fast' }, /option strategy: expected one of tiered, .*, got "fast"/)
  refuses({ reserve: -1 }, /option reserve: expected "auto" or an integer of at least 0, got -1/)
  refuses({ reserve: NaN }, /got NaN/)
  refuses({ home: 32 }, /option home: expected one of the usable cpus 0-31, got 32/)
  refuses({ home: '1' }, /option home: expected the id of a cpu, got "1"/)
  refuses({ maxActors: 0 }, /option maxActors: expected an integer of at least 1, got 0/)
  refuses({ thresholds: [1] }, /option thresholds/)
  refuses({ thresholds: [0, 5, 3] }, /option thresholds.*got \[0,5,3\]/)
  refuses({ thresholds: 3 }, /option thresholds/)
  refuses({ tiers: [] }, /option tiers: expected 1 to 3 tiers/)
  refuses({ tiers: [{}] }, /option tiers\[0\]: expected either cpus or actors, got \{\}/)
  refuses({ tiers: [null] }, /option tiers\[0\]/)
  refuses({ tiers: [{ cpus: [1], actors: 1 }] }, /either cpus or actors/)
  refuses({ tiers: [{ cpus: [] }] }, /option tiers\[0\].cpus/)
  refuses({ tiers: [{ cpus: [1] }, { cpus: [1] }] }, /option tiers\[1\].cpus: expected each cpu once, got 1/)
  refuses({ tiers: [{ cpus: [1] }, { cpus: [98, 2, 99] }] },
    /^option tiers\[1\]\.cpus: expected cpus of the machine, 0-31, got 98-99$/)
  refuses({ tiers: [{ actors: 0 }] }, /option tiers\[0\].actors/)
  refuses({ tiers: [{ actors: 2, threshold: 1 }] }, /always open, got 1/)
  refuses({ tiers: [{ actors: 2 }], strategy: 'linear' }, /option strategy: expected none beside explicit tiers/)
})
