// The remote tier beside BullMQ's own waitUntilFinished, in one run on one Redis: latency at 1 in flight, jobs/s at 64.
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const require = createRequire(import.meta.url)
const { Queue, QueueEvents } = require('bullmq')
const { Redis } = require('ioredis')
const { bullmqTier } = require('../../../dist/lib/remote/bullmq.js')

const usage = `npm run bench:remote -- [options]

  --rounds N    rounds of each measurement, interleaved (default: 5)
  --seconds N   length of one measurement (default: 4)
  --only TEXT   only the sides with TEXT in their name, for profiles
  --in-flight N[,N]  (default: 1,64)
  --help        this text
`
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    'in-flight': { type: 'string', default: '1,64' },
    help: { type: 'boolean' }
  }
})
const payload = { text: 'x'.repeat(100) }
const log = { info () {}, warn () {}, error () {} }
const children = []
const folder = mkdtempSync(join(tmpdir(), 'spillover-bench-'))

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function start (child, name, ready) {
  children.push(child)
  let text = ''
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => { if (ready.test(text += chunk)) resolve() })
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
  })
  return child
}

/** CPU time in µs that this process, the worker's and Redis have used so far. */
async function cpuTimes (worker, client) {
  worker.send('cpu')
  const [[{ user, system }], info] = await Promise.all([once(worker, 'message'), client.info('cpu')])
  const redis = ['user', 'sys'].reduce((sum, name) => sum + Number(new RegExp(`used_cpu_${name}:(.*)`).exec(info)[1]) * 1e6, 0)
  const own = process.cpuUsage()
  return { producer: own.user + own.system, worker: user + system, redis }
}

/** Each side is a function that sends one job and waits for its answer; the workers run in another process. */
async function makeSides (port) {
  const url = `redis://127.0.0.1:${port}`
  const connection = { host: '127.0.0.1', port }
  const queue = new Queue('bullmq', { connection })
  const events = new QueueEvents('bullmq', { connection })
  await events.waitUntilReady()
  // each wait of BullMQ listens on both
  for (const emitter of [queue, events]) emitter.setMaxListeners(0)
  const tier = bullmqTier({ redis: url, env: 'bench' })
  tier.start({ log, served: [{ job: 'echo', version: '1' }] })
  const query = { job: 'echo', version: '1', payloadBytes: 1, durable: false, deadlineMs: 60_000, meanMs: NaN }
  for (let look = 0; !tier.admit(query).ok; look++) {
    if (look === 600) throw new Error('the worker was not heard of within 30 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const keep = { removeOnComplete: { age: 60, count: 1000 }, removeOnFail: { age: 60, count: 1000 } }
  const submit = async (reply) => {
    const outcome = await tier.submit({
      job: 'echo', version: '1', payload: JSON.stringify(payload), codec: 'json', durable: false, reply, deadlineMs: 60_000, timeoutMs: 0, attempts: 1, priority: 'normal', resultTtlMs: 60_000
    }).done
    return JSON.parse(outcome.payload)
  }
  return {
    sides: {
      'BullMQ waitUntilFinished': async () => await (await queue.add('echo', payload, keep)).waitUntilFinished(events),
      'fastify-spillover, fast': () => submit('fast'),
      'fastify-spillover, committed': () => submit('committed')
    },
    close: async () => { await Promise.all([queue.close(), events.close(), tier.close()]) }
  }
}

/** Jobs a second, and the p50 and p99 of their round trips in ms. */
async function measure (send, inFlight, ms) {
  const times = []
  const begin = performance.now()
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() - begin < ms) {
      const sent = performance.now()
      const { text } = await send()
      if (text !== payload.text) throw new Error('a wrong answer')
      times.push(performance.now() - sent)
    }
  }))
  const seconds = (performance.now() - begin) / 1000
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  return { jobs: times.length, perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

async function main () {
  const port = await freePort()
  await start(spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] }), 'redis-server', /Ready to accept/)
  const worker = await start(fork(fileURLToPath(new URL('worker.js', import.meta.url)), [String(port)],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }), 'the worker', /ready/)
  const client = new Redis({ port })
  const { sides: all, close } = await makeSides(port)
  const sides = Object.fromEntries(Object.entries(all).filter(([name]) => name.includes(flags.only)))
  const results = new Map()
  for (const send of Object.values(sides)) await measure(send, 8, 1000)
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const inFlight of flags['in-flight'].split(',').map(Number)) {
      for (const [name, send] of Object.entries(sides)) {
        const key = `${inFlight} in flight | ${name}`
        const before = await cpuTimes(worker, client)
        const run = await measure(send, inFlight, Number(flags.seconds) * 1000)
        const after = await cpuTimes(worker, client)
        for (const part of Object.keys(after)) run[part] = (after[part] - before[part]) / run.jobs
        results.set(key, [...results.get(key) ?? [], run])
      }
    }
  }
  await close()
  client.disconnect()
  console.log(`echo of 100 bytes, worker in another process, Redis without persistence, medians of ${flags.rounds} interleaved rounds of ${flags.seconds} s\n`)
  console.log('| | | jobs/s | p50 ms | p99 ms | CPU a job, µs: producer | worker | Redis |\n|---|---|---:|---:|---:|---:|---:|---:|')
  for (const [key, runs] of [...results].sort()) {
    const of = (name) => median(runs.map((run) => run[name]))
    console.log(`| ${key} | ${of('perSecond').toFixed(0)} | ${of('p50').toFixed(2)} | ${of('p99').toFixed(2)} | ${['producer', 'worker', 'redis'].map((part) => of(part).toFixed(0)).join(' | ')} |`)
  }
}

if (flags.help) console.log(usage)
else if (spawnSync('redis-server', ['--version']).status !== 0) {
  console.error('bench:remote needs redis-server: apt-get install redis-server')
  process.exitCode = 1
} else {
  await main().finally(async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })
}
