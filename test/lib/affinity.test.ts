// Actors on real cpus: what the kernel says of each thread.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { addonReason } from '#lib/affinity'
import { createScheduler } from '#lib/index'
import { checkOptions } from '#lib/options'
import { planPinned } from '#lib/pinning'
import { Scheduler } from '#lib/scheduler'
import { readTopology } from '#lib/topology'
import { run, unless } from '../fixtures/compiler'
import { until } from '../fixtures/until'
import type { Options } from '#lib/index'
import type { Test } from 'tap'

t.setTimeout(240_000)
const skip = unless(addonReason === null && process.platform === 'linux', `addon for Linux (${addonReason})`)
const jobs = join(__dirname, '..', 'fixtures', 'masks.cjs')
const allowed = process.platform === 'linux' && addonReason === null
  ? (require('#native-affinity') as typeof import('#native-affinity')).affinity.getAffinity()
  : []

async function masks (t: Test, options: Partial<Options>) {
  const pool = createScheduler({ jobs, execArgv: [], claim: false, ...options })
  t.teardown(() => pool.close())
  await pool.ready()
  return { pool, masks: await pool.offload('masks', 0) as Record<string, string>, snapshot: pool.snapshot() }
}

t.test('an actor runs on its cpu alone, before its module loads; all other threads, libuv\'s too, keep the mask', {
  skip: skip || (allowed.length < 2 && 'with one cpu allowed every mask is the same')
}, async (t) => {
  const cpu = allowed.at(-1)!
  // by a shell and without tap's loader, which would have used libuv's pool before
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS|TAP|_TAPJS)/.test(name)))
  const command = 'unset NODE_OPTIONS; exec "$0" "$@"'
  const { status, output } = run('/bin/sh', ['-c', command, process.execPath, join(__dirname, '..', 'fixtures', 'pinned.cjs'),
    String(cpu)], { env })
  if (!t.equal(status, 0, output)) return
  const { masks, ...found } = JSON.parse(output)
  t.same(found, { isOn: true, pinned: true, pinReason: null, atLoad: String(cpu) })
  t.equal(masks.filter((mask: string) => mask === String(cpu)).length, 1, masks.join(' '))
})

t.test('a cpu that is not there: the start is refused', async (t) => {
  t.throws(() => createScheduler({ jobs, tiers: [{ cpus: [60000] }] }), {
    code: 'FST_ERR_SPILLOVER_OPTION', message: /^option tiers\[0\]\.cpus: expected cpus of the machine, 0.*, got 60000$/
  })
})

t.test('a cpu that the kernel refuses: the actor runs unpinned and says what the kernel said', { skip }, async (t) => {
  const topology = readTopology()
  const options = checkOptions({ jobs, execArgv: [], claim: false, pin: true, tiers: [{ cpus: [60000] }] })
  const made = planPinned({ ...topology, cpus: [...topology.cpus, { ...topology.cpus[0]!, id: 60000 }] }, options, null,
    { claim: () => [], release: () => {} })
  const pool = new Scheduler(made.plan, options, undefined, made.pinning)
  t.teardown(() => pool.close())
  await pool.ready()
  const snapshot = pool.snapshot()
  t.match(snapshot.tiers[0]!.actors, [{ pinned: false, pinReason: /^cpu 60000 was refused: setAffinity: EINVAL/ }])
})

t.test('pin false: nobody is pinned, and each says why', { skip }, async (t) => {
  const { snapshot } = await masks(t, { pin: false, tiers: [{ cpus: [allowed[0]!] }] })
  t.match(snapshot.pinning, { isOn: false, reason: 'the option pin is false' })
  t.match(snapshot.tiers[0]!.actors, [{ pinned: false, pinReason: 'the option pin is false' }])
})

t.test('3 threads that are killed inside native code, one after the other: none shares its cpu with a live actor, and each is counted', {
  skip: skip || (allowed.length < 2 && 'with one cpu allowed they have to share it')
}, async (t) => {
  const cpus = allowed.slice(0, 2)
  const pool = createScheduler({
    jobs: join(__dirname, '..', 'fixtures', 'supervised.cjs'),
    tiers: [{ cpus }],
    pin: true,
    claim: false,
    execArgv: [],
    graceMs: 1,
    terminateMs: 1,
    nice: 0
  })
  t.teardown(() => pool.close())
  await pool.ready()
  const actors = () => pool.snapshot().tiers[0]!.actors
  const maskOf = (task: unknown): string => /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${task}/status`, 'utf8'))![1]!
  let seen = 0
  for (let round = 0; round < 3; round++) {
    let zombie: unknown
    const abort = new AbortController()
    const killed = pool.offload('native', 0.5, { signal: abort.signal, onProgress: (task: unknown) => { zombie = task } })
    await until('the native call', () => zombie !== undefined)
    abort.abort()
    await t.rejects(killed, { code: 'FST_ERR_SPILLOVER_CANCELLED' })
    await until('another thread', () => actors().every(({ state }) => state === 'open') &&
      actors().reduce((sum, { restarts }) => sum + restarts, 0) === round + 1)
    const held = maskOf(zombie)
    const live = await Promise.all([1, 2].map(async () => maskOf(await pool.offload('task'))))
    if (actors().every(({ zombies }) => zombies === 0)) continue // it ended while the masks were read
    seen++
    t.equal(actors().reduce((sum, { zombies }) => sum + zombies, 0), 1)
    t.notOk(live.includes(held), `${live.join(' ')} beside ${held}`)
    await until('its end', () => actors().every(({ zombies, pinned }) => zombies === 0 && pinned))
  }
  t.ok(seen > 0, `${seen} of 3 were still there`)
})
