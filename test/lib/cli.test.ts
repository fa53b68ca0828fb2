// The command line from outside: what it prints, and how it refuses.
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { readTopology } from '#lib/topology'
import { version } from '../../package.json'
import { openMachine } from '../fixtures/machines'

const cli = path.resolve(__dirname, '../../dist/lib/cli.js')

function run (...args: string[]): { status: number | null, stdout: string, stderr: string } {
  const { FORCE_COLOR, ...env } = process.env
  return spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env, timeout: 60_000 })
}

t.test('topology --json prints schema 1', async (t) => {
  const { root, oracle } = openMachine(t, 'vm-seed-cgroup2')
  const { status, stdout, stderr } = run('topology', '--root', root, '--json')
  t.equal(stderr, '')
  t.equal(status, 0)
  const found = JSON.parse(stdout)
  t.equal(found.schema, 1)
  t.equal(found.allowed, '0-7,16-23')
  t.equal(found.quotaCpus, 6)
  t.match(found.cgroup, { version: 2, cpuset: '0-7,16-23', quotaUs: 600000, periodUs: 100000 })
  t.same(found.nodes, oracle.nodes)
  t.same(found.cpus, oracle.cpus.map(({ kind, ...cpu }: any) => cpu))
})

t.test('plan --json prints tiers, reserved cpus, quota and number of actors', async (t) => {
  const { root } = openMachine(t, 'vm-seed-cgroup2')
  const { status, stdout } = run('plan', '--root', root, '--reserve', '0', '--json')
  t.equal(status, 0)
  t.same(JSON.parse(stdout), {
    strategy: 'tiered',
    tiers: [
      { tier: 1, cpus: [0, 2, 4, 6], threshold: 0 },
      { tier: 2, cpus: [16, 18], threshold: 2 }
    ],
    reserved: [],
    quotaCpus: 6,
    maxActors: 6,
    notes: ['the quota of 6 cpus allows 6 of 16 actors']
  })
})

t.test('plan takes --strategy, --home and --reserve', async (t) => {
  const { root } = openMachine(t, 'vm-1s8c-nosmt')
  const plan = (...args: string[]) => JSON.parse(run('plan', '--root', root, '--json', ...args).stdout)
  t.same(plan('--strategy', 'even-odd').tiers.map((tier: any) => tier.cpus), [[0, 2, 4, 6], [1, 3, 5, 7]])
  t.same(plan('--home', '3', '--reserve', '2').reserved, [0, 1])
  t.same(plan('--reserve', 'auto').reserved, [0])
  t.same(plan('--reserve', '1').notes, ['cpu 0 is kept free for the event loop'])
  t.same(plan('--reserve', '2').notes, ['cpus 0-1 are kept free for the event loop'])
  t.same(plan('--strategy', 'none').tiers, [{ tier: 1, cpus: [], threshold: 0, actors: 8 }])
})

