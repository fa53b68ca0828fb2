// The rules of thumb of the documentation, measured: `npm run bench:thumbs` writes their table in docs/choosing.md.

import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createSigner, createVerifier } from 'fast-jwt'
import lib from '../../dist/lib/index.js'
import { describeMachine } from './machine.js'
import { number } from './print.js'
import { rewrite, table } from './rewrite.js'

const jobs = join(fileURLToPath(import.meta.url), '../jobs/thumbs.cjs')
const open = async (actors) => {
  const pool = lib.createScheduler({ jobs, tiers: [{ actors }], execArgv: [], pin: false })
  await pool.ready()
  return pool
}
const median = (values) => [...values].sort((one, other) => one - other)[values.length >> 1]

/** Median of single calls, µs, after a tenth as many to warm up. */
async function time (calls, call) {
  const found = []
  for (let at = -calls / 10; at < calls; at++) {
    const before = performance.now()
    await call()
    if (at >= 0) found.push((performance.now() - before) * 1000)
  }
  return median(found)
}

async function resident () {
  globalThis.gc?.()
  await sleep(1000)
  return process.memoryUsage().rss
}

/** MB that the process grows by with each actor that has run a job and sleeps. */
async function memory () {
  const first = await open(1)
  await first.offload('nothing', 1)
  const before = await resident()
  const pool = await open(8)
  await Promise.all(Array.from({ length: 800 }, () => pool.offload('nothing', 1)))
  const grown = (await resident() - before) / 8 / 2 ** 20
  await pool.close()
  await first.close()
  return grown
}

const rows = [['memory of a thread that sleeps, its jobs apart', `${number(await memory())} MB`]]

const pool = await open(1)
rows.push(['the way to an actor that is awake and back', `${number(await time(20_000, () => pool.offload('nothing', 1)))} µs`])
const asleep = []
for (let at = 0; at < 200; at++) {
  await sleep(5)
  const before = performance.now()
  await pool.offload('nothing', 1)
  asleep.push((performance.now() - before) * 1000)
}
rows.push(['to one that sleeps and back', `${number(median(asleep))} µs`])

for (const kb of [10, 100, 1000]) {
  const list = []
  while (JSON.stringify(list).length < kb * 1000) {
    for (let at = 0; at < kb; at++) list.push({ id: list.length, name: `name ${list.length}`, price: list.length / 7 })
  }
  const bytes = new TextEncoder().encode(JSON.stringify(list))
  const here = await time(200, () => JSON.parse(Buffer.from(bytes).toString()).length)
  const blocked = []
  const there = await time(200, () => {
    const before = performance.now()
    const answer = pool.offload('countJson', bytes)
    blocked.push((performance.now() - before) * 1000)
    return answer
  })
  rows.push([`parse ${kb} kB of JSON, sent as bytes, a number back: here; offloaded; of that the main thread`,
    `${number(here)}; ${number(there)}; ${number(median(blocked))} µs`])
}
await pool.close()

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
const sign = createSigner({ key, algorithm: 'RS256' })
rows.push(['sign a JWT with RS256, 2048 bits', `${number(await time(500, () => sign({ user: 1 })))} µs`])
const token = createSigner({ key: 'secret', algorithm: 'HS256' })({ user: 1 })
const verify = createVerifier({ key: 'secret', algorithms: ['HS256'], cache: false })
rows.push(['check a JWT with HS256', `${number(await time(5000, () => verify(token)))} µs`])

const machine = describeMachine({ node: process.execPath })
const text = `Measured on ${new Date().toISOString().slice(0, 10)} by \`npm run bench:thumbs\`: ${machine.cpu}, ${machine.cpus} CPUs` +
  `${machine.isVirtual ? ' of a virtual machine' : ''}, ${machine.system}, Node ${machine.node}; medians.\n\n${table(['', ''], rows)}`
console.log(text)
rewrite('../../docs/choosing.md', 'thumbs', text)
