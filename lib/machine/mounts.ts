// Where the control groups of a process are mounted, and which folders are its own group and that group's ancestors.
import type { TopologyReader } from './files.js'

// The kernel's own limit for the depth of a cgroup tree is far above what anyone nests; chosen.
const maxCgroupDepth = 64

export interface Mount {
  readonly root: string
  readonly point: string
  readonly version: 1 | 2
  readonly controllers: ReadonlySet<string>
}

/** Path segments; `..` is dropped, so that no text from a file leads out of the root. */
function segments (text: string): string[] {
  return text.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
}

export function readMounts (reader: TopologyReader): Mount[] {
  const mounts: Mount[] = []
  const add = (root: string, point: string, type: string, options: string) => {
    if (!['cgroup', 'cgroup2', 'cpuset'].includes(type)) return
    mounts.push({
      root,
      point: segments(point.replace(/\\040/g, ' ')).join('/'),
      version: type === 'cgroup2' ? 2 : 1,
      controllers: new Set(type === 'cpuset' ? ['cpuset'] : options.split(','))
    })
  }
  for (const line of (reader.readFile('proc/self/mountinfo') ?? '').split('\n')) {
    const [before, after] = line.split(' - ')
    const [, , , root, point] = before!.split(' ')
    const [type, , options] = after?.split(' ') ?? []
    if (root && point && type) add(root, point, type, options ?? '')
  }
  // `mounts` lacks the root of a mount, so it is only the second choice.
  const text = mounts.length > 0 ? '' : reader.readFile('proc/self/mounts') ?? reader.readFile('proc/mounts') ?? ''
  for (const line of text.split('\n')) {
    const [, point, type, options] = line.split(' ')
    if (point && type) add('/', point, type, options ?? '')
  }
  return mounts
}

/** The folders of a group and its ancestors below a mount, the group first. */
export function groupFolders (mount: Mount, group: string): string[] {
  const root = segments(mount.root)
  let parts = segments(group)
  // Without a namespace of its own a container sees the host's path, of which the mount shows only the end.
  if (root.length > 0) parts = root.every((part, index) => parts[index] === part) ? parts.slice(root.length) : []
  const folders: string[] = []
  for (let depth = Math.min(parts.length, maxCgroupDepth); depth >= 0; depth--) {
    folders.push([mount.point, ...parts.slice(0, depth)].join('/'))
  }
  return folders
}
