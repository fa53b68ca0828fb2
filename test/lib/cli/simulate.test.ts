// The command simulate: its numbers agree with themselves, in text, JSON, picture and trace; and how it refuses.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { openMachine } from '../../fixtures/machines'
import { faultsOf } from '../../fixtures/traceformat'
import type { Simulation, Trace } from '#lib/index'
import type { Test } from 'tap'

const cli = path.resolve(__dirname, '../../../dist/lib/cli.js')

function run (...args: string[]): { status: number | null, stdout: string, stderr: string } {
  const { FORCE_COLOR, ...env } = process.env
  return spawnSync(process.execPath, [cli, 'simulate', ...args], { encoding: 'utf8', env })
}

/** The machine of the design, with 30 actors, and a load of jobs that take 5 ms each. */
function given (t: Test): { folder: string, args: string[] } {
  const { root } = openMachine(t, 'vm-seed-16c32t')
  const folder = t.testdir({
    'jobs.json': '{ "resize": { "meanMs": 5, "distribution": "fixed" } }',
    'options.json': '{ "maxQueued": 5, "maxActors": 2 }',
    'bad.json': '{',
    'no-mean.json': '{ "a": {} }',
    'empty.json': '{}'
  })
  return { folder, args: ['--root', root, '--jobs', path.join(folder, 'jobs.json')] }
}

const json = (...args: string[]): Simulation => JSON.parse(run(...args, '--json').stdout)

t.test('a load of half an actor stays in tier 1; one of 12 opens tier 2, one of 28 tier 3', async (t) => {
  const { args } = given(t)
  const shares = (rate: number): number[] => json(...args, '--rate', String(rate), '--seconds', '2').tiers.map(({ openShare }) => openShare)
  const [light, middle, heavy] = [shares(100), shares(2400), shares(5600)] as [number[], number[], number[]]
  t.ok(light[0] === 1 && light[1]! < 0.5 && light[2] === 0, String(light))
  t.ok(middle[0] === 1 && middle[1]! > 0.9, String(middle))
  t.ok(heavy[2]! > 0.9, String(heavy))
})

t.test('the same seed gives the same numbers, another one others; --seconds and --rate are obeyed', async (t) => {
  const { args } = given(t)
  const one = json(...args, '--rate', '500', '--seconds', '4')
  t.same(json(...args, '--rate', '500', '--seconds', '4', '--seed', '1'), one)
  t.not(json(...args, '--rate', '500', '--seconds', '4', '--seed', '2').offered, one.offered)
  t.equal(one.seconds, 4)
  t.ok(Math.abs(one.offered - 2000) < 200, `${one.offered} of 500 a second in 4 s`)
  t.equal(one.accepted + one.refused, one.offered)
})

t.test('a rate of 100-1100 offers a third of its jobs in the first half', async (t) => {
  const { args } = given(t)
  const { offered, samples } = json(...args, '--rate', '100-1100', '--seconds', '10')
  t.ok(Math.abs(offered - 6000) < 400, String(offered))
  const half = samples[samples.length / 2 - 1]!
  t.equal(half.atMs, 5000)
  t.ok(Math.abs(half.completed - 1750) < 250, `${half.completed} of about 1750`)
})

t.test('--options reach the pool: with maxQueued 5 jobs are refused', async (t) => {
  const { folder, args } = given(t)
  const file = path.join(folder, 'options.json')
  const { refused, tiers } = json(...args, '--rate', '2000', '--seconds', '1', '--options', file)
  t.ok(refused > 1000, String(refused))
  t.equal(tiers.reduce((sum, { actors }) => sum + actors, 0), 2)
})

t.test('what a file has wrong is named with the flag of the file', async (t) => {
  const folder = t.testdir({ 'jobs.json': '{ "a": { "meanMs": "5" } }', 'load.json': '{ "a": { "meanMs": 5 } }', 'null.json': 'null', 'list.json': '[]', 'typo.json': '{ "maxQueud": 5 }' })
  const refusal = (jobs: string, ...more: string[]): string =>
    run('--jobs', path.join(folder, jobs), '--rate', '10', '--seconds', '1', ...more).stderr
  t.equal(refusal('jobs.json'), 'fastify-spillover: option --jobs: a.meanMs: expected a number above 0, got "5"\n')
  for (const [file, reason] of [
    ['null.json', 'expected an object as in { "maxQueued": 100 }, got null\n'],
    ['list.json', 'expected an object as in { "maxQueued": 100 }, got []\n'],
    ['typo.json', 'maxQueud: expected a known option, got an unknown one: did you mean maxQueued?']
  ] as const) {
    t.ok(refusal('load.json', '--options', path.join(folder, file)).startsWith(`fastify-spillover: option --options: ${reason}`), file)
  }
})

