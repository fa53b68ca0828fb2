// What readTopology finds on recorded machines, and on files that lie.
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { formatCpuList, parseCpuList, parseCpuMap } from '#lib/machine/cpulist'
import { describeTopology } from '#lib/schema'
import { makePlan, strategies } from '#lib/tiers'
import { detectTopology, readTopology } from '#lib/topology'
import { listMachines, memoryReader, openMachine, readMachine } from '../fixtures/machines'

const { folders, missing } = listMachines()

for (const folder of folders) {
  t.test(`machine ${path.basename(folder)} is read as its oracle says`, async (t) => {
    const { reader, oracle } = readMachine(folder)
    const found = describeTopology(readTopology({ root: '/recorded', reader })) as any
    for (const field of [
      'schema', 'arch', 'online', 'possible', 'present', 'allowed', 'cpusAllowedList', 'quotaCpus', 'nodes'
    ]) t.same(found[field], oracle[field], field)
    t.equal(found.perfEvidence === null, (oracle.perfEvidence ?? null) === null, 'perfEvidence')
    // Only some oracles name the file.
    if (oracle.cgroup !== null && oracle.cgroup.file === undefined) delete found.cgroup?.file
    t.same(found.cgroup, oracle.cgroup, 'cgroup')
    // Left out is another program's own idea of the cpu, which the files do not hold.
    t.same(found.cpus, oracle.cpus.map(({ kind, groups, ...cpu }: any) => cpu), 'cpus')
  })
}

t.test('the recorded machines beside the repository', { skip: missing ?? false }, async (t) => {
  t.ok(folders.length > 16, `${folders.length} machines`)
})

t.test('a cpu list is ascending ids, and null if it is no list', async (t) => {
  t.same(parseCpuList('0-3,8'), [0, 1, 2, 3, 8])
  t.same(parseCpuList(''), [])
  t.same(parseCpuList('8,0-1\n'), [0, 1, 8])
  for (const text of ['x', '3-1', '0-4000000000', '0-65536', '1,,2', '-1', '0-65535,0-65535', '0-']) {
    t.equal(parseCpuList(text), null, JSON.stringify(text))
  }
})

t.test('a cpu map is read from the right, in words of 32 bits', async (t) => {
  t.same(parseCpuMap('f'), [0, 1, 2, 3])
  t.same(parseCpuMap('0001,80000001'), [0, 31, 32])
  t.same(parseCpuMap('0'), [])
  t.equal(parseCpuMap('xyz'), null)
  t.equal(parseCpuMap('123456789'), null)
})

t.test('cpus are written as a list', async (t) => {
  t.equal(formatCpuList([8, 3, 1, 2, 0]), '0-3,8')
  t.equal(formatCpuList([]), '')
  t.equal(formatCpuList([5]), '5')
})

/** `count` cpus with files given per cpu, under their names below the cpu's folder. */
function machine (count: number, perCpu: (id: number) => Record<string, string>, others: Record<string, string> = {}) {
  const files = new Map(Object.entries({ 'sys/devices/system/cpu/online': `0-${count - 1}`, ...others }))
  for (let id = 0; id < count; id++) {
    files.set(`sys/devices/system/cpu/cpu${id}/topology/core_id`, String(id))
    for (const [name, text] of Object.entries(perCpu(id))) files.set(`sys/devices/system/cpu/cpu${id}/${name}`, text)
  }
  return readTopology({ root: '/recorded', reader: memoryReader(files) })
}

t.test('five capacities 718, 731, 997, 1017 and 1024 are two kinds of cores', async (t) => {
  const capacities = [718, 731, 997, 1017, 1024]
  const { cpus, perfEvidence } = machine(5, (id) => ({ cpu_capacity: String(capacities[id]) }))
  t.same(cpus.map((cpu) => cpu.perfClass), ['efficiency', 'efficiency', 'performance', 'performance', 'performance'])
  t.match(perfEvidence, /cpu_capacity 997 and 1017 and 1024 against 718 and 731/)
})

t.test('favoured cores of 5.2 GHz beside 5.0 GHz are not another kind', async (t) => {
  const found = machine(4, (id) => ({ 'cpufreq/cpuinfo_max_freq': id < 2 ? '5200000' : '5000000' }))
  t.same(found.cpus.map((cpu) => cpu.perfClass), [null, null, null, null])
  t.equal(found.perfEvidence, null)
})

t.test('a frequency that one cpu lacks says nothing about the others', async (t) => {
  const found = machine(3, (id): Record<string, string> =>
    id === 0 ? {} : { 'cpufreq/cpuinfo_max_freq': id === 1 ? '1000000' : '3000000' })
  t.equal(found.perfEvidence, null)
})

