// The client that goes away: over HTTP/2, in a pipeline of HTTP/1, from a hijacked reply; and Fastify's own timeout.
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import spillover from '#plugin/index'
import { until } from '../fixtures/until'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

const pool = {
  jobs: join(__dirname, '..', 'fixtures', 'jobs.cjs'), tiers: [{ actors: 2 }], execArgv: [], graceMs: 20, backoffMs: 0
}

async function build (t: Test, options: object = {}, more: object = {}): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, ...options }) as FastifyInstance
  t.teardown(() => app.close())
  await app.register(spillover, { ...pool, ...more })
  return app
}
const listen = async (app: FastifyInstance): Promise<number> => {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}
const pending = (app: FastifyInstance): number => app.spillover.snapshot().pending
const cancelled = (app: FastifyInstance): number => app.spillover.snapshot().counters.settled.cancelled
const warningsOf = (t: Test): string[] => {
  const warnings: string[] = []
  const onWarning = (warning: Error): void => { warnings.push(String(warning)) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  return warnings
}

function openHttp2 (t: Test, port: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {}) // the test ends it
  t.teardown(() => session.destroy())
  return session
}
const ask = (session: ClientHttp2Session, path: string, method = 'GET', body?: string): ClientHttp2Stream => {
  const stream = session.request({
    ':path': path, ':method': method, ...(body !== undefined && { 'content-type': 'application/json' })
  }, { endStream: body === undefined })
  stream.on('error', () => {}) // the test ends it
  if (body !== undefined) stream.end(body)
  return stream
}
const answerOf = async (stream: ClientHttp2Stream): Promise<{ status: unknown, body: string }> => {
  let body = ''
  stream.on('data', (chunk) => { body += chunk })
  const [headers] = await once(stream, 'response')
  await once(stream, 'end')
  return { status: headers[':status'], body }
}

for (const [method, body] of [['GET', undefined], ['HEAD', undefined], ['POST', '{}']] as const) {
  t.test(`HTTP/2, ${method}: RST_STREAM cancels the job of that stream, and no other of the connection`, async (t) => {
    const app = await build(t, { http2: true })
    app.route({ method, url: '/forever', handler: async (request) => request.offload('forever', 0) })
    app.get('/wait', async (request) => request.offload('latch', words))
    const words = new Int32Array(new SharedArrayBuffer(32))
    const session = openHttp2(t, await listen(app))
    const other = answerOf(ask(session, '/wait'))
    await until('the other to run', () => Atomics.load(words, 1) === 1)
    const stream = ask(session, '/forever', method, body)
    await until('both to run', () => pending(app) === 2)
    stream.close(constants.NGHTTP2_CANCEL)
    await until('the job to be cancelled', () => cancelled(app) === 1)
    t.equal(pending(app), 1)
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)
    t.same(await other, { status: 200, body: '1' })
  })
}

t.test('20 requests that are opened and dropped while their jobs wait: none of these runs, and no thread is lost', async (t) => {
  const app = await build(t, { http2: true }, { tiers: [{ actors: 1 }] })
  const words = new Int32Array(new SharedArrayBuffer(32))
  const unseen = new Int32Array(new SharedArrayBuffer(32))
  app.get('/wait', async (request) => request.offload('latch', words))
  app.get('/drop', async (request) => request.offload('latch', unseen))
  const session = openHttp2(t, await listen(app))
  const served = answerOf(ask(session, '/wait'))
  await until('the first to run', () => Atomics.load(words, 1) === 1)
  const streams = Array.from({ length: 20 }, () => ask(session, '/drop'))
  await until('all to wait', () => pending(app) === 21)
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
  await until('all to be cancelled', () => cancelled(app) === 20)
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  t.match(await served, { status: 200 })
  t.equal(Atomics.load(unseen, 1), 0)
  t.match(app.spillover.snapshot().counters, { kills: 0, restarts: 0 })
})

