// The sentences of SECURITY.md that no other test holds: what is shown, to whom, and what threads are given.
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import spillover from '#plugin/index'

const jobs = join(__dirname, 'fixtures', 'security.cjs')
const tiers = [{ actors: 1 }]

t.test('without options there is no route at all', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const routes: string[] = []
  app.addHook('onRoute', ({ url }) => { routes.push(url) })
  await app.register(spillover, { jobs, tiers })
  await app.ready()
  t.same(routes, [])
})

t.test('health, metrics and every route of the dashboard ask the hooks they were given', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const urls: string[] = []
  app.addHook('onRoute', ({ url, method }) => { if (method === 'GET') urls.push(url) })
  const onRequest = async (_request: unknown, reply: any): Promise<unknown> => reply.code(401).send('no')
  await app.register(spillover, {
    jobs,
    tiers,
    health: { url: '/health', routeOpts: { onRequest } },
    metrics: { url: '/metrics', routeOpts: { onRequest } },
    dashboard: { url: '/dashboard', onRequest }
  })
  await app.ready()
  t.ok(urls.length >= 4, `${urls.length} routes`)
  for (const url of urls) t.equal((await app.inject(url.replace(/[:*].*$/, 'page.js'))).statusCode, 401, url)
})

t.test('with env a thread sees that environment and nothing of the process', async (t) => {
  process.env.SPILLOVER_TEST_SECRET = 'secret'
  t.teardown(() => { delete process.env.SPILLOVER_TEST_SECRET })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, { jobs, tiers, execArgv: [], env: { GIVEN: 'yes' } })
  await app.ready()
  t.strictSame(await app.offload('environment', null), { GIVEN: 'yes' })
})

t.test('a name from a client is never a path, a prototype or an inherited method', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(spillover, { jobs, tiers })
  app.get('/:name', async (request) => await request.offload((request.params as { name: string }).name, null))
  for (const name of ['__proto__', 'constructor', 'toString', 'default', '..%2F..%2Fetc%2Fpasswd', 'node:fs', 'security.cjs']) {
    const { statusCode, body } = await app.inject(`/${name}`)
    t.equal(statusCode, 500, name)
    t.match(JSON.parse(body).code, 'FST_ERR_SPILLOVER_UNKNOWN_JOB')
  }
})
