// What the control group of the process allows it: which cpus, and how much time on them.
import { readList } from './files.js'
import { bestFolders, readMounts } from './mounts.js'
import type { TopologyReader } from './files.js'

/** What the control group of the process sets; absent limits are null. */
export interface Cgroup {
  readonly version: 1 | 2
  readonly cpuset: readonly number[] | null
  readonly quotaUs: number | null
  readonly periodUs: number | null
  /** The file of the cpuset, relative to the root. */
  readonly file: string | null
}

/** What `readCgroup` finds; `cpuset` is null where nothing limits the cpus. */
export interface CgroupLimits {
  readonly cgroup: Cgroup | null
  readonly cpuset: readonly number[] | null
  readonly quotaCpus: number | null
}

// The kernel refuses shorter quotas and periods, and longer periods, in microseconds.
const minQuotaUs = 1000
const maxPeriodUs = 1_000_000

/** Reads the limits of the process's group and its ancestors, of both versions of control groups. */
export function readCgroup (
  reader: TopologyReader, ids: readonly number[], online: readonly number[], notes: string[]
): CgroupLimits {
  const mounts = readMounts(reader)
  const groups = new Map<string, string>()
  for (const line of (reader.readFile('proc/self/cgroup') ?? '').split('\n')) {
    const [hierarchy, controllers, ...rest] = line.split(':')
    if (rest.length === 0) continue
    for (const name of hierarchy === '0' ? [''] : controllers!.split(',')) groups.set(name, rest.join(':'))
  }
  const cpusetPath = reader.readFile('proc/self/cpuset')
  if (!groups.has('cpuset') && cpusetPath) groups.set('cpuset', cpusetPath)
  const find = (controller: string): { version: 1 | 2, folders: string[] } | null => {
    const legacy = mounts.filter((mount) => mount.version === 1 && mount.controllers.has(controller))
    const version = legacy.length > 0 ? 1 : 2
    const group = groups.get(version === 1 ? controller : '')
    const shown = version === 1 ? legacy : mounts.filter((mount) => mount.version === 2)
    if (group === undefined || shown.length === 0) return null
    const folders = bestFolders(shown, group)
    if (folders === null) notes.push(`the control group of the process cannot be seen here: its ${controller} limits are unknown`)
    return folders === null ? null : { version, folders }
  }
  const sets = find('cpuset')
  const set = sets === null ? null : readCpuset(reader, sets.version, sets.folders)
  const times = find('cpu')
  const quota = times === null ? null : readQuota(reader, times.version, times.folders, notes)
  // The root group allows everything, so only a limit is worth a word; version 1 lists what was set, version 2 what
  // is online of it.
  const every = set?.version === 2 ? online : ids
  const setIds = new Set(set?.cpus)
  const isLimit = set !== null && (set.isOwn || every.some((id) => !setIds.has(id)))
  if (!isLimit && quota === null) return { cgroup: null, cpuset: set?.cpus ?? null, quotaCpus: null }
  return {
    cgroup: {
      version: set?.version ?? times!.version,
      cpuset: set?.cpus ?? null,
      quotaUs: quota?.quotaUs ?? null,
      periodUs: quota?.periodUs ?? null,
      file: set?.file ?? null
    },
    cpuset: set?.cpus ?? null,
    quotaCpus: quota === null ? null : quota.quotaUs / quota.periodUs
  }
}

/** The cpuset of the nearest group that has one; `isOwn` if that is the process's own group and not the root. */
function readCpuset (reader: TopologyReader, version: 1 | 2, folders: readonly string[]) {
  const names = version === 2 ? ['cpuset.cpus.effective'] : ['cpuset.cpus', 'cpus', 'cpuset.effective_cpus']
  for (const [index, folder] of folders.entries()) {
    for (const name of names) {
      const cpus = readList(reader, `${folder}/${name}`)
      if (cpus === null || cpus.length === 0) continue
      return { version, cpus, file: `${folder}/${name}`, isOwn: index === 0 && folders.length > 1 }
    }
  }
  return null
}

/** The lowest quota of a group and its ancestors. */
function readQuota (reader: TopologyReader, version: 1 | 2, folders: readonly string[], notes: string[]) {
  let lowest: { quotaUs: number, periodUs: number } | null = null
  for (const folder of folders) {
    const [quota, period] = version === 2
      ? (reader.readFile(`${folder}/cpu.max`) ?? 'max').split(/\s+/)
      : [reader.readFile(`${folder}/cpu.cfs_quota_us`) ?? '-1', reader.readFile(`${folder}/cpu.cfs_period_us`) ?? '']
    if (quota === 'max' || quota === '-1') continue
    const [quotaUs, periodUs] = [quota, period].map((text) => /^\d{1,15}$/.test(text ?? '') ? Number(text) : 0) as [number, number]
    if (quotaUs < minQuotaUs || periodUs < minQuotaUs || periodUs > maxPeriodUs) {
      notes.push(`the cpu quota in ${folder} cannot be understood: it is unknown`)
      continue
    }
    if (lowest === null || quotaUs / periodUs < lowest.quotaUs / lowest.periodUs) lowest = { quotaUs, periodUs }
  }
  return lowest
}
