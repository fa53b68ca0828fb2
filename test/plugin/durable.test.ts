// Durable jobs over HTTP, on the in-memory tier: 202 and what follows, preferences, keys, owners, events.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { get as httpGet } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { memoryTier } from '#lib/index'
import spillover from '#plugin/index'
import { until } from '../fixtures/until'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { RemoteStats } from '#lib/index'
import type { Test } from 'tap'
import type { RemoteTier } from '#lib/index'

const jobs = join(__dirname, '..', 'fixtures', 'jobs.cjs')
const owner = (request: { headers: Record<string, unknown> }): string => String(request.headers['x-user'] ?? '')
const me = { 'x-user': 'me' }

async function build (t: Test, durable: object = {}, remote: object = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, {
    jobs,
    tiers: [{ actors: 2 }],
    execArgv: [],
    graceMs: 20,
    drainMs: 0,
    remote: { tier: memoryTier(), serve: true, attempts: 1, ...remote },
    durable: { owner: owner as never, ...durable }
  })
  for (const name of ['echo', 'wait', 'failWith', 'waitUntilCancelled']) app.post(`/${name}`, app.durableHandler(name))
  await app.ready()
  return app
}

const post = (app: FastifyInstance, url: string, body: unknown, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url, body: JSON.stringify(body), headers: { ...me, 'content-type': 'application/json', ...headers } })
const get = (app: FastifyInstance, url: string, headers: Record<string, string> = {}) =>
  app.inject({ url, headers: { ...me, ...headers } })

t.test('a job is answered 202 with its place; its status leads with 303 to the result, which is the job\'s value', async (t) => {
  const app = await build(t)
  const accepted = await post(app, '/echo', { a: [1, 'ü'] })
  t.equal(accepted.statusCode, 202)
  const { location } = accepted.headers as { location: string }
  t.match(location, /^\/jobs\/memory\.00\.echo%401\.[\w-]{30}$/)
  t.match(accepted.headers, { 'retry-after': '1', 'cache-control': 'no-store', 'preference-applied': undefined })
  t.same(accepted.json().links, { self: location, result: `${location}/result`, events: `${location}/events` })
  const status = await get(app, location, { prefer: 'wait=10' })
  t.equal(status.statusCode, 303)
  t.match(status.headers, { location: `${location}/result`, 'preference-applied': 'wait=10' })
  t.match(status.json(), { state: 'succeeded', job: 'echo', attempt: 1, createdAt: /^\d{4}-.*Z$/ })
  const result = await get(app, status.headers.location as string)
  t.equal(result.statusCode, 200)
  t.same(result.json(), { a: [1, 'ü'] })
  const plain = await get(app, `${location}?redirect=0`)
  t.equal(plain.statusCode, 200)
  t.equal((await get(app, `${location}?redirect=0`, { 'if-none-match': plain.headers.etag as string })).statusCode, 304)
})

t.test('202 tells how long such jobs took lately, once one has been seen to end', async (t) => {
  const app = await build(t)
  const first = await post(app, '/wait', 50)
  t.notOk('estimateMs' in first.json())
  t.equal((await get(app, first.headers.location as string, { prefer: 'wait=20' })).statusCode, 303)
  const { estimateMs } = (await post(app, '/wait', 1)).json() as { estimateMs: number }
  t.ok(Number.isInteger(estimateMs) && estimateMs > 0, `${estimateMs} ms`)
})

t.test('Prefer: wait gives the result itself if it comes in time, respond-async never waits, both are told of', async (t) => {
  const app = await build(t)
  const waited = await post(app, '/echo', 7, { prefer: 'wait=10' })
  t.match([waited.statusCode, waited.body, waited.headers['preference-applied']], [200, '7', 'wait=10'])
  t.match(waited.headers['content-location'], /^\/jobs\/.*\/result$/)
  const late = await post(app, '/waitUntilCancelled', 1, { prefer: 'respond-async, wait=0' })
  t.match([late.statusCode, late.headers['preference-applied']], [202, 'respond-async, wait=0'])
  const async = await post(app, '/echo', 7, { prefer: 'respond-async' })
  t.match([async.statusCode, async.headers['preference-applied']], [202, 'respond-async'])
})