const unified = {
  'proc/self/mountinfo': '39 31 0:34 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
  'proc/self/cgroup': '0::/a/b'
}

t.test('a parent group of 1.5 cpus limits a child without a limit of its own', async (t) => {
  const found = machine(4, () => ({}), {
    ...unified,
    'sys/fs/cgroup/a/b/cpu.max': 'max 100000',
    'sys/fs/cgroup/a/cpu.max': '150000 100000'
  })
  t.equal(found.quotaCpus, 1.5)
  t.same(found.cgroup, { version: 2, cpuset: null, quotaUs: 150000, periodUs: 100000, file: null })
  t.same(found.allowed, [0, 1, 2, 3])
})

t.test('in a container the limits lie at the root of the mount', async (t) => {
  const limits = { 'sys/fs/cgroup/cpu.max': '200000 100000', 'sys/fs/cgroup/cpuset.cpus.effective': '1-2' }
  const inNamespace = machine(4, () => ({}), { ...unified, ...limits, 'proc/self/cgroup': '0::/' })
  t.equal(inNamespace.quotaCpus, 2)
  t.same(inNamespace.allowed, [1, 2])
  // Without a namespace the process sees the host's path, of which the mount shows only the end.
  const onHost = machine(4, () => ({}), {
    ...limits,
    'proc/self/mountinfo': '39 31 0:34 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
    'proc/self/cgroup': '0::/docker/x'
  })
  t.equal(onHost.quotaCpus, 2)
  t.same(onHost.allowed, [1, 2])
})

t.test('version 1: the quota lies in another mount than the cpuset', async (t) => {
  const found = machine(4, () => ({}), {
    'proc/self/mounts': [
      'cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0',
      'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0',
      'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0'
    ].join('\n'),
    'proc/self/cgroup': '2:cpu,cpuacct:/c\n1:cpuset:/c\n0::/c',
    'sys/fs/cgroup/cpuset/c/cpuset.cpus': '0-175',
    'sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us': '-1',
    'sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us': '100000',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '250000',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000'
  })
  t.equal(found.quotaCpus, 2.5)
  t.same(found.allowed, [0, 1, 2, 3])
  t.equal(found.cgroup?.version, 1)
})

t.test('a group outside of what is mounted has unknown limits, and a note', async (t) => {
  const limits = { 'sys/fs/cgroup/cpu.max': '200000 100000', 'sys/fs/cgroup/x/cpu.max': '100000 100000' }
  const read = (root: string, group: string) => machine(4, () => ({}), {
    ...limits,
    'proc/self/mountinfo': `39 31 0:34 ${root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw`,
    'proc/self/cgroup': `0::${group}`
  })
  for (const [root, group] of [['/', '/../x'], ['/pod/a', '/pod/b'], ['/../x', '/x'], ['/', `/${'a/'.repeat(3000)}`]]) {
    const found = read(root!, group!)
    t.equal(found.quotaCpus, null, `mounted ${root}, in ${group?.slice(0, 20)}`)
    t.match(found.notes.join('\n'), /cannot be seen here: its cpu limits are unknown/)
  }
  t.equal(read('/', '/x').quotaCpus, 1)
  t.equal(read('/..', '/x').quotaCpus, 2, 'a mount of the parent namespace shows an ancestor')
})

t.test('of two mounts the one that shows the group counts; a space in a path is written as 040 with a backslash', async (t) => {
  const found = machine(4, () => ({}), {
    'proc/self/mountinfo': [
      '38 31 0:34 /other /mnt/other rw - cgroup2 cgroup2 rw',
      '39 31 0:34 / /my\\040groups rw - cgroup2 cgroup2 rw'
    ].join('\n'),
    'proc/self/cgroup': '0::/x',
    'mnt/other/cpu.max': '300000 100000',
    'my groups/x/cpu.max': '200000 100000'
  })
  t.equal(found.quotaCpus, 2)
})

t.test('a quota whose period is missing or too short is unknown, not guessed', async (t) => {
  for (const max of ['200000', '200000 1', '60 100000', '600000 100000000', '-5 100000', 'x y', '']) {
    const found = machine(4, () => ({}), { ...unified, 'sys/fs/cgroup/a/b/cpu.max': max })
    t.equal(found.quotaCpus, null, JSON.stringify(max))
    t.match(found.notes.join('\n'), /the cpu quota in sys\/fs\/cgroup\/a\/b cannot be understood/)
  }
  t.equal(machine(4, () => ({}), { ...unified, 'sys/fs/cgroup/a/b/cpu.max': 'max 100000' }).notes.join().includes('quota'), false)
})

