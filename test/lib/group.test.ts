// A real control group that shrinks and grows while a pool in it works: plan, pinning and claims follow.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { addonReason } from '#lib/affinity'
import { claimCores, releaseCores } from '#lib/claims'
import { parseCpuList } from '#lib/machine/cpulist'
import { readTopology } from '#lib/topology'
import { makeGroup } from '../fixtures/groups'
import { until } from '../fixtures/until'
import type { Test } from 'tap'
import type { Group } from '../fixtures/groups'

interface State {
  cpus: number[]
  pinning: { isOn: boolean, reason: string | null, claimed: number[] }
  actors: { cpu: number, state: string, pinned: boolean, pinReason: string | null }[]
}

const { allowed, cpus } = readTopology()
const cores = allowed.filter((id) => (cpus.find((cpu) => cpu.id === id)?.coreCpus ?? [id])[0] === id)
const [first, second] = cores as [number, number]
const both = `${first},${second}`
const group = cores.length < 2 ? 'this process may use one core only' : makeGroup(`spillover-test-${process.pid}`, both)
const skip = addonReason !== null ? `the addon is not there: ${addonReason}` : typeof group === 'string' ? group : false

/** A process in the group, its pool open. */
async function start (t: Test): Promise<{ pid: number, ask: (command: string, value?: number) => Promise<any> }> {
  const before = process.env.XDG_RUNTIME_DIR
  process.env.XDG_RUNTIME_DIR = t.testdir({})
  const child = fork(path.join(__dirname, '../fixtures/limited.cjs'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exit = once(child, 'exit')
  const waiting = new Map<number, (answer: unknown) => void>()
  child.on('message', ({ id, answer }: { id: number, answer: unknown }) => waiting.get(id)!(answer))
  let count = 0
  const ask = async (command: string, value?: number) => await new Promise((resolve) => {
    waiting.set(++count, resolve)
    child.send({ id: count, command, value })
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  ;(group as Group).add(child.pid!)
  await ask('open')
  return { pid: child.pid!, ask }
}

/** Does the pool look so, every actor of tier 1 open? */
const isAt = ({ cpus, pinning, actors }: State, wanted: number[], isOn: boolean) => cpus.join() === wanted.join() &&
  pinning.isOn === isOn && actors.every(({ state, pinned }) => state === 'open' && pinned === isOn)

t.teardown(() => { if (typeof group !== 'string') group.remove() })

t.test('a cpuset of two cores loses one and gets it back: 400 jobs done, plan, pinning and claims follow', { skip }, async (t) => {
  const { pid, ask } = await start(t)
  const set = (list: string) => (group as Group).setCpus(list)
  t.teardown(() => set(both))
  const look = async (): Promise<State> => await ask('look')
  await until('both actors are pinned', async () => isAt(await look(), [first, second], true))
  t.same((await look()).pinning.claimed, [first, second])
  t.same(claimCores([second]), [second], 'the core is the pool\'s')
  const jobs = [ask('run', 200)]
  set(String(first))
  await until('one actor is left, and not pinned', async () => isAt(await look(), [first], false))
  jobs.push(ask('run', 200))
  const { pinning } = await look()
  t.same([pinning.reason, pinning.claimed], ['1 core is usable, and the event loop needs it too', []])
  const masks = readdirSync(`/proc/${pid}/task`).map((tid) =>
    /^Cpus_allowed_list:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))![1]!)
  t.same([...new Set(masks.flatMap((mask) => parseCpuList(mask)))], [first], 'no thread may run elsewhere')
  t.same(claimCores([second]), [], 'the core that it lost is free for others')
  releaseCores([second])
  t.same(await Promise.all(jobs), [200, 200])
  set(both)
  await until('both actors are pinned again', async () => isAt(await look(), [first, second], true))
  t.same((await look()).pinning.claimed, [first, second])
  t.equal(await ask('run', 100), 100)
  await ask('close')
})

t.test('a quota of one cpu is set and taken off: one actor, not pinned; then both, pinned', { skip }, async (t) => {
  const { ask } = await start(t)
  const set = (limit: number | null) => (group as Group).setQuota(limit)
  t.teardown(() => set(null))
  const look = async (): Promise<State> => await ask('look')
  await until('both actors are pinned', async () => isAt(await look(), [first, second], true))
  const jobs = ask('run', 100)
  set(1)
  await until('one actor is left, and not pinned', async () => isAt(await look(), [first], false))
  t.equal((await look()).pinning.reason, 'a cpu quota of 1 is set')
  set(null)
  await until('both actors are pinned again', async () => isAt(await look(), [first, second], true))
  t.equal(await jobs, 100)
  await ask('close')
})
