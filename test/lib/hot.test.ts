// What V8 makes of the actor when it is hot.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import type { SpawnSyncReturns } from 'node:child_process'

const FLAG = '--trace-turbo-inlining'

const isHot = /Inlining .* into .*#run>/

function run (rounds: number): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [FLAG, join(__dirname, '..', 'fixtures', 'hot.cjs'), String(rounds)],
    { encoding: 'utf8', env: { PATH: process.env.PATH }, maxBuffer: 2 ** 30 })
}

t.test('20,000 runs of a short job and more: V8 does not make it part of the actor, where a loop may run 2.5 times slower', (t) => {
  // V8 optimises on a thread of its own, when that has its turn
  let rounds = 200
  let ended = run(rounds)
  while (rounds < 12_800 && ended.status === 0 && !isHot.test(ended.stdout)) ended = run(rounds *= 2)
  const { status, stdout, stderr } = ended
  if (/bad option/.test(stderr)) {
    t.skip(`this Node has no ${FLAG}: ${stderr.trim()}`, () => {})
    return t.end()
  }
  t.equal(status, 0, stderr)
  t.match(stderr, new RegExp(`^ran ${rounds * 100}$`, 'm'))
  t.match(stdout, isHot, 'the actor got hot')
  t.notMatch(stdout, /sumsInALoop/)
  t.end()
})
