'use strict'
// npm run test:machine: hands the arguments behind -- to the suite, since tap takes them for its own.
const { spawnSync } = require('node:child_process')
const path = require('node:path')

const help = `Usage: npm run test:machine -- [options]

Boots virtual machines by QEMU's software emulation and runs the built server in
them. Without options: the usual shapes. Otherwise one machine:

  --smp SHAPE      as QEMU's: 32,sockets=1,dies=2,cores=8,threads=2
  --numa N         N nodes of equal size, or lists of cpus: 0-7;8-15
  --dist A,B,D;... distances of nodes in both directions, the others are 20
  --offline LIST   cpus that are offline from the start
  --cpuset LIST    the control group's cpus
  --affinity LIST  the server's mask
  --hotplug LIST   cpus that go offline and come back while jobs run
`

const args = process.argv.slice(2)
if (args.includes('--help')) {
  process.stdout.write(help)
} else {
  const root = path.resolve(__dirname, '../..')
  const tap = path.join(root, 'node_modules/tap/dist/esm/run.mjs')
  const options = ['run', '--timeout=1800', '--disable-coverage', '--jobs=1', ...args.map((arg) => `--test-arg=${arg}`)]
  const { status } = spawnSync(process.execPath, [tap, ...options, 'test/machine/machine.test.ts'], { cwd: root, stdio: 'inherit' })
  process.exitCode = status ?? 1
}
