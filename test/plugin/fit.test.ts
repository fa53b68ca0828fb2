// The plugin among others of Fastify's family: under-pressure, swagger, autoload, and the command line of fastify-cli.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import AutoLoad from '@fastify/autoload'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import Fastify from 'fastify'
import t from 'tap'
import spillover from '#plugin/index'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

const fixtures = join(__dirname, '..', 'fixtures')
const pool = { jobs: join(fixtures, 'jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [], graceMs: 20 }

function make (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

interface Documents { paths: Record<string, Record<string, { responses: Record<string, unknown> }>> }

for (const [name, options] of [
  ['Swagger 2', {}], ['OpenAPI 3.0', { openapi: { openapi: '3.0.3' } }], ['OpenAPI 3.1', { openapi: { openapi: '3.1.0' } }]
] as const) {
  t.test(`@fastify/swagger, ${name}: a valid document, with 503 and 504 of the routes that offload and of no other`, async (t) => {
    const { Validator } = await import('@seriousme/openapi-schema-validator')
    const app = make(t)
    await app.register(swagger, options)
    await app.register(spillover, { ...pool, health: '/health', metrics: '/metrics', dashboard: '/tiers' })
    const own = { 200: { type: 'object', properties: { a: { type: 'integer' } } }, 503: { description: 'busy', type: 'string' } }
    app.get('/by-config', { config: { offload: {} } }, async (request) => request.offload('echo', 1))
    app.get('/by-handler', app.offloadHandler('echo'))
    app.get('/own', { config: { offload: {} }, schema: { response: own } }, async () => 1)
    app.get('/own-5xx', { config: { offload: {} }, schema: { response: { '5xx': own[503] } } }, async () => 1)
    app.get('/light', async () => 1)
    app.get('/never', { config: { offload: false } }, async () => 1)
    await app.ready()
    const document = app.swagger() as unknown as Documents
    const { valid, errors } = await new Validator().validate(structuredClone(document) as never)
    t.equal(valid, true, JSON.stringify(errors))
    const codes = (path: string): string[] => Object.keys(document.paths[path]!.get!.responses)
    t.same(Object.keys(document.paths).sort(),
      ['/by-config', '/by-handler', '/health', '/light', '/never', '/own', '/own-5xx'])
    t.same(codes('/by-config'), ['200', '503', '504'])
    t.same(codes('/by-handler'), ['200', '503', '504'])
    t.same(codes('/own'), ['200', '503', '504'])
    t.match(document.paths['/own']!.get!.responses['503'], { description: 'busy' })
    t.notOk(codes('/own-5xx').some((code) => code === '503' || code === '504'))
    t.same(codes('/light'), ['200'])
    t.same(codes('/never'), ['200'])
    t.same(codes('/health'), ['200', '503'])
  })
}

t.test('the schema of 503 and 504 takes nothing from what is sent, and the schema given is left as it was', async (t) => {
  const app = make(t)
  await app.register(spillover, pool)
  const schema = { response: { 200: { type: 'integer' } } }
  app.setErrorHandler((error, _request, reply) => {
    const { code, statusCode } = error as { code: string, statusCode: number }
    return reply.code(statusCode).send({ code, more: { deep: [1] } })
  })
  app.get('/', { config: { offload: { timeoutMs: 20 } }, schema }, async (request) => request.offload('forever', 0))
  const { statusCode, body } = await app.inject('/')
  t.equal(statusCode, 504)
  t.same(JSON.parse(body), { code: 'FST_ERR_SPILLOVER_TIMEOUT', more: { deep: [1] } })
  t.same(schema, { response: { 200: { type: 'integer' } } })
})

t.test('@fastify/under-pressure asks for our health: well from the first request on, 503 after the pool is closed', async (t) => {
  const app = make(t)
  await app.register(spillover, pool)
  await app.register(underPressure, {
    healthCheck: (app: FastifyInstance) => app.spillover.healthCheck(),
    healthCheckInterval: 60_000,
    exposeStatusRoute: { url: '/status', routeOpts: {}, routeResponseSchemaOpts: { spillover: { type: 'string' } } }
  })
  app.get('/', async (request) => request.offload('echo', 'well'))
  t.equal((await app.inject('/')).body, 'well')
  const well = await app.inject('/status')
  t.equal(well.statusCode, 200)
  t.same(well.json(), { status: 'ok', spillover: 'ok' })
  await app.spillover.drain()
  t.equal(await app.spillover.healthCheck(), false)
  const closed = await app.inject('/status')
  t.equal(closed.statusCode, 503)
})

t.test('healthCheck waits for a pool that is not ready, and rejects with the reason where it never will be', async (t) => {
  const app = make(t)
  await app.register(spillover, pool)
  t.same(await app.spillover.healthCheck(), { spillover: 'ok' })
  const broken = Fastify()
  await broken.register(spillover, { ...pool, warmup: { nobody: 1 } })
  await t.rejects(broken.spillover.healthCheck(), { code: 'FST_ERR_SPILLOVER_UNKNOWN_JOB' })
  await broken.close()
})

t.test('@fastify/autoload loads the plugin with options from a CommonJS file and from an ES module', async (t) => {
  for (const kind of ['cjs', 'esm']) {
    const app = make(t)
    await app.register(AutoLoad, { dir: join(fixtures, 'app', kind, 'plugins') })
    await app.ready()
    t.equal(await app.offload('double', 21), 42, kind)
  }
})

t.test('options of the server that a loader hands on are passed over; a wrong name is still refused', async (t) => {
  const app = make(t)
  await app.register(spillover, {
    ...pool, prefix: '/v1', logLevel: 'warn', bodyLimit: 1, skipOverride: true, schemaErrorFormatter: () => new Error('wrong'), childLoggerFactory: () => {}
  } as never)
  await app.ready()
  t.equal(await app.offload('echo', 1), 1)
  const wrong = make(t)
  await t.rejects(async () => wrong.register(spillover, { ...pool, bodyLimits: 1 } as never), {
    code: 'FST_ERR_SPILLOVER_OPTION', message: /bodyLimits/
  })
})

t.test('fastify start serves an application as fastify generate makes it, with options from its file', async (t) => {
  const command = join(require.resolve('fastify-cli'), '..', 'cli.js')
  const app = join(fixtures, 'app', 'cjs', 'app.js')
  const child = spawn(process.execPath, [command, 'start', '-a', '127.0.0.1', '-p', '0', '-l', 'info', '-o', app],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  child.stderr.on('data', (text) => { out += text })
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      out += text
      const found = /Server listening at (http:\/\/[\d.:]+)/.exec(out)
      if (found !== null) resolve(found[1]!)
    })
    child.once('exit', (code) => reject(new Error(`fastify start ended with ${code}: ${out}`)))
  })
  t.equal(await (await fetch(`${address}/double/21`)).text(), '42')
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})
