// The plugin as routes see it, through inject and through real sockets.
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import spillover from '#plugin/index'
import { until } from '../fixtures/until'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')
const pool = { jobs, tiers: [{ actors: 1 }], execArgv: [], graceMs: 20 }

async function build (t: Test, options: object = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, { ...pool, ...options })
  return app
}

t.test('results and errors of jobs become replies: 200, the job\'s own status, 500, 504', async (t) => {
  const app = await build(t)
  app.post('/echo', async (request) => request.offload('echo', request.body))
  app.get('/own', async (request) => request.offload('failWith', 'class'))
  app.get('/exit', async (request) => request.offload('exit', 1))
  app.get('/long', { config: { offload: { timeoutMs: 20 } } }, async (request) => request.offload('forever', 0))
  app.get('/where', app.offloadHandler('where', { input: (request) => request.id }))
  app.post('/body', app.offloadHandler('echo'))
  t.same((await app.inject({ method: 'POST', url: '/echo', body: { a: 1 } })).json(), { a: 1 })
  t.same((await app.inject({ method: 'POST', url: '/body', body: { a: 2 } })).json(), { a: 2 })
  const own = await app.inject('/own')
  t.equal(own.statusCode, 422)
  t.equal(own.json().code, 'E_ODD')
  const exit = await app.inject('/exit')
  t.equal(exit.statusCode, 500)
  t.equal(exit.json().code, 'FST_ERR_SPILLOVER_ACTOR_EXIT')
  t.equal((await app.inject('/long')).statusCode, 504)
  t.match((await app.inject('/where')).json(), { requestId: /^req-/, tier: 1 })
})

t.test('a full queue answers 503 with Retry-After in whole seconds; a light route is never refused', async (t) => {
  const app = await build(t, { maxQueued: 1 })
  const words = new Int32Array(new SharedArrayBuffer(32))
  app.get('/job', async (request) => request.offload('latch', words))
  app.get('/light', async () => 'light')
  await app.ready()
  const all = Promise.all([1, 2, 3, 4].map(() => app.inject('/job')))
  await until('two to be refused', () => app.spillover.snapshot().counters.refused === 2)
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  const replies = await all
  t.strictSame(replies.map(({ statusCode }) => statusCode).sort(), [200, 200, 503, 503])
  for (const { statusCode, headers } of replies) if (statusCode === 503) t.match(headers['retry-after'], /^[1-9]\d*$/)
  t.equal((await app.inject('/light')).statusCode, 200)
})

t.test('a client that goes away cancels its job, after a POST body too, and the actor is free again', async (t) => {
  const app = await build(t)
  app.post('/job', async (request) => request.offload('forever', request.body))
  app.post('/echo', async (request) => request.offload('echo', request.body))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const headers = { 'content-type': 'application/json' }
  const client = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/job', headers })
  client.on('error', () => {}) // we end it ourselves
  client.end('{"a":1}')
  await until('the job to run', () => app.spillover.snapshot().pending === 1)
  client.destroy()
  await until('the job to be cancelled', () => app.spillover.snapshot().counters.settled.cancelled === 1)
  const echo = await app.inject({ method: 'POST', url: '/echo', body: { free: true } })
  t.same(echo.json(), { free: true })
})