t.test('HTTP/2: a session that is destroyed cancels the jobs of all its streams', async (t) => {
  const app = await build(t, { http2: true })
  app.get('/', async (request) => request.offload('waitUntilCancelled', 0))
  const session = openHttp2(t, await listen(app))
  for (let stream = 0; stream < 5; stream++) ask(session, '/')
  await until('all to be there', () => pending(app) === 5)
  session.destroy()
  await until('all to be cancelled', () => cancelled(app) === 5)
})

t.test('HTTP/2: a job that is offloaded when the stream is gone is cancelled before it starts', async (t) => {
  const app = await build(t, { http2: true })
  const reasons: Error[] = []
  app.get('/', async (request, reply) => {
    await once((reply.raw as unknown as { stream: ClientHttp2Stream }).stream, 'close')
    await request.offload('echo', 1).catch((error) => { reasons.push(error) })
  })
  const session = openHttp2(t, await listen(app))
  const stream = ask(session, '/')
  await once(session, 'remoteSettings')
  await until('the request to have been sent', () => stream.pending === false)
  setImmediate(() => stream.close(constants.NGHTTP2_CANCEL))
  await until('its end', () => reasons.length === 1)
  t.match(reasons, [{ code: 'FST_ERR_SPILLOVER_CANCELLED', message: /before it started/, cause: { message: 'the client closed the connection' } }])
})

t.test('HTTP/2: results, 504, 503 with retry-after; a close answers what runs, and Node warns of nothing', async (t) => {
  const warnings = warningsOf(t)
  const app = await build(t, { http2: true }, { tiers: [{ actors: 1 }], maxQueued: 1 })
  app.post('/echo', async (request) => request.offload('echo', request.body))
  app.get('/long', { config: { offload: { timeoutMs: 20 } } }, async (request) => request.offload('waitUntilCancelled', 0))
  app.get('/latch', app.offloadHandler('latch', { input: () => words }))
  const words = new Int32Array(new SharedArrayBuffer(32))
  const session = openHttp2(t, await listen(app))
  t.same(await answerOf(ask(session, '/echo', 'POST', '{"a":1}')), { status: 200, body: '{"a":1}' })
  t.equal((await answerOf(ask(session, '/long'))).status, 504)
  const answers: Promise<unknown>[] = []
  const refused: unknown[] = []
  await until('a refusal', () => {
    if (refused.length === 0) {
      answers.push(once(ask(session, '/latch').resume(), 'response').then(([headers]) => {
        if (headers[':status'] === 503) refused.push(headers['retry-after'])
        return headers[':status']
      }))
    }
    return refused.length > 0
  })
  t.match(refused[0], /^[1-9]\d*$/)
  const closed = app.close()
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  t.same([...new Set(await Promise.all(answers))].sort(), [200, 503])
  session.close()
  await closed
  await new Promise(setImmediate) // warnings are told on the next tick
  t.same(warnings, [])
})

t.test('HTTP/1: 12 requests in a pipeline, all cancelled when the connection is cut, also those whose answers wait', async (t) => {
  const warnings = warningsOf(t)
  const app = await build(t, {}, { asyncPerActor: 16 })
  app.get('/', async (request) => request.offload('waitUntilCancelled', 0))
  app.post('/', async (request) => request.offload('waitUntilCancelled', 0))
  const port = await listen(app)
  const get = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'
  const post = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'
  const client = connect(port, '127.0.0.1').on('error', () => {}) // the test ends it
  client.write((get + post).repeat(6))
  await until('all to be there', () => pending(app) === 12)
  client.destroy()
  await until('all to be cancelled', () => cancelled(app) === 12)
  t.equal(pending(app), 0)
  t.same(warnings, [])
})

