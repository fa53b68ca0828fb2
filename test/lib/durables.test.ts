// How long durable jobs are expected to take, by a clock of the test.
import t from 'tap'
import { Durables } from '#lib/remote/durables'
import type { RemoteStatus } from '#lib/index'

/** Durables that see jobs of the given length end, and a clock. */
function make () {
  let nowMs = 1e6
  let readAtMs = 2e6
  let status: Partial<RemoteStatus>
  const lookup = async (): Promise<Partial<RemoteStatus>> => status
  const durables = new Durables({ tier: { lookup } } as never, {} as never, {} as never, () => ['work'], () => nowMs)
  return {
    durables,
    pass: (ms: number) => { nowMs += ms },
    see: async (ms: number, endedAtMs = ++readAtMs) => {
      status = { job: 'work', state: 'succeeded', createdAtMs: endedAtMs - ms, endedAtMs, readAtMs }
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

t.test('a job that ended 30 s ago says nothing of how long such jobs take, and the status of another counts once however often it is read', async (t) => {
  const { durables, see } = make()
  await see(5000, 2e6 - 30_000)
  t.equal(durables.estimateMs('work'), undefined)
  await see(1000, 2e6 - 29_999)
  t.equal(durables.estimateMs('work'), 1000)
  for (let read = 0; read < 3; read++) await see(9000, 2e6)
  t.equal(durables.estimateMs('work'), 2000, '1000 and an eighth of the way to 9000')
})
