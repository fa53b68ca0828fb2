// The metric families of the remote tier, from its numbers in the snapshot; nothing is read from the engine for them.
import type { RefusalKey, RemoteStats } from './remote/contract.js'

type Labels = Readonly<Record<string, string | number>>

type Stats = RemoteStats & { ranHere?: number, refusals?: Readonly<Record<RefusalKey, number>> }

/** One family: kind, name, help, labels, and its samples. */
export type RemoteFamily = readonly [
  kind: 'counter' | 'gauge', name: string, help: string, labels: readonly string[],
  read: (stats: Stats) => [Labels, number][]
]

/** The numbers of a remote tier; undefined where the pool has none, or another kind of overflow. */
export function remoteOf (remote: unknown): RemoteStats | undefined {
  const { shards, counters } = Object(remote) as Partial<RemoteStats>
  return Array.isArray(shards) && counters !== undefined ? remote as RemoteStats : undefined
}

const perShard = (read: (shard: RemoteStats['shards'][number]) => number) =>
  ({ shards }: RemoteStats): [Labels, number][] => shards.map((shard) => [{ shard: shard.shard }, read(shard)])

const perQueue = (name: 'depth' | 'workers' | 'slots') => ({ shards }: RemoteStats): [Labels, number][] =>
  shards.flatMap(({ shard, queues }) =>
    Object.entries(queues).map(([queue, numbers]): [Labels, number] => [{ shard, queue }, numbers[name]]))

export const remoteFamilies: readonly RemoteFamily[] = [
  ['counter', 'remote_events_total', 'What befell jobs sent to and taken from other machines, by event.', ['event'],
    ({ counters }) => Object.entries(counters).map(([event, count]) => [{ event }, count])],
  ['counter', 'remote_ran_here_total', 'Jobs that were sent away and ran here after all.', [],
    ({ ranHere = 0 }) => [[{}, ranHere]]],
  ['counter', 'remote_refusals_total', 'Jobs that other machines were not given, by the code of the refusal.', ['code'],
    ({ refusals = {} }) => Object.entries(refusals).map(([code, count]) => [{ code }, count])],
  ['gauge', 'remote_in_flight_jobs', 'Jobs that this process waits for.', [], ({ inFlight }) => [[{}, inFlight]]],
  ['gauge', 'remote_breaker_open', 'Whether an engine counts as away.', ['shard'],
    perShard(({ breaker }) => breaker === 'closed' ? 0 : 1)],
  ['gauge', 'remote_engine_roundtrip_seconds', 'The last round trip to an engine.', ['shard'],
    perShard(({ roundtripMs }) => roundtripMs / 1000)],
  ['gauge', 'remote_clock_offset_seconds', 'How far the clock of an engine is ahead.', ['shard'],
    perShard(({ clockOffsetMs }) => clockOffsetMs / 1000)],
  ['gauge', 'remote_queue_jobs', 'Jobs that wait or run, by queue.', ['shard', 'queue'], perQueue('depth')],
  ['gauge', 'remote_queue_workers', 'Living workers, by queue.', ['shard', 'queue'], perQueue('workers')],
  ['gauge', 'remote_queue_slots', 'Jobs that the living workers can run at once, by queue.', ['shard', 'queue'], perQueue('slots')]
]
