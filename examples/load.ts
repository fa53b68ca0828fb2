// Owns the comparison: the same routes and load on the event loop, on plain piscina and on fastify-spillover.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import http = require('node:http')
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import autocannon = require('autocannon')
import { encode } from './image.js'
import { samplePicture } from './sample.js'
import { readSettings, readWhole, SettingError, type Runtime } from './settings.js'

/** Chosen: enough samples for a p99 in 8 seconds, too few to be a load. */
const LIGHT_PER_SECOND = 50
const POLL_MS = 200
/** How long answers may still come after the load has ended, and how long a server may take to start or close. */
const PATIENCE_MS = 20_000
/** Three tiers of one actor each, so that spilling can be seen on a machine with one tier of two cores. */
const SMALL_PLAN = '[{"actors":1,"threshold":0},{"actors":1,"threshold":0},{"actors":1,"threshold":1}]'

interface Result {
  readonly title: string
  readonly heavyPerSecond: number
  /** answered with 503 */
  readonly refused: number
  readonly failed: number
  readonly light: readonly number[]
  readonly lost: number
}

interface Server {
  readonly address: string
  stop (): Promise<void>
}

/** What is read of the answer of /health/tiers. */
interface Health {
  readonly active: number
  readonly backlog: number
  readonly tiers: readonly { readonly tier: number, readonly isOpen: boolean }[]
}

const main = async (): Promise<void> => {
  const seconds = readWhole('DURATION', process.env['DURATION'] || '8', 3600)
  const connections = readWhole('CONNECTIONS', process.env['CONNECTIONS'] || '16', 10_000)
  if (seconds === 0 || connections === 0) throw new SettingError('DURATION and CONNECTIONS: expected at least 1, got 0')
  readSettings(process.env)
  const plan = await choosePlan()
  const requests = heavyRequests()
  console.log(`${connections} connections for ${seconds} s a server: /passwords, /markdown and /thumbnails in turn, ` +
    `and GET /light ${LIGHT_PER_SECOND} times a second`)

  const results: Result[] = []
  const variants: [string, Runtime, string | undefined][] = [
    ['event loop', 'inline', undefined],
    ['plain piscina', 'piscina', undefined],
    ['fastify-spillover', 'spillover', plan]
  ]
  for (const [title, runtime, tiers] of variants) {
    console.log(`\n${title}`)
    const server = await start(runtime, tiers)
    try {
      results.push(await measure(title, server.address, runtime === 'spillover', requests, seconds, connections))
    } finally {
      await server.stop()
    }
  }
  printTable(results)
}

/** The plan of SPILLOVER_TIERS, else the machine's own where it has several tiers (undefined), else the small one. */
const choosePlan = async (): Promise<string | undefined> => {
  const given = process.env['SPILLOVER_TIERS']
  if (given) {
    console.log(`plan: ${given} (SPILLOVER_TIERS)`)
    return given
  }
  const server = await start('spillover', undefined)
  const { tiers } = await readHealth(server.address).finally(() => server.stop())
  if (tiers.length > 1) {
    console.log(`plan: the machine's own, ${tiers.length} tiers`)
    return undefined
  }
  console.log(`plan: ${SMALL_PLAN} (this machine has one tier; SPILLOVER_TIERS sets another plan)`)
  return SMALL_PLAN
}

interface HeavyRequest {
  readonly method: 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer<ArrayBuffer>
}

const heavyRequests = (): HeavyRequest[] => {
  const text = Array.from({ length: 200 }, (_, index) =>
    `## Part ${index}\n\nSome *text* with a [link](https://example.com/${index}).\n\n` +
    '```js\nconst sum = (a, b) => a + b // adds\nfor (let i = 0; i < 10; i++) console.log(sum(i, 1))\n```\n'
  ).join('\n')
  const picture = samplePicture(640, 480)
  const post = (path: string, type: string, body: HeavyRequest['body']): HeavyRequest =>
    ({ method: 'POST', path, headers: { 'content-type': type }, body })
  return [
    post('/passwords', 'application/json', JSON.stringify({ password: 'correct horse battery staple' })),
    post('/markdown', 'text/markdown', text),
    post('/thumbnails?width=320', 'image/jpeg', Buffer.from(encode(picture, 'image/jpeg'))),
    post('/thumbnails?width=320', 'image/png', Buffer.from(encode(picture, 'image/png')))
  ]
}

const start = async (runtime: Runtime, tiers: string | undefined): Promise<Server> => {
  const env = { ...process.env, RUNTIME: runtime, SPILLOVER_TIERS: tiers ?? '', PORT: '0', LOG_LEVEL: 'fatal' }
  const child = fork(join(__dirname, 'server.js'), { env })
  const ended = once(child, 'exit')
  const listening = once(child, 'message').then(([message]) => (message as { address: string }).address)
  const address = await Promise.race([listening, ended, sleep(PATIENCE_MS, undefined, { ref: false })])
  if (typeof address === 'string') return { address, stop: () => stop(child, ended) }
  child.kill('SIGKILL')
  throw new Error(`the ${runtime} server did not start listening`)
}

