// Claims between real processes, with real file locks; and folders and files that cannot be trusted.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { claimCores, claimFolder, releaseCores } from '#lib/claims'
import { addonReason } from '#lib/affinity'
import { openMachine } from '../fixtures/machines'
import { unless } from '../fixtures/compiler'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import type { Test } from 'tap'

const skip = unless(addonReason === null, `addon (${addonReason})`)

/** A runtime folder of the test's own. */
function runtime (t: Test): string {
  const folder = t.testdir({})
  const before = process.env.XDG_RUNTIME_DIR
  process.env.XDG_RUNTIME_DIR = folder
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
  return folder
}

interface Claimer { child: ChildProcessWithoutNullStreams, cpus: number[], reason: string | null, claimed: number[] }
async function start (t: Test, root: string, max: number): Promise<Claimer> {
  const child = spawn(process.execPath, [join(__dirname, '..', 'fixtures', 'claimer.cjs'), root, String(max)])
  t.teardown(() => child.kill('SIGKILL'))
  child.stderr.on('data', (text) => t.comment(String(text)))
  const [line] = await once(child.stdout, 'data')
  return { child, ...JSON.parse(String(line)) }
}

t.test('three processes of 3 actors on 8 cores: 0-2, 3-5, too few; after kill -9 of the first its cores go to the next', {
  skip
}, async (t) => {
  runtime(t)
  const { root } = openMachine(t, 'vm-1s8c-nosmt')
  const first = await start(t, root, 3)
  const second = await start(t, root, 3)
  const third = await start(t, root, 3)
  t.same([first.cpus, first.reason], [[0, 1, 2], null])
  t.same([second.cpus, second.reason], [[3, 4, 5], null])
  t.same([third.cpus, third.claimed], [[0, 1, 2], []])
  t.equal(third.reason, 'too few cores are left: other processes hold the cores of cpus 0-5')
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const next = await start(t, root, 3)
  t.same([next.cpus, next.reason], [[0, 1, 2], null])
  second.child.stdin.write('\n')
  await once(second.child, 'exit')
  t.same((await start(t, root, 3)).cpus, [3, 4, 5])
})

t.test('the pools of one process share a claim; the last one lets it go; files have mode 0600 in a folder of 0700', {
  skip
}, async (t) => {
  const folder = join(runtime(t), 'fastify-spillover')
  t.same(claimCores([0, 4]), [])
  t.same(claimCores([4]), [])
  t.same(readdirSync(folder).sort(), ['core-0.lock', 'core-4.lock'])
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.equal(statSync(join(folder, 'core-4.lock')).mode & 0o777, 0o600)
  const { root } = openMachine(t, 'vm-1s8c-nosmt')
  t.same((await start(t, root, 7)).reason, 'too few cores are left: other processes hold the cores of cpus 0,4')
  releaseCores([4])
  t.same((await start(t, root, 6)).cpus, [1, 2, 3, 5, 6, 7])
  releaseCores([0, 4])
})

t.test('a lock file that is a link is refused, nothing is made behind it, and nothing stays claimed', { skip }, async (t) => {
  const folder = runtime(t)
  claimFolder()
  symlinkSync(join(folder, 'behind'), join(folder, 'fastify-spillover', 'core-1.lock'))
  t.throws(() => claimCores([0, 1]), { message: /fastify-spillover: lockFile: ELOOP/ })
  t.notOk(existsSync(join(folder, 'behind')))
  const { root } = openMachine(t, 'vm-1s8c-nosmt')
  const { reason, cpus } = await start(t, root, 2)
  t.match(reason, /^no core can be claimed: .*ELOOP/)
  t.same(cpus, [0, 1])
  t.same((await start(t, root, 1)).claimed, [0], 'core 0 was let go')
})

t.test('a folder that is a link, a file, of another mode or owner, or cannot be made is refused', {
  skip: process.platform === 'win32' && 'Windows has no owners and modes'
}, async (t) => {
  const folder = runtime(t)
  const own = join(folder, 'fastify-spillover')
  symlinkSync(t.testdirName, own)
  t.throws(claimFolder, { message: /expected a folder, got a link/ })
  process.env.XDG_RUNTIME_DIR = join(folder, 'file')
  mkdirSync(join(folder, 'file'))
  writeFileSync(join(folder, 'file', 'fastify-spillover'), '')
  t.throws(claimFolder, { message: /expected a folder, got something else/ })
  process.env.XDG_RUNTIME_DIR = join(folder, 'mode')
  mkdirSync(join(folder, 'mode', 'fastify-spillover'), { recursive: true })
  chmodSync(join(folder, 'mode', 'fastify-spillover'), 0o755)
  t.throws(claimFolder, { message: /expected mode 0700, got 0755/ })
  if (process.geteuid!() === 0) {
    chmodSync(join(folder, 'mode', 'fastify-spillover'), 0o700)
    chownSync(join(folder, 'mode', 'fastify-spillover'), 12345, 12345)
    t.throws(claimFolder, { message: /expected a folder of user 0, got one of user 12345/ })
    chownSync(join(folder, 'mode'), 12345, 12345)
    t.notMatch(claimFolder(), folder, 'a runtime folder of another user is not used')
  } else t.comment('skipped: another owner, since only root can give a folder away')
  delete process.env.XDG_RUNTIME_DIR
  const before = process.env.TMPDIR
  process.env.TMPDIR = join(folder, 'missing')
  t.throws(claimFolder, { code: 'ENOENT' })
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
})
