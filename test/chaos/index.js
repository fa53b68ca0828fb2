'use strict'
// Chaos: `npm run chaos -- [--seconds 60] [--seed 7]`, or `--soak`. A server under real load while random faults are
// injected; at the end a ledger, and the exit status 1 with the seed where anything is off.
const { fork, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const { dirname, join } = require('node:path')
const { parseArgs } = require('node:util')
const { makeRandom } = require('./random.js')
const { makeNemesis } = require('./nemesis.js')
const { makeReloads } = require('./reloads.js')
const { check, failures, report } = require('./report.js')

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    connections: { type: 'string', default: '24' },
    soak: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '1000000' },
    // options of the pool as JSON, above those of the seed
    options: { type: 'string', default: '{}' }
  }
})
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
/** No job may take so long to be answered, whatever happens; chosen: twice the longest of all limits. */
const PATIENCE_MS = 60_000

/** The pool of this seed: explicit tiers, or those of the machine, which then follow its changes. */
function optionsOf (random) {
  return {
    ...(random.chance(0.5)
      ? { tiers: [{ actors: random.integer(1, 2) }, { actors: 1, threshold: 1 }, { actors: 2, threshold: 2 }] }
      : { pin: random.pick([true, 'auto', false]), strategy: random.pick(['tiered', 'linear', 'even-odd']) }),
    asyncPerActor: random.pick([1, 4]),
    metric: random.pick(['demand', 'running']),
    blockWhenIdle: random.pick(['auto', 'auto', false]),
    spin: random.pick(['auto', true, false]),
    maxQueued: random.pick([20, 100, 1000]),
    maxQueueWaitMs: random.pick([500, 2000]),
    closeDelayMs: random.pick([1, 20, 100]),
    graceMs: random.pick([5, 50]),
    retireMs: 400,
    // a slot never fails, or does after a few deaths and heals soon: then jobs may be told that no actor is left
    ...random.pick([{ maxRestarts: 1_000_000 }, { maxRestarts: 6, withinMs: 1500 }]),
    backoffMs: 1,
    bootTimeoutMs: 5000,
    drainMs: 20_000,
    timeoutMs: 20_000,
    // what the test counts is not slowed down by its own parent's options
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 48 }
  }
}

function startServer (options, jobs) {
  const child = fork(join(__dirname, 'server.js'), [JSON.stringify({ options, jobs })], {
    execArgv: ['--expose-gc'],
    // another pool of this machine could let a core go meanwhile, and its lock would be a file more than before
    env: { ...process.env, XDG_RUNTIME_DIR: dirname(jobs) }
  })
  let nextNumber = 0
  const waiting = new Map()
  const state = { child, exit: undefined }
  state.ended = once(child, 'exit').then(([code, signal]) => {
    state.exit = signal ?? code
    for (const { reject } of waiting.values()) reject(new Error(`the server ended with ${state.exit}`))
    waiting.clear()
  })
  child.on('message', ({ number, answer }) => {
    waiting.get(number)?.resolve(answer)
    waiting.delete(number)
  })
  state.order = (order) => new Promise((resolve, reject) => {
    if (state.exit !== undefined) return reject(new Error(`the server ended with ${state.exit}`))
    waiting.set(nextNumber, { resolve, reject })
    child.send({ order, number: nextNumber++ })
  })
  state.address = Promise.race([
    new Promise((resolve) => child.on('message', ({ address }) => address !== undefined && resolve(address))),
    state.ended.then(() => { throw new Error(`the server ended with ${state.exit}`) })
  ])
  return state
}

async function chaos (seed, seconds) {
  const random = makeRandom(seed)
  const options = { ...optionsOf(random), ...JSON.parse(values.options) }
  console.log(`chaos: seed ${seed}, ${seconds} s, ${JSON.stringify(options)}`)
  const reloads = makeReloads(random)
  const server = startServer(options, reloads.file)
  const faults = {}
  let client
  try {
    const address = await server.address
    const before = await server.order('quiet')
    client = fork(join(__dirname, 'client.js'), [JSON.stringify({
      address, seed, connections: Number(values.connections), patienceMs: PATIENCE_MS
    })])
    const book = new Promise((resolve) => client.once('message', resolve))
    const nemesis = makeNemesis({ random, server, client, faults, reloads })
    const untilMs = Date.now() + seconds * 1000
    while (Date.now() < untilMs && server.exit === undefined) {
      await sleep(random.integer(30, 400))
      await nemesis.strike()
    }
    nemesis.end()
    client.send({ stop: true })
    const clients = await Promise.race([book, server.ended.then(() => { throw new Error(`the server ended with ${server.exit}`) })])
    const after = await server.order('quiet')
    const ledger = await server.order('ledger')
    const closed = await server.order('close')
    await Promise.race([server.ended, sleep(10_000)])
    const { version } = reloads
    report({ seconds, options, faults, version, clients, ledger, before, after, closed, exit: server.exit })
  } catch (error) {
    check('the server lives to the end', false, error.stack)
  } finally {
    for (const child of [server.child, client]) {
      if (child?.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    }
    reloads.end()
  }
}

async function main () {
  const seed = Number(values.seed)
  const beganAtMs = Date.now()
  if (values.soak) {
    // V8 lets the young generation grow as it likes, up to 48 MB a thread: bounded, so that a leak would show
    const flags = ['--expose-gc', '--max-semi-space-size=2']
    const { status } = spawnSync(process.execPath, [...flags, join(__dirname, 'soak.js'), values.jobs], { stdio: 'inherit' })
    process.exitCode = status ?? 1
    return
  }
  await chaos(seed, Number(values.seconds))
  const { failed, passed } = failures()
  for (const text of failed) console.log(`FAILED ${text}`)
  if (failed.length > 0) console.log(`  again: npm run chaos -- --seed ${seed} --seconds ${values.seconds}`)
  console.log(`chaos: ${((Date.now() - beganAtMs) / 1000).toFixed(0)} s`)
  console.log(`Chaos: ${failed.length} failed, ${passed} passed, ${failed.length + passed} total`)
  process.exitCode = failed.length > 0 ? 1 : 0
}

main()