const stop = async (child: ChildProcess, ended: Promise<unknown>): Promise<void> => {
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  await ended
  clearTimeout(late)
}

const measure = async (
  title: string, address: string, hasTiers: boolean, requests: HeavyRequest[], seconds: number,
  connections: number
): Promise<Result> => {
  await warmUp(address, requests)
  const done = new AbortController()
  const probing = probeLight(`${address}/light`, done.signal)
  const watching = hasTiers ? watchTiers(address, done.signal) : undefined
  const heavy = await autocannon({ url: address, connections, duration: seconds, requests, timeout: 60 })
  done.abort()
  const [{ light, lost }] = await Promise.all([probing, watching])
  const refused = heavy.statusCodeStats?.['503']?.count ?? 0
  const failed = heavy.non2xx + heavy.errors - refused
  return { title, heavyPerSecond: heavy['2xx'] / heavy.duration, refused, failed, light, lost }
}

const warmUp = async (address: string, requests: readonly HeavyRequest[]): Promise<void> => {
  for (const { path, headers, body } of requests) {
    const answer = await fetch(address + path, { method: 'POST', headers, body })
    await answer.arrayBuffer()
    if (!answer.ok) throw new Error(`POST ${path}: expected status 200, got ${answer.status}`)
  }
}

/** Sends at a fixed rate, whether or not earlier requests were answered, and gives the times to the answers in ms. */
const probeLight = async (url: string, done: AbortSignal): Promise<{ light: number[], lost: number }> => {
  const agent = new http.Agent({ keepAlive: true })
  const light: number[] = []
  let lost = 0
  const pending: Promise<void>[] = []
  const start = performance.now()
  while (!done.aborted) {
    const next = start + pending.length * 1000 / LIGHT_PER_SECOND
    const waitMs = next - performance.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: done }).catch(() => {})
    if (done.aborted) break
    pending.push(get(url, agent).then((ms) => { light.push(ms) }, () => { lost++ }))
  }
  await Promise.all(pending)
  agent.destroy()
  return { light: light.sort((a, b) => a - b), lost }
}

const get = (url: string, agent: http.Agent): Promise<number> => new Promise((resolve, reject) => {
  const start = performance.now()
  const request = http.get(url, { agent, timeout: PATIENCE_MS }, (response) => {
    response.resume().once('end', () => resolve(performance.now() - start)).once('error', reject)
  })
  request.once('error', reject).once('timeout', () => request.destroy(new Error(`no answer in ${PATIENCE_MS} ms`)))
})

const readHealth = async (address: string): Promise<Health> =>
  await (await fetch(`${address}/health/tiers`)).json() as Health

/** Prints a line each time another set of tiers is open. */
const watchTiers = async (address: string, done: AbortSignal): Promise<void> => {
  const start = performance.now()
  let before = ''
  while (!done.aborted) {
    const { tiers, active, backlog } = await readHealth(address)
    const open = tiers.filter((tier) => tier.isOpen).map(({ tier }) => tier).join(' ')
    if (open !== before) {
      const second = ((performance.now() - start) / 1000).toFixed(1).padStart(5)
      console.log(`${second} s  open: tier ${open.padEnd(5)}  active ${active}, backlog ${backlog}`)
    }
    before = open
    await sleep(POLL_MS, undefined, { signal: done }).catch(() => {})
  }
}

const printTable = (results: readonly Result[]): void => {
  const rows = results.map(({ title, heavyPerSecond, refused, failed, light, lost }) => [
    title, heavyPerSecond.toFixed(1), String(refused), String(failed), quantile(light, 0.5), quantile(light, 0.99),
    quantile(light, 1), String(lost)
  ])
  rows.unshift(['', 'heavy/s', 'refused', 'failed', 'light p50', 'light p99', 'light max', 'light lost'])
  console.log('\nheavy/s: answered with 200; refused: with 503, since the wait would be too long; light: GET /light\n')
  for (const row of rows) {
    console.log(row.map((cell, column) => column === 0 ? cell.padEnd(18) : cell.padStart(column < 4 ? 9 : 11)).join(''))
  }
}

/** The smallest time that at least this share of the sorted times does not exceed. */
const quantile = (sorted: readonly number[], share: number): string => {
  const ms = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  return ms === undefined ? '-' : `${ms.toFixed(1)} ms`
}

main().catch((error: Error) => {
  process.stderr.write(`${error instanceof SettingError ? error.message : error.stack}\n`)
  process.exit(1)
})
