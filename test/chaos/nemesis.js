'use strict'
// The faults from outside the jobs: threads ended, the jobs' module replaced and broken, the process stopped and
// continued, its cpus changed, bursts.
const { spawnSync } = require('node:child_process')
const { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } = require('node:fs')
const { availableParallelism } = require('node:os')
const { join } = require('node:path')

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const CPUSET = '/sys/fs/cgroup/cpuset'

exports.makeNemesis = ({ random, server, client, faults, reloads }) => {
  const { pid } = server.child
  const cpus = availableParallelism()
  const masks = cpus === 1 ? ['0'] : ['0', String(cpus - 1), `0-${cpus - 1}`]
  const cpuset = makeCpuset(pid)
  const hasTaskset = spawnSync('taskset', ['-V']).status === 0
  if (!hasTaskset) console.log('chaos: masks are not changed: there is no taskset')
  if (cpuset === undefined) console.log('chaos: the cpuset is not changed: none of version 1 that this user may write')
  const count = (fault) => { faults[fault] = (faults[fault] ?? 0) + 1 }
  const kill = async () => { if (await server.order('kill')) count('thread killed') }

  const strikes = {
    'thread killed': [6, kill],
    'SIGSTOP and SIGCONT': [2, async () => {
      server.child.kill('SIGSTOP')
      await sleep(random.integer(20, random.chance(0.2) ? 2500 : 300))
      server.child.kill('SIGCONT')
      count('SIGSTOP and SIGCONT')
    }],
    burst: [5, async () => { client.send({ burst: random.integer(20, 120) }); count('burst') }],
    // threads that live keep what they have loaded; that of the next ones is seen where threads are killed beside it
    'module replaced': [3, async () => {
      reloads.reload()
      count('module replaced')
      await kill()
    }],
    'module broken': [1, async () => {
      reloads.break()
      count('module broken')
      for (let n = random.integer(1, 6); n > 0; n--) {
        await kill()
        await sleep(random.integer(1, 500))
      }
      reloads.reload()
    }],
    'shared signal': [2, async () => { await server.order('abortShared'); count('shared signal') }],
    ...(hasTaskset && {
      mask: [2, async () => {
        // threads come and go meanwhile, so one that is gone is no fault
        spawnSync('taskset', ['-apc', random.pick(masks), String(pid)])
        count('mask')
      }]
    }),
    ...(cpuset !== undefined && {
      cpuset: [2, async () => { cpuset.set(random.pick(masks)); count('cpuset') }]
    })
  }
  const weights = Object.fromEntries(Object.entries(strikes).map(([name, [weight]]) => [name, weight]))
  return {
    async strike () {
      if (client.exitCode !== null) return
      await strikes[random.weighted(weights)][1]()
    },
    end () {
      if (server.exit === undefined) {
        server.child.kill('SIGCONT')
        if (hasTaskset) spawnSync('taskset', ['-apc', masks.at(-1), String(pid)])
      }
      cpuset?.end()
    }
  }
}

/** A control group of the server's own, where the machine has cpusets of version 1; undefined where it has not. */
function makeCpuset (pid) {
  const folder = join(CPUSET, `spillover-chaos-${process.pid}`)
  try {
    if (!existsSync(join(CPUSET, 'cpuset.cpus'))) return undefined
    mkdirSync(folder)
    for (const name of ['cpuset.mems', 'cpuset.cpus']) writeFileSync(join(folder, name), readFileSync(join(CPUSET, name)))
    writeFileSync(join(folder, 'cgroup.procs'), String(pid))
  } catch {
    try {
      rmdirSync(folder)
    } catch {} // it was not made
    return undefined
  }
  return {
    set: (list) => writeFileSync(join(folder, 'cpuset.cpus'), list),
    end () {
      for (const line of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
        writeFileSync(join(CPUSET, 'cgroup.procs'), line)
      }
      for (let round = 0; round < 50; round++) {
        try {
          return rmdirSync(folder)
        } catch {
          spawnSync('sleep', ['0.1']) // the kernel lets go of it a moment later
        }
      }
    }
  }
}