t.test('the text has the tiers, 4 curves as wide as the page, and the numbers of the JSON; without colour in a pipe', async (t) => {
  const { args } = given(t)
  const { status, stdout, stderr } = run(...args, '--rate', '2000', '--seconds', '1')
  t.equal(status, 0)
  t.equal(stderr, '')
  t.notOk(stdout.includes('\u001b'))
  const { offered } = json(...args, '--rate', '2000', '--seconds', '1')
  t.match(stdout, `${offered.toLocaleString('en')} offered`)
  const lines = stdout.split('\n')
  t.ok(lines.every((line) => line.length <= 80), 'lines of 80')
  for (const name of ['open tiers', 'active', 'waiting', 'jobs/s']) t.ok(lines.some((line) => line.startsWith(name)), name)
  const open = lines.find((line) => line.startsWith('open tiers'))!.slice(12)
  t.match(open, /^[123]{58}$/)
  const narrow = spawnSync(process.execPath, [cli, 'simulate', ...args, '--rate', '2000', '--seconds', '1'],
    { encoding: 'utf8', env: { ...process.env, COLUMNS: '40' } })
  t.same(narrow.stdout.split('\n').filter((line) => line.length > 40), [], 'lines of 40')
})

t.test('--svg draws a picture with a plot for each series and a band for each tier', async (t) => {
  const { folder, args } = given(t)
  const file = path.join(folder, 'picture.svg')
  t.equal(run(...args, '--rate', '100-4000', '--seconds', '2', '--svg', file).status, 0)
  const picture = readFileSync(file, 'utf8')
  t.match(picture, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^]*<\/svg>\n$/)
  for (const word of ['active actors', 'waiting jobs', 'jobs done a second', 'tier 1 · 7', 'tier 2 · 8', 'tier 3 · 15', 'Simulated']) {
    t.ok(picture.includes(word), word)
  }
  t.notOk(/NaN|Infinity|undefined/.test(picture))
})

t.test('--trace writes what --replay reads: the same number of jobs on the same machine', async (t) => {
  const { folder, args } = given(t)
  const file = path.join(folder, 'trace.json')
  t.equal(run(...args, '--rate', '1000', '--seconds', '1', '--trace', file).status, 0)
  t.same(faultsOf(readFileSync(file, 'utf8')), [])
  const trace: Trace = JSON.parse(readFileSync(file, 'utf8'))
  const runs = trace.traceEvents.filter(({ ph, cat }) => ph === 'X' && cat === 'job')
  t.ok(runs.length > 900, String(runs.length))
  t.same(new Set(runs.map(({ name }) => name)), new Set(['resize']))
  const replayed = json('--root', args[1]!, '--replay', file)
  t.equal(replayed.offered, runs.length)
  t.equal(replayed.accepted, runs.length)
})

t.test('a trace that a pool recorded can be replayed', async (t) => {
  const jobs = path.resolve(__dirname, '../../fixtures/jobs.cjs')
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [] })
  t.teardown(() => pool.close())
  await pool.ready()
  const ending = new AbortController()
  const recording = pool.record({ seconds: 60, signal: ending.signal })
  for (let i = 0; i < 5; i++) await pool.offload('spin', 1)
  ending.abort()
  const file = path.join(t.testdir({ 'trace.json': JSON.stringify(await recording) }), 'trace.json')
  const { offered, completed } = json('--replay', file)
  t.same([offered, completed], [5, 5])
})

t.test('what is wrong is said in one line: exit status 1 for a value, 2 for a name', async (t) => {
  const { folder, args } = given(t)
  const refused = (status: number, text: RegExp, ...flags: string[]): void => {
    const ran = run(...flags)
    t.equal(ran.status, status, flags.join(' '))
    t.match(ran.stderr, text)
    t.equal(ran.stderr.split('\n').length, 2, 'one line')
    t.equal(ran.stdout, '')
  }
  const bad = path.join(folder, 'bad.json')
  refused(1, /option --jobs: expected a file, got none/)
  refused(1, /option --rate: expected jobs a second, got none/, ...args)
  for (const rate of ['0', 'fast', '1-']) refused(1, /option --rate: expected jobs a second/, ...args, `--rate=${rate}`)
  refused(1, /option --seconds: .* got "0"/, ...args, '--rate', '1', '--seconds', '0')
  refused(1, /option --jobs: cannot read .*bad\.json/, '--jobs', bad, '--rate', '1')
  refused(1, /--jobs: a\.meanMs: expected a number above 0/, '--jobs', path.join(folder, 'no-mean.json'), '--rate', '1')
  refused(1, /option --replay: expected a trace/, '--replay', path.join(folder, 'empty.json'))
  refused(1, /option --replay: expected neither --jobs nor --rate/, '--replay', bad, '--rate', '1')
  refused(1, /option --svg: cannot write the file/, ...args, '--rate', '1', '--svg', path.join(bad, 'x.svg'))
  refused(2, /unknown option --jbos: did you mean --jobs\?/, '--jbos', 'x')
  refused(2, /unknown option --speed: did you mean --seed\?/, '--speed=1')
  refused(2, /unknown option --everything: expected one of --root, /, '--everything')
})