t.test('syncWaitMs waits without being asked, and maxWaitMs bounds what is asked for', async (t) => {
  const app = await build(t, { syncWaitMs: 10_000, maxWaitMs: 1 })
  t.match((await post(app, '/echo', 'x')).body, 'x')
  const late = await post(app, '/waitUntilCancelled', 1, { prefer: 'wait=3600' })
  t.match([late.statusCode, late.headers['preference-applied']], [202, 'wait=0.001'])
})

t.test('syncWaitMs is at most 25 s; nobody waits for a job that took longer than it lately', async (t) => {
  await t.rejects(build(t, { syncWaitMs: 25_001 }), { code: 'FST_ERR_SPILLOVER_OPTION' })
  const tier = memoryTier()
  const app = await build(t, { syncWaitMs: 25_000 }, { tier })
  const { lookup } = tier
  const status = { job: 'waitUntilCancelled', version: '1', attempt: 1, readAtMs: 80_000, createdAtMs: 0, deadlineAtMs: 1e6, progress: undefined, fingerprint: undefined, outcome: undefined }
  const hash = createHash('sha256').update('me').digest('base64url')
  tier.lookup = async (id) => ({ ...status, id, state: 'succeeded', endedAtMs: 60_000, owner: hash })
  t.equal((await get(app, '/jobs/x?redirect=0')).statusCode, 200)
  tier.lookup = lookup
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  t.match(await Promise.race([post(app, '/waitUntilCancelled', 1), sleep(20_000, 'it waits', abort)]), { statusCode: 202 })
})

t.test('where 4 of 5 places of those who may wait are taken, the fifth gets 202 at once; where all are, the status does not wait', async (t) => {
  const app = await build(t, { syncWaitMs: 25_000 }, { tier: memoryTier(undefined, { maxInFlight: 5 }) })
  const { location } = (await post(app, '/waitUntilCancelled', 1, { prefer: 'wait=0' })).headers as { location: string }
  const waiting = [1, 2, 3, 4].map(() => get(app, location, { prefer: 'wait=25' }))
  const inFlight = (): number => (app.spillover.snapshot().remote as RemoteStats).inFlight
  await until('4 to wait', () => inFlight() === 4)
  const fifth = await post(app, '/echo', 1, { prefer: 'wait=25' })
  t.match([fifth.statusCode, fifth.headers['preference-applied']], [202, 'wait=0'])
  t.equal(inFlight(), 4)
  waiting.push(get(app, location, { prefer: 'wait=25' }))
  await until('5 to wait', () => inFlight() === 5)
  const sixth = await get(app, location, { prefer: 'wait=25' })
  t.match([sixth.json().state, sixth.headers['preference-applied']], [/queued|running/, undefined])
  await app.inject({ method: 'DELETE', url: location, headers: me })
  t.strictSame((await Promise.all(waiting)).map((one) => one.json().state), Array(5).fill('cancelled'))
  t.equal((await post(app, '/echo', 1, { prefer: 'wait=25' })).statusCode, 200)
})

t.test('one key is one job: 202 again, then the result; another input 422, another user another job', async (t) => {
  const app = await build(t)
  const key = { 'idempotency-key': '"k-1"' }
  // both actors are held, so that it does not end between the two
  const words = new Int32Array(new SharedArrayBuffer(32))
  const held = [1, 2].map(() => app.offload('latch', words))
  const first = await post(app, '/wait', 50, key)
  const second = await post(app, '/wait', 50, key)
  t.match([first.statusCode, second.statusCode], [202, 202])
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
  await Promise.all(held)
  t.equal(second.headers.location, first.headers.location)
  await get(app, first.headers.location as string, { prefer: 'wait=10' })
  t.match((await post(app, '/wait', 50, key)), { statusCode: 200, body: '50' })
  const again = await post(app, '/wait', 50, { ...key, prefer: 'respond-async' })
  t.match([again.statusCode, again.json().state], [202, 'succeeded'])
  const reused = await post(app, '/wait', 51, key)
  t.equal(reused.statusCode, 422)
  t.match(reused.json(), { status: 422, title: 'Unprocessable Entity', code: 'FST_ERR_SPILLOVER_KEY_REUSED' })
  t.match(reused.headers['content-type'], /^application\/problem\+json/)
  const other = await post(app, '/wait', 50, { ...key, 'x-user': 'you' })
  t.not(other.headers.location, first.headers.location)
  for (const bad of ['""', '"a', 'a b', `"${'x'.repeat(256)}"`]) {
    t.equal((await post(app, '/wait', 1, { 'idempotency-key': bad })).statusCode, 400, bad)
  }
})

