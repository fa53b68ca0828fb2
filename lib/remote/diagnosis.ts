// Looks at one Redis as the tier will use it: version, settings, rights, latency, clock, unserved queues, old keys.
import './peers.js'
import { once } from 'node:events'
import { BrokerClock, connect, isForbidden, readFacts, reasonOf, targetOf } from './connection.js'
import { Keys } from './keys.js'
import { leftovers } from './leftovers.js'
import { inWords, isPassing, withoutAddress } from './words.js'
import { wireAt } from './wire.js'
import type { Client, RedisAddress, ServerFacts } from './connection.js'

/** `bad`: the tier will not work as promised; `warn`: it will, but somebody should know. */
export interface Finding { readonly level: 'ok' | 'warn' | 'bad', readonly what: string, readonly text: string }

/** What is expected of the deployment. */
export interface DiagnosisOptions {
  readonly env: string
  readonly region: string
  readonly allowVolatile: boolean
  /** of the deployment; keys of others are old ones. @default this shard is the last */
  readonly shards?: number
  /** @default Date.now */
  readonly now?: () => number
}

/** Oldest version that BullMQ 6 recommends. */
const MIN_VERSION = [6, 2]
/** A round trip above this costs more than a job worth spilling gains, ms; chosen. */
const SLOW_MS = 20
/** The tier follows the clock of Redis; a larger offset is worth a look at NTP, ms; chosen. */
const OFFSET_MS = 5000
const CONNECT_MS = 5000
const PINGS = 20

/** Look at the Redis of one shard. Never rejects. */
export async function diagnose (address: RedisAddress, shard: number, options: DiagnosisOptions): Promise<Finding[]> {
  const client = await reach(address)
  if (typeof client === 'string') {
    const isCluster = typeof address === 'object' && 'cluster' in address
    return isCluster ? await askNodes(address) : [{ level: 'bad', what: 'connection', text: client }]
  }
  const keys = new Keys(options.env, options.region, shard)
  const findings: Finding[] = [{ level: 'ok', what: 'connection', text: 'reached' }]
  const looks = {
    server: lookAtServer, rights: lookAtRights, latency: lookAtTime, queues: lookAtQueues, keys: lookForOldKeys
  }
  for (const [what, look] of Object.entries(looks)) {
    try {
      findings.push(...await look(client, keys, options, shard))
    } catch (error) {
      findings.push({ level: 'bad', what, text: `could not be looked at: ${inWords((error as Error).message)}` })
    }
  }
  client.disconnect()
  return findings
}

/** The connection, or why there is none. */
async function reach (address: RedisAddress): Promise<Client | string> {
  let reason = `no answer within ${CONNECT_MS} ms`
  const client = connect(address, 'producer', 'fs-doctor', CONNECT_MS, (error) => { reason = reasonOf(error) })
  try {
    await once(client, 'ready', { signal: AbortSignal.timeout(CONNECT_MS) })
    return client
  } catch {
    const { host, port, tls } = targetOf(client) ?? {}
    client.disconnect()
    // it names the address that was tried
    if (reason.startsWith('connection refused at')) return reason
    if (host === undefined || port === undefined) return withoutAddress(reason)
    return await wireAt(host, port, tls) ?? withoutAddress(reason)
  }
}

/** A cluster that cannot be reached: what each of its nodes says by itself. */
async function askNodes ({ cluster, redisOptions }: Extract<RedisAddress, { cluster: unknown }>): Promise<Finding[]> {
  return await Promise.all(cluster.map(async ({ host, port }): Promise<Finding> => {
    const client = await reach({ ...redisOptions, host, port })
    const what = `node ${host.includes(':') ? `[${host}]` : host}:${port}`
    if (typeof client === 'string') return { level: 'bad', what, text: client }
    try {
      const info = String(await client.cluster('INFO'))
      const state = /^cluster_state:(\w+)/m.exec(info)?.[1]
      return { level: 'bad', what, text: `it answers; of its cluster it says: ${state === 'ok' ? 'ok' : 'some of the nodes are away'}` }
    } catch (error) {
      const text = /cluster support disabled/.test((error as Error).message)
        ? 'it is no node of a cluster: leave out --cluster, or set cluster-enabled yes'
        : withoutAddress((error as Error).message)
      return { level: 'bad', what, text }
    } finally {
      client.disconnect()
    }
  }))
}

