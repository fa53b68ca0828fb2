// The machine changes while the pool runs: noticed from its files, followed without losing a job.
import { execFileSync, spawnSync } from 'node:child_process'
import path from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { checkOptions } from '#lib/options'
import { Scheduler } from '#lib/scheduler'
import { makePlan } from '#lib/tiers'
import { readTopology } from '#lib/topology'
import { channels } from '#lib/trace'
import { watchMachine } from '#lib/watcher'
import { memoryReader } from '../fixtures/machines'
import { until } from '../fixtures/until'
import { planOf, virtualPool } from '../fixtures/virtual'
import type { Plan } from '#lib/index'
import type { Topology } from '#lib/topology'

const jobs = path.resolve(__dirname, '../fixtures/jobs.cjs')
const mask = (list: string) => `Name:\tnode\nCpus_allowed_list:\t${list}\n`
const folder = 'sys/devices/system/cpu'

/** Cpus 0 to 5, cores of two siblings, one cache for 0-3 and one for 4-5. */
function sixCpus (): Map<string, string> {
  const files = new Map([[`${folder}/online`, '0-5'], ['proc/self/status', mask('0-5')]])
  for (let id = 0; id < 6; id++) {
    files.set(`${folder}/cpu${id}/topology/thread_siblings_list`, `${id & ~1}-${id | 1}`)
    files.set(`${folder}/cpu${id}/topology/core_id`, String(id >> 1))
    files.set(`${folder}/cpu${id}/cache/index3/level`, '3')
    files.set(`${folder}/cpu${id}/cache/index3/type`, 'Unified')
    files.set(`${folder}/cpu${id}/cache/index3/shared_cpu_list`, id < 4 ? '0-3' : '4-5')
  }
  return files
}

t.test('an offline cpu, a mask and a quota are noticed; the mask that the pool itself set is not', async (t) => {
  const files = sixCpus()
  const seen: Topology[] = []
  const watcher = watchMachine((topology) => seen.push(topology), memoryReader(files), 5)
  // the host's thread was pinned between reading the machine and ready()
  files.set('proc/self/status', mask('0-1'))
  watcher.start()
  t.teardown(() => watcher.stop())
  files.set(`${folder}/online`, '0-4')
  await until('an offline cpu is noticed', () => seen.length === 1)
  t.same(seen[0]!.allowed, [0, 1, 2, 3, 4])
  files.set('proc/self/status', mask('2-4'))
  await until('another mask is noticed', () => seen.length === 2)
  t.same(seen[1]!.allowed, [2, 3, 4])
  files.set('proc/self/status', mask('0-1'))
  files.set(`${folder}/online`, '0-5')
  await until('the cpu that is back is noticed', () => (seen.at(-1)?.allowed.length ?? 0) === 6)
})

t.test('a cpu that comes online while the machine is read is noticed by the next look', async (t) => {
  const files = sixCpus()
  files.set(`${folder}/online`, '0-3')
  const reader = memoryReader(files)
  const seen: Topology[] = []
  let isComing = false
  const watcher = watchMachine((topology) => seen.push(topology), {
    ...reader,
    readFile (file) {
      const text = reader.readFile(file)
      // after the list was read, and before what the cpus share
      if (isComing && file.endsWith('core_id')) files.set(`${folder}/online`, '0-5')
      return text
    }
  }, 5)
  watcher.start()
  t.teardown(() => watcher.stop())
  isComing = true
  files.set(`${folder}/online`, '0-4')
  await until('both are noticed', () => seen.at(-1)?.allowed.length === 6)
  t.same(seen.map(({ allowed }) => allowed.length), [5, 6])
})

