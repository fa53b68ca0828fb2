// The fetch behind a worker's wait: what Redis runs when a job comes, and that no job is fetched for nobody.
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { until } from '../fixtures/until'
import { echo, job, served } from './deployment'
import { needsRedis, startRedis } from './server'
import type { RemoteTier, Serving } from '#lib/index'
import type { Test } from 'tap'
import type { RedisServer } from './server'

const skip = needsRedis(t)
const slots = { size: 4, free: () => 4 }

/** A job that was fetched for nobody would be run again after `lockMs` only: longer than a test may take. */
function start (t: Test, redis: RedisServer): RemoteTier {
  const tier = bullmqTier({ redis: redis.url, env: 'e', lockMs: 300_000, stalledMs: 1000 })
  t.teardown(() => tier.close())
  tier.start({ log: { info () {}, warn () {}, error () {} }, served })
  return tier
}

const query = { ...served[0]!, payloadBytes: 1, durable: false, deadlineMs: 60_000, meanMs: NaN }
const known = async (tier: RemoteTier): Promise<void> => await until('a worker to be known', () => tier.admit(query).ok)

/** Addresses of the connections that wait for a job. */
async function waiting ({ client }: RedisServer): Promise<string[]> {
  const list = String(await client.client('LIST'))
  return [...list.matchAll(/ addr=(\S+) .*? flags=b .*? cmd=bzpopmin /g)].map(([, address]) => address!)
}

t.test('a job on an idle worker is fetched by the connection that waited, before the worker sent anything', { skip }, async (t) => {
  const redis = await startRedis(t, '--slowlog-log-slower-than', '0', '--slowlog-max-len', '200')
  const tier = start(t, redis)
  await tier.serve(served, echo, slots)
  await known(tier)
  // the first ones load the scripts
  for (let turn = 0; turn < 2; turn++) await tier.submit(job({ durable: false })).done
  for (let turn = 0; turn < 3; turn++) {
    let address: string | undefined
    await until('the worker to wait', async () => { [address] = await waiting(redis); return address !== undefined })
    await redis.client.slowlog('RESET')
    t.match(await tier.submit(job({ durable: false })).done, { status: 'ok', payload: '1' })
    const log = await redis.client.slowlog('GET', 100) as [number, number, number, string[], string][]
    const senders = log.reverse().filter(([, , , [name, , keys]]) => /^evalsha$/i.test(name!) && keys !== '1')
      .map((entry) => entry[4])
    t.equal(senders[1], address, 'behind the script that adds it')
  }
})

t.test('workers that are stopped while jobs come: no job stays with one of them, none runs twice', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = start(t, redis)
  let runs = 0
  const run: typeof echo = async (taken) => { runs++; return await echo(taken) }
  let serving: Serving = await tier.serve(served, run, slots)
  await known(tier)
  for (let turn = 0; turn < 40; turn++) {
    await until('the worker to wait', async () => (await waiting(redis)).length > 0)
    const stopping = serving.stop(1000)
    for (let later = 0; later < turn % 20; later++) await new Promise((resolve) => setImmediate(resolve))
    const ticket = tier.submit(job({ payload: String(turn) }))
    await stopping
    serving = await tier.serve(served, run, slots)
    t.match(await ticket.done, { status: 'ok', payload: String(turn) })
  }
  t.equal(runs, 40)
  t.strictSame(await redis.client.keys('*:woken:*'), [], 'what ends a wait does not stay')
})

t.test('its connection is cut while it waits: the next job is fetched and answered once', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = start(t, redis)
  let runs = 0
  await tier.serve(served, async (taken) => { runs++; return await echo(taken) }, slots)
  await known(tier)
  for (let turn = 1; turn <= 10; turn++) {
    let address: string | undefined
    await until('the worker to wait', async () => { [address] = await waiting(redis); return address !== undefined })
    await redis.client.client('KILL', 'ADDR', address!)
    t.match(await tier.submit(job({ payload: String(turn) })).done, { status: 'ok', payload: String(turn) })
    t.equal(runs, turn)
  }
  t.equal(await redis.client.llen('{fs:e:r1:0}:work@1:active'), 0)
})
