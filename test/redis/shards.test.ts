// Several Redis: independent ones as shards of which one dies, and a real cluster of three nodes.
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { remoteConformance } from '#lib/remote/conformance'
import { until } from '../fixtures/until'
import { deploy, echo, job, served } from './deployment'
import { needsRedis, startCluster, startRedis } from './server'
import type { RemoteTier } from '#lib/index'

const skip = needsRedis(t)
const log = { info () {}, warn () {}, error () {} }
const isUp = (tier: RemoteTier): boolean => tier.stats().shards.every(({ breaker }) => breaker === 'closed')
const shardOf = (id: string): string => id.split('.')[1]!

t.test('60 jobs on two Redis use both; one dies: jobs go on by the other, its keys are refused; it comes back by itself', { skip }, async (t) => {
  const [one, two] = [await startRedis(t), await startRedis(t)]
  const [producer, worker] = [0, 1].map(() => bullmqTier({ redis: [one.url, two.url], sweepMs: 200, env: 's' }))
  for (const tier of [producer!, worker!]) {
    t.teardown(() => tier.close())
    tier.start({ log, served })
  }
  await until('both shards to be up', () => isUp(producer!) && isUp(worker!))
  await worker!.serve(served, echo, { size: 4, free: () => 4 })
  const send = async (count: number): Promise<Set<string>> => {
    const tickets = Array.from({ length: count }, (_, at) => producer!.submit(job({ payload: `${at}` })))
    const outcomes = await Promise.all(tickets.map(({ done }) => done))
    t.strictSame(outcomes.map((outcome) => outcome.status === 'ok' && outcome.payload), tickets.map((_, at) => `${at}`))
    return new Set(tickets.map(({ id }) => shardOf(id)))
  }
  t.strictSame([...await send(60)].sort(), ['00', '01'])

  const keyed = (value: string): ReturnType<RemoteTier['submit']> => producer!.submit(job({ key: { scope: 'u', value, fingerprint: 'f' } }))
  const keys = Array.from({ length: 20 }, (_, at) => ({ at, ticket: keyed(`k${at}`) }))
  await Promise.all(keys.map(({ ticket }) => ticket.done))
  const onTwo = keys.filter(({ ticket }) => shardOf(ticket.id) === '01')
  t.ok(onTwo.length > 0 && onTwo.length < 20, `${onTwo.length} of 20 keys on the second shard`)

  await two.kill()
  await until('the breaker to open', () => !isUp(producer!))
  t.strictSame([...await send(20)], ['00'])
  await t.rejects(keyed(`k${onTwo[0]!.at}`).done, { code: 'FST_ERR_SPILLOVER_REMOTE_DOWN' })
  t.match(await keyed(`k${keys.find(({ ticket }) => shardOf(ticket.id) === '00')!.at}`).done, { payload: '1' })

  await two.start()
  await until('both shards to be up', () => isUp(producer!) && isUp(worker!))
  t.match(await keyed(`k${onTwo[0]!.at}`).done, { payload: '1' }, 'its result is still there')
  t.strictSame([...await send(60)].sort(), ['00', '01'])
})

t.test('a Redis Cluster of 3 nodes, jobs on 3 hash tags:', { skip }, async (t) => {
  const nodes = await startCluster(t)
  const addresses = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  let number = 0
  remoteConformance({
    test: (title, run) => t.test(title, run),
    make: async () => deploy({ cluster: addresses }, `e${number++}`)
  })
})
