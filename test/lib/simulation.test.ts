// The pool under virtual time, by seeds: the invariants hold in each, and a broken rule is found out.
import t from 'tap'

interface Refutation { readonly seed: number, readonly text: string, readonly isExpected: boolean }
// both are plain JavaScript, for `npm run simulate:check`
const { runSeed } = require('../simulation/world.js') as { runSeed (seed: number): Promise<{ accepted: number, steps: number }> }
const { names, refute } = require('../simulation/mutations.js') as {
  names: string[], refute (name: string, most: number): Promise<Refutation | undefined>
}

t.setTimeout(300_000)
Error.stackTraceLimit = 0

const SEEDS = 2000

t.test(`${SEEDS} seeds: each job settles once, none waits while an actor idles, the numbers are true, close() ends`, async (t) => {
  let accepted = 0
  for (let seed = 1; seed <= SEEDS; seed++) accepted += (await runSeed(seed)).accepted
  t.ok(accepted > SEEDS, `${accepted} jobs were accepted`)
})

t.test('the same seed is the same run', async (t) => {
  t.same(await runSeed(7), await runSeed(7))
})

for (const name of names) {
  t.test(`found out within 5000 seeds: ${name}`, async (t) => {
    const found = await refute(name, 5000)
    t.ok(found?.isExpected, found?.text ?? 'not found')
    t.comment(`${found?.text}`)
  })
}
