// A recording reads back as the machine it was made of, and holds nothing else.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { packRecording } from '#lib/cli/archive'
import { recordMachine } from '#lib/record'
import { readTopology } from '#lib/topology'
import { listMachines, memoryReader, readMachine } from '../fixtures/machines'

t.test('a recording of every recorded machine reads back equal', async (t) => {
  for (const folder of listMachines().folders) {
    const { reader } = readMachine(folder)
    const { files, folders } = recordMachine({ reader })
    t.same(readTopology({ root: '/recorded', reader: memoryReader(files, folders) }),
      readTopology({ root: '/recorded', reader }), folder)
  }
})

t.test('a recording of this machine reads back as this machine', {
  skip: process.platform === 'linux' ? false : 'there are kernel files on Linux only'
}, async (t) => {
  const { files, folders } = recordMachine()
  const there = readTopology({ root: '/recorded', reader: memoryReader(files, folders) })
  const here = readTopology()
  t.same(there.cpus, here.cpus)
  t.same(there.allowed, here.allowed)
  t.equal(there.quotaCpus, here.quotaCpus)
})

t.test('a recording holds nothing private, and a group with a long name', async (t) => {
  const id = '0f3c9a6e-1b2d-4c5e-8f90-a1b2c3d4e5f6'
  const group = `kubepods/pod${id}/${'long-name-of-a-group.'.repeat(6)}`
  const root = t.testdir({
    proc: {
      cpuinfo: 'processor\t: 0\nmodel name\t: A\nflags\t\t: fpu lm\nSerial\t\t: 00000000abcdef01\n',
      self: {
        status: 'Name:\tsecret\nPid:\t4711\nUid:\t1000\nCpus_allowed_list:\t0\n',
        cgroup: `0::/${group}\n`,
        mountinfo: '1 1 8:1 / /home/secret rw - ext4 /dev/secret rw\n39 31 0:34 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
        cmdline: 'secret',
        environ: 'secret'
      }
    },
    sys: {
      devices: { system: { cpu: { online: '0', cpu0: { topology: { core_id: '0' } } } } },
      fs: { cgroup: Object.fromEntries([['kubepods', { [`pod${id}`]: { [group.split('/')[2]!]: { 'cpu.max': '50000 100000' } } }]]) }
    }
  })
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'spillover-record-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'machine.tar.gz')
  fs.writeFileSync(file, packRecording(recordMachine({ root })))
  const archive = gunzipSync(fs.readFileSync(file)).toString('latin1')
  for (const word of ['secret', '4711', 'abcdef01', id, '1000\n']) t.notOk(archive.includes(word), word)
  execFileSync('tar', ['xzf', file, '-C', folder])
  const { quotaCpus, allowed, arch } = readTopology({ root: folder })
  t.same({ quotaCpus, allowed, arch }, { quotaCpus: 0.5, allowed: [0], arch: 'x86_64' })
})