t.test('cpu00, cpu7x and cpu99999 are no folders of cpus, node01 is none of a node', async (t) => {
  const found = machine(2, () => ({}), {
    'sys/devices/system/cpu/cpu00/topology/core_id': '0',
    'sys/devices/system/cpu/cpu7x/topology/core_id': '0',
    'sys/devices/system/cpu/cpu99999/topology/core_id': '0',
    'sys/devices/system/node/node0/cpulist': '0-1',
    'sys/devices/system/node/node00/cpulist': '0'
  })
  t.same(found.cpus.map((cpu) => cpu.id), [0, 1])
  t.same(found.nodes.map((node) => node.id), [0])
})

t.test('a row of distances with a word in it tells no distance', async (t) => {
  const rows = (row: string) => machine(2, () => ({}), Object.fromEntries([0, 1, 2].flatMap((id) => [
    [`sys/devices/system/node/node${id}/cpulist`, id < 2 ? String(id) : ''],
    [`sys/devices/system/node/node${id}/distance`, row]
  ]))).nodes[0]?.distance
  t.same(rows('10 20 30'), { 0: 10, 1: 20, 2: 30 })
  t.equal(rows('10 x 20 30'), null)
  t.same(rows('10'), { 0: 10 })
})

t.test('a capacity above 1024 or a frequency of 99 kHz makes no second kind of cores', async (t) => {
  t.equal(machine(3, (id) => ({ cpu_capacity: id === 0 ? '99999' : '1024' })).perfEvidence, null)
  t.equal(machine(3, (id) => ({ 'cpufreq/cpuinfo_max_freq': id === 0 ? '99' : '3000000' })).perfEvidence, null)
})

t.test('4096 cpus, and 4096 whose every set is 0-65535, are read and planned', async (t) => {
  for (const nonsense of [undefined, '0-65535']) {
    const found = machine(4096, (id) => ({
      'topology/thread_siblings_list': nonsense ?? `${id & ~1}-${id | 1}`,
      'topology/core_siblings_list': nonsense ?? '0-4095',
      'cache/index3/level': '3',
      'cache/index3/type': 'Unified',
      'cache/index3/shared_cpu_list': nonsense ?? `${id & ~15}-${id | 15}`
    }))
    const plan = makePlan(found, { reserve: 0 })
    t.equal(plan.maxActors, 4096)
    t.same(plan.tiers.map((tier) => tier.slots.length), nonsense === undefined ? [8, 2040, 2048] : [1, 4095])
  }
})

t.test('a mask and a cpuset that leave no cpu: one of them is believed, with a note', async (t) => {
  const found = machine(4, () => ({}), {
    ...unified, 'proc/self/status': 'Cpus_allowed_list:\t0-1\n', 'sys/fs/cgroup/a/b/cpuset.cpus.effective': '2-3'
  })
  t.same(found.allowed, [0, 1])
  t.match(found.notes.join('\n'), /leave no online cpu/)
})

t.test('a cpu in several nodes belongs to the smallest; a NUL after a list is no part of it', async (t) => {
  const found = machine(4, () => ({}), {
    'sys/devices/system/node/node0/cpulist': '0-3\n\0',
    'sys/devices/system/node/node7/cpulist': '2-3\n',
    'sys/devices/system/node/node9/cpulist': '\n'
  })
  t.same(found.nodes.map((node) => node.cpus), [[0, 1, 2, 3], [2, 3], []])
  t.same(found.cpus.map((cpu) => cpu.node), [0, 0, 7, 7])
})

t.test('only maps and no lists: siblings 0 and 32 of an old kernel', async (t) => {
  const maps = { 'topology/thread_siblings': '00000001,00000001', 'cache/index2/shared_cpu_map': '1,00000001' }
  const found = machine(33, (id): Record<string, string> => id % 32 === 0
    ? { ...maps, 'cache/index2/level': '3', 'cache/index2/type': 'Unified' }
    : {})
  t.same(found.cpus[32]?.coreCpus, [0, 32])
  t.same(found.cpus[0]?.l3Cpus, [0, 32])
  t.equal(found.cpus[0]?.l2Cpus, null)
  t.same(found.cpus[1]?.coreCpus, [1])
})

t.test('eight nodes that hold the same cpus are one node', async (t) => {
  const nodes = Object.fromEntries(Array.from({ length: 8 }, (_, id) =>
    [`sys/devices/system/node/node${id}/cpulist`, '0-3']))
  const found = machine(4, () => ({}), nodes)
  t.same(found.nodes.map((node) => node.id), [0])
  t.same(found.cpus.map((cpu) => cpu.node), [0, 0, 0, 0])
})

