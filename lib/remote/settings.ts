// Options of the BullMQ tier: meaning, default and check, in one table.
import { hostname } from 'node:os'
import { randomUUID } from 'node:crypto'
import { every, flag, integer, isRecord, method, readOption, readOptions } from '../checks.js'
import { errors } from '../errors.js'
import type { Check } from '../checks.js'
import type { RedisAddress } from './connection.js'

/** Options of `bullmqTier`. Times are ms, sizes bytes. */
export interface BullmqOptions {
  /** one Redis, or an array of independent ones (shards): URL, ioredis options, or `{ cluster: nodes }` */
  redis: RedisAddress | readonly RedisAddress[]
  /** deployment whose servers and workers belong together; part of every key @default 'default' */
  env?: string
  /** region, part of every key and id @default 'r1' */
  region?: string
  /** of a Redis Cluster: how many hash tags the jobs are spread over @default 3 */
  clusterShards?: number
  /** jobs of this process that may be away at once; further ones are refused @default 1000 */
  maxInFlight?: number
  /** largest payload @default 262144 */
  maxPayloadBytes?: number
  /** largest result @default 8388608 */
  maxResultBytes?: number
  /** payloads and results above this lie beside the record, and longer progress is not told @default 16384 */
  inlineBytes?: number
  /** a producer's command is given up after this @default 500 */
  commandTimeoutMs?: number
  /** how often the records of waiting jobs are read; first after the p99 of the job where that is less @default 1000 */
  sweepMs?: number
  /** lock of a running job: a job whose worker died is run again after it @default 15000 */
  lockMs?: number
  /** how often workers look for such jobs @default 5000 */
  stalledMs?: number
  /** finished records kept for each queue, beside their age @default 5000 */
  keepResults?: number
  /** accept durable jobs although the engine keeps nothing on disk @default false */
  allowVolatile?: boolean
  /** shared secret: jobs and outcomes that are not signed with it are refused @default none */
  signingKey?: string
  /** clock, for tests @default Date.now */
  now?: () => number
  /** name of this process in the engine @default host, pid and random */
  instance?: string
}

/** Options with defaults. */
export type Settings = Required<Omit<BullmqOptions, 'signingKey' | 'redis'>> & {
  readonly signingKey: string | undefined
  readonly addresses: readonly RedisAddress[]
}

const name: Check = {
  expected: 'up to 32 of a-z, 0-9 and -',
  test: (value) => typeof value === 'string' && /^[a-z0-9-]{1,32}$/.test(value)
}

const table = {
  env: ['default', name],
  region: ['r1', name],
  clusterShards: [3, integer(1, 100)],
  maxInFlight: [1000, integer(1)],
  maxPayloadBytes: [262144, integer(1)],
  maxResultBytes: [8388608, integer(1)],
  inlineBytes: [16384, integer(1)],
  commandTimeoutMs: [500, integer(1)],
  sweepMs: [1000, integer(1)],
  lockMs: [15000, integer(1000)],
  stalledMs: [5000, integer(1)],
  keepResults: [5000, integer(1)],
  allowVolatile: [false, flag],
  signingKey: [undefined, {
    expected: 'a text of at least 16 characters',
    test: (value) => typeof value === 'string' && value.length >= 16,
    isSecret: true
  }],
  now: [Date.now, method],
  instance: [undefined, {
    expected: 'up to 100 letters, digits, dots and -',
    test: (value) => typeof value === 'string' && /^[\w.-]{1,100}$/.test(value)
  }]
} as const satisfies Record<Exclude<keyof BullmqOptions, 'redis'>, readonly [unknown, Check]>

const isAddress = (value: unknown): boolean =>
  typeof value === 'string' ? /^rediss?:\/\//.test(value) : isRecord(value)
const addresses: Check = {
  expected: 'redis:// or rediss:// URLs, or options of ioredis, 1 to 1000 of them',
  test: (value) => isAddress(value) || (every(value, isAddress) && (value as unknown[]).length > 0),
  isSecret: true
}

/** Check options. Throws `FST_ERR_SPILLOVER_OPTION`; a URL is never shown, since it may hold a password. */
export function checkSettings (given: BullmqOptions): Settings {
  if (!isRecord(given)) throw new errors.OPTION('remote', 'an object with redis', typeof given)
  const settings = readOptions(given, table, (key) => `remote.${key}`, ['redis'])
  const redis = readOption(given, 'redis', addresses, 'remote.redis') as BullmqOptions['redis'] | undefined
  if (redis === undefined) throw new errors.OPTION('remote.redis', addresses.expected, 'undefined')
  settings.instance ??= `${hostname().replace(/[^\w.-]/g, '-').slice(0, 40)}-${process.pid}-${randomUUID().slice(0, 8)}`
  const list = Array.isArray(redis) ? redis as readonly RedisAddress[] : [redis as RedisAddress]
  // one cluster is spread over several hash tags, which are its shards
  settings.addresses = list.flatMap((address): RedisAddress[] => typeof address === 'object' && 'cluster' in address
    ? Array.from({ length: settings.clusterShards as number }, () => address)
    : [address])
  if ((settings.addresses as unknown[]).length > 1000) {
    throw new errors.OPTION('remote.redis', addresses.expected, `${(settings.addresses as unknown[]).length} of them`)
  }
  return settings as unknown as Settings
}
