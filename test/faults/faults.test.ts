// The fault matrix, our column: each row in a process of its own. `npm run faults` sets it beside other pools.
import t from 'tap'
const { rows } = require('./rows.js')
const { runTable } = require('./table.js')

t.setTimeout(480_000)
/** What test/lib/faults.test.ts and test/lib/meddling.test.ts show already, in one process. */
const shown = /^(throw|throwAsync|return|nest|meddle|good|bytes|late\w+|loop|microtasks|wait|regexp|native|leave|memory)$/

const chosen = [...rows.keys()].filter((index) => rows[index].isDear !== true &&
  (!shown.test(rows[index].job) || rows[index].file !== undefined))

t.test(`${chosen.length} faults, each among neighbours: its caller is told, nobody else is hurt, nothing hangs or is left`, async (t) => {
  await runTable(['fastify-spillover'], chosen, 2, (row: { name: string }, results: any) => {
    const { marks, got, hurt } = results['fastify-spillover']
    t.strictSame(marks, [], [row.name, got, ...hurt].join('; '))
  })
})
