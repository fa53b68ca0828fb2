// What an answer costs, as Redis sees it: one hint a job, from the record that has its end.
import { once } from 'node:events'
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { echo, job, served } from './deployment'
import { needsRedis, startRedis } from './server'

const skip = needsRedis(t)
const log = { info () {}, warn () {}, error () {} }

t.test('20 committed jobs cost 20 hints, each published by the script that found the end in the record; none waits for the sweep', { skip }, async (t) => {
  const redis = await startRedis(t)
  const [producer, worker] = [0, 1].map(() => bullmqTier({ redis: redis.url, sweepMs: 60_000 }))
  for (const tier of [producer!, worker!]) {
    t.teardown(() => tier.close())
    tier.start({ log, served })
  }
  await until('both to be up', () => [producer!, worker!].every((tier) => tier.stats().shards[0]!.breaker === 'closed'))
  await worker!.serve(served, echo, { size: 4, free: () => 4 })
  await until('the worker to be known', () => producer!.stats().shards[0]!.queues['work@1']!.workers === 1)
  const monitor = await redis.client.monitor()
  t.teardown(() => monitor.disconnect())
  const sources: string[] = []
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (args[0]!.toLowerCase() === 'publish' && /:r:/.test(args[1]!)) sources.push(source)
  })
  const values = Array.from({ length: 20 }, (_, at) => `${at}`)
  const outcomes = await Promise.all(values.map((payload) => producer!.submit(job({ payload, durable: false })).done))
  t.strictSame(outcomes.map((outcome) => outcome.status === 'ok' && outcome.payload), values)
  const seen = once(monitor, 'monitor')
  await redis.client.publish('end', '1')
  await seen
  t.strictSame(sources, values.map(() => 'lua'))
  t.match(producer!.stats().counters, { hints: 20, swept: 0, badHints: 0 })
})

t.test('hint connections killed every 50 ms while 400 jobs go, with clocks 5 minutes apart: each is answered, none has expired', { skip }, async (t) => {
  const redis = await startRedis(t)
  const producer = bullmqTier({ redis: redis.url, sweepMs: 200, now: () => Date.now() + 300_000 })
  const worker = bullmqTier({ redis: redis.url, now: () => Date.now() - 300_000 })
  for (const tier of [producer, worker]) {
    t.teardown(() => tier.close())
    tier.start({ log, served })
  }
  await until('both to be up', () => [producer, worker].every((tier) => tier.stats().shards[0]!.breaker === 'closed'))
  await worker.serve(served, echo, { size: 8, free: () => 8 })
  await until('the worker to be known', () => producer.stats().shards[0]!.queues['work@1']!.workers === 1)
  let killed = 0
  const timer = setInterval(() => {
    redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub').then((count) => { killed += Number(count) }, () => {})
  }, 50)
  t.teardown(() => clearInterval(timer))
  let sent = 0
  const wrong: unknown[] = []
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (sent < 400) {
      const payload = String(sent++)
      const outcome = await producer.submit(job({ payload, durable: false, deadlineMs: 30_000 })).done
      if (outcome.status !== 'ok' || outcome.payload !== payload) wrong.push([payload, outcome])
    }
  }))
  clearInterval(timer)
  t.strictSame(wrong, [])
  t.ok(killed > 2, `${killed} connections killed, ${producer.stats().counters.swept} of 400 found by the sweep`)
})

t.test('no hint reaches the waiter: of a job of which 100 round trips are known it is found long before the sweep of 10 minutes', { skip }, async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'mute', 'on', '>secret', '~*', 'resetchannels', '&*:c', '+@all')
  const [producer, worker] = [0, 1].map(() => bullmqTier({ redis: redis.url, sweepMs: 600_000 }))
  const mute = bullmqTier({ redis: redis.url.replace('//', '//mute:secret@'), sweepMs: 600_000 })
  for (const tier of [producer!, worker!, mute]) {
    t.teardown(() => tier.close())
    tier.start({ log, served })
  }
  await until('all to be up', () => [producer!, worker!, mute].every((tier) => tier.stats().shards[0]!.breaker === 'closed'))
  await worker!.serve(served, echo, { size: 4, free: () => 4 })
  for (let at = 0; at < 100; at++) await producer!.submit(job({ payload: `${at}` })).done
  await worker!.close()
  await mute.serve(served, echo, { size: 4, free: () => 4 })
  for (const reply of ['fast', 'committed'] as const) {
    let outcome: unknown
    producer!.submit(job({ payload: '"last"', reply })).done.then((value) => { outcome = value }, (error) => { outcome = error })
    await until('the outcome', () => outcome !== undefined)
    t.match(outcome, { status: 'ok', payload: '"last"' })
  }
  t.match(producer!.stats().counters, { hints: 100, swept: 2 })
})
