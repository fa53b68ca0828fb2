// Keys of a deployment that nobody will use or remove any more: of queues that were given up, and of shards.
import { BrokerClock, isForbidden, mastersOf } from './connection.js'
import { Keys } from './keys.js'
import type { Client } from './connection.js'

/** Keys looked at in one step, and steps on one server: a Redis of millions of keys is not read whole. Chosen. */
const SCAN_COUNT = 1000
const MAX_STEPS = 200

/** A line for each kind of them. Undefined: this user may not look. The deployment has so many `shards`. */
export async function leftovers (client: Client, shard: number, shards: number, env: string, region: string,
  now: () => number): Promise<string[] | undefined> {
  const keys = new Keys(env, region, shard)
  const counts = new Map<string, number>()
  try {
    for (const node of mastersOf(client)) {
      let cursor = '0'
      for (let step = 0; step < MAX_STEPS && (step === 0 || cursor !== '0'); step++) {
        const [next, found] = await node.scan(cursor, 'MATCH', `{fs:${env}:*`, 'COUNT', SCAN_COUNT)
        cursor = next
        for (const key of found) counts.set(placeOf(key), (counts.get(placeOf(key)) ?? 0) + 1)
      }
    }
  } catch (error) {
    if (!isForbidden(error)) throw error
    return undefined
  }
  const clock = new BrokerClock(now)
  await clock.read(client, keys.cancels)
  const known = Array.from({ length: shards }, (_, known) => new Keys(env, region, known).prefix)
  const lines: string[] = []
  for (const [place, count] of [...counts].sort()) {
    const [prefix, queue] = place.split(' ') as [string, string | undefined]
    const say = (whose: string): void => {
      lines.push(`${count} keys ${place.replace(' ', ':')}:* of ${whose}: they stay until somebody removes them`)
    }
    if (!known.includes(prefix)) say('no shard of this deployment')
    else if (prefix === keys.prefix && queue !== undefined && await isGivenUp(client, keys, queue, clock.now())) {
      say('a queue that nobody serves and where no job waits')
    }
  }
  return lines
}

/** Prefix and queue of a key; what has no queue, or one beside BullMQ's, is not told apart. */
function placeOf (key: string): string {
  const [, prefix = key, queue] = /^(\{[^}]*\}):([^:]+@[^:]+)/.exec(key) ?? [undefined, key.split('}')[0] + '}']
  return queue === undefined ? prefix : `${prefix} ${queue}`
}

async function isGivenUp (client: Client, keys: Keys, queue: string, nowMs: number): Promise<boolean> {
  if (await client.zcount(keys.alive(queue), nowMs, '+inf') > 0) return false
  const depths = await Promise.all([
    ...(['wait', 'paused', 'active'] as const).map((name) => client.llen(keys.list(queue, name))),
    ...(['prioritized', 'delayed'] as const).map((name) => client.zcard(keys.list(queue, name)))
  ])
  return depths.every((depth) => depth === 0)
}
