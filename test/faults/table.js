'use strict'
// Runs rows on pools, each pair in a process of its own with a time limit, several at a time.
const { fork } = require('node:child_process')
const { join } = require('node:path')
const { rows } = require('./rows.js')

/** What is wrong, the worst first, and its weight. */
exports.marks = {
  K: ['the process died', 6],
  H: ['something hangs', 5],
  L: ['a failure told as a success, or the other way round', 4],
  P: ['other jobs were hurt', 3],
  T: ['a thread is left', 2],
  E: ['what the error said is lost', 1]
}
/** Longest time of one pair, ms; chosen: some hangs, each of the usual patience. */
const LIMIT_MS = 60_000

/** How bad it is: the weight of the worst mark. */
exports.weightOf = ({ marks }) => Math.max(0, ...marks.map((mark) => exports.marks[mark][1]))

/** One row on one pool: its marks, what its caller got, and who was hurt. */
function runOne (pool, index) {
  return new Promise((resolve) => {
    // what a job writes is no part of the table
    const child = fork(join(__dirname, 'child.js'), [JSON.stringify({ pool, index })], { silent: true, execArgv: [] })
    let result
    let said = ''
    child.stdout.resume()
    child.stderr.on('data', (part) => { if (said.length < 2000) said += part })
    child.on('message', (message) => { result = message })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      if (result !== undefined) return resolve(result)
      const isLate = signal === 'SIGKILL'
      const last = said.split('\n').find((line) => /error|fatal/i.test(line)) ?? ''
      resolve({ marks: [isLate ? 'H' : 'K'], got: `${isLate ? 'no end' : `died with ${signal ?? code}`} ${last}`.slice(0, 90), hurt: [] })
    })
  })
}

/** All pairs; `tell` is called with each row when all its pools are done, in order. */
exports.runTable = async (pools, chosen, atOnce, tell) => {
  const pairs = chosen.flatMap((index) => pools.map((pool) => ({ index, pool })))
  const results = new Map(chosen.map((index) => [index, {}]))
  let told = 0
  const worker = async () => {
    for (let pair = pairs.shift(); pair !== undefined; pair = pairs.shift()) {
      const ofRow = results.get(pair.index)
      ofRow[pair.pool] = await runOne(pair.pool, pair.index)
      while (told < chosen.length && Object.keys(results.get(chosen[told])).length === pools.length) {
        tell(rows[chosen[told]], results.get(chosen[told]))
        told++
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
