// How large a value is at least; inputs over maxPayloadBytes are refused with 413 and not run, results with 500.
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { bytesAtLeast } from '#lib/size'
import spillover from '#plugin/index'

const jobs = join(__dirname, '..', 'fixtures', 'faults', 'jobs.cjs')

t.test('texts count a byte a character, buffers their size once, also in objects, arrays, maps and sets', async (t) => {
  const buffer = new ArrayBuffer(1000)
  const text = 'x'.repeat(500)
  for (const [value, bytes] of [
    ['', 0], [text, 500], ['é'.repeat(10), 10], [5, 0], [null, 0], [undefined, 0], [1n, 0], [Symbol('s'), 0],
    [buffer, 1000], [new Uint8Array(buffer, 10, 5), 1000], [[buffer, new Uint8Array(buffer)], 1000],
    [Buffer.alloc(20_000), 20_000], [new SharedArrayBuffer(5000), 0], [new Uint8Array(new SharedArrayBuffer(5000)), 0],
    [{ a: text, b: [text, { c: buffer }] }, 2000], [new Map([[text, new Set([buffer])]]), 1500],
    [new Proxy({ text }, {}), 0], [Object.create({ text }), 0]
  ] as const) t.equal(bytesAtLeast(value), bytes)
})

t.test('a getter is not run, a circle ends, moved buffers do not count', async (t) => {
  let runs = 0
  const circle: Record<string, unknown> = { text: 'abc', get more () { runs++; return 'x' } }
  circle.self = circle
  t.equal(bytesAtLeast(circle), 3)
  t.equal(runs, 0)
  const buffer = new ArrayBuffer(1000)
  t.equal(bytesAtLeast({ buffer }, Infinity, [buffer]), 0)
})

t.test('the first 1,000 parts are looked at, and no more than is enough', async (t) => {
  t.equal(bytesAtLeast(Array.from({ length: 5000 }, () => 'ab')), 999 * 2)
  t.equal(bytesAtLeast(new Map(Array.from({ length: 5000 }, (_, at) => [at, 'ab']))) <= 2000, true)
  t.equal(bytesAtLeast(Array.from({ length: 500 }, () => 'x'.repeat(100)), 1000), 1100)
})

t.test('an input over 100,000 bytes is refused with its size, alone, and is not run; at the limit it runs', async (t) => {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], maxPayloadBytes: 100_000 })
  t.teardown(() => pool.close())
  await pool.ready()
  const words = new Int32Array(new SharedArrayBuffer(4))
  const before = pool.offload('good', 1)
  for (const [input, bytes] of [
    ['x'.repeat(100_001), 100_001],
    [Buffer.alloc(200_000), 200_000],
    [{ words, rows: [{ text: 'x'.repeat(60_000) }, { text: 'x'.repeat(60_000) }] }, 120_000]
  ] as const) {
    await t.rejects(pool.offload('count', input), {
      code: 'FST_ERR_SPILLOVER_PAYLOAD',
      statusCode: 413,
      message: `job count: its input has at least ${bytes} bytes, the limit is 100000 (maxPayloadBytes)`
    })
  }
  t.equal(await before, 2)
  t.equal(words[0], 0, 'none of them ran')
  t.equal((await pool.offload('echo', 'x'.repeat(100_000))).length, 100_000)
  t.equal(await pool.offload('bytes', new ArrayBuffer(100_000)), 100_000)
  const moved = new ArrayBuffer(200_000)
  t.equal(await pool.offload('bytes', moved, { transfer: [moved] }), 200_000, 'what is moved is not copied')
  t.match(pool.snapshot().counters, { settled: { error: 3, ok: 4 }, restarts: 0 })
})

for (const runtime of ['threads', 'inline'] as const) {
  t.test(`a result or error over 100,000 bytes is refused on ${runtime} with its size, alone; at the limit it arrives`, async (t) => {
    const pool = createScheduler({ jobs, runtime, tiers: [{ actors: 1 }], execArgv: [], maxPayloadBytes: 100_000 })
    t.teardown(() => pool.close())
    await pool.ready()
    const neighbours = [1, 2, 3].map((n) => pool.offload('good', n))
    for (const [job, bytes] of [['text', 100_001], ['buffer', 200_000], ['rows', 120_000], ['throwLarge', 100_001]] as const) {
      await t.rejects(pool.offload('large', { job, bytes }), {
        code: 'FST_ERR_SPILLOVER_RESULT_PAYLOAD',
        statusCode: 500,
        message: new RegExp(`^job large: what it returned or threw has at least ${job === 'throwLarge' ? '[12]\\d{5}' : bytes} bytes, the limit is 100000 \\(maxPayloadBytes\\)$`)
      })
    }
    t.same(await Promise.all(neighbours), [2, 3, 4])
    t.equal((await pool.offload('large', { job: 'text', bytes: 100_000 }) as string).length, 100_000)
    t.equal((await pool.offload('large', { job: 'buffer', bytes: 100_000 }) as Uint8Array).length, 100_000)
    t.match(pool.snapshot().counters, { settled: { error: 4, ok: 5 }, restarts: 0 })
  })
}

t.test('maxPayloadBytes: 0 is no limit', async (t) => {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], maxPayloadBytes: 0 })
  t.teardown(() => pool.close())
  await pool.ready()
  t.equal(await pool.offload('bytes', new ArrayBuffer(300_000_000)), 300_000_000)
  t.equal((await pool.offload('large', { job: 'buffer', bytes: 300_000_000 }) as Uint8Array).length, 300_000_000)
})

t.test('a route answers 413 to a body that is over the limit', async (t) => {
  const app = Fastify({ bodyLimit: 10_000_000 })
  t.teardown(() => app.close())
  await app.register(spillover, { jobs, tiers: [{ actors: 1 }], execArgv: [], maxPayloadBytes: 50_000 })
  app.post('/', app.offloadHandler('echo'))
  const small = await app.inject({ method: 'POST', url: '/', payload: { text: 'x'.repeat(10_000) } })
  t.equal(small.statusCode, 200)
  const large = await app.inject({ method: 'POST', url: '/', payload: { text: 'x'.repeat(60_000) } })
  t.equal(large.statusCode, 413)
  t.match(large.json(), { code: 'FST_ERR_SPILLOVER_PAYLOAD', message: /at least 60000 bytes, the limit is 50000/ })
})
