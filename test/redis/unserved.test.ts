// What is said of durable jobs that nobody serves.
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { echo, job, served } from './deployment'
import { needsRedis, startRedis } from './server'

const skip = needsRedis(t)

t.test('two Redis: 6 durable jobs that nobody serves are one warning, 4 with a worker none, and the next without one more', { skip }, async (t) => {
  const urls = [(await startRedis(t)).url, (await startRedis(t)).url]
  const warnings: string[] = []
  const log = { info () {}, warn (text: string) { warnings.push(text) }, error () {} }
  const [producer, worker] = [0, 1].map(() => bullmqTier({ redis: urls }))
  for (const tier of [producer!, worker!]) t.teardown(() => tier.close())
  producer!.start({ log, served: [...served, { job: 'other', version: '1' }] })
  worker!.start({ log: { ...log, warn () {} }, served })
  const hasWorkers = (count: number): boolean => producer!.stats().shards.every(({ queues }) => queues['work@1']?.workers === count)
  await until('both to be up', () => [producer!, worker!].every((tier) => tier.stats().shards.every(({ breaker }) => breaker === 'closed')))
  const send = async (count: number): Promise<unknown> => {
    const tickets = Array.from({ length: count }, () => producer!.submit(job()))
    await Promise.all(tickets.map(({ accepted }) => accepted))
    return tickets
  }
  const text = 'a durable job was accepted that no living worker serves: work@1; it waits for one'
  await send(3)
  await send(3)
  await until('the warning', () => warnings.length > 0)
  await worker!.serve(served, echo, { size: 4, free: () => 4 })
  await until('the worker to be known', () => hasWorkers(1))
  await send(4)
  t.strictSame(warnings, [text])
  await worker!.close()
  await until('the worker to be gone', () => hasWorkers(0))
  await send(1)
  await until('the second warning', () => warnings.length > 1)
  t.strictSame(warnings, [text, text])
})
