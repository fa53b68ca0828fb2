// The id of a remote job: region, shard, queue, a random or keyed part, and whose it is: any machine can find it.
import { createHash, randomBytes } from 'node:crypto'
import type { JobRef } from './contract.js'

/** A job or version that can be part of a queue's name: BullMQ allows no colon, a URL no slash. */
export const isQueuePart = (text: string): boolean => /^[\w$.-]{1,128}$/.test(text)

export const queueOf = (job: string, version: string): string => `${job}@${version}`

const digest = (...parts: string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('base64url')

/** Characters of the part that tells whose the job is: 48 bits. */
const OWNER_LENGTH = 8
const ownerPart = (owner: string | undefined, body: string): string => digest('owner', owner ?? '', body).slice(0, OWNER_LENGTH)

/** The part that is unique in its queue: never the engine's counter, which starts again after a loss of data. */
export function uniquePart (queue: string, key: { scope: string, value: string } | undefined,
  owner: string | undefined): string {
  const body = key === undefined ? randomBytes(16).toString('base64url') : `k${digest(key.scope, queue, key.value).slice(0, 35)}`
  return body + ownerPart(key?.scope ?? owner, body)
}

/**
 * Was this id once given to that owner? It needs no record: who has an id of his own that the engine no longer knows is
 * told that the job is gone, and nothing is kept for that. Somebody else learns nothing.
 */
export function isGivenTo (id: string, owner: string | undefined): boolean {
  const unique = parseId(id)?.unique ?? ''
  const body = unique.slice(0, -OWNER_LENGTH)
  return body !== '' && body + ownerPart(owner, body) === unique
}

export function makeId (region: string, shard: number, queue: string, unique: string): string {
  return `${region}.${String(shard).padStart(2, '0')}.${queue}.${unique}`
}

const form = /^([a-z0-9-]{1,32})\.(\d{2,4})\.([\w$.-]{1,128})@([\w$-]{1,128})\.(k[\w-]{43}|[\w-]{30})$/

/** Take an id apart; undefined for anything that is none of ours. */
export function parseId (id: string): (JobRef & { readonly region: string, readonly unique: string }) | undefined {
  const [, region, shard, job, version, unique] = (id.length < 512 ? form.exec(id) : null) ?? []
  if (unique === undefined) return undefined
  return { id, region: region!, shard: Number(shard), job: job!, version: version!, unique }
}

/** The shard of a key: highest rank of key and shard, so that few keys move when the list grows. */
export function shardOfKey (unique: string, shards: number): number {
  let best = 0
  let bestRank = ''
  for (let shard = 0; shard < shards; shard++) {
    const rank = createHash('sha256').update(`${unique}\0${shard}`).digest('hex')
    if (rank > bestRank) [best, bestRank] = [shard, rank]
  }
  return best
}