t.test('nobody but its owner sees, waits for, watches or cancels a job; nobody without a name hands one over', async (t) => {
  const app = await build(t)
  const { location } = (await post(app, '/wait', 50)).headers as { location: string }
  const you = { 'x-user': 'you' }
  for (const url of [location, `${location}/result`, `${location}/events`]) t.equal((await get(app, url, you)).statusCode, 404)
  t.equal((await app.inject({ method: 'DELETE', url: location, headers: you })).statusCode, 404)
  t.equal((await get(app, location, { 'x-user': '' })).statusCode, 401)
  t.equal((await post(app, '/echo', 1, { 'x-user': '' })).statusCode, 401)
  t.equal((await get(app, '/jobs/nonsense')).statusCode, 404)
  t.equal((await get(app, location, { prefer: 'wait=10' })).statusCode, 303)
})

t.test('without owners whoever has the id sees the job, and a key is refused', async (t) => {
  const app = await build(t, { owner: false })
  const { location } = (await post(app, '/echo', 1)).headers as { location: string }
  t.equal((await get(app, location, { 'x-user': 'you', prefer: 'wait=10' })).statusCode, 303)
  t.equal((await post(app, '/echo', 1, { 'idempotency-key': 'k' })).statusCode, 400)
})

t.test('a failed job: problem details with its status, its message only where errors are exposed', async (t) => {
  for (const exposeErrors of [false, true]) {
    const app = await build(t, { exposeErrors })
    const { location } = (await post(app, '/failWith', 'class')).headers as { location: string }
    const status = await get(app, location, { prefer: 'wait=10' })
    t.match([status.statusCode, status.json().state], [200, 'failed'])
    const result = await get(app, `${location}/result`)
    t.equal(result.statusCode, 422)
    t.match(result.headers['content-type'], /^application\/problem\+json/)
    t.match(result.json(), { title: 'Unprocessable Entity', state: 'failed' })
    t.match([result.json().detail, result.json().code], exposeErrors ? ['odd', 'E_ODD'] : [undefined, undefined])
    t.equal((await post(app, '/failWith', 'class', { prefer: 'wait=10' })).statusCode, 422)
    const textless = await post(app, '/failWith', 'textless', { prefer: 'wait=10' })
    t.equal(textless.statusCode, 500)
    t.match(textless.headers['content-type'], /^application\/problem\+json/)
    t.equal(textless.json().detail, exposeErrors ? '{ toString: 1, valueOf: 1 }' : undefined)
  }
})

t.test('DELETE cancels: 202, then 200; the result of a running job is 409, of a cancelled one 410', async (t) => {
  const app = await build(t)
  const { location } = (await post(app, '/waitUntilCancelled', 1)).headers as { location: string }
  await until('the job to run', async () => (await get(app, location)).json().state === 'running')
  const early = await get(app, `${location}/result`)
  t.match([early.statusCode, early.json().state], [409, 'running'])
  t.equal((await app.inject({ method: 'DELETE', url: location, headers: me })).statusCode, 202)
  t.equal((await get(app, location, { prefer: 'wait=10' })).json().state, 'cancelled')
  t.equal((await app.inject({ method: 'DELETE', url: location, headers: me })).statusCode, 200)
  t.equal((await get(app, `${location}/result`)).statusCode, 410)
})

