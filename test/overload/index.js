'use strict'
// Overload: `npm run overload -- [--ms 20] [--seconds 10] [--actors N]`, or `--ms 2,40 --share 0.9` for a mix of two
// lengths. Measures the capacity of a server, offers three times as much in several ways, and prints what became of
// it; the exit status is 1 where a goal is missed.
//
// The generators run on the server's machine and take CPU from it. So each way has a second capacity, measured right
// after it beside a process that burns as much CPU as its generator took; goodput is judged by that one, and both are
// printed.
const { fork, spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const { availableParallelism } = require('node:os')
const { join } = require('node:path')
const { parseArgs } = require('node:util')

const { values } = parseArgs({
  options: {
    // of a job; two: a mix
    ms: { type: 'string', default: '20' },
    // of the first length in the mix
    share: { type: 'string', default: '0.9' },
    seconds: { type: 'string', default: '10' },
    actors: { type: 'string', default: String(availableParallelism()) },
    wait: { type: 'string', default: '2000' },
    connections: { type: 'string', default: '256' },
    // options of the pool as JSON
    options: { type: 'string', default: '{}' },
    only: { type: 'string', default: '' }
  }
})
const lengths = values.ms.split(',').map(Number)
const share = lengths.length === 1 ? 1 : Number(values.share)
const seconds = Number(values.seconds)
const maxQueueWaitMs = Number(values.wait)
const connections = Number(values.connections)
const actors = Number(values.actors)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const file = (name) => join(__dirname, name)
const body = JSON.stringify({ text: 'x'.repeat(1000) })
let missed = 0

/** Goals: those of the issue; the rest is chosen. */
const GOODPUT = 0.9
const FACTOR = 2
const LIGHT_PER_SECOND = 50
/** Share of the admitted that may wait in vain. */
const DROPPED = 0.01
/** Growth from the third quarter of a run to the last, of runs that are long enough to say something. */
const GROWTH = 1.05
const FLAT_SECONDS = 30
/** Of /proc/PID/stat, a second: fixed by the kernel for all programs. */
const TICKS = 100

/** CPU time of a process so far, s; 0 where the kernel has no such file, or the process is gone. */
function cpuOf (pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS
  } catch {
    return 0
  }
}

function load (settings) {
  const child = fork(file('client.js'), [JSON.stringify({ address, ...settings, seconds: settings.seconds ?? seconds })])
  return { pid: child.pid, sent: once(child, 'message').then(([sent]) => sent) }
}
const work = (settings) => load({ path: '/work', body, ...settings })

/** Generators of others: they ask again at once, whatever they are told. */
function external (name) {
  const url = `${address}/work`
  const settings = ['-c', String(connections), '-d', String(seconds), '-t', '60', url]
  const child = name === 'wrk'
    ? spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60', url], { stdio: 'ignore' })
    : spawn(process.execPath, [require.resolve('autocannon'), ...settings], { stdio: 'ignore' })
  return { pid: child.pid, sent: once(child, 'exit').then(() => []) }
}

/** Processes that take so much CPU, one for each whole one. */
function burn (cpus) {
  const children = []
  for (let left = cpus; left > 0.02; left--) children.push(fork(file('burner.js'), [String(Math.min(1, left))]))
  return () => Promise.all(children.map((child) => {
    child.disconnect()
    return once(child, 'exit')
  }))
}

const mb = (bytes) => (bytes / 2 ** 20).toFixed(0)
const percent = (share) => `${(100 * share).toFixed(0)} %`
const percentile = (numbers, share) =>
  numbers.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(numbers.length * share) - 1)] ?? NaN
const most = (numbers) => numbers.reduce((one, other) => Math.max(one, other), 0)
const quarters = (numbers) => [0, 1, 2, 3].map((quarter) =>
  most(numbers.slice(Math.floor(numbers.length * quarter / 4), Math.floor(numbers.length * (quarter + 1) / 4))))

/** How often Retry-After was wrong by more than the factor, beside the rounding to a second. */
function wrongRetries (sent) {
  // who waited in vain is told of the line as it is then
  const refused = sent.filter(({ status, tookMs, retryAfterS }) =>
    status === 503 && retryAfterS !== undefined && tookMs < maxQueueWaitMs)
  const admitted = sent.filter(({ status }) => status === 200)
  let at = 0
  let wrong = 0
  for (const { sentMs, tookMs, retryAfterS } of refused) {
    while (at + 1 < admitted.length && admitted[at + 1].sentMs < sentMs) at++
    if (admitted.length === 0) break
    // what was ahead of it: until the newest of those that were admitted was done; no header says less than a second
    const leftMs = Math.max(0, admitted[at].sentMs + admitted[at].tookMs - sentMs - tookMs)
    if (retryAfterS * 1000 > FACTOR * leftMs + 1000 || retryAfterS * 1000 < leftMs / FACTOR) wrong++
  }
  return [wrong, refused.length]
}

let address
let server

async function numbers () {
  server.send('numbers')
  return (await once(server, 'message'))[0]
}

