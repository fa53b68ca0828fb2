// Options of the BullMQ tier: meaning, default and check, in one table.
import { hostname } from 'node:os'
import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import { errors } from '../errors.js'
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
  /** payloads and results above this lie beside the record @default 16384 */
  inlineBytes?: number
  /** a producer's command is given up after this @default 500 */
  commandTimeoutMs?: number
  /** how often the records of waiting jobs are read @default 1000 */
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

const positive = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0 &&
  (value as number) < 2 ** 31
const isName = (value: unknown): boolean => typeof value === 'string' && /^[a-z0-9-]{1,32}$/.test(value)
const INTEGER = 'an integer of at least 1'
const NAME = 'up to 32 of a-z, 0-9 and -'

const table: Record<Exclude<keyof BullmqOptions, 'redis'>, readonly [unknown, string, (value: unknown) => boolean]> = {
  env: ['default', NAME, isName],
  region: ['r1', NAME, isName],
  clusterShards: [3, 'an integer from 1 to 100', (value) => positive(value) && (value as number) <= 100],
  maxInFlight: [1000, INTEGER, positive],
  maxPayloadBytes: [262144, INTEGER, positive],
  maxResultBytes: [8388608, INTEGER, positive],
  inlineBytes: [16384, INTEGER, positive],
  commandTimeoutMs: [500, INTEGER, positive],
  sweepMs: [1000, INTEGER, positive],
  lockMs: [15000, 'an integer of at least 1000', (value) => positive(value) && (value as number) >= 1000],
  stalledMs: [5000, INTEGER, positive],
  keepResults: [5000, INTEGER, positive],
  allowVolatile: [false, 'true or false', (value) => typeof value === 'boolean'],
  signingKey: [undefined, 'a text of at least 16 characters', (value) => typeof value === 'string' && value.length >= 16],
  now: [Date.now, 'a function', (value) => typeof value === 'function'],
  instance: [undefined, 'up to 100 letters, digits, dots and -', (value) => typeof value === 'string' && /^[\w.-]{1,100}$/.test(value)]
}

/** Check options. Throws `FST_ERR_SPILLOVER_OPTION`; a URL is never shown, since it may hold a password. */
export function checkSettings (given: BullmqOptions): Settings {
  const settings: Record<string, unknown> = {}
  for (const key of Object.keys(given)) {
    if (key !== 'redis' && !Object.hasOwn(table, key)) {
      throw new errors.OPTION(`remote.${key}`, `one of redis, ${Object.keys(table).join(', ')}`, 'an unknown option')
    }
  }
  for (const [key, [otherwise, expected, test]] of Object.entries(table)) {
    const value = given[key as keyof BullmqOptions]
    if (value !== undefined && !test(value)) {
      throw new errors.OPTION(`remote.${key}`, expected, key === 'signingKey' ? 'something else' : inspect(value))
    }
    settings[key] = value ?? otherwise
  }
  settings.instance ??= `${hostname().replace(/[^\w.-]/g, '-').slice(0, 40)}-${process.pid}-${randomUUID().slice(0, 8)}`
  const list = Array.isArray(given.redis) ? given.redis as readonly RedisAddress[] : [given.redis as RedisAddress]
  for (const address of list) {
    const isUrl = typeof address === 'string' && /^rediss?:\/\//.test(address)
    if (!isUrl && (address === null || typeof address !== 'object')) {
      throw new errors.OPTION('remote.redis', 'redis:// or rediss:// URLs, or options of ioredis', `a ${typeof address}`)
    }
  }
  // one cluster is spread over several hash tags, which are its shards
  settings.addresses = list.flatMap((address): RedisAddress[] => typeof address === 'object' && 'cluster' in address
    ? Array.from({ length: settings.clusterShards as number }, () => address)
    : [address])
  if (list.length === 0 || (settings.addresses as unknown[]).length > 1000) {
    throw new errors.OPTION('remote.redis', '1 to 1000 addresses', String(list.length))
  }
  return settings as unknown as Settings
}
