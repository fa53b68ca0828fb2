// Nonsense by the thousand, from many threads, and from threads that are ending: an error at worst, never a crash.
import { join } from 'node:path'
import t from 'tap'
import { load } from '#native-affinity'
import { isProgram, headers, root, run, unless } from '../fixtures/compiler'

t.setTimeout(240_000)
const noAddon = unless(load(root).reason === null, 'addon')
const program = join(__dirname, '..', 'fixtures', 'affinity-fuzz.cjs')
const at = (...names: string[]) => join(root, ...names)

/** The fuzzer is a process of its own, so that a crash is a result; it prints what it did as JSON. */
function fuzz (cwd: string, mode: string, prebuilds: string, env: NodeJS.ProcessEnv = {}): unknown {
  const { status, output } = run(process.execPath, [program, mode, prebuilds], { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env } })
  try {
    return { status, ...JSON.parse(output) }
  } catch {
    return { status, output }
  }
}

for (const [name, skip, prebuilds] of [['binary', noAddon, root], ['fallback', false, at('test')]] as const) {
  t.test(`${name}: 6000 random calls and 13 hostile lists give a value or an error that says what was expected`, { skip }, async (t) => {
    t.same(fuzz(t.testdir({}), 'values', prebuilds), { status: 0, random: 6000, hostile: 13, odd: [] })
  })
}

t.test('8 threads call everything 500 times at once while a ninth does', { skip: noAddon }, async (t) => {
  t.same(fuzz(t.testdir({}), 'threads', root), { status: 0, calls: 9 * 500, odd: [] })
})

t.test('40 threads are ended in the middle of calls, and call once more from their exit handlers', { skip: noAddon }, async (t) => {
  t.same(fuzz(t.testdir({}), 'ending', root), { status: 0, ended: 40, free: true, odd: [] })
})

t.test('the addon under the address and undefined-behaviour sanitizers: the same calls, no finding', {
  skip: noAddon || unless(process.platform === 'linux' && isProgram('gcc'), 'gcc for Linux')
}, async (t) => {
  const binary = join('prebuilds', `${process.platform}-${process.arch}`)
  const folder = t.testdir({ prebuilds: { [`${process.platform}-${process.arch}`]: {} }, work: {} })
  const built = run('gcc', ['-std=c11', '-g', '-O1', '-fPIC', '-shared', '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all', `-I${headers}`, '-o', join(folder, binary, 'sanitized.node'),
    at('native-affinity', 'addon.c'), at('native-affinity', 'system_posix.c')])
  if (!t.equal(built.status, 0, built.output)) return
  const library = run('gcc', ['-print-file-name=libasan.so']).output.trim()
  const env = { LD_PRELOAD: library, ASAN_OPTIONS: 'detect_leaks=0' }
  t.same(fuzz(join(folder, 'work'), 'values', folder, env), { status: 0, random: 6000, hostile: 13, odd: [] })
  t.same(fuzz(join(folder, 'work'), 'ending', folder, env), { status: 0, ended: 40, free: true, odd: [] })
})
