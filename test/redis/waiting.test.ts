// How a worker waits for jobs, as Redis sees it.
import { Queue } from 'bullmq'
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { echo, served } from './deployment'
import { needsRedis, startRedis } from './server'

const skip = needsRedis(t)
const log = { info () {}, warn () {}, error () {} }

t.test('a worker never waits longer than 3 s at once, also where a job is due in 100 s: its connection ends after 8 s of silence', { skip }, async (t) => {
  const redis = await startRedis(t)
  const worker = bullmqTier({ redis: redis.url })
  t.teardown(() => worker.close())
  worker.start({ log, served })
  await until('it to be up', () => worker.stats().shards[0]!.breaker === 'closed')
  const queue = new Queue('work@1', { connection: { port: redis.port }, prefix: '{fs:default:r1:0}' })
  t.teardown(() => queue.close())
  await queue.add('work', {}, { delay: 100_000 })
  const monitor = await redis.client.monitor()
  t.teardown(() => monitor.disconnect())
  const waits: number[] = []
  monitor.on('monitor', (_time: string, args: string[]) => {
    if (args[0]!.toLowerCase() === 'bzpopmin') waits.push(Number(args.at(-1)))
  })
  await worker.serve(served, echo, { size: 1, free: () => 1 })
  await until('3 waits', () => waits.length >= 3)
  t.same(waits.filter((seconds) => seconds > 3), [])
})
