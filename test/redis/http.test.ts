// Durable jobs over HTTP on a real Redis: two servers as processes, a worker, and one server killed between.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { createScheduler } from '#lib/index'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { needsRedis, startRedis } from './server'
import type { ChildProcess } from 'node:child_process'
import type { Scheduler } from '#lib/index'
import type { Test } from 'tap'

const skip = needsRedis(t)
const fixtures = join(__dirname, '../fixtures')
const me = { 'x-user': 'me' }

interface Server { readonly child: ChildProcess, readonly url: string }

async function startServer (t: Test, redis: string): Promise<Server> {
  const child = spawn(process.execPath, [join(fixtures, 'remoteserver.cjs'), redis], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [text] = await once(child.stdout!, 'data')
  return { child, url: String(text).trim() }
}

async function startWorker (t: Test, redis: string): Promise<Scheduler> {
  const tier = bullmqTier({ redis, lockMs: 2000, stalledMs: 1000 })
  const worker = createScheduler({ jobs: join(fixtures, 'jobs.cjs'), tiers: [{ actors: 2 }], execArgv: [], asyncPerActor: 4, graceMs: 20, drainMs: 0, remote: { tier, serve: true } })
  t.teardown(() => worker.close())
  await worker.ready()
  return worker
}

const post = (url: string, body: unknown, headers: object = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { ...me, 'content-type': 'application/json', ...headers } })
const get = (url: string, headers: object = {}): Promise<Response> => fetch(url, { headers: { ...me, ...headers }, redirect: 'manual' })

t.test('posted to one server, which is killed: the other gives status, progress, events and result; others get 404; 413 and 503', { skip }, async (t) => {
  const redis = await startRedis(t)
  const [one, two] = await Promise.all([startServer(t, redis.url), startServer(t, redis.url)])
  await startWorker(t, redis.url)
  const posted = await post(`${one.url}/steps`, { steps: 3, untilCancelled: true })
  t.equal(posted.status, 202)
  const place = posted.headers.get('location')!
  const quick = await post(`${one.url}/echo`, { a: [1] })
  const done = quick.headers.get('location')!
  one.child.kill('SIGKILL')
  await once(one.child, 'exit')

  await until('the progress', async () => (await (await get(two.url + place)).json() as { progress?: { step: number } }).progress?.step === 3)
  t.match(await (await get(two.url + place)).json(), { state: 'running', progress: { step: 3, of: 3 }, attempt: 1 })
  const events = await get(`${two.url}${place}/events`)
  const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader()
  const first = (await reader.read()).value!
  t.match(first, /^id: \S{16}\nevent: state\ndata: \{.*"progress":\{"step":3,"of":3\}.*\}\n\n$/)
  t.equal((await fetch(two.url + place, { headers: { 'x-user': 'other' } })).status, 404)
  t.equal((await fetch(`${two.url}${place}/events`, { headers: { 'x-user': 'other' } })).status, 404)
  t.equal((await fetch(two.url + place, { method: 'DELETE', headers: { 'x-user': 'other' } })).status, 404)

  t.equal((await fetch(two.url + place, { method: 'DELETE', headers: me })).status, 202)
  let rest = ''
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) rest += chunk.value
  t.match(rest, /event: done\ndata: \{.*"state":"cancelled"/)
  t.equal((await get(`${two.url}${place}/result`)).status, 410)

  const end = await get(two.url + done, { prefer: 'wait=20' })
  t.equal(end.status, 303)
  t.same(await (await get(two.url + end.headers.get('location')!)).json(), { a: [1] })

  t.equal((await post(`${two.url}/echo`, 'x'.repeat(300_000))).status, 413, 'over maxPayloadBytes')
  t.equal((await get(`${two.url}/jobs/r1.00.echo%401.${'A'.repeat(30)}`)).status, 404)

  await redis.client.del(...await redis.client.keys('{fs:default:r1:0}:echo@1:*'))
  for (const path of ['', '/result', '/events']) {
    t.equal((await get(two.url + done + path)).status, 410, `the record is gone: ${path}`)
    t.equal((await get(two.url + done + path, { 'x-user': 'other' })).status, 404, `the record is gone, another asks: ${path}`)
  }
  t.match(await (await get(two.url + done)).json(), { status: 410, detail: 'the job is no longer kept' })
  t.equal((await fetch(two.url + done, { method: 'DELETE', headers: me })).status, 410)
  await redis.kill()
  await until('an answer of 503', async () => (await post(`${two.url}/echo`, 1)).status === 503)
  const away = await get(two.url + place)
  t.match([away.status, Number(away.headers.get('retry-after')) > 0, away.headers.get('content-type')], [503, true, /^application\/problem\+json/])
})

t.test('one Idempotency-Key to both servers at once, 10 times each: one job that ran once, 422 for another input', { skip }, async (t) => {
  const redis = await startRedis(t)
  const [one, two] = await Promise.all([startServer(t, redis.url), startServer(t, redis.url)])
  const worker = await startWorker(t, redis.url)
  const key = { 'idempotency-key': '"k1"', prefer: 'wait=20' }
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, at) => {
    const response = await post(`${at % 2 === 0 ? one.url : two.url}/wait`, 100, key)
    return [response.status, await response.json(), response.headers.get('content-location')]
  }))
  const [, , place] = answers[0]!
  t.match(place, /^\/jobs\/r1\.00\.wait%401\.k[\w-]{43}\/result$/)
  t.strictSame(answers, answers.map(() => [200, 100, place]))
  t.equal((await post(`${two.url}/wait`, 200, key)).status, 422)
  t.match((worker.snapshot().remote as { counters: object }).counters, { taken: 1, completed: 1 })
})
