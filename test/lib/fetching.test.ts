// How many jobs are fetched before they start: limits worked out by hand.
import t from 'tap'
import { Fetching } from '#lib/remote/fetching'

t.test('jobs that come one by one start one by one: the limit is one more than what runs', async (t) => {
  const fetching = new Fetching()
  t.equal(fetching.limit(0, 8), 1)
  for (let job = 0; job < 5; job++) {
    fetching.started()
    t.equal(fetching.limit(1, 7), 2)
    fetching.drained()
  }
})

t.test('10 jobs came before the queue was empty: 10 are fetched together, then one again after a single one', async (t) => {
  const fetching = new Fetching()
  for (let job = 0; job < 10; job++) fetching.started()
  t.equal(fetching.limit(0, 64), 5, 'half of what came so far')
  fetching.drained()
  t.equal(fetching.limit(0, 64), 10)
  t.equal(fetching.limit(10, 54), 20, 'the next 10 when those run')
  fetching.started()
  fetching.drained()
  t.equal(fetching.limit(0, 64), 1)
})

t.test('never more than the free slots, than 32 together, and never below the 1 that BullMQ asks for', async (t) => {
  const fetching = new Fetching()
  for (let job = 0; job < 1000; job++) fetching.started()
  t.equal(fetching.limit(0, 64), 32)
  t.equal(fetching.limit(3, 4), 7)
  t.equal(fetching.limit(5, 0), 5)
  t.equal(fetching.limit(0, -3), 1)
})
