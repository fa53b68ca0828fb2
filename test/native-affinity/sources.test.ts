// The C sources under the sanitizers, on a kernel of 4096 CPUs, and through the compiler for Windows.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { load } from '#native-affinity'
import { headers, isProgram, root, run, unless } from '../fixtures/compiler'

t.setTimeout(240_000)
const isLinux = process.platform === 'linux'
const source = (name: string) => join(root, 'native-affinity', name)
const here = (name: string) => join(__dirname, name)
const strict = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-O1', '-g']
const noGcc = unless(isLinux && isProgram('gcc'), 'gcc for Linux')

for (const sanitizer of ['thread', 'address,undefined']) {
  t.test(`48 threads call everything, at work and while ending: no finding of the ${sanitizer} sanitizer`, { skip: noGcc }, async (t) => {
    const folder = t.testdir({})
    const program = join(folder, 'harness')
    const built = run('gcc', [...strict, `-fsanitize=${sanitizer}`, '-fno-sanitize-recover=all', '-o', program,
      here('harness.c'), source('system_posix.c'), '-lpthread'])
    if (!t.equal(built.status, 0, built.output)) return
    // the thread sanitizer knows no addresses as random as newer kernels make them
    const ran = run('setarch', ['-R', program, folder])
    t.same(ran, { status: 0, output: '48 threads, 0 failures\n' })
  })
}

t.test('a kernel of 4096 CPUs: the mask is read, and CPU 4000 can be set', {
  skip: noGcc || unless(load(root).reason === null, 'addon')
}, async (t) => {
  const folder = t.testdir({})
  const library = join(folder, 'large.so')
  const built = run('gcc', [...strict, '-shared', '-fPIC', '-o', library, here('large.c')])
  if (!t.equal(built.status, 0, built.output)) return
  const loader = JSON.stringify(join(root, 'dist', 'native-affinity', 'index.js'))
  const code = `const { affinity } = require(${loader})
    const before = affinity.getAffinity()
    affinity.setAffinity([4000, 65535, 1023])
    console.log(JSON.stringify([before, affinity.getAffinity()]))`
  const env = { ...process.env, LD_PRELOAD: library, NODE_OPTIONS: '' }
  t.same(run(process.execPath, ['-e', code], { env }), { status: 0, output: '[[0],[1023,4000]]\n' })
})

t.test('Windows: all compiles without a warning, a program and the addon are linked', {
  skip: unless(isProgram('x86_64-w64-mingw32-gcc'), 'x86_64-w64-mingw32-gcc (Debian: gcc-mingw-w64-x86-64)')
}, async (t) => {
  const folder = t.testdir({})
  const tool = (name: string, ...args: string[]) => run(`x86_64-w64-mingw32-${name}`, args, { cwd: folder })
  t.same(tool('gcc', ...strict, '-o', 'core.exe', here('windows.c'), source('system_windows.c')), { status: 0, output: '' })
  t.same(tool('gcc', ...strict, `-I${headers}`, '-c', '-o', 'addon.o', source('addon.c')), { status: 0, output: '' })
  // node.exe is not here: a library that promises what the addon wants of it
  const wanted = tool('nm', '--undefined-only', 'addon.o').output.match(/napi_\w+/g) ?? []
  const names = [...new Set(wanted)].filter((name) => name !== 'napi_register_module_v1')
  t.ok(names.includes('napi_type_tag_object') && names.length > 20, `${names.length} functions of Node`)
  writeFileSync(join(folder, 'node.def'), `LIBRARY node.exe\nEXPORTS\n${names.join('\n')}\n`)
  t.same(tool('dlltool', '-d', 'node.def', '-l', 'libnode.a'), { status: 0, output: '' })
  t.same(tool('gcc', ...strict, `-I${headers}`, '-shared', '-o', 'addon.node', source('addon.c'), source('system_windows.c'),
    'libnode.a'), { status: 0, output: '' })
  t.match(tool('objdump', '-p', 'addon.node').output, /napi_register_module_v1/)
})
