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
  /** what each file said when the machine was read: one that has changed since is found by the next look */
  const files = new Map<string, string>()
  const first = reader.readFile(STATUS)
  let mask: string | undefined
  let last: string | undefined
  let hasChanged = false
  let timer: NodeJS.Timeout | undefined
  const saying = (file: string, text: string | null): string => file === STATUS ? maskOf(text) : String(text)
  const noting: TopologyReader = {
    readFile (file) {
      const text = reader.readFile(file)
      if (changing.test(file) && !files.has(file)) files.set(file, saying(file, text))
      return file === STATUS && maskOf(text) === mask ? first : text
    },
    readFolder: (folder) => reader.readFolder(folder)
  }
  const read = (): Topology => {
    // which files matter may have changed too: the group may be another one
    files.clear()
    return readTopology({ reader: noting })
  }
  const isOther = (): boolean => [...files].some(([file, said]) => saying(file, reader.readFile(file)) !== said)
  const look = (): void => {
    const isNew = isOther()
    // once more after a change: a cpu is called online before its folders are complete
    if (!isNew && !hasChanged) return
    hasChanged = isNew
    const topology = read()
    const text = JSON.stringify(topology)
    if (text === last || topology.source !== 'kernel files') return
    last = text
    changed(topology)
  }
  return {
    start () {
      if (timer !== undefined) return
      mask = maskOf(reader.readFile(STATUS))
      last = JSON.stringify(read())
      timer = setInterval(look, everyMs).unref()
    },
    stop () { clearInterval(timer) }
  }
}

function maskOf (status: string | null): string {
  return /^Cpus_allowed_list:.*$/m.exec(status ?? '')?.[0] ?? ''
}