t.test('limit: the third job of one owner within a minute is 429 with Retry-After, another owner\'s is 202; needs owner', async (t) => {
  const app = await build(t, { limit: { jobs: 2, perMs: 60_000 } })
  for (const status of [202, 202, 429]) t.equal((await post(app, '/echo', 1)).statusCode, status)
  const refused = await post(app, '/echo', 1)
  t.match(refused.headers['content-type'], /^application\/problem\+json/)
  t.match(refused.json(), { status: 429, title: 'Too Many Requests', code: 'FST_ERR_SPILLOVER_OWNER_LIMIT' })
  t.match(refused.headers['retry-after'], /^(29|30)$/)
  t.equal((await post(app, '/echo', 1, { 'x-user': 'you' })).statusCode, 202)
  for (const [limit, message] of [
    [5, /option durable\.limit: expected null or an object as in \{ jobs: 60, perMs: 60000 \}, got 5/],
    [{ jobs: 0, perMs: 1 }, /option durable\.limit\.jobs: expected an integer of at least 1, got 0/],
    [{ jobs: 1 }, /option durable\.limit\.perMs: expected an integer of at least 1, got undefined/],
    [{ jobs: 1, perMS: 1 }, /option durable\.limit\.perMS: .*did you mean perMs\?$/]
  ] as const) await t.rejects(build(t, { limit }), { code: 'FST_ERR_SPILLOVER_OPTION', message }, JSON.stringify(limit))
  await t.rejects(build(t, { limit: { jobs: 1, perMs: 1 }, owner: false }), { code: 'FST_ERR_SPILLOVER_OPTION' })
})

t.test('a result that is no longer kept is 410; a tier that is away is 503 with Retry-After', async (t) => {
  const tier = memoryTier()
  const app = await build(t, {}, { tier, resultTtlMs: 1 })
  tier.lookup = async (id) => ({
    id,
    job: 'echo',
    version: '1',
    state: 'succeeded',
    attempt: 1,
    readAtMs: Date.now(),
    createdAtMs: 0,
    deadlineAtMs: 1000,
    endedAtMs: 500,
    progress: undefined,
    owner: createHash('sha256').update('me').digest('base64url'),
    fingerprint: undefined,
    outcome: undefined
  })
  t.equal((await get(app, '/jobs/x/result')).statusCode, 410)
  let error: Error
  tier.submit = () => {
    const refused = Promise.reject(error)
    refused.catch(() => {})
    return { id: '', accepted: refused, done: refused, detach () {} }
  }
  const more = { jobId: 'r1.00.echo@1.x', statusCode: 503, retryAfterS: 3 }
  error = Object.assign(new Error('job echo: it is not known whether the engine has it: no answer within 500 ms'),
    { ...more, isCertain: false, code: 'FST_ERR_SPILLOVER_REMOTE_UNCERTAIN' })
  t.match((await post(app, '/echo', 1)).json(), { status: 503, id: 'r1.00.echo@1.x' }, 'its status can be asked for')
  error = Object.assign(new Error('job echo: the engine cannot be reached: connect ECONNREFUSED 10.0.0.7:6379'),
    { ...more, isCertain: true, code: 'FST_ERR_SPILLOVER_REMOTE_DOWN' })
  const away = await post(app, '/echo', 1)
  t.equal(away.json().id, undefined)
  t.strictSame([away.statusCode, away.headers['retry-after'], away.json().detail], [503, '3', 'job echo: the engine cannot be reached'])
})

t.test('a remote tier writes to the server\'s log, also where the tier alone is the option; one of its own goes first', async (t) => {
  const own = { info () {}, warn () {}, error () {} }
  const app = Fastify()
  t.teardown(() => app.close())
  const logs: unknown[] = []
  const tier = (): RemoteTier => {
    const made = memoryTier()
    const start = made.start.bind(made)
    made.start = (context) => {
      logs.push(context.log)
      start(context)
    }
    return made
  }
  for (const [index, remote] of [tier(), { tier: tier() }, { tier: tier(), log: own }].entries()) {
    await app.register(spillover, { namespace: `p${index}`, jobs, tiers: [{ actors: 1 }], execArgv: [], remote })
  }
  await app.ready()
  t.strictSame(logs.map((log) => log === app.log ? 'server' : log === own ? 'own' : log), ['server', 'server', 'own'])
})

