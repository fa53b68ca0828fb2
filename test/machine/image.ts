// The file system of the virtual machines: busybox, node and the built package, in the kernel's own archive format,
// so that neither a disk, a daemon, root nor a kernel module is needed.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(__dirname, '../..')

/** The archive, as `-initrd` takes it. */
export function buildImage (): Buffer {
  const entries: Buffer[] = []
  const known = new Set<string>()
  const folder = (name: string) => {
    if (name === '.' || name === '' || known.has(name)) return
    folder(path.dirname(name))
    known.add(name)
    entries.push(record(name, 0o40755, Buffer.alloc(0)))
  }
  const file = (name: string, body: Buffer, mode = 0o100755) => {
    folder(path.dirname(name))
    entries.push(record(name, mode, body))
  }
  const copy = (from: string, to: string) => file(to, fs.readFileSync(from))
  for (const name of ['dev', 'proc', 'sys', 'tmp', 'root']) folder(name)
  // The kernel opens it for the first process, before anything is mounted.
  entries.push(record('dev/console', 0o20600, Buffer.alloc(0), [5, 1]))
  copy(busybox(), 'bin/busybox')
  copy(path.join(__dirname, 'guest/init.sh'), 'init')
  copy(process.execPath, 'bin/node')
  for (const library of librariesOf(process.execPath)) copy(library, library.slice(1))
  const tree = (name: string, skip: RegExp) => {
    for (const entry of fs.readdirSync(path.join(root, name), { recursive: true, withFileTypes: true })) {
      const from = path.join(entry.parentPath ?? entry.path, entry.name)
      const to = path.relative(root, from)
      if (entry.isFile() && !skip.test(to)) copy(from, path.join('app', to))
    }
  }
  const unused = /\.(ts|map|md|mts|cts)$|\/(test|tests|docs|benchmark|benchmarks|examples)\//
  for (const name of ['dist/lib', 'dist/plugin', 'dist/native-affinity', 'prebuilds', 'test/machine/guest']) {
    if (fs.existsSync(path.join(root, name))) tree(name, unused)
  }
  copy(path.join(root, 'package.json'), 'app/package.json')
  for (const name of dependencies()) tree(name, unused)
  entries.push(record('TRAILER!!!', 0, Buffer.alloc(0)))
  return Buffer.concat(entries)
}

/** The first busybox without a need of libraries. */
export function busybox (): string {
  const found = (process.env.PATH ?? '').split(':').map((folder) => path.join(folder, 'busybox'))
    .find((file) => fs.existsSync(file))
  if (found === undefined) throw new Error('busybox not found (Debian: busybox-static)')
  if (librariesOf(found).length > 0) throw new Error(`${found} is not static (Debian: busybox-static)`)
  return found
}

function librariesOf (program: string): string[] {
  let text: string
  try {
    text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return [] // ldd fails for what is no dynamic program
  }
  return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, file]) => file!)
}

/** Folders of what the package and Fastify need to run. */
function dependencies (): Set<string> {
  const found = new Set<string>()
  const visit = (from: string, name: string, isNeeded: boolean): void => {
    for (let at = from; ; at = path.dirname(at)) {
      const place = path.join(at, 'node_modules', name)
      if (fs.existsSync(path.join(root, place, 'package.json'))) {
        if (found.has(place)) return
        found.add(place)
        const { dependencies = {}, optionalDependencies = {} } = readPackage(place)
        for (const needed of Object.keys(dependencies)) visit(place, needed, !(needed in optionalDependencies))
        return
      }
      if (at === '.') {
        if (isNeeded) throw new Error(`${name}, which ${from} needs, is not installed`)
        return
      }
    }
  }
  for (const name of ['fastify', ...Object.keys(readPackage('.').dependencies ?? {})]) visit('.', name, true)
  return found
}

function readPackage (folder: string): { dependencies?: object, optionalDependencies?: object } {
  return JSON.parse(fs.readFileSync(path.join(root, folder, 'package.json'), 'utf8'))
}

/** One entry of a "newc" archive: a header of hexadecimal numbers, the name, the body, each padded to 4 bytes. */
function record (name: string, mode: number, body: Buffer, device: [number, number] = [0, 0]): Buffer {
  const hex = (value: number) => value.toString(16).padStart(8, '0')
  const fields = [0, mode, 0, 0, 1, 0, body.length, 0, 0, ...device, Buffer.byteLength(name) + 1, 0]
  const head = Buffer.from(`070701${fields.map(hex).join('')}${name}\0`)
  const pad = (length: number) => Buffer.alloc((4 - length % 4) % 4)
  return Buffer.concat([head, pad(head.length), body, pad(body.length)])
}
