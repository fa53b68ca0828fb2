// A browser, a server to look at, and a network between them that can be cut.
import { existsSync, mkdirSync } from 'node:fs'
import net = require('node:net')
import { join } from 'node:path'
import Fastify from 'fastify'
import { chromium } from 'playwright-core'
import type { FastifyInstance } from 'fastify'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { createScheduler } from '#lib/index'
import spillover from '#plugin/index'
import type { Trace } from '#lib/index'

export const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')
/** Screenshots are kept here, for people to look at. */
export const pictures = join(__dirname, '..', '..', 'build')
mkdirSync(pictures, { recursive: true })

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = places.find((place) => place !== undefined && existsSync(place))

/** The reason why nothing can be tested here, or false. In CI the browser must be there. */
export const skip = executablePath === undefined && process.env.CI === undefined
  ? 'no Chromium: install the Debian package chromium, or set CHROMIUM to its path'
  : false

let browser: Promise<Browser> | undefined
/** Where the browser serves its DevTools; one for each process of tests. */
export const devtoolsPort = 20_000 + process.pid % 10_000

/** A page of its own. `complaints` collects errors, refusals by the content policy, and requests to other hosts. */
export async function openPage (t: Test, options: BrowserContextOptions = {}):
Promise<{ page: Page, complaints: string[] }> {
  browser ??= chromium.launch({
    executablePath: executablePath!,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--remote-debugging-port=${devtoolsPort}`
    ]
  })
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 900 }, ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(`console: ${message.text()}`) })
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url())
    if (hostname !== '127.0.0.1' && protocol !== 'data:') complaints.push(`request to ${hostname}`)
  })
  return { page, complaints }
}

/** Resolves when a script gives true in the page; the page's own policy forbids what playwright would do for it. */
export async function seen (page: Page, script: string): Promise<void> {
  const limit = Date.now() + 30_000
  while (await page.evaluate(script) !== true) {
    if (Date.now() > limit) throw new Error(`waited 30 s for: ${script}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Call when all is done, or the browser stays. */
export async function closeBrowser (): Promise<void> {
  await (await browser)?.close()
}

/** A server with the dashboard on a pool of three tiers: 1, 1 and 1 actors, opening above 0 and 1 active. */
export async function startServer (t: Test, port = 0, options: object = {}):
Promise<{ app: FastifyInstance, port: number }> {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(spillover, {
    jobs,
    execArgv: [],
    tiers: [{ actors: 1 }, { actors: 1 }, { actors: 1, threshold: 1 }],
    closeDelayMs: 50,
    dashboard: { url: '/spillover', intervalMs: 100 },
    ...options
  })
  await app.listen({ port, host: '127.0.0.1' })
  return { app, port: (app.server.address() as net.AddressInfo).port }
}

/** A network between browser and server: it can be cut, so that nobody answers, and silent, so that nothing comes. */
export async function startNetwork (t: Test, toPort: () => number):
Promise<{ port: number, cut (): void, restore (): void, silence (isSilent: boolean): void }> {
  let isCut = false
  let isSilent = false
  const pairs = new Set<net.Socket[]>()
  const server = net.createServer((client) => {
    if (isCut) return client.destroy()
    const upstream = net.connect(toPort(), '127.0.0.1')
    const pair = [client, upstream]
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => {}) // its end is what counts
      socket.on('close', () => {
        for (const other of pair) other.destroy()
        pairs.delete(pair)
      })
    }
    client.on('data', (data) => { upstream.write(data) })
    upstream.on('data', (data) => { if (!isSilent) client.write(data) })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const destroyAll = (): void => { for (const pair of pairs) for (const socket of pair) socket.destroy() }
  t.teardown(() => {
    server.close()
    destroyAll()
  })
  return {
    port: (server.address() as net.AddressInfo).port,
    cut () {
      isCut = true
      destroyAll()
    },
    restore () { isCut = false },
    silence (to) { isSilent = to }
  }
}

/** Jobs that run until `open()`: as many actors are busy as there are. */
export function holdJobs (app: FastifyInstance, count: number): { open (): Promise<unknown> } {
  const words = new Int32Array(new SharedArrayBuffer(32))
  const running = Array.from({ length: count }, () => app.offload('latch', words).catch((error: Error) => error))
  return {
    open () {
      Atomics.store(words, 0, 1)
      Atomics.notify(words, 0)
      return Promise.all(running)
    }
  }
}

/** A recording of 44 jobs on 3 tiers of 2 actors, each of which has run some. */
export async function recordTrace (t: Test): Promise<Trace> {
  const pool = createScheduler({ jobs, execArgv: [], tiers: [{ actors: 2 }, { actors: 2 }, { actors: 2 }] })
  t.teardown(() => pool.close())
  await pool.ready()
  const over = new AbortController()
  const recording = pool.record({ seconds: 60, signal: over.signal })
  for (const count of [2, 6, 12, 12, 12]) {
    await Promise.all(Array.from({ length: count }, (_, index) => pool.offload('wait', 40 + index * 10)))
  }
  over.abort()
  const trace = await recording
  const busy = new Set(trace.traceEvents.filter(({ cat }) => cat === 'job').map(({ tid }) => tid))
  t.equal(busy.size, 6, 'each actor has run')
  return trace
}
