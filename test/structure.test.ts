// Which file may use what: the floors of lib/, the ways into it, and the one file behind each door to the machine.
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'

const root = path.resolve(__dirname, '..')

/** The floors, lowest first: a file imports only from floors below its own, types too. */
const floors = [
  ['shapes'],
  ['flat'],
  ['errors', 'load', 'trace', 'jobs', 'ring', 'clock', 'metrics', 'queue', 'idle', 'size', 'cpuload', 'machine/cpulist', 'simulator/random', 'restarts', 'recycling', 'estimate', 'ticks', 'departure', 'malloc', 'priority'],
  ['machine/files', 'machine/allowed', 'log', 'spans', 'deadlines', 'simulator/clock', 'uncloneable', 'affinity', 'unloadable', 'intrinsics', 'checks', 'quarantine'],
  ['machine/arch', 'machine/mounts', 'machine/nodes', 'carry', 'claims', 'context', 'modules'],
  ['machine/cgroup', 'machine/cpus'],
  ['machine/kinds'],
  ['remote/contract', 'remote/breaker', 'remote/keys', 'remote/words', 'remote/connection', 'remote/peers', 'remote/wire'],
  ['remote/json', 'remote/id', 'remote/msgpack', 'remote/waiters', 'remote/times', 'remote/settings', 'remote/refusals', 'remote/conformance'],
  ['remote/envelope', 'remote/memory', 'remote/codecs', 'remote/overflowing', 'remote/shard', 'remote/standing', 'remote/leftovers'],
  ['remote/durables', 'remote/foreign', 'remote/records', 'remote/sender', 'remote/depths', 'remote/answer', 'remote/fetching', 'remote/limited', 'remote/diagnosis'],
  ['remote/spill', 'remote/hints', 'remote/running'],
  ['remote/producer', 'remote/consumer'],
  ['remote/bullmq'],
  ['remote/rating'],
  ['topology'],
  ['plan/cores', 'plan/options'],
  ['plan/deal'],
  ['plan/cut'],
  ['tiers'],
  ['schema', 'pinning', 'record', 'recording', 'refit', 'watcher'],
  ['options', 'gate', 'mailbox', 'recorder'],
  ['slots'],
  ['actor', 'supervisor', 'simulator/mailbox', 'broadcasts'],
  ['pending', 'simulator/threads', 'inline/mailbox'],
  ['inline'],
  ['keys', 'calls', 'recycler', 'watchdog'],
  ['placing'],
  ['settling', 'snapshot', 'remotefamilies'],
  ['scheduler', 'families'],
  ['simulator'],
  ['index'],
  ['cli/archive', 'cli/flags', 'cli/paint', 'cli/picture'],
  ['cli/secret'],
  ['cli/redis'],
  ['cli/doctor', 'cli/worker'],
  ['cli/plan'],
  ['cli/curves', 'cli/drawing'],
  ['cli/simulate'],
  ['cli']
]

interface Import { from: string, isType: boolean, names: string[] }
/** `name` is the path below the folder that was read, without `.ts`. */
interface Source { name: string, text: string, code: string, imports: Import[] }

