// The numbers of a pool as a plain copy.
import { outcomes, Times } from './metrics.js'
import type { Worker } from 'node:worker_threads'
import type { Clock } from './clock.js'
import type { Load } from './load.js'
import type { OverflowTimes } from './jobs.js'
import type { Counters, Outcome, TimesView } from './metrics.js'
import type { Hint, Job, Kind } from './pending.js'
import type { QuarantineView } from './quarantine.js'
import type { Placing } from './placing.js'
import type { Actor } from './slots.js'
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
  pinning: PinningSnapshot
  tiers: TierSnapshot[]
  jobs: Record<string, TimesView>
  /** numbers of the overflow; null without one */
  remote: unknown
  counters: Omit<Counters, never>
  /** jobs that would be quicker on the main thread */
  hints: Hint[]
  /** job names that are refused because their runs ended actors */
  quarantine: QuarantineView[]
}

/** What the pool does about pinning. */
export interface PinningSnapshot {
  /** actors that have a cpu pin themselves to it */
  isOn: boolean
  /** why not; null where it is on */
  reason: string | null
  /** cores claimed before other processes, each by its lowest cpu */
  claimed: number[]
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
  /** the mask that the actor read back is its cpu alone */
  pinned: boolean
  /** why it is not pinned; null where it is */
  pinReason: string | null
  state: string
  reason: string | null
  depth: number
  restarts: number
  /** threads of this slot that were told to end and have not: inside native code */
  zombies: number
  openForMs: number
  /** share of its life that its event loop was busy or it ran jobs; asleep it is not */
  utilization: number
  /** JavaScript heap in use, as the actor said within the last 100 ms it did anything; 0 when it has no thread */
  heapUsedBytes: number
}

export type { Hint }

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
Omit<Snapshot, 'state' | 'pending' | 'retryAfterS' | 'remote' | 'pinning' | 'quarantine'> {
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
        actors: own.map((actor) => actorSnapshot(actor, load, nowMs)),
        ...Times.sum(all.map(({ times }) => times[index]!)).view()
      }
    }),
    jobs: Object.fromEntries(all.map(({ name, times }) => [name, Times.sum(times).view()])),
    counters: { ...counters, settled: { ...counters.settled } },
    hints: all.flatMap(({ hint }) => hint === undefined ? [] : [hint])
  }
}

function actorSnapshot (actor: Actor<Job>, load: Load, nowMs: number): ActorSnapshot {
  const { slot, pinned, pinReason, state, reason, mailbox, restarts, zombies, openedAtMs, thread } = actor
  return {
    slot: slot.id,
    cpu: slot.cpu,
    pinned,
    pinReason,
    state,
    reason: reason ?? null,
    depth: mailbox?.depth ?? 0,
    restarts,
    zombies,
    openForMs: state === 'open' ? Math.round(nowMs - openedAtMs) : 0,
    utilization: thread === undefined ? 0 : utilizationOf(thread, load.parkedMs(slot.id, nowMs)),
    heapUsedBytes: thread === undefined ? 0 : load.heapUsedBytes(slot.id)
  }
}

/** An actor asleep in the kernel is inside its event loop, so Node takes it for busy: that time is taken off. */
function utilizationOf ({ performance }: Worker, parkedMs: number): number {
  const { active, idle } = performance.eventLoopUtilization()
  return active + idle === 0 ? 0 : Math.max(0, Math.min(1, (active - parkedMs) / (active + idle)))
}

/** What metrics read beside the snapshot: histograms and counts by job and tier. */
export interface Measures {
  readonly times: readonly { readonly job: string, readonly tier: number, readonly times: Times }[]
  readonly settled: readonly {
    readonly job: string, readonly tier: number | null, readonly outcome: Outcome, readonly count: number
  }[]
  /** by job, of those that go elsewhere or come from there */
  readonly elsewhere: ReadonlyMap<string, OverflowTimes>
}

/** The histograms themselves; where nothing was recorded there is no entry. */
export function takeMeasures (plan: Plan, kinds: ReadonlyMap<string, Kind>): Omit<Measures, 'elsewhere'> {
  const all = [...kinds.values()]
  return {
    times: all.flatMap(({ name: job, times }) => times.flatMap((times, index) =>
      times.run.count === 0 ? [] : [{ job, tier: plan.tiers[index]!.tier, times }])),
    settled: all.flatMap(({ name: job, settled }) => outcomes.flatMap((outcome) =>
      [...settled[outcome]].flatMap((count, tier) => count === 0 && !(outcome === 'ok' && tier === plan.tiers[0]!.tier)
        ? []
        : [{ job, tier: tier === 0 ? null : tier, outcome, count }])))
  }
}
