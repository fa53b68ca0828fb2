// The numbers of a pool as a plain copy.
import { Times } from './metrics.js'
import type { Clock } from './clock.js'
import type { Load } from './load.js'
import type { Counters, TimesView } from './metrics.js'
import type { Job, Kind } from './pending.js'
import type { Placing } from './placing.js'
import type { Actor } from './supervisor.js'
import type { Plan } from './tiers.js'

export type SchedulerState = 'new' | 'open' | 'draining' | 'closed'

/** Plain copy of a pool's numbers. */
export interface Snapshot {
  state: SchedulerState
  active: number
  backlog: number
  pending: number
  openTier: number
  retryAfterS: number
  tiers: TierSnapshot[]
  jobs: Record<string, TimesView>
  /** numbers of the overflow; null without one */
  remote: unknown
  counters: Omit<Counters, never>
}

/** One tier in a snapshot; times in ms. */
export interface TierSnapshot extends TimesView {
  tier: number
  isOpen: boolean
  reason: string
  threshold: number
  cpus: number[]
  isDegraded: boolean
  active: number
  depth: number
  actors: ActorSnapshot[]
}

/** One actor in a snapshot. */
export interface ActorSnapshot {
  slot: number
  cpu: number | null
  state: string
  reason: string | null
  depth: number
  restarts: number
  openForMs: number
  utilization: number
}

/** Where the numbers are. */
export interface Sources {
  readonly plan: Plan
  readonly clock: Clock
  readonly load: Load
  readonly placing: Placing
  readonly actors: readonly Actor<Job>[]
  readonly kinds: ReadonlyMap<string, Kind>
  readonly counters: Counters
}

/** All of them but what the scheduler alone knows. */
export function takeSnapshot ({ plan, clock, load, placing, actors, kinds, counters }: Sources):
Omit<Snapshot, 'state' | 'pending' | 'retryAfterS' | 'remote'> {
  const nowMs = clock.now()
  const { gate } = placing
  const all = [...kinds.values()]
  return {
    active: load.active,
    backlog: placing.backlog,
    openTier: gate.openTier,
    tiers: plan.tiers.map(({ tier, threshold, cpus }, index) => {
      const own = actors.filter((actor) => actor.slot.tier === tier)
      return {
        tier,
        isOpen: tier <= gate.openTier,
        reason: gate.reason(tier),
        threshold,
        cpus: [...cpus],
        isDegraded: own.some(({ state }) => state === 'failed'),
        active: own.filter(({ mailbox }) => (mailbox?.depth ?? 0) > 0).length,
        depth: own.reduce((sum, { mailbox }) => sum + (mailbox?.depth ?? 0), 0),
        actors: own.map((actor) => actorSnapshot(actor, nowMs)),
        ...Times.sum(all.map(({ times }) => times[index]!)).view()
      }
    }),
    jobs: Object.fromEntries(all.map(({ name, times }) => [name, Times.sum(times).view()])),
    counters: { ...counters, settled: { ...counters.settled } }
  }
}

function actorSnapshot ({ slot, state, reason, mailbox, restarts, openedAtMs, thread }: Actor<Job>, nowMs: number):
ActorSnapshot {
  return {
    slot: slot.id,
    cpu: slot.cpu,
    state,
    reason: reason ?? null,
    depth: mailbox?.depth ?? 0,
    restarts,
    openForMs: state === 'open' ? Math.round(nowMs - openedAtMs) : 0,
    utilization: thread?.performance.eventLoopUtilization().utilization ?? 0
  }
}
