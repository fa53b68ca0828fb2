// The command simulate:check from outside: its help, how it refuses, and what a seed prints.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8|SEED$)/.test(name)))
const run = (...args: string[]): { status: number | null, stdout: string, stderr: string } =>
  spawnSync(process.execPath, [join(__dirname, 'check.js'), ...args], { encoding: 'utf8', env, timeout: 60_000 })

t.test('--help names each option, in 80 columns; nothing is run', async (t) => {
  const { status, stdout, stderr } = run('--help')
  t.equal(status, 0)
  t.equal(stderr, '')
  t.match(stdout, /^Usage: npm run simulate:check -- /)
  for (const option of ['--seed', '--from', '--count']) t.match(stdout, new RegExp(`^  ${option} N +\\S`, 'm'))
  t.notMatch(stdout, /Simulation:/)
  t.ok(stdout.split('\n').every((line) => line.length <= 80))
})

t.test('an unknown option and a wrong number: status 2 and the reason, nothing is run', async (t) => {
  const unknown = run('--seeds', '7')
  t.match(unknown, { status: 2, stdout: '', stderr: /^simulate:check: Unknown option '--seeds'/ })
  for (const wrong of ['--count=0', '--seed=-1']) {
    t.match(run(wrong), { status: 2, stdout: '', stderr: /^simulate:check: expected whole numbers, of --count at least 1\n\nUsage: / }, wrong)
  }
})

t.test('one seed alone: what was offered, and that it passed', async (t) => {
  const { status, stdout, stderr } = run('--seed', '7')
  t.equal(stderr, '')
  t.equal(status, 0)
  t.match(stdout, /^\d+ jobs offered, \d+ accepted, \d+ kills, \d+ steps in [\d.]+ s by 1 process\nSimulation: 0 failed, 1 passed, 1 total\n$/)
})
