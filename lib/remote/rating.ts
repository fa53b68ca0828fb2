// What one Redis carries: small jobs through a producer and a worker in this process, and what they cost Redis.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { Histogram } from '../metrics.js'
import { bullmqTier } from './bullmq.js'
import { connect } from './connection.js'
import { queueOf } from './id.js'
import { Keys } from './keys.js'
import type { Client, RedisAddress } from './connection.js'
import type { RemoteJob, RemoteTier } from './contract.js'

const served = [{ job: 'doctor', version: '1' }]
/** Jobs in flight: with fewer a round trip is measured, not what Redis carries. As in the benchmark. */
const IN_FLIGHT = 64
/** Share of its one thread that Redis is planned to use; the rest is for bursts and for saving. Chosen. */
const PLANNED_SHARE = 0.5
const START_MS = 10_000
const log = { info () {}, warn () {}, error () {} }

export interface Rating {
  readonly jobs: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of Redis for a job, µs */
  readonly cpuMicros: number
  /** jobs a second at which Redis uses half of one CPU */
  readonly planFor: number
}

/**
 * Send jobs of 100 bytes for so long, in a region of its own, and remove all of it again. Other work on this Redis and
 * on this machine is measured with it.
 */
export async function rate (address: RedisAddress, env: string, forMs: number): Promise<Rating> {
  const region = `doctor-${randomUUID().slice(0, 8)}`
  const options = { redis: address, env, region, clusterShards: 1, allowVolatile: true, keepResults: 100 }
  const [producer, worker] = [bullmqTier(options), bullmqTier(options)]
  const client = connect(address, 'worker', 'fs-doctor', 0, () => {})
  try {
    for (const tier of [producer, worker]) tier.start({ log, served })
    await worker.serve(served, async ({ payload }) => ({ status: 'ok', codec: 'json', payload }), { size: IN_FLIGHT, free: () => IN_FLIGHT })
    await isKnown(producer)
    const before = await cpuSeconds(client)
    const startedAtMs = performance.now()
    const times = await send(producer, startedAtMs + forMs)
    const elapsedMs = performance.now() - startedAtMs
    const cpuMicros = (await cpuSeconds(client) - before) * 1e6 / times.count
    return {
      jobs: times.count,
      perSecond: Math.round(times.count * 1000 / elapsedMs),
      p50Ms: times.percentile(0.5),
      p99Ms: times.percentile(0.99),
      cpuMicros: Math.round(cpuMicros),
      planFor: Math.round(PLANNED_SHARE * 1e6 / cpuMicros)
    }
  } finally {
    await Promise.all([producer.close(), worker.close()])
    await remove(client, new Keys(env, region, 0))
    client.disconnect()
  }
}

async function isKnown (producer: RemoteTier): Promise<void> {
  const query = { ...served[0]!, payloadBytes: 1, durable: false, deadlineMs: 60_000, meanMs: NaN }
  for (const limitMs = performance.now() + START_MS; !producer.admit(query).ok; await sleep(20)) {
    if (performance.now() > limitMs) throw new Error(`no job could be sent within ${START_MS} ms: ${producer.stats().shards[0]!.reason || 'no worker was heard of'}`)
  }
}

/** Keep jobs in flight until then. */
async function send (producer: RemoteTier, untilMs: number): Promise<Histogram> {
  const times = new Histogram()
  const job: RemoteJob = {
    ...served[0]!,
    payload: JSON.stringify('x'.repeat(100)),
    codec: 'json',
    durable: false,
    reply: 'fast',
    deadlineMs: 60_000,
    timeoutMs: 0,
    attempts: 1,
    priority: 'normal',
    resultTtlMs: 60_000
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    for (let sentAtMs = performance.now(); sentAtMs < untilMs; sentAtMs = performance.now()) {
      const outcome = await producer.submit(job).done
      if (outcome.status !== 'ok') throw new Error(`a job ended as ${outcome.status}: ${outcome.error.slice(0, 200)}`)
      times.record(performance.now() - sentAtMs)
    }
  }))
  return times
}

/** CPU time that Redis, or all nodes of a cluster, have used. */
async function cpuSeconds (client: Client): Promise<number> {
  const nodes = client instanceof Redis ? [client] : client.nodes('master')
  const texts = await Promise.all(nodes.map((node) => node.info('cpu')))
  return texts.reduce((sum, text) => sum + Number(/^used_cpu_user:(.*)$/m.exec(text)?.[1]) + Number(/^used_cpu_sys:(.*)$/m.exec(text)?.[1]), 0)
}

async function remove (client: Client, keys: Keys): Promise<void> {
  const name = queueOf(served[0]!.job, served[0]!.version)
  const queue = new Queue(name, { connection: client as never, prefix: keys.prefix, skipVersionCheck: true })
  queue.on('error', () => {}) // told by what is awaited
  await queue.obliterate({ force: true })
  const spilled = await client.zrange(keys.spilled(name), '0', '-1')
  const records = spilled.map((unique) => keys.record(name, unique))
  await client.del(keys.queues, keys.alive(name), keys.spilled(name), ...records)
  await queue.close()
}
