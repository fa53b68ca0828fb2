'use strict'
// The soak: a million jobs of all kinds in one process; its memory after them is that after the first tenth.
const { getEventListeners } = require('node:events')
const { join } = require('node:path')
const { createScheduler } = require('#lib/index')
const { makeRandom } = require('./random.js')
const { numbers } = require('./numbers.js')
const { CELLS, KEYS } = require('./kinds.js')
const { check, failures, hasNoMore, sum } = require('./report.js')

const jobs = Number(process.argv[2])
/** Jobs in flight; and as many at once now and then that some are refused. */
const WINDOW = 128
const BURST = 600
/** How much larger the process may have become, chosen by the promise. */
const MOST = 1.05

const weights = {
  good: 900,
  echo: 40,
  throws: 20,
  rejects: 10,
  returns: 5,
  unsendable: 5,
  block: 2,
  slow: 2,
  keyed: 30,
  moved: 5,
  leavesTimer: 1,
  throwsLate: 0.05,
  exits: 0.02,
  loops: 0.02,
  fillsHeap: 0.005
}

async function main () {
  const starts = new Int32Array(new SharedArrayBuffer(CELLS * 4)).fill(1) // all of it is in memory
  const pool = createScheduler({
    jobs: join(__dirname, 'jobs.js'),
    tiers: [{ actors: 1 }, { actors: 1, threshold: 1 }],
    warmup: { begin: starts },
    execArgv: [],
    asyncPerActor: 4,
    maxQueued: 400,
    maxRestarts: 1_000_000,
    quarantineDeaths: 0,
    backoffMs: 0,
    graceMs: 5,
    retireMs: 200,
    resourceLimits: { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 4 }
  })
  await pool.ready()
  const random = makeRandom(1)
  const forever = new AbortController()
  const ends = {}
  const now = { offered: 0, inFlight: 0, wake: () => {} }
  const over = (code) => {
    ends[code] = (ends[code] ?? 0) + 1
    if (--now.inFlight < WINDOW) now.wake()
  }
  const offload = () => {
    const kind = random.weighted(weights)
    const number = now.offered++
    const n = random.integer(0, 1000)
    const input = kind === 'echo'
      ? { id: number, value: n < 500 ? 'text '.repeat(n * 10) : new Uint8Array(n * 20) }
      : kind === 'unsendable'
        ? { id: number, bad () {} }
        : kind === 'moved'
          ? { id: number, buffer: new ArrayBuffer(n) }
          : { id: number, n, ms: 1, key: n % KEYS, number }
    const options = {
      ...(kind === 'moved' && { transfer: [input.buffer] }),
      ...(kind === 'keyed' && { key: `key ${input.key}` }),
      ...(kind === 'loops' && { timeoutMs: 20 }),
      ...(random.chance(0.1) && { requestId: String(number) }),
      ...(random.chance(0.1) && { queueTimeoutMs: 5000 })
    }
    if (random.chance(0.02)) {
      const controller = new AbortController()
      options.signal = controller.signal
      setImmediate(() => controller.abort())
    } else if (random.chance(0.1)) {
      options.signal = forever.signal
    }
    now.inFlight++
    pool.offload(kind, input, options).then(() => over('ok'), (error) =>
      over(/^FST_ERR_SPILLOVER_(.+)/.exec(error?.code ?? '')?.[1] ?? 'own'))
  }
  const until = async (count) => {
    while (now.offered < count) {
      if (now.offered % 50_000 === 0) for (let more = 0; more < BURST; more++) offload()
      while (now.inFlight < WINDOW && now.offered < count) offload()
      await new Promise((resolve) => { now.wake = resolve })
    }
    while (now.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await new Promise((resolve) => setTimeout(resolve, 1500)) // higher tiers retire, threads that died are there again
    return numbers()
  }
  const beganAtMs = performance.now()
  const tenth = jobs / 10
  const readings = []
  for (let part = 1; part <= 10; part++) {
    readings.push(await until(part * tenth))
    const { rss, heapUsed, threads, files } = readings.at(-1)
    console.log(`${String(part * tenth).padStart(8)} jobs  RSS ${(rss / 2 ** 20).toFixed(1)} MB, ` +
      `heap ${(heapUsed / 2 ** 20).toFixed(2)} MB, ${sum(threads)} threads, ${sum(files)} files`)
  }
  const first = readings[0]
  const last = readings.at(-1)
  const { counters, pending } = pool.snapshot()
  console.log(`soak: ${jobs} jobs in ${((performance.now() - beganAtMs) / 1000).toFixed(0)} s: ${JSON.stringify(ends)}; ` +
    `${counters.restarts} threads replaced, ${counters.strays} late errors`)
  check(`RSS within 5 % of that after ${tenth} jobs`, last.rss <= first.rss * MOST, [first.rss, last.rss])
  check('heap within 1 MB', last.heapUsed <= first.heapUsed + 2 ** 20, [first.heapUsed, last.heapUsed])
  check('no more threads', hasNoMore(last.threads, first.threads), [first.threads, last.threads])
  check('no more files', hasNoMore(last.files, first.files), [first.files, last.files])
  const settled = sum(ends)
  check('every job settled', settled === now.offered && pending === 0, [ends, pending])
  check('no listener is left on a signal', getEventListeners(forever.signal, 'abort').length === 0)
  await pool.close()
  const { failed, passed } = failures()
  for (const text of failed) console.log(`FAILED ${text}`)
  console.log(`Chaos: ${failed.length} failed, ${passed} passed, ${failed.length + passed} total`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

main()