t.test('HTTP/1: answers in a pipeline come in their order, and a keep-alive connection is used again after them', async (t) => {
  const app = await build(t)
  app.get('/:ms', async (request) => request.offload('wait', Number((request.params as { ms: string }).ms)))
  const port = await listen(app)
  const client = connect(port, '127.0.0.1')
  t.teardown(() => client.destroy())
  let text = ''
  client.on('data', (chunk) => { text += chunk })
  const bodies = (): string[] => [...text.matchAll(/\r\n\r\n(\d+)/g)].map(([, body]) => body!)
  for (const ms of [30, 1, 2]) client.write(`GET /${ms} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await until('three answers', () => bodies().length === 3)
  client.write('GET /3 HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('the fourth', () => bodies().length === 4)
  t.strictSame(bodies(), ['30', '1', '2', '3'])
  t.equal(cancelled(app), 0)
})

t.test('a hijacked reply: the job\'s result is written by hand, and a client that goes away cancels it', async (t) => {
  const app = await build(t)
  const ended: string[] = []
  app.get('/:job', async (request, reply) => {
    reply.hijack()
    try {
      const value = await request.offload((request.params as { job: string }).job, 'by hand')
      reply.raw.end(String(value))
    } catch (error) {
      ended.push((error as { code: string }).code)
    }
  })
  const port = await listen(app)
  t.equal(await (await fetch(`http://127.0.0.1:${port}/echo`)).text(), 'by hand')
  const client = connect(port, '127.0.0.1').on('error', () => {}) // the test ends it
  client.write('GET /forever HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('it to run', () => pending(app) === 1)
  client.destroy()
  await until('its end', () => ended.length === 1)
  t.strictSame(ended, ['FST_ERR_SPILLOVER_CANCELLED'])
})

t.test('a route whose handlerTimeout passes: 503 of Fastify, and the job is cancelled, since nobody takes its result', async (t) => {
  const app = await build(t)
  const ended: unknown[] = []
  const handler = async (request: FastifyRequest): Promise<unknown> => request.offload('forever', 0).catch((error) => {
    ended.push(error)
    throw error
  })
  app.get('/', { handlerTimeout: 50 }, handler)
  app.get('/late', { handlerTimeout: 50 }, async (request) => {
    await until('the timeout', () => request.signal.aborted)
    return await request.offload('echo', 1).catch((error) => { ended.push(error) })
  })
  for (const url of ['/', '/late']) {
    const { statusCode, body } = await app.inject(url)
    t.equal(statusCode, 503)
    t.equal(JSON.parse(body).code, 'FST_ERR_HANDLER_TIMEOUT')
    await until('the end of the job', () => ended.length === 1)
    t.match(ended.pop(), { code: 'FST_ERR_SPILLOVER_CANCELLED', cause: { code: 'FST_ERR_HANDLER_TIMEOUT' } })
    await until('the end in the pool', () => pending(app) === 0)
  }
})

t.test('a POST with a body on a route with handlerTimeout is not cancelled when the body has been read', async (t) => {
  const app = await build(t)
  app.post('/', { handlerTimeout: 60_000 }, async (request) => request.offload('wait', 50))
  const port = await listen(app)
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}', headers })
  t.equal(await response.text(), '50')
})

t.test('no listener is left on a connection that is kept alive', async (t) => {
  const app = await build(t)
  let socket: Socket | undefined
  app.get('/', async (request) => {
    socket ??= request.raw.socket
    t.equal(request.raw.socket, socket)
    return await request.offload('echo', 1)
  })
  const port = await listen(app)
  const client = connect(port, '127.0.0.1')
  t.teardown(() => client.destroy())
  let count = 0
  client.on('data', (chunk) => { count += String(chunk).split('HTTP/1.1 200').length - 1 })
  const listeners = async (): Promise<number> => {
    const before = count
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('an answer', () => count === before + 1)
    return socket!.listenerCount('close')
  }
  const first = await listeners()
  for (let request = 0; request < 20; request++) t.equal(await listeners(), first)
})
