'use strict'
// One row on one pool: neighbours before, the fault, neighbours behind, later jobs, the close; tells what became of it.
const { join } = require('node:path')
const { readdirSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { pools } = require('./pools.js')
const { rows } = require('./rows.js')

const { pool: poolName, index } = JSON.parse(process.argv[2])
const row = rows[index]
const file = row.file === undefined ? join(__dirname, 'jobs.cjs') : join(__dirname, 'modules', row.file)
Object.assign(process.env, {
  FAULTS_FILE: file, FAULTS_POOL: poolName, FAULTS_COUNT: join(tmpdir(), `spillover-faults-${process.pid}`)
})
/** How long anything may take to settle; chosen: much longer than what is usual, also on a busy machine. */
const PATIENCE_MS = row.patienceMs ?? 6000

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const threads = () => readdirSync('/proc/self/task').length
/** What became of a promise within the patience. */
async function outcomeOf (promise, ms = PATIENCE_MS) {
  let timer
  const late = new Promise((resolve) => { timer = setTimeout(resolve, ms, { isHung: true }) })
  const outcome = await Promise.race([late, promise.then(
    (value) => ({ isRejected: false, value }), (value) => ({ isRejected: true, value }))])
  clearTimeout(timer)
  return outcome
}
function inWords ({ isHung, isRejected, value }) {
  if (isHung) return 'hung'
  let text
  try {
    if (value instanceof Error) text = `${value.code ?? value.name}: ${value.message}`
    else text = typeof value === 'object' && !ArrayBuffer.isView(value) ? JSON.stringify(value) : String(value?.length ?? value)
  } catch {
    text = typeof value
  }
  return `${isRejected ? 'rejects' : 'resolves'} ${String(text).slice(0, 80)}`
}

async function main () {
  if (row.handles !== undefined) process.on(row.handles, () => {})
  const marks = new Set()
  const before = process.platform === 'linux' ? threads() : 0
  // a file that is not there may be refused at once
  const pool = await pools[poolName](file, row.resourceLimits).catch((error) => ({
    call: async () => { throw error }, close () {}
  }))
  const good = (n) => pool.call('good', n)
  const hurt = []
  const check = async (what, promise, right) => {
    const outcome = await outcomeOf(promise)
    if (!outcome.isHung && !outcome.isRejected && outcome.value === right) return
    marks.add(outcome.isHung ? 'H' : 'P')
    hurt.push(`${what} ${inWords(outcome)}`)
  }
  // a boot that fails once heals; two tries are not held against it
  if (row.isBroken !== true && row.isCold !== true) for (let n = 0; n < 2; n++) await outcomeOf(good(n))
  const neighbours = []
  const beside = (what, promise, right) => { if (row.isBroken !== true) neighbours.push(check(what, promise, right)) }
  if (row.behindMs !== undefined) beside('the one before', pool.call('block', row.behindMs), row.behindMs)
  else beside('the one before', good(1), 2)
  const input = typeof row.input === 'function' ? row.input() : row.input
  const controller = new AbortController()
  const options = {
    limitMs: row.limitMs,
    transfer: row.transfer?.(input),
    ...(row.abortMs !== undefined && { signal: controller.signal })
  }
  const faults = Array.from({ length: row.times ?? 1 }, () => outcomeOf(pool.call(row.job, input, options)))
  if (row.abortMs !== undefined) setTimeout(() => controller.abort(), row.abortMs)
  for (let n = 2; n < 5; n++) beside(`neighbour ${n - 1}`, good(n), n + 1)
  const outcomes = await Promise.all(faults)
  const wrong = outcomes.find((outcome) => outcome.isHung || row.right(outcome) !== true) ?? outcomes[0]
  if (wrong.isHung) marks.add('H')
  else if (row.right(wrong) !== true) marks.add(row.right(wrong) === 'E' ? 'E' : 'L')
  await Promise.all(neighbours)
  if (row.isLate) await sleep(30)
  for (let n = 0; n < 2; n++) {
    if (row.isBroken) {
      // the same again: it may not hang either
      if ((await outcomeOf(good(1))).isHung) marks.add('H')
    } else if (row.retries) {
      await outcomeOf(good(1))
    } else {
      await check(`later job ${n + 1}`, good(8), 9)
    }
  }
  if (row.retries) await check('after the retries', good(8), 9)
  if (row.mayHurt) for (const mark of ['P', 'E', 'L']) marks.delete(mark) // its thread is what it broke
  if ((await outcomeOf(Promise.resolve(pool.close()), 5000)).isHung) {
    marks.add('H')
    hurt.push('close() hangs')
  }
  if (process.platform === 'linux' && row.job !== 'leakWorker') {
    // threads of libuv's pool stay: four, and those of V8 were there before
    for (let round = 0; round < 40 && threads() > before + 4; round++) await sleep(25)
    if (threads() > before + 4) marks.add('T')
  }
  process.send({ marks: [...marks], got: inWords(wrong), hurt }, () => process.exit(0))
}

main()
