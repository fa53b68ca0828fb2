// One suite for the addon and for its fallback: what each answers to right and wrong calls.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { load } from '#native-affinity'
import { root, unless } from '../fixtures/compiler'
import type { Affinity } from '#native-affinity'

const binary = load(root)
const fallback = load(join(root, 'test'))
const skip = unless(binary.reason === null, `addon (${binary.reason})`)
const isLinux = process.platform === 'linux'

/** Runs a function with the binary and `text` on a thread of its own, so that this one keeps its mask. */
async function inThread<T> (work: (affinity: Affinity, text: string) => T, text = ''): Promise<T> {
  const loader = join(root, 'dist', 'native-affinity', 'index.js')
  const code = `const { affinity } = require(${JSON.stringify(loader)})
    require('node:worker_threads').parentPort.postMessage((${work.toString()})(affinity, ${JSON.stringify(text)}))`
  const worker = new Worker(code, { eval: true, execArgv: [] })
  const [[value]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  return value as T
}

for (const [name, { affinity }] of [['binary', binary], ['fallback', fallback]] as const) {
  t.test(`${name}: wrong arguments throw TypeError or RangeError and say what was expected`, {
    skip: name === 'binary' ? skip : false
  }, async (t) => {
    const call = affinity as unknown as Record<string, (...args: unknown[]) => unknown>
    const typeError = (message: RegExp) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message })
    const rangeError = (message: RegExp) => ({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message })
    const wrong = (what: string, args: unknown[], error: ReturnType<typeof typeError>) =>
      t.throws(() => call[what]!(...args), error)
    const list = typeError(/setAffinity: expected an array or typed array of cpus/)
    wrong('setAffinity', [], list)
    for (const value of [undefined, null, 0, '0', {}, () => {}, new Set([0]), new ArrayBuffer(8), Symbol('cpus'), 1n,
      new DataView(new ArrayBuffer(8)), { length: 1, 0: 0 }, new Proxy({}, {})]) wrong('setAffinity', [value], list)
    for (const value of [[], new Uint32Array(0), new Array(65537), new Array(2 ** 32 - 1), new Uint8Array(65537)]) {
      wrong('setAffinity', [value], rangeError(/setAffinity: expected 1 to 65536 cpus/))
    }
    for (const value of [['0'], [null], new Array(3), [0, undefined], [{}], [1n], new BigUint64Array(1)]) {
      wrong('setAffinity', [value], typeError(/setAffinity: expected every cpu to be a number/))
    }
    for (const value of [[-1], [65536], [0.5], [NaN], [Infinity], [2 ** 53], [-(2 ** 31)], new Float64Array([1e300])]) {
      wrong('setAffinity', [value], rangeError(/setAffinity: expected every cpu to be an integer from 0 to 65535/))
    }
    const detached = new Uint32Array([0, 1])
    structuredClone(detached, { transfer: [detached.buffer] })
    wrong('setAffinity', [detached], rangeError(/setAffinity: expected 1 to 65536 cpus/))
    for (const value of [undefined, null, 1, {}, Buffer.from('/x')]) wrong('lockFile', [value], typeError(/lockFile: expected a path/))
    for (const value of ['', 'x'.repeat(4097)]) wrong('lockFile', [value], rangeError(/lockFile: expected a path of 1 to 4096 bytes/))
    wrong('lockFile', ['a\0b'], rangeError(/lockFile: expected a path without a NUL/))
    for (const value of [undefined, null, 5, {}, 'lock']) wrong('unlockFile', [value], typeError(/unlockFile: expected a lock that/))
  })
}

t.test('fallback: says that there is no addon for this platform, and every right call throws ENOTSUP with that', async (t) => {
  t.equal(fallback.reason, `the package has no affinity addon for ${process.platform}-${process.arch}`)
  const error = { code: 'ENOTSUP', message: new RegExp(fallback.reason!) }
  for (const cpus of [[0], [65535], new Uint8Array(1), new Float64Array(65536) as never]) {
    t.throws(() => fallback.affinity.setAffinity(cpus), error)
  }
  for (const what of ['getAffinity', 'threadId', 'cpuTimeMs'] as const) t.throws(() => fallback.affinity[what](), error)
  t.throws(() => fallback.affinity.lockFile('x'), error)
})

t.test('a binary that cannot be loaded is named with the reason', async (t) => {
  const folder = t.testdir({ prebuilds: { [`${process.platform}-${process.arch}`]: { 'a.node': 'no binary', 'b.txt': '' } } })
  t.match(load(folder).reason, /^the affinity addon cannot be loaded: a\.node: .+/)
})

t.test('binary: the mask set is the mask read back, and no other thread has it', { skip: skip || !isLinux }, async (t) => {
  const { affinity } = binary
  const before = affinity.getAffinity()
  for (const cpu of before) {
    const worker = new Worker(`
      const { affinity } = require(${JSON.stringify(join(root, 'dist', 'native-affinity', 'index.js'))})
      affinity.setAffinity([${cpu}])
      const { parentPort } = require('node:worker_threads')
      parentPort.postMessage({ mask: affinity.getAffinity(), id: affinity.threadId() })
      parentPort.once('message', () => {})`, { eval: true, execArgv: [] })
    const [{ mask, id }] = await once(worker, 'message')
    t.same(mask, [cpu])
    const status = readFileSync(`/proc/self/task/${id}/status`, 'utf8')
    t.match(status, new RegExp(`^Cpus_allowed_list:\\t${cpu}$`, 'm'), 'the kernel says the same of that thread')
    t.same(affinity.getAffinity(), before, 'this thread keeps its mask')
    worker.postMessage(0)
    await once(worker, 'exit')
  }
})