t.test('a cpu is called online before its folders are complete: they are read once more', async (t) => {
  const files = sixCpus()
  const [level, type] = ['level', 'type'].map((name) => `${folder}/cpu5/cache/index3/${name}`)
  const said = [level, type].map((file) => files.get(file!)!)
  files.set(`${folder}/online`, '0-4')
  for (const file of [level, type]) files.delete(file!)
  const seen: Topology[] = []
  const watcher = watchMachine((topology) => {
    seen.push(topology)
    files.set(level!, said[0]!)
    files.set(type!, said[1]!)
  }, memoryReader(files), 5)
  watcher.start()
  t.teardown(() => watcher.stop())
  files.set(`${folder}/online`, '0-5')
  await until('the cache of the cpu is known', () => seen.at(-1)?.cpus[5]?.llcLevel === 3)
  t.same(seen.map(({ cpus }) => cpus[5]?.llcLevel), [null, 3])
})

t.test('slots empty and fill under load: 600 jobs accepted, 600 done, each on a cpu of the plan at the end', async (t) => {
  const files = sixCpus()
  const machine = (online: string) => {
    files.set(`${folder}/online`, online)
    return makePlan(readTopology({ root: '/recorded', reader: memoryReader(files) }), { reserve: 0 })
  }
  const scheduler = new Scheduler(machine('0-5'), checkOptions({ jobs, pin: false, execArgv: [], closeDelayMs: 1, maxQueueWaitMs: 0 }))
  await scheduler.ready()
  t.teardown(() => scheduler.close())
  t.same(scheduler.plan.tiers.map(({ cpus }) => cpus), [[0, 2], [4], [1, 3, 5]])
  const told: any[] = []
  const listener = (message: any) => { if (message.pool === scheduler.identity) told.push(message) }
  channels.plan.subscribe(listener)
  t.teardown(() => channels.plan.unsubscribe(listener))
  const burst = () => Array.from({ length: 200 }, (_, index) => scheduler.offload('spin', 1,
    index % 10 === 0 ? { key: String(index) } : index % 10 === 1 ? { transfer: [new ArrayBuffer(8)] } : {}))
  const results = burst()
  scheduler.replan(machine('0-1,4'))
  t.same(scheduler.plan.tiers.map(({ cpus }) => cpus), [[0, 4], [], [1]], 'the caches hold one core each, so they are one domain')
  results.push(...burst())
  const cpusInUse = () => scheduler.snapshot().tiers.flatMap(({ actors }) =>
    actors.filter(({ state }) => state !== 'vacant').map(({ cpu }) => cpu))
  await until('the actors of cpus 2, 3 and 5 are gone', () => cpusInUse().join() === '0,4,1')
  scheduler.replan(machine('0-5'))
  results.push(...burst())
  t.same(await Promise.all(results), results.map(() => 1))
  const lowest = () => scheduler.snapshot().tiers[0]!.actors
  await until('the actor of cpu 2 is open again', () => lowest().every(({ state }) => state === 'open'))
  const { counters, tiers } = scheduler.snapshot()
  t.equal(counters.accepted, 600)
  t.equal(counters.settled.ok, 600)
  t.same(tiers.map(({ cpus, threshold }) => ({ cpus, threshold })),
    [{ cpus: [0, 2], threshold: 0 }, { cpus: [4], threshold: 1 }, { cpus: [1, 3, 5], threshold: 1 }])
  t.same(told.map(({ maxActors }) => maxActors), [3, 6])
})

t.test('the home cache goes offline: its slots get other cpus, and jobs go on', async (t) => {
  const files = sixCpus()
  const machine = () => makePlan(readTopology({ root: '/recorded', reader: memoryReader(files) }), { reserve: 0 })
  const scheduler = new Scheduler(machine(), checkOptions({ jobs, pin: false, execArgv: [] }))
  await scheduler.ready()
  t.teardown(() => scheduler.close())
  const before = Array.from({ length: 50 }, () => scheduler.offload('where', 0))
  files.set(`${folder}/online`, '4-5')
  scheduler.replan(machine())
  await Promise.all(before)
  const lowest = () => scheduler.snapshot().tiers[0]!.actors
  await until('the slot has its new cpu', () => lowest().some(({ cpu, state }) => cpu === 4 && state === 'open'))
  t.equal((await scheduler.offload('where', 0) as any).cpu, 4)
})