async function lookAtServer (client: Client, _keys: Keys, { allowVolatile }: DiagnosisOptions): Promise<Finding[]> {
  let facts: ServerFacts
  try {
    facts = await readFacts(client)
  } catch (error) {
    if (!isForbidden(error)) throw error
    const text = 'refused: version, maxmemory-policy, appendonly and memory are not known, nor whether durable jobs survive; allow +info'
    return [{ level: allowVolatile ? 'warn' : 'bad', what: 'INFO', text }]
  }
  const { version, policy, hasAof, maxMemory, usedMemory } = facts
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isOld = major < MIN_VERSION[0]! || (major === MIN_VERSION[0] && minor < MIN_VERSION[1]!)
  const share = maxMemory === 0 ? 0 : usedMemory / maxMemory
  return [
    { level: isOld ? 'bad' : 'ok', what: 'version', text: `${version}${isOld ? `, expected ${MIN_VERSION.join('.')} or newer` : ''}` },
    policy === 'noeviction'
      ? { level: 'ok', what: 'maxmemory-policy', text: policy }
      : { level: 'bad', what: 'maxmemory-policy', text: `${policy}: jobs vanish when memory is full; set noeviction` },
    hasAof
      ? { level: 'ok', what: 'appendonly', text: 'yes' }
      : { level: allowVolatile ? 'warn' : 'bad', what: 'appendonly', text: 'no: durable jobs are refused; set appendonly yes' },
    maxMemory === 0
      ? { level: 'warn', what: 'memory', text: `${mega(usedMemory)} used, no limit (maxmemory): a full machine ends the server` }
      : { level: share > 0.8 ? 'bad' : 'ok', what: 'memory', text: `${mega(usedMemory)} of ${mega(maxMemory)} used` }
  ]
}

/** Each command that the tier and BullMQ send, on keys and channels of the deployment. */
async function lookAtRights (client: Client, keys: Keys): Promise<Finding[]> {
  const key = `${keys.prefix}:doctor`
  const script = 'redis.call("incr", KEYS[1]); return redis.call("pexpire", KEYS[1], 1000)'
  const tries: [string, () => Promise<unknown>][] = [
    ['SET', () => client.set(key, '1', 'PX', 10_000)],
    ['GET', () => client.get(key)],
    ['EXISTS', () => client.exists(key)],
    ['EVAL', () => client.eval(script, 1, key)],
    ['EVALSHA', () => client.evalsha('0'.repeat(40), 1, key)],
    ['DEL', () => client.del(key)],
    ['HSET', () => client.hset(key, 'a', '1')],
    ['HMGET', () => client.hmget(key, 'a')],
    ['PEXPIRE', () => client.pexpire(key, 10_000)],
    ['DEL', () => client.del(key)],
    ['SADD', () => client.sadd(key, '1')],
    ['SMEMBERS', () => client.smembers(key)],
    ['DEL', () => client.del(key)],
    ['ZADD', () => client.zadd(key, 1, 'a')],
    ['ZRANGEBYSCORE', () => client.zrangebyscore(key, 0, 1)],
    ['ZCARD', () => client.zcard(key)],
    ['BZPOPMIN', () => client.bzpopmin(key, 1)],
    ['LLEN', () => client.llen(key)],
    ['XADD', () => client.xadd(key, 'MAXLEN', '~', '1', '*', 'a', '1')],
    ['DEL', () => client.del(key)],
    ['MULTI', () => client.multi().get(key).exec().catch((error: Error) => {
      // its own refusal is not told
      throw /without MULTI/.test(error.message) ? new Error('NOPERM') : error
    })],
    ['PUBLISH', () => client.publish(keys.cancels, '')],
    ['SUBSCRIBE', async () => {
      await client.subscribe(keys.hints('doctor'))
      await client.unsubscribe(keys.hints('doctor'))
    }],
    ['CLIENT SETNAME', () => client.client('SETNAME', 'fs-doctor')]
  ]
  const denied = new Set<string>()
  const states = new Set<string>()
  for (const [name, run] of tries) {
    await run().catch((error: Error) => {
      if (/NOPERM/.test(error.message)) denied.add(name)
      else if (isPassing(error)) states.add(inWords(error.message))
      // expected, or follows from a refusal before it
      else if (!/NOSCRIPT|WRONGTYPE|EXECABORT/.test(error.message)) throw error
    })
  }
  const writes = [...states].map((state): Finding =>
    ({ level: 'bad', what: 'writes', text: `no job can be handed over or answered now: ${state}${/full/.test(state) ? '; raise maxmemory, or remove what else lies there' : ''}` }))
  return [...writes, denied.size === 0
    ? { level: 'ok', what: 'rights', text: `every command is allowed on ${keys.prefix}*` }
    : { level: 'bad', what: 'rights', text: `refused on ${keys.prefix}*: ${[...denied].join(', ')}` }]
}

