'use strict'
// Runs seeds of the simulation: `npm run simulate:check -- [--seed N] [--from N] [--count N]`. The last line says what
// was run; a seed that fails is named with what it broke, and can be run again by --seed.
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
/** Processes that share the seeds; a child is told how many there are. */
const CHILDREN = Number(process.env.SIMULATION_CHILDREN ?? Math.min(16, availableParallelism()))
/** Failures after which a process stops. */
const MOST = 10

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

async function run (from, count, stride) {
  Error.stackTraceLimit = values.seed === undefined ? 0 : 20
  const { runSeed } = require('./world.js')
  const sum = { seeds: 0, steps: 0, offered: 0, accepted: 0, deaths: 0, failed: [] }
  for (let seed = from; seed < from + count && sum.failed.length < MOST; seed += stride) {
    try {
      for (const [key, value] of Object.entries(await runSeed(seed))) sum[key] += value
    } catch (error) {
      sum.failed.push([seed, error.message])
    }
    sum.seeds++
  }
  return sum
}

function runChild (from, count) {
  return new Promise((resolve, reject) => {
    const child = fork(__filename, ['--child', '--from', String(from), '--count', String(count)], {
      env: { ...process.env, SIMULATION_CHILDREN: String(CHILDREN) }
    })
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`a child ended with ${code}`)))
  })
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
  if (values.child) return process.send(await run(from, count, CHILDREN), () => process.disconnect())
  const beganAtMs = performance.now()
  const sums = count === 1
    ? [await run(from, 1, 1)]
    : await Promise.all(Array.from({ length: CHILDREN }, (_, index) => runChild(from + index, count - index)))
  const total = (key) => sums.reduce((sum, one) => sum + one[key], 0)
  const failed = sums.flatMap((one) => one.failed).sort(([one], [other]) => one - other)
  for (const [seed, text] of failed) console.log(`FAILED ${text}\n  again: npm run simulate:check -- --seed ${seed}`)
  const seconds = ((performance.now() - beganAtMs) / 1000).toFixed(1)
  console.log(`${total('offered')} jobs offered, ${total('accepted')} accepted, ${total('deaths')} kills, ` +
    `${total('steps')} steps in ${seconds} s`)
  console.log(`Simulation: ${failed.length} failed, ${total('seeds') - failed.length} passed, ${total('seeds')} total`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

main()
