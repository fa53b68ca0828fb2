// Records a pool at work for some time: what the channels tell, and the load in between.
import { setTimeout } from 'node:timers/promises'
import { errors } from './errors.js'
import { Recording } from './recording.js'
import { channels } from './trace.js'
import type { Clock } from './clock.js'
import type { Trace } from './recording.js'
import type { Plan } from './tiers.js'
import type { ActorMessage, GateMessage, PoolIdentity, SettledMessage } from './trace.js'

/** How long to record. */
export interface RecordOptions {
  /** more than 0, at most 3600 */
  seconds: number
  /** ends the recording early; what was recorded is given all the same */
  signal?: AbortSignal
}

/** What is recorded. */
export interface Recorded {
  readonly plan: Plan
  readonly identity: PoolIdentity
  readonly clock: Clock
  /** fires when the pool is closed */
  readonly closed: AbortSignal
  /** active actors, waiting jobs, highest open tier */
  load (): { readonly active: number, readonly backlog: number, readonly openTier: number }
  /** jobs that run now */
  running (): { readonly job: string, readonly slot: number, readonly startedAtMs: number, readonly waitMs: number }[]
}

/** Pause between two looks at the load when nothing else happens; chosen. */
const LOOK_MS = 20

/**
 * Begin to record; the function returned ends it and gives the trace. Costs nothing before and after: the channels are
 * subscribed to for the time of the recording. `look` is to be called now and then.
 */
export function beginRecording (pool: Recorded): { look (): void, end (): Trace } {
  const { clock, identity, plan } = pool
  const startedAt = new Date()
  const recording = new Recording(plan.tiers.flatMap(({ slots }) => slots), clock.now(), pool.load().openTier)
  const look = (): void => {
    const { active, backlog } = pool.load()
    recording.count(clock.now(), active, backlog)
  }
  /** A subscriber that sees this pool's messages only. */
  const own = <M extends { readonly pool: PoolIdentity }>(take: (message: M) => void) => (message: unknown): void => {
    if ((message as M).pool !== identity) return
    take(message as M)
    look()
  }
  const subscribers = [
    [channels.accepted, own(() => {})],
    [channels.settled, own(({ slot, startedAtMs, runMs = 0, waitMs = 0, borderMs = 0, job, outcome, requestId }:
    SettledMessage) => {
      if (slot === null || startedAtMs === undefined) return
      recording.run({ job, slot, startedAtMs, runMs, waitMs, borderMs, outcome, requestId })
    })],
    [channels.gate, own(({ openTier }: GateMessage) => recording.gate(clock.now(), openTier))],
    [channels.actor, own(({ slot, state, reason }: ActorMessage) => recording.state(clock.now(), slot, state, reason))]
  ] as const
  for (const [channel, subscriber] of subscribers) channel.subscribe(subscriber)
  look()
  return {
    look,
    end () {
      for (const [channel, subscriber] of subscribers) channel.unsubscribe(subscriber)
      look()
      const endMs = clock.now()
      for (const { startedAtMs, ...run } of pool.running()) {
        recording.run({ ...run, startedAtMs, runMs: Math.max(0, endMs - startedAtMs), borderMs: 0, outcome: 'running' })
      }
      return recording.end(endMs, { pool: identity.name, strategy: plan.strategy, startedAt: startedAt.toISOString() })
    }
  }
}

/** Record for some time, or until the pool is closed. */
export async function record (pool: Recorded, { seconds, signal }: RecordOptions): Promise<Trace> {
  if (typeof seconds !== 'number' || !(seconds > 0 && seconds <= 3600)) {
    throw new errors.OPTION('seconds', 'a number above 0, at most 3600', String(seconds))
  }
  const { look, end } = beginRecording(pool)
  const looks = setInterval(look, LOOK_MS)
  const over = signal === undefined ? pool.closed : AbortSignal.any([signal, pool.closed])
  await setTimeout(seconds * 1000, undefined, { signal: over }).catch(() => {}) // it ended early
  clearInterval(looks)
  return end()
}
