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

const SEEDS = 3000

t.test(`${SEEDS} seeds: each job settles once, none waits while an actor idles, the numbers are true, close() ends`, async (t) => {
  let accepted = 0
  for (let seed = 1; seed <= SEEDS; seed++) accepted += (await runSeed(seed)).accepted
  t.ok(accepted > SEEDS, `${accepted} jobs were accepted`)
})

t.test('the same seed is the same run', async (t) => {
  t.same(await runSeed(7), await runSeed(7))
})

/** Seeds that found faults in the pool, and what the fault was. */
const seeds = {
  1: 'a job was accepted right after the call of close()',
  3: 'a tier opened for the backlog, and its idle actors got nothing',
  97: 'an actor that is ended counted as active without a job',
  317: 'a job that waited for its second run was told that it had not started',
  339: 'jobs of a key waited while its actor idled',
  605: 'the backlog left out what a closed tier gave back'
}
for (const [seed, fault] of Object.entries(seeds)) {
  t.test(`seed ${seed}: not any more: ${fault}`, async (t) => {
    t.ok((await runSeed(Number(seed))).steps > 0)
  })
}

for (const name of names) {
  t.test(`found out within 1000 seeds: ${name}`, async (t) => {
    const found = await refute(name, 1000)
    t.ok(found?.isExpected, found?.text ?? 'not found')
    t.comment(`${found?.text}`)
  })
}
