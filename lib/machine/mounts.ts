// Where the control groups of a process are mounted, and which folders are its own group and that group's ancestors.
import type { TopologyReader } from './files.js'

// PATH_MAX: the kernel writes no longer path, so a longer one is nonsense.
const maxPathBytes = 4096

/** A mount of control groups; `root` is the group that lies at `point`. */
export interface Mount {
  readonly root: string
  readonly point: string
  readonly version: 1 | 2
  readonly controllers: ReadonlySet<string>
}

/** The segments of a path; null where it leads out of where it begins. */
function segments (text: string): string[] | null {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  return text.length > maxPathBytes || parts.includes('..') ? null : parts
}

/** The kernel writes space, tab, newline and backslash of a path as `\040` and so on. */
function unescape (text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** All mounts of control groups, in the kernel's order. */
export function readMounts (reader: TopologyReader): Mount[] {
  const mounts: Mount[] = []
  const add = (root: string, point: string, type: string, options: string) => {
    const parts = segments(unescape(point))
    if (parts === null || !['cgroup', 'cgroup2', 'cpuset'].includes(type)) return
    mounts.push({
      root: unescape(root),
      point: parts.join('/'),
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

/**
 * The folders of a group and its ancestors below a mount, the group first; null where the mount does not show the
 * group, or the process was moved out of its namespace, so that its path begins with `..`.
 */
function groupFolders (mount: Mount, group: string): string[] | null {
  const parts = segments(group)
  if (parts === null) return null
  // A mount from outside of the namespace: an ancestor lies at its point, and the way down from there has no names.
  if (/^(\/\.\.)+$/.test(mount.root)) return [mount.point]
  const root = segments(mount.root)
  // Without a namespace of its own a container sees the host's path, of which the mount shows only the end.
  if (root === null || root.some((part, index) => parts[index] !== part)) return null
  const below = parts.slice(root.length)
  return [...below, ''].map((_, index) => [mount.point, ...below.slice(0, below.length - index)].join('/'))
}

/** Of several mounts that show a group, the one that shows most of its ancestors. */
export function bestFolders (mounts: readonly Mount[], group: string): string[] | null {
  return mounts.map((mount) => groupFolders(mount, group))
    .reduce((best, folders) => (folders?.length ?? 0) > (best?.length ?? 0) ? folders : best, null)
}
