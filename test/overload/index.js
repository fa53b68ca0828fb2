'use strict'
// Overload: `npm run overload -- [--ms 20] [--seconds 10] [--actors N]`. Measures the capacity of a server, offers
// three times as much in several ways, and prints what became of it; the exit status is 1 where a goal is missed.
const { fork, spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const { availableParallelism } = require('node:os')
const { join } = require('node:path')
const { parseArgs } = require('node:util')

const { values } = parseArgs({
  options: {
    ms: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
    actors: { type: 'string', default: String(availableParallelism()) },
    wait: { type: 'string', default: '2000' },
    connections: { type: 'string', default: '256' },
    // options of the pool as JSON
    options: { type: 'string', default: '{}' },
    only: { type: 'string', default: '' }
  }
})
const ms = Number(values.ms)
const seconds = Number(values.seconds)
const maxQueueWaitMs = Number(values.wait)
const connections = Number(values.connections)
const actors = Number(values.actors)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const file = (name) => join(__dirname, name)
const body = JSON.stringify({ ms, text: 'x'.repeat(1000) })
let missed = 0

/** Goals: those of the issue; "light" is chosen. */
const GOODPUT = 0.9
const FACTOR = 2
const LIGHT_PER_SECOND = 50

async function load (settings) {
  const child = fork(file('client.js'), [JSON.stringify(settings)])
  const [sent] = await once(child, 'message')
  return sent
}

/** Generators of others: they ask again at once, whatever they are told. */
async function external (name, address) {
  const url = `${address}/work/${ms}`
  const child = name === 'wrk'
    ? spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60', url], { stdio: 'ignore' })
    : spawn(process.execPath, [require.resolve('autocannon'), '-c', String(connections), '-d', String(seconds), '-t', '60', url], { stdio: 'ignore' })
  await once(child, 'exit')
  return []
}

const mb = (bytes) => (bytes / 2 ** 20).toFixed(0)
const percentile = (numbers, share) =>
  numbers.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(numbers.length * share) - 1)] ?? NaN

/** How often Retry-After was wrong by more than the factor, beside the rounding to a second. */
function wrongRetries (sent) {
  const refused = sent.filter(({ status, retryAfterS }) => status === 503 && retryAfterS !== undefined)
  const admitted = sent.filter(({ status }) => status === 200)
  let at = 0
  let wrong = 0
  for (const { sentMs, tookMs, retryAfterS } of refused) {
    while (at + 1 < admitted.length && admitted[at + 1].sentMs < sentMs) at++
    if (admitted.length === 0) break
    // what was ahead of it: until the newest of those that were admitted was done
    const leftMs = admitted[at].sentMs + admitted[at].tookMs - sentMs - tookMs
    if (retryAfterS * 1000 > FACTOR * leftMs + 1000 || retryAfterS * 1000 < leftMs / FACTOR) wrong++
  }
  return [wrong, refused.length]
}

async function main () {
  const options = { tiers: [{ actors }], maxQueueWaitMs, ...JSON.parse(values.options) }
  const child = fork(file('server.js'), [JSON.stringify({ options })])
  const [{ address }] = await once(child, 'message')
  const numbers = async () => {
    child.send('numbers')
    return (await once(child, 'message'))[0]
  }
  const work = { address, path: '/work', body, seconds }

  async function phase (name, offer, capacity) {
    const before = await numbers()
    const light = load({ address, path: '/light', perSecond: LIGHT_PER_SECOND, seconds })
    const beganAtMs = performance.now()
    const offered = offer()
    await sleep(seconds * 1000)
    const after = await numbers()
    const tookS = (performance.now() - beganAtMs) / 1000
    const sent = await offered
    const goodput = (after.counters.settled.ok - before.counters.settled.ok) / tookS
    const refused = (after.counters.refused - before.counters.refused) / tookS
    const lights = await light
    const [wrong, all] = wrongRetries(sent)
    const waitMs = percentile(after.waits, 0.99)
    const isHeld = {
      goodput: capacity === undefined || goodput >= GOODPUT * capacity,
      wait: !(waitMs > maxQueueWaitMs),
      light: lights.every(({ status }) => status === 200),
      'Retry-After': wrong <= all / 100
    }
    const misses = Object.keys(isHeld).filter((key) => !isHeld[key])
    if (capacity !== undefined) missed += misses.length
    const share = capacity === undefined ? '' : ` (${(100 * goodput / capacity).toFixed(0)} %)`
    console.log(`${name}: goodput ${goodput.toFixed(1)}/s${share}, ${refused.toFixed(0)} refused/s, ` +
      `wait p99 ${waitMs.toFixed(0)} ms, most ${percentile(after.waits, 1).toFixed(0)}; ` +
      `light p50 ${percentile(lights.map(({ tookMs }) => tookMs), 0.5).toFixed(1)}, ` +
      `p99 ${percentile(lights.map(({ tookMs }) => tookMs), 0.99).toFixed(1)} ms, ` +
      `${lights.filter(({ status }) => status !== 200).length} of ${lights.length} refused; ` +
      `${all === 0 ? '' : `Retry-After wrong ${wrong} of ${all} times; `}` +
      `RSS ${mb(before.rss)} -> ${mb(after.rss)} MB, ` +
      `most ${mb(after.largestRss)}; of it heap ${mb(before.heapUsed)} -> ${mb(after.heapUsed)}, young generation ` +
      `${mb(before.young)} -> ${mb(after.young)}; ${after.sockets} sockets; the server used ` +
      `${((after.cpuUs - before.cpuUs) / tookS / 1e6).toFixed(2)} of ${availableParallelism()} CPUs${misses.length > 0 && capacity !== undefined ? `; MISSED: ${misses.join(', ')}` : ''}`)
    // what waits still is done
    for (let round = 0; round < 100; round++) {
      const { counters } = await numbers()
      const settled = Object.values(counters.settled).reduce((sum, count) => sum + count, 0)
      if (settled >= counters.accepted) break
      await sleep(100)
    }
    return goodput
  }

  console.log(`overload: jobs of ${ms} ms on ${actors} actors, maxQueueWaitMs ${maxQueueWaitMs}, ${seconds} s each`)
  await load({ ...work, connections: actors + 1, seconds: 2 }) // warm
  await numbers()
  const capacity = await phase('capacity', () => load({ ...work, connections: actors + 2 }))
  const hasWrk = spawnSync('wrk', ['-v'], { stdio: 'ignore' }).error === undefined
  if (!hasWrk) console.log('wrk is not installed: left out')
  const ways = {
    [`open loop, ${(3 * capacity).toFixed(0)}/s`]: () => load({ ...work, perSecond: 3 * capacity }),
    [`closed loop, ${connections} connections that ask again at once`]: () => load({ ...work, connections }),
    [`autocannon, ${connections} connections`]: () => external('autocannon', address),
    ...(hasWrk && { [`wrk, ${connections} connections`]: () => external('wrk', address) })
  }
  for (const [name, offer] of Object.entries(ways)) if (name.includes(values.only)) await phase(name, offer, capacity)
  child.send('close')
  await once(child, 'exit')
  console.log(missed === 0 ? 'all goals are met' : `${missed} goals are missed`)
  process.exitCode = missed === 0 ? 0 : 1
}

main()