t.test('binary: a cpu that is not there is left out, and EINVAL where none is left', { skip: skip || !isLinux }, async (t) => {
  const first = binary.affinity.getAffinity()[0]!
  const answers = await inThread((affinity) => {
    const first = affinity.getAffinity()[0]!
    affinity.setAffinity([first, 40000])
    const mask = affinity.getAffinity()
    affinity.setAffinity(new Uint32Array([first]))
    try {
      affinity.setAffinity([40000])
      return [mask, 'no error']
    } catch (error) {
      return [mask, (error as { code: string }).code, (error as Error).message, affinity.getAffinity()]
    }
  })
  t.same(answers, [[first], 'EINVAL', 'setAffinity: EINVAL: Invalid argument', [first]])
})

t.test('binary: the thread id is the process id on the main thread, and another of this process elsewhere', {
  skip: skip || !isLinux
}, async (t) => {
  t.equal(binary.affinity.threadId(), Number(readFileSync('/proc/thread-self/stat', 'utf8').split(' ')[0]))
  const ids = await Promise.all([1, 2].map(() => inThread((affinity) => affinity.threadId())))
  t.equal(new Set([...ids, process.pid]).size, 3)
})

t.test('binary: CPU time rises while the thread computes, and is the thread\'s own', { skip }, async (t) => {
  const [before, after] = await inThread((affinity) => {
    const before = affinity.cpuTimeMs()
    while (affinity.cpuTimeMs() < before + 20);
    return [before, affinity.cpuTimeMs()]
  })
  t.ok(after! >= before! + 20)
  t.ok(before! > 0)
})

t.test('binary: a lock is held by one, is let go once, and the file stays with mode 0600', { skip }, async (t) => {
  const file = join(t.testdir({}), 'a.lock')
  const { affinity } = binary
  const lock = affinity.lockFile(file)
  t.not(lock, null)
  t.equal(affinity.lockFile(file), null, 'held, in this process too')
  t.equal(await inThread((affinity, file) => affinity.lockFile(file), file), null)
  t.equal(affinity.unlockFile(lock!), true)
  t.equal(affinity.unlockFile(lock!), false)
  if (process.platform !== 'win32') t.equal(statSync(file).mode & 0o7777, 0o600)
  const again = affinity.lockFile(file)
  t.not(again, null)
  t.throws(() => affinity.unlockFile(Object.create(again)), { code: 'ERR_INVALID_ARG_TYPE' })
  affinity.unlockFile(again!)
})

t.test('binary: a lock ends with its thread, and is not inherited by a child', { skip }, async (t) => {
  const folder = t.testdir({})
  const { affinity } = binary
  const file = join(folder, 'a.lock')
  const held = await inThread((affinity, file) => {
    const keeper = globalThis as { kept?: unknown }
    keeper.kept = affinity.lockFile(file)
    return keeper.kept !== null
  }, file)
  t.equal(held, true)
  const lock = affinity.lockFile(file)
  t.not(lock, null, 'the thread has ended')
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log(1)'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  affinity.unlockFile(lock!)
  const again = affinity.lockFile(file)
  t.not(again, null, 'the child, still alive, does not hold it')
  affinity.unlockFile(again!)
  child.stdin.end()
  await once(child, 'exit')
})

t.test('binary: a link, a folder, a pipe, a socket, a missing folder are refused by code, and nothing is made behind a link', {
  skip: skip || process.platform === 'win32'
}, async (t) => {
  const folder = t.testdir({ 'plain.txt': 'kept' })
  const at = (name: string) => join(folder, name)
  symlinkSync(at('made-by-link'), at('link'))
  symlinkSync(at('plain.txt'), at('link-to-file'))
  mkdirSync(at('folder'))
  execFileSync('mkfifo', [at('pipe')])
  // a socket's path may have no more than 107 bytes
  const short = mkdtempSync(join(tmpdir(), 'spillover-'))
  t.teardown(() => rmSync(short, { recursive: true }))
  const server = createServer().listen(join(short, 'socket'))
  await once(server, 'listening')
  t.throws(() => binary.affinity.lockFile(join(short, 'socket')), { code: 'ENXIO' })
  server.close()
  for (const [name, code] of [['link', 'ELOOP'], ['link-to-file', 'ELOOP'], ['folder', 'EISDIR'], ['pipe', 'EINVAL'],
    ['missing/a', 'ENOENT'], ['plain.txt/a', 'ENOTDIR']] as const) {
    t.throws(() => binary.affinity.lockFile(at(name)), { code, message: new RegExp(`lockFile: ${code}: `) }, name)
  }
  t.notOk(readdirSync(folder).includes('made-by-link'))
  t.equal(readFileSync(at('plain.txt'), 'utf8'), 'kept')
})