t.test('events over a real socket: the state, then done, then the end; Last-Event-ID leaves out what is known', async (t) => {
  const app = await build(t, { maxStreams: 1 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const { location } = (await post(app, '/waitUntilCancelled', 1)).headers as { location: string }
  await until('the job to run', async () => (await get(app, location)).json().state === 'running')
  const open = async (headers: Record<string, string>): Promise<IncomingMessage> => {
    const [response] = await once(httpGet({ port, path: `${location}/events`, headers: { ...me, ...headers } }), 'response') as [IncomingMessage]
    return response.setEncoding('utf8')
  }
  const first = await open({})
  t.match(first.headers, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  const [state] = await once(first, 'data') as [string]
  const [, id] = /^id: (\S{16})\nevent: state\ndata: \{.*"state":"running".*\}\n\n$/.exec(state)!
  const full = await open({})
  t.match([full.statusCode, full.headers['retry-after']], [503, '5'])
  full.resume()
  first.destroy()
  await until('the stream to be free', async () => {
    const again = await open({ 'last-event-id': id! })
    if (again.statusCode !== 200) {
      again.resume()
      return false
    }
    let text = ''
    again.on('data', (chunk: string) => { text += chunk })
    await app.inject({ method: 'DELETE', url: location, headers: me })
    await once(again, 'end')
    t.match(text, /^id: \S{16}\nevent: done\ndata: \{.*"state":"cancelled".*\}\n\n$/)
    return true
  })
})

t.test('a stream with nothing to tell gets a comment after 15 s, and not before', async (t) => {
  const app = await build(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const { location } = (await post(app, '/waitUntilCancelled', 1)).headers as { location: string }
  await until('the job to run', async () => (await get(app, location)).json().state === 'running')
  const [response] = await once(httpGet({ port, path: `${location}/events`, headers: me }), 'response') as [IncomingMessage]
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  await until('the state', () => text.endsWith('\n\n'))
  const { now } = Date
  t.teardown(() => { Date.now = now })
  let looks = 0
  const later = (ms: number) => () => {
    looks++
    return now() + ms
  }
  Date.now = later(13_000)
  // each look at the records reads the clock
  await until('two looks', () => looks >= 4)
  t.match(text, /^id: \S{16}\nevent: state\ndata: \{.*\}\n\n$/)
  Date.now = later(15_000)
  await until('the comment', () => text.endsWith('\n\n: hb\n\n'))
  Date.now = now
  response.destroy()
})

t.test('the routes and answers have schemas that the application can use too', async (t) => {
  const app = await build(t)
  t.same(Object.keys(app.getSchemas()).sort(), ['fastify-spillover/job', 'fastify-spillover/problem'])
})

t.test('wrong options are refused at boot: an unknown one, no owner, no remote tier, a job that is not there', async (t) => {
  const refused = async (options: object, name = 'echo', handler = {}): Promise<string> => {
    const app = Fastify()
    try {
      await app.register(spillover, { jobs, tiers: [{ actors: 1 }], execArgv: [], ...options } as never)
      app.post('/x', app.durableHandler(name, handler))
      await app.ready()
      return 'accepted'
    } catch (error) {
      return (error as Error).message
    } finally {
      await app.close()
    }
  }
  const remote = memoryTier()
  t.match(await refused({ remote, durable: { owner: false, prefx: 1 } }), /option durable.prefx: expected a known option, got an unknown one: did you mean prefix\?/)
  t.match(await refused({ remote, durable: {} }), /option durable.owner: expected a function/)
  t.match(await refused({ durable: { owner: false } }), /no value where remote is not set/)
  t.match(await refused({ remote, durable: { owner: false } }, 'nope'), /unknown job nope \(durableHandler\)/)
  t.match(await refused({ remote, durable: { owner: false } }, 'echo', { deadlineMS: 5 }),
    "option deadlineMS of durableHandler('echo'): expected a known option, got an unknown one: did you mean deadlineMs?")
})
