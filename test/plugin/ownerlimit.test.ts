// The bucket of each caller, with a clock of the test.
import t from 'tap'
import { OwnerLimit } from '#plugin/ownerlimit'

const take = (limit: OwnerLimit, owner: string, nowMs: number): number => {
  try {
    limit.take(owner, nowMs)
    return 0
  } catch (error) {
    return (error as { retryAfterS: number }).retryAfterS
  }
}

t.test('3 jobs a minute: 3 at once, then one each 20 s, and 3 again after a minute of silence; callers apart', async (t) => {
  const limit = new OwnerLimit({ jobs: 3, perMs: 60_000 })
  t.strictSame([1, 2, 3, 4].map(() => take(limit, 'a', 1_000_000)), [0, 0, 0, 20])
  t.equal(take(limit, 'b', 1_000_000), 0)
  t.equal(take(limit, 'a', 1_019_000), 1)
  t.strictSame([take(limit, 'a', 1_020_000), take(limit, 'a', 1_020_000)], [0, 20])
  t.strictSame([1, 2, 3, 4].map(() => take(limit, 'a', 1_100_000)), [0, 0, 0, 20])
})

t.test('10,001 callers: the one heard of first is forgotten, the others are not', async (t) => {
  const limit = new OwnerLimit({ jobs: 1, perMs: 1000 })
  for (let owner = 0; owner <= 10_000; owner++) take(limit, `${owner}`, 5000)
  t.strictSame([take(limit, '0', 5000), take(limit, '10000', 5000)], [0, 1])
})
