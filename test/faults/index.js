'use strict'
// The fault matrix side by side: `npm run faults -- [--pools a,b] [--rows text] [--at-once N] [--verbose]`. Prints a
// table; the exit status is 1 where this package is worse than the best of the others, or not right by itself.
const { availableParallelism } = require('node:os')
const { parseArgs } = require('node:util')
const { pools } = require('./pools.js')
const { rows } = require('./rows.js')
const { marks, runTable, weightOf } = require('./table.js')

const { values } = parseArgs({
  options: {
    pools: { type: 'string', default: Object.keys(pools).join(',') },
    rows: { type: 'string', default: '' },
    'at-once': { type: 'string', default: String(Math.min(4, availableParallelism())) },
    verbose: { type: 'boolean', default: false }
  }
})

async function main () {
  const names = values.pools.split(',')
  const [ours] = Object.keys(pools)
  if (names.length > 1) (await import('../benchmark/setup.js')).setUp({ wantsKnitting: false })
  const chosen = [...rows.keys()].filter((index) => rows[index].name.includes(values.rows))
  const width = Math.max(...chosen.map((index) => rows[index].name.length))
  const sums = Object.fromEntries(names.map((name) => [name, { ok: 0 }]))
  const worse = []
  console.log(`${''.padEnd(width)}  ${names.join('  ')}`)
  await runTable(names, chosen, Number(values['at-once']), (row, results) => {
    const cells = names.map((name) => {
      const { marks } = results[name]
      for (const mark of marks.length === 0 ? ['ok'] : marks) sums[name][mark] = (sums[name][mark] ?? 0) + 1
      return (marks.join(' ') || 'ok').padEnd(name.length)
    })
    console.log(`${row.name.padEnd(width)}  ${cells.join('  ')}`)
    const others = names.filter((name) => name !== ours).map((name) => weightOf(results[name]))
    const isWorse = ours in results && weightOf(results[ours]) > Math.min(...others, Infinity)
    if (isWorse || (others.length === 0 && weightOf(results[ours]) > 0)) worse.push(row.name)
    if (!values.verbose && !isWorse) return
    for (const name of names) {
      const { got, hurt } = results[name]
      console.log(`  ${name}: ${got}${hurt.length > 0 ? `; ${hurt.join('; ')}` : ''}`)
    }
  })
  for (const [mark, [text]] of Object.entries(marks)) console.log(`${mark}: ${text}`)
  for (const name of names) console.log(`${name}: ${Object.entries(sums[name]).map(([mark, count]) => `${count} ${mark}`).join(', ')}`)
  for (const name of worse) console.log(`WORSE than the best: ${name}`)
  console.log(`Faults: ${worse.length} failed, ${chosen.length - worse.length} passed, ${chosen.length} total`)
  process.exitCode = worse.length > 0 ? 1 : 0
}

main()