t.test('a job with a signal of its own ends with the first: the signal, or the client that goes away', async (t) => {
  const app = await build(t)
  const reasons: unknown[] = []
  const aborts = [new AbortController(), new AbortController()]
  app.get('/job/:n', async (request) => {
    const { signal } = aborts[Number((request.params as { n: string }).n)]!
    try {
      return await request.offload('forever', 0, { signal })
    } catch (error) {
      reasons.push((error as Error & { cause: Error }).cause.message)
      throw error
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const ask = (n: number) => httpRequest({ port, host: '127.0.0.1', path: `/job/${n}` }).on('error', () => {}).end()
  ask(0)
  await until('the job to run', () => app.spillover.snapshot().pending === 1)
  aborts[0]!.abort(new Error('enough'))
  await until('its end', () => reasons.length === 1)
  const client = ask(1)
  await until('the next to run', () => app.spillover.snapshot().pending === 1)
  client.destroy()
  await until('its end', () => reasons.length === 2)
  t.strictSame(reasons, ['enough', 'the client closed the connection'])
})

t.test('20 jobs of one request at once: no warning of a leak, and all are cancelled when the client goes away', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const app = await build(t)
  app.get('/echo', async (request) => Promise.all(Array.from({ length: 20 }, (_, n) => request.offload('echo', n))))
  app.get('/jobs', async (request) => Promise.all(Array.from({ length: 20 }, () => request.offload('waitUntilCancelled', 0))))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  t.equal((await (await fetch(`http://127.0.0.1:${port}/echo`)).json() as number[]).length, 20)
  const client = httpRequest({ port, host: '127.0.0.1', path: '/jobs' }).on('error', () => {}).end()
  await until('the jobs to wait', () => app.spillover.snapshot().pending === 20)
  client.destroy()
  await until('their end', () => app.spillover.snapshot().counters.settled.cancelled === 20)
  t.strictSame(warnings, [])
})

t.test('a POST with a body is not cancelled when the body has been read', async (t) => {
  const app = await build(t)
  app.post('/job', async (request) => request.offload('wait', 50))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`http://127.0.0.1:${port}/job`, { method: 'POST', body: '{}', headers })
  t.equal(response.status, 200)
  t.equal(await response.json(), 50)
})

t.test('wrong options, routes and job names stop the boot and name what is wrong', async (t) => {
  const boot = async (options: object, routes: (app: FastifyInstance) => void = () => {}): Promise<Error> => {
    const app = Fastify()
    t.teardown(() => app.close())
    try {
      await app.register(spillover, { ...pool, ...options } as never)
      routes(app)
      await app.ready()
      return new Error('it booted')
    } catch (error) {
      return error as Error
    }
  }
  t.match((await boot({ closeDelay: 5 })).message, /option closeDelay: expected a known option, got an unknown one: did you mean closeDelayMs\?$/)
  t.match((await boot({ dashbord: '/x' })).message, /option dashbord: expected a known option, got an unknown one: did you mean dashboard\?$/)
  t.match((await boot({ maxQueued: '5' })).message, /option maxQueued: expected an integer of at least 0, got '5'/)
  t.match((await boot({ jobs: '/nowhere.js' })).message, /option jobs: expected .* got \/nowhere\.js/)
  t.match((await boot({ remote: {} })).message, /option remote: expected a remote tier, or options with one in tier, got \{\}$/)
  t.match((await boot({ namespace: 'jobs' })).message, /option namespace: expected a name that app\.spillover does not have itself, got 'jobs'/)
  t.equal((await boot({ health: false, metrics: false, dashboard: false, durable: false })).message, 'it booted')
  t.match((await boot({ health: 'health' })).message, /option health: expected a path/)
  t.match((await boot({}, (app) => app.get('/', app.offloadHandler('ecco')))).message,
    /unknown job ecco \(offloadHandler\): did you mean echo\?$/)
  t.match((await boot({}, (app) => app.get('/x', { config: { offload: { job: 'nope' } } }, async () => 1))).message,
    /unknown job nope \(GET \/x\): expected one of add, .*, where$/)
  t.match((await boot({}, (app) => app.get('/x', { config: { offload: { timeout: 1 } as never } }, async () => 1))).message,
    /config\.offload\.timeout of GET \/x: .*: did you mean timeoutMs\?$/)
  t.match((await boot({}, (app) => app.get('/x', { config: { offload: { timeoutMs: -1 } } }, async () => 1))).message,
    /config\.offload\.timeoutMs of GET \/x: expected an integer of at least 0, got -1/)
  for (const [options, message] of [
    [{ timeout: 1 }, "option timeout of offloadHandler('echo'): expected a known option, got an unknown one: did you mean timeoutMs?"],
    [{ input: 'id' }, "option input of offloadHandler('echo'): expected a function, got 'id'"],
    [{ job: 'add' }, "option job of offloadHandler('echo'): expected a known option, got an unknown one (known: input, timeoutMs, queueTimeoutMs, priority, idempotent)"],
    [null, "option offloadHandler('echo'): expected an object of options, got null"]
  ] as [never, string][]) {
    t.equal((await boot({}, (app) => app.get('/', app.offloadHandler('echo', options)))).message, message)
  }
})

t.test('config.offload false forbids; namespaces stand beside each other and cannot be taken twice', async (t) => {
  const app = await build(t)
  app.get('/no', { config: { offload: false } }, async (request) => request.offload('echo', 1))
  await app.register(spillover, { ...pool, namespace: 'images' })
  t.equal((await app.inject('/no')).json().code, 'FST_ERR_SPILLOVER_FORBIDDEN')
  t.equal(await app.spillover.images!.offload('echo', 2), 2)
  t.equal(await app.offload('echo', 3), 3)
  const twice = Fastify()
  t.teardown(() => twice.close())
  await twice.register(spillover, pool)
  await t.rejects(async () => { await twice.register(spillover, pool) }, {
    code: 'FST_ERR_SPILLOVER_NAMESPACE_TAKEN', message: /^a pool without a namespace is already registered: give each pool/
  })
})

t.test('health: 200 with every tier while tier 1 lives, 503 when it is down', async (t) => {
  const app = await build(t, { health: '/health/tiers', tiers: [{ actors: 1 }, { actors: 2 }] })
  await app.ready()
  const health = await app.inject('/health/tiers')
  t.equal(health.statusCode, 200)
  t.match(health.json(), {
    status: 'ok',
    version: '0.1.0',
    state: 'open',
    active: 0,
    backlog: 0,
    openTier: 1,
    pinning: { isOn: false, reason: 'no actor of the plan has a cpu', claimed: [] },
    tiers: [
      { tier: 1, isOpen: true, reason: 'always open', states: { open: 1 } },
      { tier: 2, isOpen: false, reason: 'below threshold', states: { closed: 2 } }
    ]
  })
  await app.spillover.drain()
  t.equal((await app.inject('/health/tiers')).statusCode, 503)
})

t.test('ctx.log writes to the request\'s logger, with its id, from its route\'s level on, also before a crash', async (t) => {
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => { lines.push(JSON.parse(line)) } }
  const app = Fastify({ logger: { level: 'info', stream }, disableRequestLogging: true, genReqId: () => 'request-7' })
  t.teardown(() => app.close())
  await app.register(spillover, pool)
  const levels = ['trace', 'debug', 'info', 'warn']
  app.get('/info', async (request) => request.offload('logEach', { levels }))
  app.get('/warn', { logLevel: 'warn' }, async (request) => request.offload('logEach', { levels }))
  app.get('/crash', async (request) => request.offload('logEach', { levels, then: 'exit' }).catch(() => 'crashed'))
  app.get('/error', async (request) => request.offload('logError', 0))
  const logged = async (url: string): Promise<unknown[]> => {
    lines.length = 0
    await app.inject(url)
    return lines.filter(({ msg }) => /record|error|odd/.test(msg as string)).map(({ reqId, level, msg }) => [reqId, level, msg])
  }
  t.strictSame(await logged('/info'), [['request-7', 30, 'record 2 of info'], ['request-7', 40, 'record 3 of warn']])
  t.strictSame(await logged('/warn'), [['request-7', 40, 'record 3 of warn']])
  t.strictSame(await logged('/crash'), [['request-7', 30, 'record 2 of info'], ['request-7', 40, 'record 3 of warn']])
  t.strictSame(await logged('/error'), [['request-7', 50, 'odd'], ['request-7', 40, 'with an error']])
  t.match(lines, [{ err: { type: 'RangeError', code: 'E_ODD', stack: /jobs\.cjs/ } }, { err: { type: 'TypeError' }, id: 7 }])
  lines.length = 0
  await app.offload('logEach', { levels })
  t.strictSame(lines.map(({ msg, reqId }) => [msg, reqId]), [['record 2 of info', undefined], ['record 3 of warn', undefined]])
})

t.test('close lets the request in flight finish and ends every thread', async (t) => {
  const app = await build(t)
  app.get('/job', async (request) => request.offload('wait', 100))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const client = httpRequest({ port, host: '127.0.0.1', path: '/job' })
  client.on('response', (response) => response.resume())
  client.end()
  await until('the job to run', () => app.spillover.snapshot().pending === 1)
  const [[response]] = await Promise.all([once(client, 'response'), app.close()])
  t.equal(response.statusCode, 200)
  t.equal(app.spillover.snapshot().tiers[0]!.actors[0]!.state, 'closed')
  await t.rejects(app.offload('echo', 1), { code: 'FST_ERR_SPILLOVER_CLOSED' })
})
