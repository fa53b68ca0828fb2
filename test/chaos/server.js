'use strict'
// The server of the chaos: Fastify with the plugin, one route for all jobs, and orders from its parent.
const wt = require('node:worker_threads')
const { isDeepStrictEqual } = require('node:util')
const { readFile } = require('node:fs/promises')

// threads are caught as they are made, so that a random one can be ended from outside
const threads = new Map()
let newestFile = 0
wt.Worker = class extends wt.Worker {
  constructor (...args) {
    super(...args)
    // a file that is broken at this moment has no version
    newestFile = Math.max(newestFile, versionIn(jobs))
    const look = ledger.thread(this.threadId, newestFile)
    threads.set(this, look)
    this.once('exit', () => { threads.delete(this); look() })
  }
}

const Fastify = require('fastify')
const spillover = require('#plugin/index')
const { channels } = require('#lib/index')
const { Ledger } = require('./ledger.js')
const { numbers } = require('./numbers.js')
const { versionIn } = require('./reloads.js')
const { KEYS } = require('./kinds.js')

const { options, jobs } = JSON.parse(process.argv[2])
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** The input of one job from what the client asked for. */
const inputs = {
  echo: ({ id, n }) => ({ id, value: values[n % values.length](n) }),
  moved: ({ id, n }) => ({ id, buffer: new Uint8Array([n % 256, 2, 3]).buffer }),
  unsendable: ({ id, n }) => ({ id, bad: [() => {}, Symbol('s'), Promise.resolve(), new Proxy({}, {})][n % 4] }),
  keyed: ({ id, n }) => ({ id, key: n % KEYS, number: ++numbersOfKeys[n % KEYS] }),
  nests: ({ id, n }) => ({ id, n: [1, 50, 3000, 5000, 20000][n % 5] })
}
const numbersOfKeys = new Int32Array(KEYS)
const values = [
  (n) => n, (n) => -n / 3, () => -0, () => NaN, () => null, () => undefined, () => 'é'.repeat(3000),
  (n) => 'long '.repeat(n % 60_000), (n) => new Uint8Array(n), (n) => Buffer.alloc(n % 70_000, 7).toString('latin1'),
  (n) => new Map([[{ n }, new Set([n, 'x'])]]), (n) => new Date(n), (n) => BigInt(n) ** 9n,
  (n) => Array.from({ length: n % 3000 }, (_, at) => ({ at, text: `row ${at}` })),
  (n) => JSON.parse(`{"__proto__":{"polluted":${n}}}`), () => [, 1, , 2], // eslint-disable-line no-sparse-arrays
  (n) => ({ a: { b: { c: [n, '\ud800', { d: undefined }] } } }), (n) => new Float64Array([n, 1 / 3])
]
const isValue = {
  good: (value, { id, n }) => value.id === id && value.square === n * n,
  echo: (value, input) => isDeepStrictEqual(value, input),
  moved: (value, _input, { n }) => value.sum === n % 256 + 5,
  throws: () => false,
  rejects: () => false
}

const app = Fastify({ genReqId: ({ headers }) => headers['x-id'] ?? 'none', logger: false })
const ledger = new Ledger(() => app.spillover?.identity)

/** When was no actor left, and when none of tier 1, where jobs with a key run? A refusal may be told later. */
const vacancy = {
  tiers: [Infinity, 1].map((most) => ({ most, is: false, lastMs: -Infinity })),
  look ({ pool }) {
    if (pool !== app.spillover?.identity) return
    const { tiers } = app.spillover.snapshot()
    for (const one of vacancy.tiers) {
      if (one.is) one.lastMs = performance.now()
      one.is = tiers.every(({ tier, actors }) => tier > one.most ||
        actors.every(({ state }) => state === 'failed' || state === 'closed' || state === 'vacant'))
    }
  },
  wasSince (ms, isKeyed) {
    return vacancy.tiers.some(({ most, is, lastMs }) => (isKeyed || most > 1) && (is || lastMs >= ms))
  }
}
channels.actor.subscribe(vacancy.look)