t.test('the disk gives what the memory gives', async (t) => {
  const { root, reader } = openMachine(t, 'vm-seed-offline')
  t.same(describeTopology(readTopology({ root })), describeTopology(readTopology({ root: '/recorded', reader })))
})

t.test('an empty root has no cpus, and pipes, folders and loose links in place of files end nothing', async (t) => {
  const empty = t.testdir({})
  t.equal(readTopology({ root: empty }).source, 'none')
  t.equal(readTopology({ root: path.join(empty, 'absent') }).source, 'none')
  t.equal((await detectTopology({ root: empty })).source, 'none')
  const { root } = openMachine(t, 'vm-1cpu')
  const cpu = path.join(root, 'sys/devices/system/cpu')
  fs.rmSync(path.join(cpu, 'online'))
  fs.mkdirSync(path.join(cpu, 'online'))
  fs.rmSync(path.join(cpu, 'present'))
  fs.symlinkSync('present', path.join(cpu, 'present'))
  fs.rmSync(path.join(cpu, 'possible'))
  if (process.platform !== 'win32') execFileSync('mkfifo', [path.join(cpu, 'possible')])
  const found = readTopology({ root })
  t.same(found.online, [0])
  t.equal(found.present, null)
  t.equal(found.possible === null || found.possible.length === 0, true)
})

t.test('a link that leads out of a recorded machine is not followed, and circles of links end', async (t) => {
  const { root } = openMachine(t, 'vm-1cpu')
  const outside = t.testdir({ level: '2', type: 'Unified', shared_cpu_list: '0' })
  const cpu = path.join(root, 'sys/devices/system/cpu/cpu0')
  fs.rmSync(path.join(cpu, 'cache'), { recursive: true })
  fs.mkdirSync(path.join(cpu, 'cache'))
  fs.symlinkSync(outside, path.join(cpu, 'cache/index2'))
  fs.symlinkSync('../cache', path.join(cpu, 'cache/index3'))
  fs.symlinkSync('index5', path.join(cpu, 'cache/index4'))
  fs.symlinkSync('index4', path.join(cpu, 'cache/index5'))
  t.equal(readTopology({ root }).cpus[0]?.llcCpus, null)
  fs.cpSync(outside, path.join(cpu, 'inside'), { recursive: true })
  fs.symlinkSync('../inside', path.join(cpu, 'cache/index1'))
  t.same(readTopology({ root }).cpus[0]?.l2Cpus, [0], 'a link inside the root is followed')
})

t.test('10 trees on a disk with folders, pipes, links, devices and NULs in place of files: a plan each', async (t) => {
  const { root, files } = openMachine(t, 'vm-seed-cgroup2')
  const names = [...files.keys()]
  const kinds = process.platform === 'win32' ? ['folder', 'NUL', 'gone'] : ['folder', 'NUL', 'gone', 'pipe', 'circle', 'device', 'unreadable']
  let changed = 0
  const whole = JSON.stringify(makePlan(readTopology({ root })))
  fc.assert(fc.property(fc.uniqueArray(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...kinds)),
    { minLength: 40, maxLength: 120, selector: ([name]) => name }), (faults) => {
    for (const [name, kind] of faults) {
      const file = path.join(root, name)
      fs.rmSync(file, { recursive: true, force: true })
      if (kind === 'folder') fs.mkdirSync(file)
      if (kind === 'NUL') fs.writeFileSync(file, '\0'.repeat(5000))
      if (kind === 'circle') fs.symlinkSync(path.basename(file), file)
      if (kind === 'device') fs.symlinkSync('/dev/zero', file)
      if (kind === 'unreadable') fs.writeFileSync(file, '0-31', { mode: 0 })
    }
    const pipes = faults.filter(([name, kind]) => kind === 'pipe' && !fs.existsSync(path.join(root, name)))
    if (pipes.length > 0) execFileSync('mkfifo', [...new Set(pipes.map(([name]) => path.join(root, name)))])
    const found = readTopology({ root })
    const plan = makePlan(found)
    if (!plan.tiers.flatMap(({ cpus }) => cpus).every((id) => found.allowed.includes(id))) throw new Error('a barred cpu')
    if (JSON.stringify(plan) !== whole) changed++
    for (const [name] of faults) {
      const file = path.join(root, name)
      fs.rmSync(file, { recursive: true, force: true })
      fs.writeFileSync(file, files.get(name)!, 'latin1')
    }
  }), { seed: 20260102, numRuns: 10, endOnFailure: true })
  t.ok(changed > 2, `${changed} of 10 trees gave another plan`)
  t.equal(JSON.stringify(makePlan(readTopology({ root }))), whole, 'and the whole tree gives its own again')
})

