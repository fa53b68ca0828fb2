'use strict'
// Runs in the virtual machine: makes the surroundings that the shape asks for, starts the server in them, raises its
// load step by step, and prints what it saw as one line of JSON. It judges nothing.
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const shape = JSON.parse(Buffer.from(/spillover_job=(\S+)/.exec(fs.readFileSync('/proc/cmdline', 'utf8'))[1], 'base64url'))
const base = 'http://127.0.0.1:8080'
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const get = async (url) => (await fetch(base + url)).json()
const post = async (url) => (await fetch(base + url, { method: 'POST' })).json()
const expand = (list) => list.split(',').flatMap((part) => {
  const [first, last = first] = part.split('-').map(Number)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
})

const until = async (what, test, limitMs = 180_000) => {
  const limit = Date.now() + limitMs
  for (;;) {
    const found = await test()
    if (found) return found
    if (Date.now() > limit) throw new Error(`waited for: ${what}; the server: ${JSON.stringify(await get('/health/tiers'))}`)
    await pause(50)
  }
}

const setOnline = (list, value) => {
  for (const cpu of expand(list)) fs.writeFileSync(`/sys/devices/system/cpu/cpu${cpu}/online`, value)
}

const start = () => {
  let command = ['/bin/node', path.join(__dirname, 'server.js')]
  if (shape.affinity) command = ['/bin/busybox', 'taskset', '-c', shape.affinity, ...command]
  if (shape.cpuset) {
    fs.writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+cpuset +cpu')
    fs.mkdirSync('/sys/fs/cgroup/job')
    fs.writeFileSync('/sys/fs/cgroup/job/cpuset.cpus', shape.cpuset)
    command = ['/bin/busybox', 'sh', '-c', 'echo $$ > /sys/fs/cgroup/job/cgroup.procs; exec "$@"', 'sh', ...command]
  }
  return spawn(command[0], command.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] })
}

/** Mask, last cpu, CPU time in ticks and times it went to sleep, of each thread of the server. */
const threadsOf = (pid) => Object.fromEntries(fs.readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
  try {
    const status = fs.readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1')
    const fields = fs.readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')
    const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)[1]
    return [[tid, {
      mask: field('Cpus_allowed_list'),
      cpu: Number(fields[36]),
      ticks: Number(fields[11]) + Number(fields[12]),
      sleeps: Number(field('voluntary_ctxt_switches'))
    }]]
  } catch {
    return [] // it ended meanwhile
  }
}))

const brief = ({ active, backlog, openTier, tiers }) => ({
  active, backlog, openTier, states: tiers.map(({ states }) => states), held: tiers.map((tier) => tier.active)
})

const main = async () => {
  if (shape.offline) setOnline(shape.offline, '0')
  const report = { online: fs.readFileSync('/sys/devices/system/cpu/online', 'utf8').trim(), steps: [] }
  const server = start()
  const exit = new Promise((resolve) => server.on('exit', (code, signal) => resolve(code ?? signal)))
  await until('the server listens', () => get('/plan').catch(() => false))
  report.plan = await get('/plan')
  const health = () => get('/health/tiers')
  report.pinning = (await health()).pinning
  report.steps.push(brief(await health()))
  const jobs = Math.min(report.plan.maxActors, shape.jobs ?? 64)
  for (let count = 1; count <= jobs; count++) {
    await post('/hold')
    const state = await until(`${count} actors are active`, async () => {
      const state = await health()
      return state.active === count && state.backlog === 0 && state
    })
    report.steps.push(brief(state))
  }
  // Two breaths of every held job, looked at from outside.
  report.samples = []
  for (let nth = 0; nth < 6; nth++) {
    report.samples.push(threadsOf(server.pid))
    await pause(150)
  }
  report.actors = (await health()).tiers.flatMap(({ tier, actors }) => actors.map((actor) => ({ tier, ...actor })))
  report.results = await post('/release')
  report.closed = brief(await until('all tiers but the first are closed', async () => {
    const state = await health()
    const isAbove = ({ tier }) => tier !== state.tiers[0].tier
    return state.active === 0 && state.openTier === state.tiers[0].tier &&
      state.tiers.filter(isAbove).every(({ actors }) => actors.every((actor) => actor.state === 'closed')) && state
  }))
  await pause(1000) // the last turns of their event loops end
  report.idle = [threadsOf(server.pid)]
  await pause(3000)
  report.idle.push(threadsOf(server.pid))
  if (shape.hotplug) report.hotplug = await hotplug(server.pid)
  server.kill('SIGTERM')
  report.exit = await exit
  console.log(`\nREPORT ${JSON.stringify(report)}`)
}

/** Takes cpus away and brings them back under load. */
const hotplug = async () => {
  const seen = []
  let sent = 0
  let fulfilled = 0
  const loaded = new AbortController()
  const batches = []
  const load = (async () => {
    while (!loaded.signal.aborted || sent < 200) {
      const startedMs = Date.now()
      sent += 20
      fulfilled += (await post('/burn/20')).fulfilled
      batches.push(Date.now() - startedMs)
    }
  })()
  const cpus = (plan) => plan.tiers.flatMap((tier) => tier.cpus)
  const gone = expand(shape.hotplug)
  setOnline(shape.hotplug, '0')
  seen.push(await until('the plan is without the cpus', async () => {
    const plan = await get('/plan')
    return cpus(plan).every((cpu) => !gone.includes(cpu)) && plan
  }, 60_000))
  setOnline(shape.hotplug, '1')
  seen.push(await until('the plan has the cpus again', async () => {
    const plan = await get('/plan')
    return gone.every((cpu) => cpus(plan).includes(cpu)) && plan
  }, 60_000))
  loaded.abort()
  await load
  return { seen, sent, fulfilled, batches }
}

main().catch((error) => {
  console.log(`\nFAILED ${error.stack}`)
  process.exit(1)
})
