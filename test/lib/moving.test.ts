// `ctx.transfer`: parts of a result that are moved and not copied; each test runs on a thread and inline.
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import type { MessagePort } from 'node:worker_threads'
import type { Options } from '#lib/index'
import type { Test } from 'tap'

t.setTimeout(240_000)
const jobs = join(__dirname, '..', 'fixtures', 'moving.cjs')

type Offload = (name: string, input: unknown) => Promise<any>
async function start (t: Test, options: Partial<Options>): Promise<Offload> {
  const pool = createScheduler({ jobs, tiers: [{ actors: 1 }], execArgv: [], bootTimeoutMs: 60_000, ...options })
  t.teardown(() => pool.close())
  await pool.ready()
  return (name, input) => pool.offload(name, input)
}

for (const runtime of ['threads', 'inline'] as const) {
  t.test(`${runtime}: 1,000 bytes arrive, and the job's own are empty; without it they are copied`, async (t) => {
    const offload = await start(t, { runtime })
    const { bytes, name } = await offload('view', 1000)
    t.strictSame([bytes.byteLength, bytes[999], name], [1000, 7, 'x'])
    t.equal(await offload('left', 0), 0)
    t.equal((await offload('buffer', 1000)).byteLength, 1000, 'one that is named twice')
    t.equal(await offload('left', 0), 0)
    t.equal((await offload('copied', 1000)).byteLength, 1000)
    t.equal(await offload('left', 0), 1000)
  })

  t.test(`${runtime}: a part that cannot be moved is copied; shared memory is shared, a port moves`, async (t) => {
    const offload = await start(t, { runtime })
    const [bytes, one] = await offload('fixed', 1000)
    t.strictSame([bytes.byteLength, bytes[999], one.byteLength], [1000, 7, 1])
    t.ok((await offload('shared', 10)).buffer instanceof SharedArrayBuffer)
    const port = await offload('port', 'through it') as MessagePort
    t.strictSame(await once(port, 'message'), ['through it'])
    port.close()
  })

  t.test(`${runtime}: a job that throws, or whose result cannot travel or is too large, moves nothing`, async (t) => {
    const offload = await start(t, { runtime, maxPayloadBytes: 8999 })
    await t.rejects(offload('thrown', 1000), { message: 'no' })
    t.equal(await offload('left', 0), 1000)
    await t.rejects(offload('function', 1000), { code: 'FST_ERR_SPILLOVER_RESULT_UNCLONEABLE', message: /\.done: a function/ })
    t.equal(await offload('left', 0), 1000)
    await t.rejects(offload('large', 1000), { code: 'FST_ERR_SPILLOVER_RESULT_PAYLOAD' })
    t.equal(await offload('left', 0), 1000)
    t.equal((await offload('view', 9000)).bytes.byteLength, 9000, 'what is moved does not count')
  })

  t.test(`${runtime}: what is no list, and no buffer or port in it, is an error of the job that says so`, async (t) => {
    const offload = await start(t, { runtime })
    const expected = 'ctx.transfer(value, parts): expected as parts an array of ArrayBuffers, views and MessagePorts, got '
    await t.rejects(offload('noList', 1), { name: 'TypeError', message: `${expected}ArrayBuffer { [Uint8Contents]: <00>, byteLength: 1 }` })
    await t.rejects(offload('noPart', 1), { name: 'TypeError', message: `${expected}one with { length: 1 }` })
  })
}