t.test('the drawing and the plan have no colour in a pipe; FORCE_COLOR gives it and changes nothing else', async (t) => {
  const { root } = openMachine(t, 'vm-1s8c-affinity-2-5')
  const escape = '\u001b'
  const plain = run('topology', '--root', root).stdout
  t.match(plain, /4 usable cpus: 2-5/)
  t.notOk((plain + run('plan', '--root', root).stdout).includes(escape))
  const env = { ...process.env, FORCE_COLOR: '1' }
  const forced = spawnSync(process.execPath, [cli, 'topology', '--root', root], { encoding: 'utf8', env }).stdout
  t.ok(forced.includes(`${escape}[32m3:1${escape}[0m`))
  t.equal(forced.split(escape).map((part, index) => index === 0 ? part : part.replace(/^\[\d+m/, '')).join(''), plain)
})

t.test('topology --record saves a tar.gz that reads back equal', async (t) => {
  const { root } = openMachine(t, 'vm-1s8c-cg1-noquota')
  const folder = t.testdir({})
  const file = path.join(folder, 'machine.tar.gz')
  const { status, stdout, stderr } = run('topology', '--root', root, '--record', file)
  t.equal(stderr, '')
  t.equal(status, 0)
  t.match(stdout, /^\d+ files in /)
  execFileSync('tar', ['xzf', file, '-C', folder])
  t.same(readTopology({ root: folder }), readTopology({ root }))
})

t.test('this machine has a topology and a plan', async (t) => {
  t.equal(run('topology').status, 0)
  const { status, stdout } = run('plan', '--json')
  t.equal(status, 0)
  t.ok(JSON.parse(stdout).maxActors >= 1)
})

t.test('--help and --version; each command has a help of its own that names each of its options', async (t) => {
  const { status, stdout } = run('--help')
  t.equal(status, 0)
  t.match(stdout, /^Usage: fastify-spillover <command>/)
  t.ok(stdout.split('\n').every((line) => line.length <= 80), 'lines of 80')
  const commands = ['topology', 'plan', 'simulate', 'worker', 'doctor']
  for (const command of commands) {
    t.match(stdout, new RegExp(`^  ${command} `, 'm'))
    const own = run(command, '--help')
    t.equal(own.status, 0)
    t.match(own.stdout, new RegExp(`^Usage: fastify-spillover ${command} `))
    t.ok(own.stdout.split('\n').every((line) => line.length <= 80), `${command}: lines of 80`)
    // an unknown option is answered with those there are
    const known = /expected one of (.*) \(/.exec(run(command, '--everything').stderr)![1]!.split(', ')
    for (const option of known.filter((option) => option !== '--version')) {
      t.ok(own.stdout.includes(option), `${command} ${option}`)
    }
  }
  t.same(run('--version').stdout, `${version}\n`)
})

t.test('bad arguments: status 2 for a name there is not, 1 for a value; nothing printed, one line of reason', async (t) => {
  const empty = t.testdir({})
  const { root } = openMachine(t, 'vm-1cpu')
  const wrongNames = [
    [[], /expected a command \(.*\), got none/],
    [['toplogy'], /unknown command toplogy: did you mean topology\?/],
    [['constructor'], /unknown command constructor: expected one of topology, plan, simulate, worker, doctor/],
    [['plan', '--fast'], /unknown option --fast: expected one of --root, .* \(fastify-spillover plan --help lists/],
    [['topology', '--strategy', 'linear'], /--strategy/],
    [['plan', '--jsno'], /unknown option --jsno: did you mean --json\?/],
    [['plan', '--home=1', '--stratgy=linear'], /unknown option --stratgy: did you mean --strategy\?/],
    [['plan', 'extra'], /: unexpected argument extra \(fastify-spillover plan --help lists the options\)/],
    [['topology', '-x'], /: unknown option -x \(fastify-spillover topology --help lists the options\)/],
    [['--hlp'], /unknown option --hlp: did you mean --help\?/],
    [['help'], /unknown command help: .* \(fastify-spillover --help tells more\)/],
    [['plan', '--record', 'x'], /--record/]
  ] as [string[], RegExp][]
  const wrongValues = [
    [['plan', '--reserve'], /: option --reserve: expected a value, as in --reserve=VALUE, got none\n/],
    [['plan', '--home', '--json'], /: option --home: expected a value, as in --home=VALUE, got none\n/],
    [['plan', '--json=yes'], /: option --json: expected no value\n/],
    [['plan', '--reserve', '1.5'], /--reserve: expected an integer of at least 0, got "1.5"/],
    [['plan', '--reserve=-1'], /got "-1"/],
    [['plan', '--home', 'x'], /--home/],
    [['plan', '--root', root, '--home', '7'], /: option --home: expected one of the usable cpus 0, got 7/],
    [['plan', '--root', root, '--strategy', 'fast'], /: option --strategy: .*got "fast"/],
    [['plan', '--root', ''], /: option --root: expected a value, got an empty one\n/],
    [['worker', '--jobs', 'none.js', '--redis', 'redis://127.0.0.1:1'], /: option --jobs: expected the path .*none.js\n/],
    [['plan', '--root', path.join(empty, 'absent')], /there is no such folder/],
    [['topology', '--root', empty], /no cpu in/],
    [['topology', '--root', cli], /there is no such folder/],
    [['topology', '--root', root, '--record', path.join(empty, 'absent/file')], /cannot write the file: ENOENT/]
  ] as [string[], RegExp][]
  for (const [args, reason] of [...wrongNames, ...wrongValues]) {
    const { status, stdout, stderr } = run(...args)
    t.equal(status, wrongNames.some(([names]) => names === args) ? 2 : 1, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, reason)
    t.match(stderr, /^fastify-spillover: .*\n$/)
    t.equal(stderr.split('\n').length, 2)
  }
})

t.test('worker refuses a trace that it could not write, and a port that is none, before it takes a job', async (t) => {
  const worker = (...args: string[]) => run('worker', '--jobs', path.resolve(__dirname, '../fixtures/jobs.cjs'),
    '--redis', 'redis://127.0.0.1:1', ...args)
  const trace = worker('--trace', path.join(t.testdir(), 'none', 'trace.json'))
  t.match(trace.stderr, /^fastify-spillover: option --trace: cannot write the file: ENOENT[^\n]*\n$/)
  t.equal(trace.status, 1)
  for (const port of ['x', '70000', '1.5', '-1', ':9090', '0.0.0.0:', '::1:9090']) {
    const { status, stderr } = worker(`--health=${port}`)
    t.equal(stderr, `fastify-spillover: option --health: expected PORT or HOST:PORT, got "${port}"\n`)
    t.equal(status, 1)
  }
})

t.test('worker ends where --queues names a job that there is not; doctor --bench does not wait for a Redis that is away', async (t) => {
  const unknown = run('worker', '--jobs', path.resolve(__dirname, '../fixtures/jobs.cjs'),
    '--redis', 'redis://127.0.0.1:1', '--queues', 'none')
  t.match(unknown.stderr, /^fastify-spillover: unknown job none \(remote\.queues\)/)
  t.equal(unknown.status, 1)
  const away = run('doctor', '--bench', '--redis', 'redis://127.0.0.1:1')
  t.match(away, { status: 1, stdout: /WRONG +connection: .*\n1 wrong, 0 notes\n$/ })
})

t.test('doctor names the cause and the address where nobody listens: of a server, and of each address of a name', async (t) => {
  const refused = (...args: string[]): string => {
    const { status, stdout, stderr } = run('doctor', ...args)
    t.equal(status, 1)
    t.equal(stderr, '')
    return /^ {2}WRONG {2}connection: (.*)$/m.exec(stdout)![1]!
  }
  t.equal(refused('--redis', 'redis://127.0.0.1:1'), 'connection refused at 127.0.0.1:1')
  t.match(refused('--redis', 'redis://localhost:1'), /^connection refused at (127\.0\.0\.1|\[::1\]):1(, connection refused at 127\.0\.0\.1:1)?$/)
})

t.test('the URL of Redis and the signing key are read from the files that SPILLOVER_…_FILE names, or the file is named', (t) => {
  const folder = t.testdir({ url: 'redis://127.0.0.1:1\n' })
  t.teardown(() => {
    delete process.env.SPILLOVER_REDIS_URL_FILE
    delete process.env.SPILLOVER_SIGNING_KEY_FILE
  })
  process.env.SPILLOVER_REDIS_URL_FILE = path.join(folder, 'url')
  t.match(run('doctor').stdout, /WRONG {2}connection: connection refused at 127\.0\.0\.1:1\n/)
  process.env.SPILLOVER_SIGNING_KEY_FILE = path.join(folder, 'none')
  t.match(run('worker', '--jobs', 'jobs.js'), {
    status: 1, stderr: /^fastify-spillover: SPILLOVER_SIGNING_KEY_FILE: ENOENT: no such file or directory, open '.*none'\n$/
  })
  t.end()
})

t.test('worker ends with one line that names the port where it is taken, and Redis is away', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { status, stderr } = run('worker', '--jobs', path.resolve(__dirname, '../fixtures/jobs.cjs'),
    '--redis', 'redis://127.0.0.1:1', '--health', String(port))
  t.equal(stderr, `fastify-spillover: option --health: cannot listen on port ${port}: ` +
    `listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`)
  t.equal(status, 1)
})
