// The diagnostics channels: their names and messages; publishing costs one check where nobody subscribed.
import { channel } from 'node:diagnostics_channel'

/** Which pool a message is about: the same object in all of its messages, and `identity` of that pool. */
export interface PoolIdentity { readonly name: string }

/** A job was accepted. */
export interface AcceptedMessage { readonly pool: PoolIdentity, readonly job: string, readonly queued: boolean }

/** A job was settled. Times in ms are absent where it did not run; `tier` and `slot` null where no actor had it. */
export interface SettledMessage {
  readonly pool: PoolIdentity
  readonly job: string
  readonly outcome: string
  readonly tier: number | null
  readonly slot: number | null
  readonly requestId: string | undefined
  /** `performance.now()` of the main thread when it began */
  readonly startedAtMs: number | undefined
  readonly waitMs: number | undefined
  readonly runMs: number | undefined
  readonly borderMs: number | undefined
}

/** A job was settled by an error: its own or one of ours. */
export interface FailedMessage {
  readonly pool: PoolIdentity
  /** epoch milliseconds */
  readonly atMs: number
  readonly job: string
  readonly outcome: string
  readonly tier: number | null
  readonly slot: number | null
  readonly requestId: string | null
  readonly error: unknown
}

/** A tier opened or closed. */
export interface GateMessage {
  readonly pool: PoolIdentity, readonly openTier: number, readonly active: number, readonly backlog: number
}

/** An actor changed its state. */
export interface ActorMessage {
  readonly pool: PoolIdentity
  readonly slot: number
  readonly tier: number
  readonly state: string
  readonly reason: string | undefined
}

/** A job that had ended threw, rejected or exited later; `job` is null where its name is not known. */
export interface StrayMessage {
  readonly pool: PoolIdentity
  readonly job: string | null
  readonly slot: number
  readonly tier: number
  readonly error: unknown
}

/** The machine changed, and the plan with it. */
export interface PlanMessage {
  readonly pool: PoolIdentity
  readonly tiers: readonly { readonly tier: number, readonly cpus: readonly number[], readonly threshold: number }[]
  readonly reserved: readonly number[]
  readonly maxActors: number
  readonly notes: readonly string[]
}

/** A job waits and travels longer than it runs: it is quicker on the main thread. Once for each job name. */
export interface HintMessage {
  readonly pool: PoolIdentity
  readonly job: string
  /** means of the last runs, ms */
  readonly waitMs: number
  readonly borderMs: number
  readonly runMs: number
  readonly text: string
}

/** What is published where. */
export const channels = {
  /** an `AcceptedMessage` */
  accepted: channel('fastify-spillover.job.accepted'),
  /** a `SettledMessage` */
  settled: channel('fastify-spillover.job.settled'),
  /** a `FailedMessage` */
  failed: channel('fastify-spillover.job.failed'),
  /** a `HintMessage` */
  hint: channel('fastify-spillover.job.hint'),
  /** a `GateMessage` */
  gate: channel('fastify-spillover.gate'),
  /** a `StrayMessage` */
  stray: channel('fastify-spillover.stray'),
  /** an `ActorMessage` */
  actor: channel('fastify-spillover.actor'),
  /** a `PlanMessage` */
  plan: channel('fastify-spillover.plan')
} as const
