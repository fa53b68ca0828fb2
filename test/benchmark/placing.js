// Where threads run: pins the threads that a pool has started, by taskset, and reads what a thread has used of a CPU.
import { execFileSync } from 'node:child_process'
import { promises, readFileSync, readdirSync } from 'node:fs'

const tasks = '/proc/self/task'

/** Ids of this process's threads; empty where the system does not tell. */
export function threadIds () {
  try {
    return readdirSync(tasks).map(Number)
  } catch {
    return []
  }
}

/** Have libuv start its own threads now, so that what is new later is the pool's. */
export async function startLibuv () {
  await Promise.all(Array.from({ length: 8 }, () => promises.stat('/')))
}

/**
 * Put the main thread on the first allowed CPU and the new threads on the next ones. False: it could not be done, and
 * everything runs where the kernel likes.
 * @param {'split' | 'same'} placement split: the pool's threads on other CPUs than the host; same: all on one
 */
export function pin (placement, before, cpus) {
  const workers = threadIds().filter((id) => !before.includes(id))
  if (workers.length === 0 || (placement === 'split' && cpus.length < 2)) return false
  try {
    taskset(cpus[0], process.pid)
    workers.forEach((id, index) => taskset(placement === 'same' ? cpus[0] : cpus[1 + index % (cpus.length - 1)], id))
    return true
  } catch {
    return false
  }
}

function taskset (cpu, id) {
  execFileSync('taskset', ['-cp', String(cpu), String(id)], { stdio: 'ignore' })
}

/** The CPUs this process may use, as numbers; empty where the system does not tell. */
export function allowedCpus () {
  try {
    const [, list] = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return list.split(',').flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, index) => from + index)
    })
  } catch {
    return []
  }
}

/** CPU time of the calling thread, µs: from the scheduler's own count; NaN where the system does not tell. */
export function threadCpuUs () {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1000
  } catch {
    return process.threadCpuUsage ? sum(process.threadCpuUsage()) : NaN
  }
}

/** CPU time of the whole process, µs. */
export function processCpuUs () {
  return sum(process.cpuUsage())
}

function sum ({ user, system }) {
  return user + system
}
