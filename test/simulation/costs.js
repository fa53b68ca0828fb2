'use strict'
// What a job costs the host thread and its actor, in µs of CPU: the cost model of lib/simulator.ts. Linux only.
const fs = require('node:fs')
const path = require('node:path')
const { createScheduler } = require('../../dist/lib/index.js')

const TICK_US = 10_000
const SECONDS = 3
/** Jobs in flight, as many as a busy server has. */
const IN_FLIGHT = 64

function cpuTimes () {
  const times = new Map()
  for (const id of fs.readdirSync('/proc/self/task')) {
    const fields = fs.readFileSync(`/proc/self/task/${id}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
    times.set(id, (Number(fields[11]) + Number(fields[12])) * TICK_US)
  }
  return times
}

async function main () {
  const pool = createScheduler({ jobs: path.join(__dirname, '..', 'benchmark', 'jobs', 'jobs.js'), tiers: [{ actors: 1 }], pin: false })
  await pool.ready()
  const during = async (seconds) => {
    const untilMs = performance.now() + seconds * 1000
    let jobs = 0
    await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
      while (performance.now() < untilMs) {
        await pool.offload('noop', { a: 1, b: 'two' })
        jobs++
      }
    }))
    return jobs
  }
  await during(1)
  const before = cpuTimes()
  const jobs = await during(SECONDS)
  const used = [...cpuTimes()].map(([id, us]) => [Number(id), us - (before.get(id) ?? 0)])
  const [, hostUs] = used.find(([id]) => id === process.pid)
  const actorUs = Math.max(...used.filter(([id]) => id !== process.pid).map(([, us]) => us))
  console.log(`${Math.round(jobs / SECONDS)} jobs/s; host ${(hostUs / jobs).toFixed(2)} µs, actor ${(actorUs / jobs).toFixed(2)} µs a job`)
  await pool.close()
}

main()
