// Reaches the kernel's files below a root, and turns the text of one into a number or a set of cpus.
import fs from 'node:fs'
import path from 'node:path'
import { maxCpus, parseCpuList, parseCpuMap } from './cpulist.js'

/** How files are reached; paths are relative to the root, and what cannot be read is null or empty. */
export interface TopologyReader {
  readonly readFile: (file: string) => string | null
  readonly readFolder: (folder: string) => readonly string[]
}

// The longest real file that matters to its end is mountinfo: 200 bytes a mount, thousands of them where many
// containers run. Chosen: it bounds what a nonsense file can cost.
const maxFileBytes = 1 << 22

// Old kernels have only the map of a set, and where the two differ the list has proved right.
const mapOf = {
  core_cpus_list: 'core_cpus',
  thread_siblings_list: 'thread_siblings',
  package_cpus_list: 'package_cpus',
  core_siblings_list: 'core_siblings',
  die_cpus_list: 'die_cpus',
  shared_cpu_list: 'shared_cpu_map',
  cpulist: 'cpumap'
} as const

/** The disk below a root. */
export function diskReader (root: string): TopologyReader {
  const top = realpath(root)
  const locate = (name: string): string => {
    const place = path.join(root, name)
    // A recorded machine is somebody else's: a link in it must not show files of this one.
    if (root !== '/' && top !== null && !realpath(place)?.startsWith(top + path.sep)) throw new Error('not below the root')
    return place
  }
  return {
    readFile (file) {
      let handle: number | undefined
      try {
        // Not blocking, because a pipe in the place of a file would never answer.
        handle = fs.openSync(locate(file), fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0))
        if (!fs.fstatSync(handle).isFile()) return null
        const buffer = Buffer.alloc(4096)
        const chunks: Buffer[] = []
        for (let bytes = 0, size = 0; bytes < maxFileBytes; bytes += size) {
          size = fs.readSync(handle, buffer)
          chunks.push(Buffer.from(buffer.subarray(0, size)))
          // Files of /proc may come in short pieces, those of /sys come whole.
          if (size === 0 || (size < buffer.length && file.startsWith('sys/'))) break
        }
        return Buffer.concat(chunks).toString('latin1')
      } catch {
        // Whatever the reason, the value is unknown: the caller notes that, and most files are missing somewhere.
        return null
      } finally {
        if (handle !== undefined) fs.closeSync(handle)
      }
    },
    readFolder (folder) {
      try {
        return fs.readdirSync(locate(folder))
      } catch {
        // A folder that cannot be read is the same to us as one without entries.
        return []
      }
    }
  }
}

function realpath (place: string): string | null {
  try {
    return fs.realpathSync.native(place)
  } catch {
    // It is not there, or its links lead round in a circle.
    return null
  }
}

/** Linux 5.15-rc1 writes a NUL after the newline of a node's `cpulist`. */
export function cleanReader (reader: TopologyReader): TopologyReader {
  return {
    readFile: (file) => reader.readFile(file)?.replaceAll('\0', '').trim() ?? null,
    readFolder: reader.readFolder
  }
}

export function readList (reader: TopologyReader, file: string): number[] | null {
  const text = reader.readFile(file)
  return text === null ? null : parseCpuList(text)
}

export function readInteger (reader: TopologyReader, file: string): number | null {
  const text = reader.readFile(file)
  return text !== null && /^\d{1,12}$/.test(text) ? Number(text) : null
}

// The cpus of a package have a file each that names the same set: a text is parsed once in each reading of a machine.
const parsed = new WeakMap<ReadonlySet<number>, Map<string, readonly number[] | null>>()

/** A set of online cpus from the first of the list files that names any, else from the first such map. */
export function readSet (
  reader: TopologyReader, folder: string, lists: readonly (keyof typeof mapOf)[], online: ReadonlySet<number>
): readonly number[] | null {
  const known = parsed.get(online) ?? new Map<string, readonly number[] | null>()
  parsed.set(online, known)
  const read = (file: string, parse: (text: string) => number[] | null): readonly number[] | null => {
    const text = reader.readFile(`${folder}/${file}`)
    if (text === null) return null
    const key = `${parse.name} ${text}`
    let cpus = known.get(key)
    if (cpus === undefined) {
      const named = parse(text) ?? []
      known.set(key, cpus = named.length > 0 ? named.filter((id) => online.has(id)) : null)
    }
    return cpus
  }
  for (const list of lists) {
    const cpus = read(list, parseCpuList)
    if (cpus !== null) return cpus
  }
  for (const list of lists) {
    const cpus = read(mapOf[list], parseCpuMap)
    if (cpus !== null) return cpus
  }
  return null
}

/** The numbers of the names that are a prefix and a number as the kernel writes it: `cpu7`, but not `cpu07`. */
export function numbered (names: readonly string[], prefix: string): number[] {
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
    .filter((rest) => /^(0|[1-9]\d{0,4})$/.test(rest)).map(Number)
    .filter((id) => id < maxCpus).sort((a, b) => a - b)
}