for (const [cpu, states] of [[undefined, 'draining closed vacant'], [9, 'draining closed vacant closed opening open']] as const) {
  t.test(`an actor whose cpu is gone is killed as blocked at 10 s: its slot, which has cpu ${cpu} now, is ${states}`, async (t) => {
    const layout = planOf([2, 0])
    const planFor = (...cpus: number[]): Plan => ({
      ...layout, tiers: [{ tier: 1, cpus, threshold: 0, slots: cpus.map((cpu, id) => ({ id, cpu, tier: 1 })) }]
    })
    const { scheduler, offer, at, clock, actors } = await virtualPool(planFor(0, 1), { timeoutMs: 0 })
    const beganAtMs = clock.now()
    const long = offer({ runMs: 30_000 })
    offer({ runMs: 0.1, blocks: true })
    at(beganAtMs + 5)
    const bound = offer({ runMs: 1 }, { transfer: [new ArrayBuffer(8)] })
    scheduler.replan(cpu === undefined ? planFor(0) : planFor(0, cpu))
    at(beganAtMs + 5000)
    t.strictSame([actors[1]!.state, bound.code], ['open', 'pending'], 'its buffers are moved, so it can go nowhere else')
    const seen: string[] = []
    const listener = (message: any) => { if (message.pool === scheduler.identity) seen.push(message.state) }
    channels.actor.subscribe(listener)
    t.teardown(() => channels.actor.unsubscribe(listener))
    at(beganAtMs + 15_000)
    t.equal(seen.join(' '), states)
    t.equal(actors[1]!.slot.cpu, cpu ?? 1)
    t.strictSame([long.code, bound.code], ['pending', 'ACTOR_EXIT'])
  })
}

const taskset = spawnSync('taskset', ['-p', String(process.pid)]).status === 0
const usable = readTopology().allowed
const missing = !taskset
  ? 'taskset is not there'
  : usable.length < 2 ? 'this process has one cpu only' : false

t.test('taskset takes a cpu from this process: the plan follows, 100 jobs are done', { skip: missing }, async (t) => {
  const [first] = usable
  const set = (list: string) => execFileSync('taskset', ['-a', '-p', '-c', list, String(process.pid)])
  const scheduler = createScheduler({ jobs, reserve: 0, pin: false, execArgv: [] })
  await scheduler.ready()
  t.teardown(() => scheduler.close())
  const all = scheduler.plan.maxActors
  t.teardown(() => set(usable.join()))
  const results = Array.from({ length: 100 }, () => scheduler.offload('spin', 1))
  set(String(first))
  await until('the plan has one cpu', () => scheduler.plan.maxActors === 1)
  t.same(scheduler.plan.tiers[0]!.cpus, [first])
  t.equal((await Promise.all(results)).length, 100)
  set(usable.join())
  await until('the plan has all cpus again', () => scheduler.plan.maxActors === all)
})

t.test('watch: false and explicit tiers stay as they are', { skip: missing }, async (t) => {
  const [first] = usable
  const pools = [
    createScheduler({ jobs, watch: false, reserve: 0, pin: false, execArgv: [] }),
    createScheduler({ jobs, tiers: [{ actors: 2 }], pin: false, execArgv: [] })
  ]
  for (const pool of pools) {
    await pool.ready()
    t.teardown(() => pool.close())
  }
  const plans = pools.map(({ plan }) => plan)
  let told = 0
  const watcher = watchMachine(() => told++)
  watcher.start()
  t.teardown(() => {
    watcher.stop()
    execFileSync('taskset', ['-a', '-p', '-c', usable.join(), String(process.pid)])
  })
  execFileSync('taskset', ['-p', '-c', String(first), String(process.pid)])
  await until('another watcher has noticed', () => told > 0)
  t.same(pools.map(({ plan }) => plan), plans)
})
