// The benchmark: each pool in it computes the same, and a run leaves results that can be read. No number is judged.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const root = path.resolve(__dirname, '../..')
const command = path.join(root, 'test/benchmark/index.js')
// the measured processes must not be instrumented as this one is
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8_COVERAGE$)/.test(name)))

interface Ran { status: number, out: string }
const bench = (...args: string[]): Promise<Ran> => new Promise((resolve) => {
  execFile(process.execPath, [command, ...args], { cwd: root, env }, (error, stdout, stderr) =>
    resolve({ status: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr }))
})

const pools = ['fastify-spillover', 'piscina', 'tinypool', 'workerpool', 'poolifier']

/** Where the registry cannot be reached there are no peers to compare with. */
const missing = (out: string): string | undefined => /the peers could not be installed.*/.exec(out)?.[0]

t.test('each pool gives 13 right results: 9 payloads, 2 of them moved, 200 answers in order, and work', async (t) => {
  const { status, out } = await bench('--verify', '--variants', 'spillover,piscina,tinypool,workerpool,poolifier')
  const reason = missing(out)
  if (reason !== undefined) {
    t.pass('not run', { skip: reason })
    return
  }
  t.equal(status, 0, out)
  for (const label of pools) t.match(out, `ok, 13 right: ${label}\n`)
})

t.test('a quick run of one section writes the medians of ours and of a peer, the goals and a picture', async (t) => {
  const folder = t.testdir()
  const { status, out } = await bench('--quick', '--only', 'border', '--variants', 'spillover,tinypool', '--out', folder)
  const reason = missing(out)
  if (reason !== undefined) {
    t.pass('not run', { skip: reason })
    return
  }
  t.equal(status, 0, out)
  const results = JSON.parse(readFileSync(path.join(folder, 'results.json'), 'utf8'))
  t.match(results, { command: /^npm run bench -- --quick --only border/, isQuick: true, rounds: 1 })
  t.equal(results.versions.tinypool, '2.2.0')
  const { cases, goals } = results.sections.border
  t.same(cases.map(({ id }: { id: string }) => id), ['64-1', '512-2', 'one'])
  t.same(cases[0].failed, {}, out)
  for (const variant of ['spillover', 'tinypool']) {
    t.match(cases[0].results[variant], { jobsPerSecond: { median: Number, low: Number, high: Number } })
    t.ok(cases[0].results[variant].jobsPerSecond.median > 0)
  }
  t.type(goals.find(({ text }: { text: string }) => text.includes('tinypool defaults')).value, 'number')
  const picture = readFileSync(path.join(folder, 'results.svg'), 'utf8')
  t.match(picture, /^<svg [^]*fastify-spillover[^]*<\/svg>\n$/)
})

t.test('an unknown section is refused with the known ones', async (t) => {
  const { status, out } = await bench('--only', 'bordr')
  t.equal(status, 1)
  t.match(out, '--only: expected some of border, one-cpu, ')
  t.match(out, 'got bordr')
})
