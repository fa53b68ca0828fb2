// How long durable jobs are expected to take, by a clock of the test.
import t from 'tap'
import { Durables } from '#lib/remote/durables'
import type { RemoteStatus } from '#lib/index'

/** Durables that see jobs of the given length end, and a clock. */
function make (): { durables: Durables, see: (totalMs: number) => Promise<unknown>, pass: (ms: number) => void } {
  let nowMs = 1e6
  let totalMs = 0
  const lookup = async (): Promise<Partial<RemoteStatus>> => ({ job: 'work', state: 'succeeded', createdAtMs: 0, endedAtMs: totalMs })
  const durables = new Durables({ tier: { lookup } } as never, {} as never, {} as never, () => ['work'], () => nowMs)
  return {
    durables,
    pass: (ms) => { nowMs += ms },
    see: async (ms) => {
      totalMs = ms
      return await durables.lookup('x')
    }
  }
}

t.test('a job that took 5 s is not expected within 2 s; after 30 s one may try, and what it sees counts alone', async (t) => {
  const { durables, see, pass } = make()
  const may = (): boolean => durables.mayEndWithin('work', 2000)
  t.equal(may(), true, 'nothing is known')
  await see(5000)
  t.strictSame([may(), durables.mayEndWithin('work', 5001)], [false, true])
  pass(29_999)
  t.equal(may(), false)
  pass(1)
  t.strictSame([may(), may()], [true, false], 'one of two')
  await see(1000)
  t.equal(durables.estimateMs('work'), 1000)
  t.equal(may(), true)
})

t.test('waits in vain of 2 s each: 2 s are not expected any more, and a longer mean stays as it is', async (t) => {
  const { durables, see } = make()
  durables.outlasted('work', 2000)
  t.equal(durables.mayEndWithin('work', 2000), false)
  await see(10_000)
  t.equal(durables.estimateMs('work'), 3000, '2000 and an eighth of the way to 10000')
  durables.outlasted('work', 2000)
  t.equal(durables.estimateMs('work'), 3000)
})