/** What the server does under a load, and the CPU that the load takes. */
async function measure (offer) {
  const before = await numbers()
  const light = load({ path: '/light', perSecond: LIGHT_PER_SECOND })
  const beganAtMs = performance.now()
  const { pid, sent } = offer()
  let generatorCpuS = 0
  // some are gone a moment before the end
  const looking = setInterval(() => { generatorCpuS = Math.max(generatorCpuS, cpuOf(pid)) }, 100)
  await sleep(seconds * 1000)
  clearInterval(looking)
  const after = await numbers()
  const tookS = (performance.now() - beganAtMs) / 1000
  const counted = (of) => of(after.counters) - of(before.counters)
  const [answers, lights] = await Promise.all([sent, light.sent])
  // what waits still is done
  for (let round = 0; round < 100; round++) {
    const { counters } = await numbers()
    const settled = Object.values(counters.settled).reduce((sum, count) => sum + count, 0)
    if (settled >= counters.accepted) break
    await sleep(100)
  }
  return {
    before,
    after,
    lights,
    answers,
    generatorCpus: generatorCpuS / seconds,
    serverCpus: (after.cpuUs - before.cpuUs) / tookS / 1e6,
    goodput: counted(({ settled }) => settled.ok) / tookS,
    refused: counted(({ refused }) => refused) / tookS,
    dropped: counted(({ settled }) => settled.expired) / Math.max(1, counted(({ accepted }) => accepted))
  }
}

const capacityOf = () => measure(() => work({ connections: actors + 2 }))

async function phase (name, offer, alone) {
  const seen = await measure(offer)
  const { before, after, lights, answers, generatorCpus, serverCpus, goodput, refused, dropped } = seen
  const isOverload = alone !== undefined
  let beside
  if (isOverload) {
    const end = burn(Math.max(0, generatorCpus - alone.generatorCpus))
    beside = await capacityOf()
    await end()
  }
  const [wrong, all] = wrongRetries(answers)
  const waitMs = percentile(after.waits, 0.99)
  const sizes = quarters(after.sizes)
  const isHeld = {
    goodput: !isOverload || goodput >= GOODPUT * beside.goodput,
    wait: !(waitMs > maxQueueWaitMs),
    'waits in vain': dropped <= DROPPED,
    light: lights.every(({ status }) => status === 200),
    'Retry-After': wrong <= all / 100,
    memory: seconds < FLAT_SECONDS || sizes[3] <= GROWTH * sizes[2]
  }
  const misses = Object.keys(isHeld).filter((key) => !isHeld[key])
  if (isOverload) missed += misses.length
  const tookMs = lights.map(({ tookMs }) => tookMs)
  console.log(`${name}:`)
  const lines = [
    !isOverload
      ? `${goodput.toFixed(1)} jobs/s`
      : `goodput ${goodput.toFixed(1)}/s: ${percent(goodput / beside.goodput)} of ${beside.goodput.toFixed(1)}/s, the ` +
        `capacity beside what the generator takes; ${percent(goodput / alone.goodput)} of that alone`,
    `CPU: server ${serverCpus.toFixed(2)}, generator ${generatorCpus.toFixed(2)} of ${availableParallelism()}`,
    `${refused.toFixed(0)} refused/s${all === 0 ? '' : `, Retry-After wrong ${wrong} of ${all} times`}`,
    `wait p50 ${percentile(after.waits, 0.5).toFixed(0)}, p99 ${waitMs.toFixed(0)}, most ` +
      `${percentile(after.waits, 1).toFixed(0)} ms; ${(100 * dropped).toFixed(1)} % of the admitted waited in vain`,
    `light p50 ${percentile(tookMs, 0.5).toFixed(1)}, p99 ${percentile(tookMs, 0.99).toFixed(1)} ms, ` +
      `${lights.filter(({ status }) => status !== 200).length} of ${lights.length} refused`,
    `RSS ${mb(before.rss)} MB, most in each quarter ${sizes.map(mb).join(', ')}, then ${mb(after.rss)}; of it heap ` +
      `${mb(before.heapUsed)} -> ${mb(after.heapUsed)}, young generation ${mb(before.young)} -> ${mb(after.young)}; ` +
      `${after.sockets} sockets`,
    ...(isOverload && misses.length > 0 ? [`MISSED: ${misses.join(', ')}`] : [])
  ]
  for (const line of lines) console.log(`  ${line}`)
  return seen
}

async function main () {
  const options = { tiers: [{ actors }], maxQueueWaitMs, ...JSON.parse(values.options) }
  server = fork(file('server.js'), [JSON.stringify({ options, lengths, share })])
  address = (await once(server, 'message'))[0].address
  const mix = lengths.length === 1 ? `${lengths[0]} ms` : `${lengths[0]} ms (${percent(share)}) and ${lengths[1]} ms`
  console.log(`overload: jobs of ${mix} on ${actors} actors, maxQueueWaitMs ${maxQueueWaitMs}, ${seconds} s each`)
  await work({ connections: actors + 1, seconds: 2 }).sent // warm
  await numbers()
  const alone = await phase('capacity', () => work({ connections: actors + 2 }))
  const rate = 3 * alone.goodput
  const hasWrk = spawnSync('wrk', ['-v'], { stdio: 'ignore' }).error === undefined
  if (!hasWrk) console.log('wrk is not installed: left out')
  const ways = {
    [`open loop, ${rate.toFixed(0)}/s`]: () => work({ perSecond: rate }),
    [`closed loop, ${connections} connections that ask again at once`]: () => work({ connections }),
    [`autocannon, ${connections} connections`]: () => external('autocannon'),
    ...(hasWrk && { [`wrk, ${connections} connections`]: () => external('wrk') })
  }
  for (const [name, offer] of Object.entries(ways)) if (name.includes(values.only)) await phase(name, offer, alone)
  server.send('close')
  await once(server, 'exit')
  console.log(missed === 0 ? 'all goals are met' : `${missed} goals are missed`)
  process.exitCode = missed === 0 ? 0 : 1
}

main()
