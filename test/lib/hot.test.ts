// What V8 makes of the actor when it is hot.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const FLAG = '--trace-turbo-inlining'

t.test('20,000 runs of a short job: V8 does not make it part of the actor, where a loop may run 2.5 times slower', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [FLAG, join(__dirname, '..', 'fixtures', 'hot.cjs')],
    { encoding: 'utf8', env: { PATH: process.env.PATH }, maxBuffer: 2 ** 30 })
  if (/bad option/.test(stderr)) {
    t.skip(`this Node has no ${FLAG}: ${stderr.trim()}`, () => {})
    return t.end()
  }
  t.equal(status, 0, stderr)
  t.match(stderr, /^ran 20000$/m)
  t.match(stdout, /Inlining .* into .*#run>/, 'the actor got hot')
  t.notMatch(stdout, /sumsInALoop/)
  t.end()
})
