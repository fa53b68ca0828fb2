// Contexts, prefixes and namespaces, decorators that are there already, and the order in which a server closes.
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import spillover from '#plugin/index'
import { until } from '../fixtures/until'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

const pool = { jobs: join(__dirname, '..', 'fixtures', 'jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [], graceMs: 20 }

function make (t: Test, options: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(options)
  t.teardown(() => app.close())
  return app
}

t.test('contexts below the plugin, of any depth and prefix, have its decorators, and their routes its config', async (t) => {
  const app = make(t)
  await app.register(spillover, pool)
  await app.register(async (one) => {
    one.get('/handler', one.offloadHandler('echo', { input: (request) => request.url }))
    await one.register(async (two) => {
      two.get('/deep', { config: { offload: { timeoutMs: 20 } } }, async (request) => request.offload('forever', 0))
      two.get('/no', { config: { offload: false } }, async (request) => request.offload('echo', 0))
      two.get('/app', async () => await two.offload('echo', 'app'))
    }, { prefix: '/two' })
  }, { prefix: '/one' })
  t.equal((await app.inject('/one/handler')).body, '/one/handler')
  t.equal((await app.inject('/one/two/deep')).statusCode, 504)
  t.match((await app.inject('/one/two/no')).json().message, /^route \/one\/two\/no forbids offloading/)
  t.equal((await app.inject('/one/two/app')).body, 'app')
})

t.test('two contexts beside each other have a pool each, with its routes below their prefixes; outside there is none', async (t) => {
  const app = make(t)
  const contexts: FastifyInstance[] = []
  for (const prefix of ['/a', '/b']) {
    await app.register(async (context) => {
      await context.register(spillover, { ...pool, health: '/health', metrics: '/metrics', dashboard: '/tiers' })
      context.get('/', context.offloadHandler('echo', { input: () => prefix }))
      contexts.push(context)
    }, { prefix })
  }
  await app.ready()
  t.equal('offload' in app, false)
  t.equal('spillover' in app, false)
  for (const prefix of ['/a', '/b']) {
    t.equal((await app.inject(prefix)).body, prefix)
    t.equal((await app.inject(`${prefix}/health`)).statusCode, 200)
    t.match((await app.inject(`${prefix}/metrics`)).body, /fastify_spillover_/)
    t.match((await app.inject(`${prefix}/tiers`)).body, /<base|\.\/tiers|"\.\/tiers/)
  }
  t.not(contexts[0]!.spillover, contexts[1]!.spillover)
  t.same(contexts.map(({ spillover }) => spillover.snapshot().counters.accepted), [1, 1])
  await app.close()
  for (const { spillover } of contexts) t.equal(spillover.snapshot().state, 'closed')
})

t.test('a namespace of a context is its own and that of those below; it sees the pools above', async (t) => {
  const app = make(t)
  await app.register(spillover, { ...pool, namespace: 'shared' })
  for (const prefix of ['/a', '/b']) {
    await app.register(async (context) => {
      await context.register(spillover, { ...pool, namespace: 'own' })
      await context.register(spillover, pool)
      context.get('/', async (request) => [
        await context.spillover.shared!.offload('echo', 1), await context.spillover.own!.offload('echo', 2), await request.offload('echo', 3)
      ])
    }, { prefix })
  }
  await app.ready()
  t.same((await app.inject('/a')).json(), [1, 2, 3])
  t.same((await app.inject('/b')).json(), [1, 2, 3])
  t.same(Object.keys(app.spillover), ['shared'])
  t.equal(app.spillover.shared!.snapshot().counters.accepted, 2)
  t.equal(app.spillover.own, undefined)
})

t.test('a second pool without a namespace below the first, and a namespace that is taken above, are refused', async (t) => {
  for (const namespace of [undefined, 'images']) {
    const app = make(t)
    await app.register(spillover, { ...pool, namespace } as never)
    await t.rejects(async () => {
      await app.register(async (context) => { await context.register(spillover, { ...pool, namespace } as never) })
    }, { code: 'FST_ERR_SPILLOVER_NAMESPACE_TAKEN' }, namespace ?? 'none')
  }
})

t.test('a namespace that is the name of a member of app.spillover is refused, before and after a pool without one', async (t) => {
  for (const namespace of ['offload', 'snapshot', 'plan', 'healthCheck']) {
    const app = make(t)
    await t.rejects(async () => { await app.register(spillover, { ...pool, namespace }) }, {
      code: 'FST_ERR_SPILLOVER_OPTION', message: `option namespace: expected a name that app.spillover does not have itself, got '${namespace}'`
    })
  }
  const app = make(t)
  await app.register(spillover, { ...pool, namespace: 'toString' })
  await app.register(spillover, pool)
  await app.ready()
  t.equal(await (Reflect.get(app.spillover, 'toString') as never as spillover.Pool).offload('echo', 1), 1)
})

for (const name of ['spillover', 'offload', 'offloadHandler'] as const) {
  t.test(`a decorator ${name} that somebody else made stays as it is, and the boot says so`, async (t) => {
    const app = make(t)
    const theirs = { theirs: 1 }
    app.decorate(name, theirs as never)
    await t.rejects(async () => { await app.register(spillover, pool) }, {
      code: 'FST_ERR_DEC_ALREADY_PRESENT', message: new RegExp(`'${name}'`)
    })
    t.same(app[name], { theirs: 1 })
  })
}

t.test('a decorator of requests that is there already is named', async (t) => {
  const app = make(t)
  app.decorateRequest('offload', (() => {}) as never)
  await t.rejects(async () => { await app.register(spillover, pool) }, { code: 'FST_ERR_DEC_ALREADY_PRESENT', message: /'offload'/ })
})

t.test('a boot that fails after the pool was made ends it when the server is closed', async (t) => {
  const app = make(t)
  await t.rejects(async () => { await app.register(spillover, { ...pool, health: 'health' }) }, { code: 'FST_ERR_SPILLOVER_OPTION' })
  await app.close()
  t.pass('closed')
})

t.test('closing: preClose and onClose of what was registered later still offload, those of before find the pool closed', async (t) => {
  const app = make(t)
  const seen: unknown[] = []
  const tell = (where: string) => async (): Promise<void> => {
    seen.push([where, await app.offload('echo', 'ran').catch((error: { code: string }) => error.code)])
  }
  app.addHook('onClose', tell('before'))
  app.addHook('preClose', tell('preClose'))
  await app.register(spillover, pool)
  app.addHook('onClose', tell('after'))
  await app.register(async (context) => { context.addHook('onClose', tell('child')) })
  await app.ready()
  await app.close()
  t.same(seen, [
    ['preClose', 'ran'], ['child', 'ran'], ['after', 'ran'], ['before', 'FST_ERR_SPILLOVER_CLOSED']
  ])
})

for (const return503OnClosing of [true, false]) {
  t.test(`return503OnClosing: ${String(return503OnClosing)}: while a job runs and the server closes, the next request in the pipeline ${return503OnClosing ? "gets Fastify's 503" : 'has its job run, and is answered'}`, async (t) => {
    const app = make(t, { return503OnClosing })
    const words = new Int32Array(new SharedArrayBuffer(32))
    app.register(spillover, { ...pool, asyncPerActor: 2 })
    let socket: Socket | undefined
    app.get('/latch', async (request) => {
      socket = request.raw.socket
      return await request.offload('latch', words)
    })
    let ran = 0
    app.get('/echo', async (request) => {
      const value = await request.offload('echo', 'ran')
      ran++
      return value
    })
    let isClosing = false
    app.addHook('preClose', async () => { isClosing = true })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    t.teardown(() => client.destroy())
    let text = ''
    client.on('data', (chunk) => { text += chunk })
    const ended = once(client, 'close')
    const ask = (path: string) => client.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    ask('/latch')
    await until('the job to run', () => Atomics.load(words, 1) === 1)
    const closed = app.close()
    await until('the close to have begun', () => isClosing)
    ask('/echo')
    await until('the second to have been read', () => socket!.bytesRead === client.bytesWritten)
    if (!return503OnClosing) await until('its job to have run', () => ran === 1)
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)
    await Promise.all([closed, ended])
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    t.same(statuses, return503OnClosing ? ['200', '503'] : ['200', '200'])
  })
}
