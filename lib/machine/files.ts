// Reaches the kernel's files below a root, and turns the text of one into a number or a set of cpus.
import fs from 'node:fs'
import path from 'node:path'
import { maxCpus, parseCpuList, parseCpuMap } from './cpulist.js'

/** How files are reached; paths are relative to the root, and what cannot be read is null or empty. */
export interface TopologyReader {
  readonly readFile: (file: string) => string | null
  readonly readFolder: (folder: string) => readonly string[]
}

// The longest real file is /proc/cpuinfo: about 1.5 KB a cpu, and its first entries are enough.
const maxFileBytes = 1 << 18

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

export function diskReader (root: string): TopologyReader {
  return {
    readFile (file) {
      let handle: number | undefined
      try {
        // Not blocking, because a pipe in the place of a file would never answer.
        handle = fs.openSync(path.join(root, file), fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0))
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
        return fs.readdirSync(path.join(root, folder))
      } catch {
        // A folder that cannot be read is the same to us as one without entries.
        return []
      }
    }
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

/** A set of online cpus from the first of the list files that names any, else from the first such map. */
export function readSet (
  reader: TopologyReader, folder: string, lists: readonly (keyof typeof mapOf)[], online: ReadonlySet<number>
): number[] | null {
  for (const list of lists) {
    const cpus = readList(reader, `${folder}/${list}`)
    if (cpus !== null && cpus.length > 0) return cpus.filter((id) => online.has(id))
  }
  for (const list of lists) {
    const cpus = parseCpuMap(reader.readFile(`${folder}/${mapOf[list]}`) ?? '')
    if (cpus !== null && cpus.length > 0) return cpus.filter((id) => online.has(id))
  }
  return null
}

export function numbered (names: readonly string[], prefix: string): number[] {
  const ids: number[] = []
  for (const name of names) {
    const id = name.startsWith(prefix) && /^\d{1,5}$/.test(name.slice(prefix.length))
      ? Number(name.slice(prefix.length))
      : maxCpus
    if (id < maxCpus) ids.push(id)
  }
  return ids.sort((a, b) => a - b)
}
