// The dashboard as a client without a browser sees it: routes, headers, hooks, events, the end of the server.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage } from 'node:http'
import Fastify from 'fastify'
import t from 'tap'
import { channels, makePlan, readTopology } from '#lib/index'
import { registerDashboard } from '#plugin/dashboard'
import { drawMachine } from '#plugin/machine'
import { EventStream } from '#plugin/stream'
import spillover from '#plugin/index'
import { readMachine } from '../fixtures/machines/index'
import { until } from '../fixtures/until'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

const root = join(__dirname, '..', '..')
const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')

async function build (t: Test, dashboard: string | object, server: object = {}): Promise<FastifyInstance> {
  const app = Fastify(server)
  t.teardown(() => app.close())
  await app.register(spillover, { jobs, tiers: [{ actors: 1 }], execArgv: [], dashboard } as never)
  return app
}

const open = (app: FastifyInstance, path: string): Promise<IncomingMessage> => new Promise((resolve, reject) => {
  const { port } = app.server.address() as AddressInfo
  request({ port, host: '127.0.0.1', path }, resolve).on('error', reject).end()
})

t.test('page and files: their types, a policy without other hosts, not to be stored, paths that a proxy may move', async (t) => {
  const app = await build(t, '/tools/spillover')
  const page = await app.inject('/tools/spillover')
  t.equal(page.statusCode, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.match(page.headers['content-security-policy'], /^default-src 'none'; script-src 'self';/)
  t.equal(page.headers['cache-control'], 'no-store')
  const files = [...page.body.matchAll(/(?:href|src)="\.\/(spillover\/[^"]+)"/g)].map(([, file]) => file!)
  t.equal(files.length, 4)
  for (const file of files) t.equal((await app.inject(`/tools/${file}`)).statusCode, 200, file)
  const slash = await app.inject('/tools/spillover/')
  t.strictSame([slash.statusCode, slash.headers.location], [308, '../spillover'])
  t.equal((await app.inject('/tools/spillover/package.json')).statusCode, 404)
})

t.test('at the root, and with ignoreTrailingSlash, it is served too', async (t) => {
  const app = await build(t, '/')
  t.equal((await app.inject('/')).statusCode, 200)
  t.equal((await app.inject('/page.js')).statusCode, 200)
  const other = await build(t, '/x/', { routerOptions: { ignoreTrailingSlash: true } })
  t.equal((await other.inject('/x')).statusCode, 200)
  t.equal((await other.inject('/x/')).statusCode, 308)
})

t.test('the user\'s onRequest stands before the page, each file and the events', async (t) => {
  const onRequest = async (_: unknown, reply: any): Promise<void> => { await reply.code(401).send('who?') }
  const app = await build(t, { url: '/spillover', onRequest })
  for (const path of ['', '/', '/page.js', '/events', '/uplot.js']) {
    t.equal((await app.inject(`/spillover${path}`)).statusCode, 401, path)
  }
  const routeOpts = await build(t, { url: '/spillover', routeOpts: { onRequest } })
  t.equal((await routeOpts.inject('/spillover/events')).statusCode, 401)
})

t.test('events begin with hello and go on with states; closing the server ends them at once', async (t) => {
  const app = await build(t, { url: '/spillover', intervalMs: 100 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await app.offload('fail', { message: 'no', code: 'E_NO' }, { requestId: 'r-1' }).catch(() => {})
  const response = await open(app, '/spillover/events')
  t.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
  let text = ''
  let isEnded = false
  response.setEncoding('utf8').on('data', (part: string) => { text += part }).on('end', () => { isEnded = true })
  await until('three states', () => text.split('event: state\n').length > 3)
  const [hello, state] = text.split('\n\n').map((event) => JSON.parse(event.split('\ndata: ')[1] ?? 'null'))
  t.match(hello, { pool: 'default', strategy: 'explicit', pid: process.pid, slots: [{ slot: 0, cpu: null, tier: 1 }] })
  t.match(state, { snapshot: { state: 'open', active: 0 }, errors: [{ job: 'fail', code: 'E_NO', message: 'no', requestId: 'r-1' }] })
  await app.close()
  await until('the end of the events', () => isEnded)
})

t.test('a machine that changes is drawn anew: a page that is open is told, and one opened later', async (t) => {
  const before = readTopology({ reader: readMachine('vm-1s8c-nosmt').reader })
  const after = readTopology({ reader: readMachine('vm-1s8c-affinity-2-5').reader })
  let topology = before
  const pool = { identity: { name: 'default' }, plan: makePlan(before), snapshot: () => ({}) }
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await registerDashboard(app, pool as never, { url: '/spillover' }, () => topology)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const usable = (text: string, name: string): number[] | undefined => {
    const found = new RegExp(`event: ${name}\\ndata: (.*)\\n`).exec(text)
    const machine = found === null ? undefined : JSON.parse(found[1]!) as ReturnType<typeof drawMachine>
    return machine?.packages.flatMap(({ domains }) => domains.flatMap(({ cores }) =>
      cores.flatMap(({ cpus }) => cpus.filter(({ isUsable }) => isUsable).map(({ cpu }) => cpu))))
  }
  const listen = async (): Promise<() => string> => {
    let text = ''
    const events = await open(app, '/spillover/events')
    events.on('data', (data) => { text += data }).on('error', () => {})
    return () => text
  }
  const first = await listen()
  await until('hello', () => usable(first(), 'hello') !== undefined)
  t.strictSame(usable(first(), 'hello'), [0, 1, 2, 3, 4, 5, 6, 7])
  topology = after
  channels.plan.publish({ pool: { name: 'default' } })
  t.equal(usable(first(), 'machine'), undefined, 'another pool of this name is another pool')
  channels.plan.publish({ pool: pool.identity })
  await until('machine', () => usable(first(), 'machine') !== undefined)
  t.strictSame(usable(first(), 'machine'), [2, 3, 4, 5])
  const second = await listen()
  await until('hello', () => usable(second(), 'hello') !== undefined)
  t.strictSame(usable(second(), 'hello'), [2, 3, 4, 5])
})

t.test('nobody listens: nothing is read, and there is no timer; the last who leaves stops it', async (t) => {
  let reads = 0
  const stream = new EventStream(async () => ({ reads: ++reads }), 100)
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  t.equal(reads, 0)
  const { ServerResponse, IncomingMessage } = await import('node:http')
  const response = new ServerResponse(new IncomingMessage(null as never))
  const other = new ServerResponse(new IncomingMessage(null as never))
  stream.add(response, { hello: 1 })
  stream.add(other, { hello: 2 })
  t.equal(stream.listeners, 2)
  await until('a read', () => reads > 0)
  response.emit('close')
  other.emit('close')
  t.equal(stream.listeners, 0)
  t.equal(timers(), before)
})

t.test('wrong options stop the boot', async (t) => {
  await t.rejects(async () => { await build(t, 'spillover') }, /option dashboard: expected a path/)
  await t.rejects(async () => { await build(t, { url: '/x', intervalMs: 10 }) }, /option dashboard.intervalMs: expected an integer from 100/)
})

t.test('2 packages of 2 domains each: cores in order, siblings in one core, a processor that may not be used said so', async (t) => {
  const topology = readTopology({ reader: readMachine('vm-2s2d4c2t').reader })
  const { packages, slots } = drawMachine(topology, makePlan(topology, { reserve: 0 }))
  t.equal(packages.length, 2)
  t.strictSame(packages.map(({ domains }) => domains.length), [2, 2])
  for (const { cores } of packages.flatMap(({ domains }) => domains)) {
    t.strictSame(cores.map(({ cpus }) => cpus.length), [2, 2, 2, 2])
  }
  t.equal(slots.length, 32)
  const some = readTopology({ reader: readMachine('vm-1s8c-affinity-2-5').reader })
  const [{ domains }] = drawMachine(some, makePlan(some)).packages as [ReturnType<typeof drawMachine>['packages'][0]]
  const cpus = domains.flatMap(({ cores }) => cores.flatMap(({ cpus }) => cpus))
  t.strictSame(cpus.filter(({ isUsable }) => isUsable).map(({ cpu }) => cpu), [2, 3, 4, 5])
  t.equal(cpus[0]!.note, 'not allowed to this process')
})

t.test('uPlot in the package is the one of npm, with its licence', async (t) => {
  const files = { 'uplot.js': 'dist/uPlot.iife.min.js', 'uplot.css': 'dist/uPlot.min.css', 'uplot.license': 'LICENSE' }
  const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8')
  for (const [ours, theirs] of Object.entries(files)) {
    t.ok(read('plugin', 'dashboard', ours) === read('node_modules', 'uplot', theirs), ours)
  }
})
