// When actors are pinned, and on which cores: recorded machines, with claims that a test makes up.
import t from 'tap'
import { planPinned, whyUnpinned } from '#lib/pinning'
import { makePlan } from '#lib/tiers'
import { readTopology } from '#lib/topology'
import { readMachine } from '../fixtures/machines'
import type { PinningOptions } from '#lib/pinning'

const machine = (name: string) => readTopology({ reader: readMachine(name).reader })
const why = (name: string, pin: boolean | 'auto', addonReason: string | null = null) => {
  const topology = machine(name)
  return whyUnpinned(pin, topology, makePlan(topology), addonReason)
}

/** Claims of a process where others hold some cores; `own` is what it has. */
function claimsBeside (others: readonly number[]) {
  const own = new Set<number>()
  return {
    own,
    claim: (cores: readonly number[]) => cores.filter((core) => {
      if (!others.includes(core)) own.add(core)
      return others.includes(core)
    }),
    release: (cores: readonly number[]) => { for (const core of cores) own.delete(core) }
  }
}

const lay = (name: string, others: readonly number[], options: Partial<PinningOptions> = {}) => {
  const claims = claimsBeside(others)
  return { ...planPinned(machine(name), { pin: 'auto', claim: true, reserve: 0, ...options }, null, claims), own: claims.own }
}

t.test('auto pins on a whole machine and on one in a cpuset that its mask fills', async (t) => {
  t.equal(why('vm-seed-16c32t', 'auto'), null)
  t.equal(why('vm-1s8c-cg1-noquota', 'auto'), null)
  t.equal(why('vm-seed-offline', 'auto'), null, 'offline cpus were not left out by anyone')
})

t.test('auto stays off under a quota, on one core, on a narrowed mask; true does not', async (t) => {
  t.equal(why('vm-seed-cgroup2', 'auto'), 'a cpu quota of 6 is set')
  t.equal(why('vm-1cpu', 'auto'), '1 core is usable, and the event loop needs it too')
  t.equal(why('vm-1s8c-affinity-2-5', 'auto'), 'the affinity mask was narrowed: it leaves out cpus 0-1,6-7')
  for (const name of ['vm-seed-cgroup2', 'vm-1cpu', 'vm-1s8c-affinity-2-5']) t.equal(why(name, true), null, name)
})

t.test('a mask that is not known keeps auto off', async (t) => {
  const topology = { ...machine('vm-1s8c-nosmt'), cpusAllowedList: null }
  t.equal(whyUnpinned('auto', topology, makePlan(topology), null), 'the affinity mask of the process is unknown')
})

t.test('nothing is pinned with false, without the addon, or where no actor has a cpu', async (t) => {
  t.equal(why('vm-seed-16c32t', false), 'the option pin is false')
  t.equal(why('vm-seed-16c32t', true, 'no addon'), 'no addon')
  const topology = machine('vm-seed-16c32t')
  for (const options of [{ strategy: 'none' as const }, { tiers: [{ actors: 2 }] }]) {
    t.equal(whyUnpinned(true, topology, makePlan(topology, options), null), 'no actor of the plan has a cpu')
  }
})

t.test('4 actors beside nobody: cores 0, 2, 4, 6 are claimed, and beside those the next 4 of the domain', async (t) => {
  const first = lay('vm-seed-16c32t', [], { maxActors: 4 })
  t.same(first.plan.tiers[0]!.cpus, [0, 2, 4, 6])
  t.same(first.pinning.claimed, [0, 2, 4, 6])
  const second = lay('vm-seed-16c32t', [0, 2, 4, 6], { maxActors: 4 })
  t.same(second.plan.tiers[0]!.cpus, [8, 10, 12, 14])
  t.same(second.pinning.claimed, [8, 10, 12, 14])
  t.match(second.plan.notes, ['maxActors allows 4 of 24 actors', 'other processes hold the cores of cpus 0-7'])
  t.equal(second.pinning.reasonFor(second.plan.tiers[0]!.slots[0]!), null)
})

t.test('a reserved core is claimed too', async (t) => {
  t.same(lay('vm-seed-16c32t', [], { maxActors: 2, reserve: 1 }).pinning.claimed, [0, 2, 4])
})

t.test('too few cores left: the plan of the whole machine, unpinned, nothing claimed, and a note', async (t) => {
  const { plan, pinning, own } = lay('vm-1s8c-nosmt', [0, 1, 2, 3, 4], { maxActors: 4 })
  t.same(plan.tiers[0]!.cpus, [0, 1, 2, 3])
  t.equal(pinning.reason, 'too few cores are left: other processes hold the cores of cpus 0-4')
  t.equal(own.size, 0)
  t.equal(plan.notes.at(-1), `actors are not pinned: ${pinning.reason}`)
  t.match(lay('vm-1s8c-nosmt', [0, 1, 2, 3, 4, 5, 6]).pinning.reason, /^too few cores/, 'one core is too few for auto')
  t.same(lay('vm-1s8c-nosmt', [0, 1, 2, 3, 4, 5, 6], { pin: true }).pinning.claimed, [7], 'and enough for true')
  t.match(lay('vm-1s8c-nosmt', [0, 1, 2, 3, 4, 5, 6, 7], { pin: true }).pinning.reason, /^too few cores/)
})

t.test('a home whose core is another\'s moves inside its domain, or the pool is unpinned', async (t) => {
  t.same(lay('vm-seed-16c32t', [16], { home: 16, maxActors: 1 }).plan.tiers[0]!.cpus, [18])
  const all = [16, 18, 20, 22, 24, 26, 28, 30]
  const { plan, pinning } = lay('vm-seed-16c32t', all, { home: 16, strategy: 'l3-isolation' })
  t.same(plan.tiers[0]!.cpus, all)
  t.match(pinning.reason, /^too few cores/)
})

t.test('explicit tiers stay: only actors on cores of others are not pinned', async (t) => {
  const { plan, pinning } = lay('vm-1s8c-nosmt', [1], { tiers: [{ cpus: [0, 1] }] })
  t.same(plan.tiers[0]!.slots.map((slot) => [slot.cpu, pinning.reasonFor(slot)]),
    [[0, null], [1, 'the core of cpu 1 is another process\'s']])
  t.same(pinning.claimed, [0])
  t.match(lay('vm-1s8c-nosmt', [0, 1], { tiers: [{ cpus: [0, 1] }] }).pinning.reason, /^no core is left/)
})

t.test('claim false claims nothing; claims that throw leave the pool unpinned with the reason; release is once', async (t) => {
  const free = lay('vm-1s8c-nosmt', [0, 1], { claim: false })
  t.same([free.pinning.reason, free.pinning.claimed, free.own.size], [null, [], 0])
  const options = { pin: true, claim: true } as const
  const broken = { claim: () => { throw new Error('read-only') }, release: () => {} }
  t.equal(planPinned(machine('vm-1s8c-nosmt'), options, null, broken).pinning.reason, 'no core can be claimed: read-only')
  const released: number[][] = []
  const counting = { claim: () => [], release: (cores: readonly number[]) => { released.push([...cores]) } }
  const { pinning } = planPinned(machine('vm-1s8c-nosmt'), { ...options, maxActors: 2, reserve: 0 }, null, counting)
  released.length = 0
  pinning.keep([1])
  t.same([released.flat(), pinning.claimed], [[0], [1]], 'a core that the plan does without is given back')
  pinning.release()
  pinning.release()
  t.same([released.flat(), pinning.claimed], [[0, 1], []])
})
