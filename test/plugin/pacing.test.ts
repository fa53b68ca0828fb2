// Refusals: told at once while they are few, one after another when they come in a flood, and all at the close.
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import spillover from '#plugin/index'
import { Pacing } from '#plugin/pacing'
import { until } from '../fixtures/until'

/** A clock that is moved by hand. */
function manualClock () {
  let nowMs = 5000
  const timers = new Set<{ atMs: number, run: () => void }>()
  return {
    clock: {
      now: () => nowMs,
      after (ms: number, run: () => void) {
        const timer = { atMs: nowMs + ms, run }
        timers.add(timer)
        return () => { timers.delete(timer) }
      }
    },
    timers,
    async to (ms: number) {
      for (;;) {
        const next = [...timers].sort((one, other) => one.atMs - other.atMs)[0]
        if (next === undefined || next.atMs > 5000 + ms) break
        timers.delete(next)
        nowMs = next.atMs
        next.run()
      }
      nowMs = 5000 + ms
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

t.test('100 refusals at once are told at once, the next 400 in 800 ms, what is more after a second', async (t) => {
  const { clock, timers, to } = manualClock()
  const pacing = new Pacing(clock)
  const held: number[] = []
  for (let n = 0; n < 3000; n++) pacing.turn().then((ms) => held.push(ms), t.fail)
  for (const [ms, told] of [[0, 100], [1, 100], [2, 101], [800, 500], [999, 599], [1000, 3000]] as const) {
    await to(ms)
    t.equal(held.length, told, `after ${ms} ms`)
  }
  t.equal(Math.max(...held), 1000)
  t.equal(timers.size, 0, 'no timer is left')
})

t.test('400 refusals a second for a minute are told at once, each of them', async (t) => {
  const { clock, to } = manualClock()
  const pacing = new Pacing(clock)
  let most = 0
  for (let n = 0; n < 24_000; n++) {
    await to(n * 2.5)
    most = Math.max(most, await pacing.turn())
  }
  t.equal(most, 0)
})

t.test('64 clients that ask again at once get 500 refusals a second, each after 128 ms', async (t) => {
  const { clock, to } = manualClock()
  const pacing = new Pacing(clock)
  let told = 0
  const holds: number[] = []
  const client = async (): Promise<void> => {
    for (;;) {
      holds.push(await pacing.turn())
      told++
    }
  }
  for (let n = 0; n < 64; n++) client().catch(t.fail)
  for (let ms = 0; ms <= 10_000; ms++) await to(ms)
  t.ok(told <= 100 + 10_000 / 2 && told > 10_000 / 2, `${told} in 10 s`)
  t.equal(Math.round(holds.at(-1)!), 128)
})

t.test('close() tells all that are held, and later ones at once', async (t) => {
  const { clock, timers } = manualClock()
  const pacing = new Pacing(clock)
  const all = Array.from({ length: 300 }, () => pacing.turn())
  pacing.close()
  t.strictSame(new Set(await Promise.all(all)), new Set([0]))
  t.equal(await pacing.turn(), 0)
  t.equal(timers.size, 0)
})

t.test('150 requests that are refused at once are all answered with 503 and Retry-After, the light route with 200', async (t) => {
  const app = Fastify()
  await app.register(spillover, {
    jobs: join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [], maxQueued: 0
  })
  t.teardown(() => app.close())
  app.get('/good', app.offloadHandler('good', { input: () => 1 }))
  app.get('/light', async () => 'light')
  await app.ready()
  const words = new Int32Array(new SharedArrayBuffer(8))
  const blocker = app.offload('hold', words)
  await until('it runs', () => app.spillover.snapshot().active === 1)
  const refused = await Promise.all(Array.from({ length: 150 }, () => app.inject('/good')))
  t.ok(refused.every(({ statusCode, headers }) => statusCode === 503 && headers['retry-after'] === '1'))
  t.equal((await app.inject('/light')).body, 'light')
  Atomics.store(words, 1, 1)
  Atomics.notify(words, 1)
  await blocker
  t.equal((await app.inject('/good')).body, '2')
})

t.test('where the queue is full a request is refused behind its hooks and before its body is read, where it is of offloadHandler', async (t) => {
  const app = Fastify()
  let parsed = 0
  let asked = 0
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, _body, done) => {
    parsed++
    done(null, 1)
  })
  await app.register(spillover, {
    jobs: join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs'), tiers: [{ actors: 1 }], execArgv: [], maxQueued: 1
  })
  t.teardown(() => app.close())
  const onRequest = async (): Promise<void> => { asked++ }
  app.post('/handler', { onRequest }, app.offloadHandler('good'))
  app.post('/config', { onRequest, config: { offload: { job: 'good' } } }, (request) => request.offload('good', 1))
  app.post('/unknown', { onRequest }, (request) => request.offload('good', 1))
  await app.ready()
  const words = new Int32Array(new SharedArrayBuffer(8))
  const blocker = app.offload('hold', words)
  const waiting = app.offload('good', 1)
  t.equal(app.spillover.snapshot().backlog, 1)
  const post = (url: string) => app.inject({ method: 'POST', url, payload: { a: 1 } })
  for (const [url, count] of [['/handler', 0], ['/config', 1], ['/unknown', 2]] as const) {
    const { statusCode, headers } = await post(url)
    t.strictSame([statusCode, headers['retry-after'], parsed], [503, '1', count], url)
  }
  t.strictSame([asked, app.spillover.snapshot().counters.refused], [3, 3])
  await t.rejects(app.offload('good', 1), { code: 'FST_ERR_SPILLOVER_OVERLOADED', stack: /^[^\n]*$/ })
  Atomics.store(words, 1, 1)
  Atomics.notify(words, 1)
  await Promise.all([blocker, waiting])
  t.equal((await post('/handler')).body, '2')
})
