// Server and worker whose clocks are 5 minutes off, one fast and one slow: Redis's clock is the one that counts.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { echo, job, served } from './deployment'
import { needsRedis, startRedis } from './server'
import type { Test } from 'tap'

const skip = needsRedis(t)
const log = { info () {}, warn () {}, error () {} }
const fixtures = join(__dirname, '../fixtures')
const cli = join(__dirname, '../../dist/lib/cli.js')
const me = { 'x-user': 'me', 'content-type': 'application/json' }
const skews = [['server 5 min fast, worker 5 min slow', 300_000], ['server 5 min slow, worker 5 min fast', -300_000]] as const

async function start (t: Test, skewMs: number, stream: 'stdout' | 'stderr', ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--require', join(fixtures, 'skew.cjs'), ...args],
    { env: { ...process.env, SKEW_MS: String(skewMs) }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [text] = await once(child[stream], 'data')
  return String(text).trim()
}

for (const [title, skewMs] of skews) {
  t.test(`${title}: a durable job's times, Retry-After and estimate over HTTP are right`, { skip }, async (t) => {
    const redis = await startRedis(t)
    const server = await start(t, skewMs, 'stdout', join(fixtures, 'remoteserver.cjs'), redis.url)
    await start(t, -skewMs, 'stderr', cli, 'worker', '--jobs', join(fixtures, 'jobs.cjs'), '--redis', redis.url, '--queues', 'wait@1,steps@1')
    const post = (path: string, body: unknown): Promise<Response> => fetch(server + path, { method: 'POST', headers: me, body: JSON.stringify(body) })
    const get = (path: string, more: object = {}): Promise<Response> => fetch(server + path, { headers: { ...me, ...more }, redirect: 'manual' })

    const place = (await post('/steps', { steps: 1, untilCancelled: true })).headers.get('location')!
    let response = await get(place)
    await until('the job to run', async () => {
      response = await get(place)
      return (await response.clone().json() as { state: string }).state === 'running'
    })
    const view = await response.json() as { createdAt: string, deadline: string }
    t.equal(Date.parse(view.deadline) - Date.parse(view.createdAt), 86_400_000)
    t.ok(Math.abs(Date.parse(view.createdAt) - Date.now()) < 120_000, view.createdAt)
    t.ok(Number(response.headers.get('retry-after')) < 20, `Retry-After ${response.headers.get('retry-after')}`)
    t.equal((await fetch(server + place, { method: 'DELETE', headers: { 'x-user': 'me' } })).status, 202)

    const done = (await post('/wait', 20)).headers.get('location')!
    t.equal((await get(done, { prefer: 'wait=20' })).status, 303)
    t.equal((await get(`${done}/result`)).status, 200)
    const { estimateMs } = await (await post('/wait', 20)).json() as { estimateMs: number }
    t.ok(estimateMs >= 0 && estimateMs < 120_000, `${estimateMs} ms`)
  })

  t.test(`${title}: 1 job past its deadline never begins, 1 that has time runs, 1 that runs is stopped at it`, { skip }, async (t) => {
    const redis = await startRedis(t)
    const producer = bullmqTier({ redis: redis.url, sweepMs: 200, now: () => Date.now() + skewMs })
    const worker = bullmqTier({ redis: redis.url, now: () => Date.now() - skewMs })
    for (const tier of [producer, worker]) {
      t.teardown(() => tier.close())
      tier.start({ log, served })
    }
    await until('both to be up', () => [producer, worker].every((tier) => tier.stats().shards[0]!.breaker === 'closed'))
    const late = producer.submit(job({ payload: '"late"', deadlineMs: 1 }))
    await late.accepted
    const begun: string[] = []
    await worker.serve(served, async (taken) => {
      begun.push(taken.payload)
      if (taken.payload !== '"long"') return await echo(taken)
      await once(taken.signal, 'abort')
      return { status: 'expired', error: '{"name":"Error","message":"stopped","own":{}}' }
    }, { size: 4, free: () => 4 })
    t.match(await late.done, { status: 'expired' })
    t.match(await producer.submit(job({ payload: '"timely"', deadlineMs: 20_000 })).done, { status: 'ok' })
    t.match(await producer.submit(job({ payload: '"long"', deadlineMs: 1000 })).done, { status: 'expired' })
    t.strictSame(begun.filter((payload) => payload !== '"long"'), ['"timely"'])
  })
}

t.test('the end of a job on a worker 5 min fast does not remove the record, kept for 60 s, of one that ended just before', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = bullmqTier({ redis: redis.url })
  t.teardown(() => producer.close())
  producer.start({ log, served: [{ job: 'wait', version: '1' }] })
  await until('it to be up', () => producer.stats().shards[0]!.breaker === 'closed')
  const worker = ['worker', '--jobs', join(fixtures, 'jobs.cjs'), '--redis', redis.url, '--queues', 'wait@1']
  const right = spawn(process.execPath, [cli, ...worker], { stdio: 'ignore' })
  t.teardown(() => right.kill('SIGKILL'))
  const one = producer.submit(job({ job: 'wait' }))
  await one.done
  right.kill('SIGKILL')
  await start(t, 300_000, 'stderr', cli, ...worker)
  await producer.submit(job({ job: 'wait' })).done
  t.match(await producer.lookup(one.id), { state: 'succeeded' })
})
