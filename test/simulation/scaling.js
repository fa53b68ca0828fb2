'use strict'
// Where the host thread becomes the limit, simulated: prints the table of docs/choosing.md from the default costs.
const { defaultCosts, readTopology, simulate } = require('../../dist/lib/index.js')

const { hostUs, actorUs, wakeUs } = defaultCosts
/** Share of what can be carried at most that is offered. */
const SHARE = 0.95

/** One core is the host's, as with `reserve`. */
async function carry (cores, runMs) {
  const actors = cores - 1
  const most = Math.min(1e6 / hostUs, actors * 1000 / (runMs + actorUs / 1000))
  const { throughput, hostUse, tiers } = await simulate({
    topology: readTopology(),
    options: { tiers: [{ actors }] },
    jobs: { job: { meanMs: runMs } },
    rate: most * SHARE,
    seconds: 0.5
  })
  return `${rounded(throughput)}; host ${percent(hostUse)}, actors ${percent(tiers[0].use)}`
}

const rounded = (value) => Number(value.toPrecision(2)).toLocaleString('en')
const percent = (share) => `${Math.round(share * 100)} %`

async function main () {
  console.log(`host ${hostUs} µs, actor ${actorUs} µs a job, wake-up ${wakeUs} µs: ` +
    `the host thread is full at ${rounded(1e6 / hostUs)} jobs a second`)
  console.log('| | jobs of 10 µs | of 100 µs | of 1 ms | the host is the limit of jobs shorter than |')
  console.log('|---|---|---|---|---|')
  for (const cores of [8, 16, 96]) {
    const cells = []
    for (const runMs of [0.01, 0.1, 1]) cells.push(await carry(cores, runMs))
    cells.push(`${Math.round(hostUs * (cores - 1) - actorUs)} µs`)
    console.log(`| ${cores} cores | ${cells.join(' | ')} |`)
  }
}

main()
