// Notices that cpus went offline or that the limits of the process changed, by looking at the few files that say so.
import { diskReader } from './machine/files.js'
import { readTopology } from './topology.js'
import type { TopologyReader } from './machine/files.js'
import type { Topology } from './topology.js'

/** How often the files are looked at, ms; chosen: a few small files, and a plan follows within a few seconds. */
const WATCH_MS = 2000
const STATUS = 'proc/self/status'
const changing = /^proc\/self\/(status|cgroup)$|cpu\/online$|cpuset|cpu\.max$|cfs_(quota|period)_us$|\/cpus$/

/** A watcher; its timer keeps no process alive. */
export interface Watcher { start (): void, stop (): void }

/**
 * Watches this machine. `changed` is called with the machine as it is now. Where the mask of the main thread is what it
 * was at `start`, the mask of before counts: the pool may have pinned the host's thread itself meanwhile.
 */
export function watchMachine (
  changed: (topology: Topology) => void, reader: TopologyReader = diskReader('/'), everyMs = WATCH_MS
): Watcher {
  const files = new Set<string>()
  const first = reader.readFile(STATUS)
  let mask: string | undefined
  let seen: string | undefined
  let timer: NodeJS.Timeout | undefined
  const read: TopologyReader = {
    readFile (file) {
      if (changing.test(file)) files.add(file)
      const text = reader.readFile(file)
      return file === STATUS && maskOf(text) === mask ? first : text
    },
    readFolder: (folder) => reader.readFolder(folder)
  }
  const look = (): string => [...files].map((file) => {
    const text = reader.readFile(file)
    return file === STATUS ? maskOf(text) : text
  }).join('\n')
  return {
    start () {
      if (timer !== undefined) return
      mask = maskOf(reader.readFile(STATUS))
      readTopology({ reader: read })
      seen = look()
      timer = setInterval(() => {
        const now = look()
        if (now === seen) return
        // which files matter may have changed too: the group may be another one
        files.clear()
        const topology = readTopology({ reader: read })
        seen = look()
        if (topology.source === 'kernel files') changed(topology)
      }, everyMs).unref()
    },
    stop () { clearInterval(timer) }
  }
}

function maskOf (status: string | null): string {
  return /^Cpus_allowed_list:.*$/m.exec(status ?? '')?.[0] ?? ''
}
