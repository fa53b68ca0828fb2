// What was replied counts and nothing starts twice: short jobs in one mailbox with one that ends the thread.
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'

const jobs = join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs')
const ROUNDS = 20
const JOBS = 12

for (const busyMs of [0, 10, 80]) {
  t.test(`${ROUNDS} times ${JOBS} jobs with an exit among them, the host busy for ${busyMs} ms: none that replied fails, none starts twice`, async (t) => {
    const pool = createScheduler({
      jobs, tiers: [{ actors: 1 }], execArgv: [], maxRestarts: 10_000, quarantineDeaths: 0, backoffMs: 0
    })
    t.teardown(() => pool.close())
    await pool.ready()
    const starts = new Int32Array(new SharedArrayBuffer(JOBS * 4 * (ROUNDS + 1)))
    let lies = 0
    let hurt = 0
    for (let round = 0; round < ROUNDS; round++) {
      // short ones, so that a mailbox holds many
      for (let n = 0; n < 50; n++) await pool.offload('mark', { starts, at: JOBS * ROUNDS })
      const all = Array.from({ length: JOBS }, (_, n) => n === 5
        ? pool.offload('markAndExit', { starts, at: round * JOBS + n })
        : pool.offload('mark', { starts, at: round * JOBS + n }))
      for (const end = performance.now() + busyMs; performance.now() < end;);
      const results = await Promise.allSettled(all)
      results.forEach((result, n) => {
        if (n === 5) {
          if (result.status === 'fulfilled' || result.reason.code !== 'FST_ERR_SPILLOVER_ACTOR_EXIT') lies++
        } else if (result.status === 'rejected') {
          hurt++
        }
      })
    }
    t.strictSame([lies, hurt], [0, 0])
    t.ok(starts.subarray(0, JOBS * ROUNDS).every((count) => count === 1), 'each began once')
    t.equal(pool.snapshot().counters.restarts, ROUNDS)
  })
}