async function lookAtTime (client: Client, keys: Keys, { now = Date.now }: DiagnosisOptions): Promise<Finding[]> {
  const clock = new BrokerClock(now)
  const times: number[] = []
  for (let ping = 0; ping < PINGS; ping++) {
    const before = performance.now()
    await client.ping()
    times.push(performance.now() - before)
  }
  await clock.read(client, keys.cancels)
  const median = times.sort((a, b) => a - b)[PINGS / 2]!
  const offsetMs = Math.round(clock.offsetMs)
  return [
    { level: median > SLOW_MS ? 'bad' : 'ok', what: 'latency', text: `${median.toFixed(2)} ms median, ${times.at(-1)!.toFixed(2)} ms worst of ${PINGS}` },
    { level: Math.abs(offsetMs) > OFFSET_MS ? 'warn' : 'ok', what: 'clock', text: `${offsetMs} ms from this machine's` }
  ]
}

async function lookAtQueues (client: Client, keys: Keys, { now = Date.now }: DiagnosisOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  const clock = new BrokerClock(now)
  await clock.read(client, keys.cancels)
  for (const queue of (await client.smembers(keys.queues)).sort()) {
    const count = async (list: 'wait' | 'active'): Promise<number> => await client.llen(keys.list(queue, list))
    const [waiting, active] = [await count('wait'), await count('active')]
    const [prioritized, delayed] = [await client.zcard(keys.list(queue, 'prioritized')), await client.zcard(keys.list(queue, 'delayed'))]
    const failed = await client.zcard(keys.list(queue, 'failed'))
    const alive = await client.zrangebyscore(keys.alive(queue), clock.now(), '+inf')
    const isPaused = await client.hexists(keys.list(queue, 'meta'), 'paused') === 1
    const depth = waiting + active + prioritized + delayed
    const numbers = `${depth} jobs, ${failed} failed ones kept, ${alive.length} workers`
    if (isPaused) findings.push({ level: 'bad', what: `queue ${queue}`, text: `paused; ${numbers}` })
    else if (depth > 0 && alive.length === 0) findings.push({ level: 'bad', what: `queue ${queue}`, text: `orphaned: ${numbers}` })
    else findings.push({ level: 'ok', what: `queue ${queue}`, text: numbers })
  }
  return findings
}

async function lookForOldKeys (client: Client, _keys: Keys, options: DiagnosisOptions, shard: number):
Promise<Finding[]> {
  const { env, region, shards = shard + 1, now = Date.now } = options
  const lines = await leftovers(client, shard, shards, env, region, now)
  if (lines === undefined) return [{ level: 'ok', what: 'old keys', text: 'not looked for: SCAN is refused to this user' }]
  if (lines.length === 0) return [{ level: 'ok', what: 'old keys', text: 'none seen' }]
  return lines.map((text) => ({ level: 'warn', what: 'old keys', text }))
}

const mega = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`