t.test('this machine has a cpu for this process', async (t) => {
  const found = await detectTopology()
  t.ok(found.parallelism >= 1)
  if (process.platform === 'linux') {
    t.equal(found.source, 'kernel files')
    t.ok(found.allowed.length >= 1)
    t.ok(found.allowed.every((id) => found.online.includes(id)))
  }
})

t.test('without kernel files the numbers of cores come from elsewhere, or one number remains', async (t) => {
  const reader = { readFile: () => null, readFolder: () => [] }
  const found = await detectTopology({ reader, parallelism: 3 })
  t.ok(found.source === 'systeminformation' || found.source === 'none')
  t.equal(found.parallelism, 3)
  t.same(found.cpus, [])
  t.equal(makePlan(found, { reserve: 0 }).maxActors, 3)
})

t.test('200 machines with broken files: no crash and a plan that can be used', async (t) => {
  const machines = folders.map((folder) => {
    const { files, reader } = readMachine(folder)
    const names = [...files.keys()]
    // The files that everything hangs on; a run breaks some of them among others.
    const vital = names.filter((name) => /system\/\w+\/\w+$|cpu\.max|effective$|self\/\w+$|cpulist$/.test(name))
    return { files, names, vital: vital.length > 0 ? vital : names, topology: readTopology({ root: '/recorded', reader }) }
  })
  const fault = fc.oneof(
    fc.constant((text: string) => text.slice(0, text.length >> 1)),
    fc.constant(() => ''),
    fc.constant(() => null),
    fc.constant(() => '0-4000000000'),
    fc.constant(() => '0-65535'),
    fc.constant(() => '\0\0\0\0'),
    fc.constant(() => '-1'),
    fc.constant(() => 'ffffffff,'.repeat(5000) + 'ffffffff'),
    fc.constant((text: string) => `${text}\0`),
    fc.constantFrom('99', '4095', 'max', '3-1', '1,1,1', '0::/../../../..').map((text) => () => text),
    fc.string({ unit: 'binary', maxLength: 200 }).map((text) => () => text)
  )
  const faults = fc.array(fc.tuple(fc.boolean(), fc.nat(), fault), { minLength: 1, maxLength: 60 })
  // A run may also lose or spoil every file of one name, as old kernels do.
  const spoilt = fc.constantFrom(null, '', '0-65535', '-1', 'ffffffff,ffffffff')
  const kinds = fc.array(fc.tuple(fc.nat(), spoilt), { maxLength: 6 })
  let broken = 0
  const inputs = [fc.constantFrom(...machines), faults, kinds, fc.constantFrom(...strategies)] as const
  fc.assert(fc.property(...inputs, (machine, faults, kinds, strategy) => {
    const { files: whole, names, vital, topology: wholeTopology } = machine
    const files = new Map(whole)
    const basenames = [...new Set(names.map((name) => path.basename(name)))]
    for (const [at, text] of kinds) {
      const kind = basenames[at % basenames.length]!
      for (const name of names.filter((name) => path.basename(name) === kind)) {
        if (text === null) files.delete(name)
        else files.set(name, text)
      }
    }
    for (const [isVital, at, apply] of faults) {
      const among = isVital ? vital : names
      const name = among[at % among.length]!
      const text = apply(whole.get(name)!)
      if (text === null) files.delete(name)
      else files.set(name, text)
    }
    const found = readTopology({ root: '/recorded', reader: memoryReader(files) })
    const plan = makePlan(found, { strategy })
    const slots = plan.tiers.flatMap((tier) => tier.slots)
    if (plan.tiers[0]?.threshold !== 0 || slots.length === 0) throw new Error('no tier is open')
    if (slots.some((slot, index) => slot.id !== index)) throw new Error('slots are not numbered in order')
    const cpus = slots.flatMap((slot) => slot.cpu ?? [])
    if (new Set(cpus).size !== cpus.length) throw new Error('a cpu has two slots')
    if (cpus.some((id) => !found.allowed.includes(id))) throw new Error('a cpu that may not be used has a slot')
    if (JSON.stringify(describeTopology(found)).length < 10) throw new Error('no description')
    if (JSON.stringify(plan) !== JSON.stringify(makePlan(wholeTopology, { strategy }))) broken++
  }), { seed: 20260101, numRuns: 200 })
  t.ok(broken > 20, `${broken} of 200 runs changed the plan`)
})
