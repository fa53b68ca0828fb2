// The drawing of recorded machines: each cpu once, with its use, in the width that there is.
import t from 'tap'
import { drawTopology } from '#lib/cli/drawing'
import { pageOf } from '#lib/cli/paint'
import { printPlan } from '#lib/cli/plan'
import { makePlan } from '#lib/tiers'
import { readTopology } from '#lib/topology'
import { listMachines, readMachine } from '../../fixtures/machines'

function draw (nameOrFolder: string, width = 80): { topology: string, plan: string, online: readonly number[] } {
  const machine = readTopology({ root: '/recorded', reader: readMachine(nameOrFolder).reader })
  const page = { isColourful: false, width }
  const plan = makePlan(machine)
  return { topology: drawTopology(page, machine, plan), plan: printPlan(page, plan, machine), online: machine.online }
}

t.test('a column a core, siblings below each other, and what each cpu is used for', async (t) => {
  t.equal(draw('vm-seed-cgroup2').topology, `16 usable cpus: 0-7,16-23
read from kernel files, architecture x86_64; 6 actors
not used: 8-15,24-31 (not allowed: affinity 0-7,16-23, cpuset 0-7,16-23)
not used: 3,5,7,17,19,21-23 (usable: see the notes)
reserved: 0-1 (for the event loop)
cpu quota: 6 cpus (cgroup version 2)

L3 cache of cpus 0-15, package 0, node 0
  core     0     1     2     3     4     5     6     7
  cpus   0:r   2:1   4:1   6:1   8:-  10:-  12:-  14:-
         1:r   3:u   5:u   7:u   9:-  11:-  13:-  15:-

L3 cache of cpus 16-31, package 0, node 0
  core     8     9    10    11    12    13    14    15
  cpus  16:2  18:2  20:2  22:u  24:-  26:-  28:-  30:-
        17:u  19:u  21:u  23:u  25:-  27:-  29:-  31:-

tier 1  3 actors, always open
tier 2  3 actors, opens when more than 1 actor is active

0:r is cpu 0 with its use: 1 tier 1, 2 tier 2, r reserved for the event loop,
  u usable, not used, - not allowed

note: cpus 0-1 are kept free for the event loop
note: the quota of 6 cpus allows 6 of 14 actors
`)
})

t.test('packages and nodes are headings with distances; caches of one core each are drawn side by side', async (t) => {
  t.match(draw('vm-4n4c-distances').topology,
    /\npackage 1\n {2}NUMA node 1, distance 32 to 0, 24 to 2, 16 to 3\n {4}L3 cache of cpus 4-7\n {6}core /)
  t.match(draw('vm-no-l3-4c2t').topology, /L2 cache of each core its own, package 0, node 0\n {2}core +0 +1 +2 +3\n/)
  const offline = draw('vm-seed-offline').topology
  t.match(offline, /not used: 3,8-9,16-18 \(offline\)/)
  t.notMatch(offline, /\b16:/)
})

for (const width of [40, 80, 200]) {
  t.test(`every recorded machine on ${width} columns: each online cpu is drawn once, and no line is longer`, async (t) => {
    for (const folder of listMachines().folders) {
      const { topology, plan, online } = draw(folder, width)
      const long = (topology + plan).split('\n').filter((line) => line.length > width)
      // A list of cpus without a blank cannot be broken.
      t.same(long.filter((line) => /\s/.test(line.trim())), [], folder)
      const drawing = topology.slice(topology.indexOf('\n\n'), topology.indexOf('\n\ntier 1'))
      t.same([...drawing.matchAll(/ (\d+):[-123ru]/g)].map(([, id]) => Number(id)).sort((a, b) => a - b), online, folder)
    }
  })
}

t.test('the plan says when each tier opens, and what is reserved and not used', async (t) => {
  const { plan } = draw('vm-seed-cgroup2')
  t.match(plan, /tier 1 {2}3 actors, always open\n {8}cpus 2 4 6\n/)
  t.match(plan, /tier 2 {2}3 actors, opens when more than 1 actor is active/)
  t.match(plan, /reserved for the event loop: cpus 0-1\n/)
  t.match(plan, /usable but not used: cpus 3,5,7,17,19,21-23/)
})

t.test('a machine of which only a number is known is drawn without cpus', async (t) => {
  const machine = readTopology({ root: '/recorded', reader: { readFile: () => null, readFolder: () => [] }, parallelism: 3 })
  const text = drawTopology({ isColourful: false, width: 80 }, machine, makePlan(machine, { reserve: 0 }))
  t.match(text, /^3 usable cpus, their ids are unknown\n/)
  t.match(text, /tier 1 {2}3 actors, always open/)
})

t.test('colour on a terminal; NO_COLOR and TERM=dumb take it; FORCE_COLOR decides before them', async (t) => {
  const stream = { isTTY: true, columns: 100 }
  t.same(pageOf({ stream, env: {} }), { isColourful: true, width: 100 })
  t.equal(pageOf({ stream, env: { NO_COLOR: '1' } }).isColourful, false)
  t.equal(pageOf({ stream, env: { TERM: 'dumb' } }).isColourful, false)
  t.equal(pageOf({ stream, env: { FORCE_COLOR: '0' } }).isColourful, false)
  t.equal(pageOf({ stream: {}, env: { FORCE_COLOR: '1', NO_COLOR: '1' } }).isColourful, true)
  t.same(pageOf({ stream: {}, env: { COLUMNS: 'x' } }), { isColourful: false, width: 80 })
  t.same(pageOf({ stream: { columns: 10 }, env: {} }).width, 40)
})
