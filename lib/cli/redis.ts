// Where the jobs are: the flags that `worker` and `doctor` share, as the options of the tier have it.
import { UsageError } from './flags.js'
import { readSecret } from './secret.js'
import type { Flags } from './flags.js'

/** Flags of both commands. */
export const redisOptions = {
  redis: { type: 'string' },
  cluster: { type: 'boolean' },
  'cluster-shards': { type: 'string' },
  env: { type: 'string' },
  region: { type: 'string' }
} as const

/** What is printed of them. */
export const redisHelp = `  --redis URL       redis:// or rediss://, several with commas; better in the
                    environment: SPILLOVER_REDIS_URL, or the file
                    that SPILLOVER_REDIS_URL_FILE names
  --cluster         the URLs are nodes of one Redis Cluster, not servers of
                    their own; user, password and TLS are those of the first
  --cluster-shards N
                    as in the servers' option (default: 3)
  --env NAME        as in the servers' option (default: default)
  --region NAME     as in the servers' option (default: r1)
`

interface Nodes {
  readonly cluster: readonly { host: string, port: number }[]
  readonly redisOptions: { username?: string, password?: string, tls?: object }
}

/** What the flags say. */
export interface Place {
  readonly redis: readonly string[] | Nodes
  readonly clusterShards: number
  readonly env: string
  readonly region: string
  /** the addresses without a password, one a shard, for people */
  readonly shown: readonly string[]
}

/** Read them. A URL that is wrong is not repeated, since it may hold a password. */
export function readPlace (flags: Flags): Place {
  const list = flags.redis ?? readSecret('SPILLOVER_REDIS_URL')
  if (typeof list !== 'string') throw new UsageError('option --redis: expected a URL, got none, nor SPILLOVER_REDIS_URL')
  const given = list.split(',')
  const urls = given.map((text) => {
    if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) throw new UsageError('option --redis: expected redis:// or rediss:// URLs')
    return new URL(text)
  })
  const clusterShards = Number(flags['cluster-shards'] ?? 3)
  if (!Number.isInteger(clusterShards) || clusterShards < 1 || clusterShards > 100) {
    throw new UsageError('option --cluster-shards: expected an integer from 1 to 100')
  }
  const isCluster = flags.cluster === true
  if (!isCluster && flags['cluster-shards'] !== undefined) throw new UsageError('option --cluster-shards: expected with --cluster only')
  const names = urls.map(({ protocol, host }) => `${protocol}//${host}`)
  return {
    redis: isCluster ? nodesOf(urls) : given,
    clusterShards,
    env: nameOf(flags, 'env', 'default'),
    region: nameOf(flags, 'region', 'r1'),
    shown: isCluster ? Array.from({ length: clusterShards }, () => `cluster of ${names.join(', ')}`) : names
  }
}

function nodesOf (urls: readonly URL[]): Nodes {
  const { protocol, username, password } = urls[0]!
  return {
    cluster: urls.map(({ hostname, port }) => ({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) })),
    redisOptions: {
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} })
    }
  }
}

function nameOf (flags: Flags, key: string, otherwise: string): string {
  const value = String(flags[key] ?? otherwise)
  if (!/^[a-z0-9-]{1,32}$/.test(value)) throw new UsageError(`option --${key}: expected up to 32 of a-z, 0-9 and -`)
  return value
}