/** Text without comments: `//` counts as one only at the start of a line or after a space. */
function withoutComments (text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function read (folder: string): Source[] {
  const files = fs.readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
  return files.filter((file) => file.endsWith('.ts')).map((file) => file.replaceAll('\\', '/')).map((file) => {
    const text = fs.readFileSync(path.join(root, folder, file), 'utf8')
    const code = withoutComments(text)
    const imports: Import[] = []
    const statement = /^(?:import|export)\s+(type\s+)?([^'";]*?)\s*from\s+'([^']+)'/gm
    for (const [, type, names, from] of code.matchAll(statement)) {
      imports.push({ from: from!, isType: type !== undefined, names: names!.split(/[{},\s]+/).filter(Boolean) })
    }
    for (const [, from] of code.matchAll(/^import\s+'([^']+)'/gm)) {
      imports.push({ from: from!, isType: false, names: [] })
    }
    // `import('x').Name` is a type; `import('x')` with anything else behind it is a value
    for (const [, from, dot] of code.matchAll(/\b(?:require|import)\(\s*'([^']+)'\s*\)(\.[A-Z])?/g)) {
      imports.push({ from: from!, isType: dot !== undefined, names: [] })
    }
    return { name: file.slice(0, -3), text, code, imports }
  })
}

const lib = read('lib')
const plugin = read('plugin')
const floorOf = (name: string) => floors.findIndex((floor) => floor.includes(name))
const local = (source: Source) => source.imports.filter(({ from }) => from.startsWith('.'))
/** The name of what a file imports by a relative path; `../` is left where the path leads out of the folder. */
const nameOf = (source: Source, from: string) =>
  path.posix.join(path.posix.dirname(source.name), from).replace(/\.js$/, '')
const usersOf = (sources: Source[], test: (source: Source) => boolean) =>
  sources.filter(test).map(({ name }) => name).sort()
const importsFrom = (...modules: string[]) => (source: Source) =>
  source.imports.some(({ from }) => modules.includes(from))
const valuesFrom = (...modules: string[]) => (source: Source) =>
  source.imports.some(({ from, isType }) => !isType && modules.includes(from))

t.test('the imports are found: 3 of errors, at least 15 of scheduler', async (t) => {
  const of = (name: string) => lib.find((source) => source.name === name)!.imports
  t.same(of('errors').map(({ from, isType }) => [from, isType]),
    [['node:util', false], ['@fastify/error', false], ['@fastify/error', true]])
  t.ok(of('scheduler').length >= 15)
  t.ok(importsFrom('systeminformation')(lib.find(({ name }) => name === 'topology')!), 'import() counts')
  t.ok(importsFrom('fastify-plugin')(plugin.find(({ name }) => name === 'index')!), 'require() counts')
})

t.test('every file of lib is on one floor', async (t) => {
  t.same(lib.map(({ name }) => name).sort(), floors.flat().sort())
})

for (const [height, floor] of floors.entries()) {
  t.test(`floor ${height} (${floor.join(', ')}) imports only from ${height === 0 ? 'nothing in lib' : 'floors below'}`, async (t) => {
    for (const source of lib.filter(({ name }) => floor.includes(name))) {
      for (const { from } of local(source)) {
        const name = nameOf(source, from)
        t.match(name, /^([a-z]+\/)?[a-z]+$/, `${source.name} stays in lib`)
        t.ok(floorOf(name) >= 0 && floorOf(name) < height, `${source.name} imports ${from}`)
      }
    }
    t.pass('read')
  })
}

t.test('the plugin comes in by lib/index.js only, and the command line as well', async (t) => {
  for (const source of plugin) {
    for (const { from } of local(source)) t.match(from, /^((\.\/[a-z]+|\.\.\/lib\/index)\.js|\.\.\/\.\.\/package\.json)$/, `plugin/${source.name}: ${from}`)
  }
  for (const source of lib.filter(({ name }) => /^cli(\/|$)/.test(name))) {
    const names = local(source).map(({ from }) => nameOf(source, from))
    t.same(names.filter((name) => name !== 'index' && !name.startsWith('cli/')),
      { 'cli/worker': ['remote/bullmq'], 'cli/doctor': ['remote/diagnosis', 'remote/rating', 'remote/diagnosis'] }[source.name] ?? [], source.name)
  }
})

t.test('plugin and native-affinity: no file imports itself by way of others, types too', async (t) => {
  for (const sources of [plugin, read('native-affinity')]) {
    const from = new Map(sources.map((source) => [source.name, local(source).map(({ from }) => nameOf(source, from))]))
    const reached = (name: string, seen = new Set<string>()): Set<string> => {
      for (const next of from.get(name) ?? []) if (!seen.has(next)) reached(next, seen.add(next))
      return seen
    }
    t.same([...from.keys()].filter((name) => reached(name).has(name)), [])
  }
})

t.test('lib knows nothing of Fastify but its error classes', async (t) => {
  t.same(usersOf(lib, (source) => source.imports.some(({ from }) => /fastify/.test(from))), ['errors'])
  t.same(usersOf(lib, importsFrom('fastify', 'fastify-plugin')), [])
})

t.test('piscina: supervisor only', async (t) => {
  t.same(usersOf([...lib, ...plugin], importsFrom('piscina')), ['supervisor'])
})

t.test('bullmq and ioredis: files of remote/ only, and none of these is imported by what is imported without being asked for', async (t) => {
  const users = usersOf([...lib, ...plugin], importsFrom('bullmq', 'ioredis'))
  t.same(users, ['remote/answer', 'remote/connection', 'remote/consumer', 'remote/limited', 'remote/rating', 'remote/running', 'remote/sender'])
  const reached = new Set<string>()
  const follow = (name: string): void => {
    if (reached.has(name)) return
    reached.add(name)
    const source = lib.find((source) => source.name === name)!
    for (const { from, isType } of local(source)) if (!isType) follow(nameOf(source, from))
  }
  for (const name of ['index', 'actor']) follow(name)
  t.ok(reached.has('remote/spill'))
  t.same([...reached].filter((name) => users.includes(name)), [])
})

t.test('node:worker_threads: mailbox for its channel, malloc for one that nobody reads, actor for threadId, others for types', async (t) => {
  const modules = ['node:worker_threads', 'worker_threads']
  t.same(usersOf([...lib, ...plugin], valuesFrom(...modules)), ['actor', 'mailbox', 'malloc'])
  const actor = lib.find(({ name }) => name === 'actor')!
  t.same(actor.imports.filter(({ from, isType }) => modules.includes(from) && !isType).flatMap(({ names }) => names), ['threadId'])
})

t.test('Atomics: load, mailbox and ring, and by name in intrinsics', async (t) => {
  t.same(usersOf([...lib, ...plugin], ({ code }) => /\bAtomics\b/.test(code)), ['intrinsics', 'load', 'mailbox', 'ring'])
})

t.test('files of /sys and /proc: named in topology, record, watcher and machine/, read in machine/files only', async (t) => {
  const users = usersOf([...lib, ...plugin], ({ code }) => /['"`/](sys|proc)\//.test(code))
  t.same(users.filter((name) => !name.startsWith('machine/')), ['record', 'topology', 'watcher'])
  t.same(usersOf(lib, (source) => source.name.startsWith('machine/') && importsFrom('node:fs')(source)), ['machine/files'])
})

t.test('systeminformation: topology and cpuload only', async (t) => {
  t.same(usersOf([...lib, ...plugin], importsFrom('systeminformation')), ['cpuload', 'topology'])
})

t.test('diagnostics channels: trace only', async (t) => {
  t.same(usersOf([...lib, ...plugin], importsFrom('node:diagnostics_channel', 'diagnostics_channel')), ['trace'])
})

t.test('#native-affinity: affinity only', async (t) => {
  t.same(usersOf([...lib, ...plugin], importsFrom('#native-affinity')), ['affinity'])
})

t.test('the binary of native-affinity: native-affinity/index only', async (t) => {
  const native = read('native-affinity')
  t.same(usersOf(native, ({ code }) => /\.node['"`]/.test(code)), ['index'])
  t.same(usersOf([...lib, ...plugin], ({ code }) => /\.node['"`]/.test(code)), [])
})

t.test('OpenTelemetry: spans only; prom-client: families only', async (t) => {
  t.same(usersOf([...lib, ...plugin], importsFrom('@opentelemetry/api')), ['spans'])
  t.same(usersOf([...lib, ...plugin], importsFrom('prom-client')), ['families'])
})
