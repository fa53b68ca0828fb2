// The diagnostics channels: their names, and publishing that costs one check where nobody subscribed.
import { channel } from 'node:diagnostics_channel'

/** What is published where; every message is a plain object. */
export const channels = {
  /** `{ job, queued }` a job was accepted */
  accepted: channel('fastify-spillover.job.accepted'),
  /** `{ job, outcome, tier, waitMs, runMs, borderMs }` a job was settled */
  settled: channel('fastify-spillover.job.settled'),
  /** `{ openTier, active, backlog }` a tier opened or closed */
  gate: channel('fastify-spillover.gate'),
  /** `{ slot, tier, state, reason }` an actor changed its state */
  actor: channel('fastify-spillover.actor')
} as const