async function main () {
  let records = 0
  const log = Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) =>
    [level, () => { records++ }]))
  await app.register(spillover, {
    jobs, health: '/health', log, warmup: { begin: ledger.starts }, quarantineDeaths: 0, ...options
  })
  let shared = new AbortController()
  let sharers = 0

  app.get('/light', async () => ({ ok: true }))
  app.post('/job', async (request, reply) => {
    const asked = request.body
    const { id, kind, cancelMs, isShared, ...rest } = asked
    const input = inputs[kind]?.(asked) ?? { id, n: asked.n, ms: asked.ms }
    const call = { log, ...Object.fromEntries(Object.entries(rest).filter(([key]) => key !== 'n' && key !== 'ms')) }
    if (kind === 'moved') call.transfer = [input.buffer]
    if (kind === 'keyed') call.key = `key ${input.key}`
    let canceller
    if (cancelMs !== undefined) {
      canceller = new AbortController()
      setTimeout(() => canceller.abort(), cancelMs).unref()
      call.signal = canceller.signal
    } else if (isShared) {
      if (++sharers % 50 === 0) shared = new AbortController()
      call.signal = shared.signal
    }
    const { signal } = call
    const job = {
      kind,
      idempotent: call.idempotent === true,
      get isCancelled () { return signal?.aborted === true || reply.raw.destroyed },
      get wasVacant () { return vacancy.wasSince(offeredAtMs, kind === 'keyed') }
    }
    const offeredAtMs = performance.now()
    ledger.offer(id, kind)
    let value
    try {
      value = await request.offload(kind, input, call)
    } catch (error) {
      ledger.end(id, job, error, true, true)
      const text = error?.code ?? 'own'
      return reply.code(error?.statusCode ?? 500).send({ id, code: String(text) })
    }
    const isRight = isValue[kind]?.(value, input, asked) ?? (value?.id === undefined || value.id === id)
    ledger.end(id, job, undefined, false, isRight)
    return { id, ok: true }
  })

  const orders = {
    async kill () {
      const alive = [...threads.keys()]
      if (alive.length === 0) return false
      await alive[Math.floor(Math.random() * alive.length)].terminate()
      return true
    },
    async abortShared () { shared.abort(); shared = new AbortController() },
    async quiet () {
      // sockets close, higher tiers retire, threads that died are there again
      for (let round = 0; round < 200; round++) {
        const { tiers } = app.spillover.snapshot()
        const isQuiet = tiers.every(({ tier, actors }) => actors.every(({ state }) =>
          tier === 1 ? state === 'open' : state === 'closed' || state === 'vacant'))
        // one that is told to end goes on until its native code returns
        const isEnding = threads.size > tiers.flatMap(({ actors }) => actors).filter(({ state }) => state === 'open').length
        const sockets = await new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)))
        // a slot that is closed may be about to open again, a thread's port may be about to close
        const isWaiting = process.getActiveResourcesInfo().some((type) => type === 'Timeout' || type === 'MessagePort')
        if (isQuiet && !isEnding && !isWaiting && ledger.open === 0 && sockets === 0) break
        await sleep(100)
      }
      const { tiers } = app.spillover.snapshot()
      const actors = tiers.flatMap((tier) => tier.actors)
      const sum = (key) => actors.reduce((sum, actor) => sum + actor[key], 0)
      return {
        ...await numbers(),
        states: tiers.map(({ actors }) => actors.map(({ state }) => state)),
        alive: threads.size,
        zombies: sum('zombies'),
        heapsUsed: sum('heapUsedBytes')
      }
    },
    async ledger () {
      const { counters, pending } = app.spillover.snapshot()
      for (const look of threads.values()) look()
      ledger.close()
      const { offered, accepted, settled, ends, hurt, wrong, wrongs, open, outOfOrder, newest, begun } = ledger
      const book = { offered, accepted, settled, ends, hurt, wrong, wrongs, open, outOfOrder, newest, begun }
      return { ...book, counters, pending, records }
    },
    async close () {
      await app.close()
      for (let round = 0; round < 20 && threads.size > 0; round++) await sleep(100)
      return { ...await numbers(), alive: threads.size }
    }
  }
  const onOrphaned = () => process.exit(1)
  process.on('disconnect', onOrphaned)
  process.on('message', async ({ order, number }) => {
    const answer = await orders[order]()
    process.send({ number, answer })
    if (order !== 'close') return
    process.off('disconnect', onOrphaned)
    process.disconnect()
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  // threads of libuv's pool begin with the first work
  await Promise.all(Array.from({ length: 8 }, () => readFile(__filename)))
  process.send({ address })
}

main()
