// Collects the kernel files that tell the machine, with everything else in them taken out, so that they can be shown.
import { diskReader } from './machine/files.js'
import { readTopology } from './topology.js'
import type { ReadOptions } from './topology.js'

/** Files by their paths below the root, and folders, which may be empty. */
export interface Recording {
  readonly files: ReadonlyMap<string, string>
  readonly folders: readonly string[]
}

// Of files that say more than the machine, the lines that a reader needs.
const kept: Readonly<Record<string, RegExp>> = {
  'proc/self/status': /^(Cpus|Mems)_allowed/,
  'proc/self/mountinfo': / - (cgroup2?|cpuset) /,
  'proc/self/mounts': / (cgroup2?|cpuset) /,
  'proc/mounts': / (cgroup2?|cpuset) /,
  'proc/cpuinfo': /^(processor|vendor_id|model name|flags|fdiv_bug|cpu|isa|CPU (architecture|implementer|part))\s*:/
}

// The files in which groups have names.
const naming = /^proc\/(self\/(cgroup|cpuset|mountinfo|mounts)|mounts)$/
// A container's, a pod's, a session's number: chosen so that it spares what people name their groups.
const identifier = /[0-9a-f](?:[0-9a-f]|[-_](?=[0-9a-f])){11,}/gi

/**
 * Reads the machine below a root as `readTopology` does and keeps each file it looked at. Numbers that identify a
 * container are replaced, in all places alike, and nothing is kept of the process but what it may use.
 */
export function recordMachine ({ root = '/', reader }: ReadOptions = {}): Recording {
  const disk = reader ?? diskReader(root)
  const files = new Map<string, string>()
  const folders = new Set<string>()
  const names = new Map<string, string>()
  const anonymous = (text: string) => text.replace(identifier, (found) => {
    if (!/\d/.test(found)) return found
    const name = names.get(found) ?? `id${names.size + 1}`
    names.set(found, name)
    return name
  })
  readTopology({
    root: '/recorded',
    reader: {
      readFile (file) {
        const text = disk.readFile(file)
        if (text === null) return null
        const rest = reduce(file, text)
        files.set(anonymous(file), naming.test(file) ? anonymous(rest) : rest)
        return text
      },
      readFolder (folder) {
        const entries = disk.readFolder(folder)
        for (const name of entries) if (/^(cpu|node|index)\d+$/.test(name)) folders.add(`${folder}/${name}`)
        return entries
      }
    }
  })
  return { files, folders: [...folders] }
}

function reduce (file: string, text: string): string {
  // Its later words name who built the kernel.
  if (file === 'proc/version') return `${text.split(' ').slice(0, 3).join(' ')}\n`
  const pattern = kept[file]
  return pattern === undefined ? text : text.split('\n').filter((line) => pattern.test(line)).concat('').join('\n')
}
