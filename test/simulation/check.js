'use strict'
// Runs seeds of the simulation: `npm run simulate:check -- [--seed N] [--from N] [--count N]`. The last line says what
// was run and how long it took; a seed that fails is named with what it broke, and can be run again by --seed.
const { fork } = require('node:child_process')
const { availableParallelism } = require('node:os')
const { parseArgs } = require('node:util')

const { values } = readFlags({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    seed: { type: 'string', default: process.env.SEED },
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '100000' },
    child: { type: 'boolean', default: false }
  }
})
/** Processes that share the seeds. */
const CHILDREN = Math.min(16, availableParallelism())
/** Seeds that a process is given at once; chosen: half a second, so that all end together. */
const PIECE = 500
/** Failures after which no more is begun. */
const MOST = 10
/** One process a processor: threads of V8 would take it from the others. 100,000 seeds: 17 % less CPU with both. */
const V8 = ['--single-threaded', '--max-semi-space-size=32']

const usage = `Usage: npm run simulate:check -- [--seed N] [--from N] [--count N]

  --seed N    run this seed alone
  --from N    first seed (default: 1)
  --count N   number of seeds (default: 100000)
`

function readFlags (config) {
  try {
    return parseArgs(config)
  } catch (error) {
    process.stderr.write(`simulate:check: ${error.message}\n`)
    process.exit(2)
  }
}

async function run (from, count) {
  Error.stackTraceLimit = values.seed === undefined ? 0 : 20
  const { runSeed } = require('./world.js')
  const sum = { seeds: 0, steps: 0, offered: 0, accepted: 0, deaths: 0, failed: [] }
  for (let seed = from; seed < from + count && sum.failed.length < MOST; seed++) {
    try {
      for (const [key, value] of Object.entries(await runSeed(seed))) sum[key] += value
    } catch (error) {
      sum.failed.push([seed, error.message])
    }
    sum.seeds++
  }
  return sum
}

/** A child runs what it is sent, piece by piece. */
function serve () {
  process.on('message', async ([from, count]) => process.send(await run(from, count)))
}

/** Runs pieces in a process until `next` has none; resolves with their sums. */
function runChild (next) {
  return new Promise((resolve, reject) => {
    const child = fork(__filename, ['--child'], { execArgv: V8 })
    const sums = []
    const goOn = () => {
      const piece = next(sums.at(-1))
      if (piece === undefined) child.disconnect()
      else child.send(piece)
    }
    child.on('message', (sum) => {
      sums.push(sum)
      goOn()
    })
    child.once('exit', (code) => code === 0 ? resolve(sums) : reject(new Error(`a child ended with ${code}`)))
    goOn()
  })
}

/** All seeds, by as many processes as there are processors. */
async function runAll (from, count) {
  let at = 0
  let failed = 0
  const next = (before) => {
    failed += before?.failed.length ?? 0
    if (at === count || failed >= MOST) return undefined
    const piece = [from + at, Math.min(PIECE, count - at)]
    at += piece[1]
    return piece
  }
  return (await Promise.all(Array.from({ length: CHILDREN }, () => runChild(next)))).flat()
}

async function main () {
  if (values.help) return process.stdout.write(usage)
  const from = Number(values.seed ?? values.from)
  const count = values.seed === undefined ? Number(values.count) : 1
  if (!Number.isInteger(from) || from < 0 || !Number.isInteger(count) || count < 1) {
    process.stderr.write(`simulate:check: expected whole numbers, of --count at least 1\n\n${usage}`)
    process.exitCode = 2
    return
  }
  if (values.child) return serve()
  const beganAtMs = performance.now()
  const processes = count === 1 ? 1 : CHILDREN
  const sums = count === 1 ? [await run(from, 1)] : await runAll(from, count)
  const total = (key) => sums.reduce((sum, one) => sum + one[key], 0)
  const failed = sums.flatMap((one) => one.failed).sort(([one], [other]) => one - other)
  for (const [seed, text] of failed) console.log(`FAILED ${text}\n  again: npm run simulate:check -- --seed ${seed}`)
  const seconds = ((performance.now() - beganAtMs) / 1000).toFixed(1)
  console.log(`${total('offered')} jobs offered, ${total('accepted')} accepted, ${total('deaths')} kills, ` +
    `${total('steps')} steps in ${seconds} s by ${processes === 1 ? '1 process' : `${processes} processes`}`)
  console.log(`Simulation: ${failed.length} failed, ${total('seeds') - failed.length} passed, ${total('seeds')} total`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

main()
