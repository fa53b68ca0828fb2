// The assembly of the scheduler's floors, and its public names.
import { formatCpuList } from './machine/cpulist.js'
import { recordMachine } from './record.js'
import { describePlan, describeTopology } from './schema.js'
import { addonReason, startThreadPool } from './affinity.js'
import { claimCores, releaseCores } from './claims.js'
import { planPinned } from './pinning.js'
import { makePlan, strategies } from './tiers.js'
import { detectTopology, readTopology } from './topology.js'
import { checkOptions } from './options.js'
import { Scheduler } from './scheduler.js'
import { Spill } from './remote/spill.js'
import { errors } from './errors.js'
import type { Options } from './options.js'

/**
 * A tiered pool for the machine it runs on, without Fastify. Options are checked here: a wrong one throws
 * `FST_ERR_SPILLOVER_OPTION`. Call `ready()` before the first `offload()`, and `close()` at the end.
 */
export function createScheduler (options: Options): Scheduler {
  const checked = checkOptions(options)
  const { remote } = checked
  if (remote !== undefined) {
    if (checked.overflow !== undefined) throw new errors.OPTION('overflow', 'no value where remote is set', 'an object')
    checked.overflow = new Spill('tier' in remote ? remote : { tier: remote })
  }
  const claims = { claim: claimCores, release: releaseCores }
  const { plan, pinning } = planPinned(readTopology(), checked, addonReason, claims)
  if (pinning.reason === null) startThreadPool()
  try {
    return new Scheduler(plan, checked, undefined, pinning)
  } catch (error) {
    pinning.release()
    throw error
  }
}

export { errorTable } from './errors.js'
export { memoryTier, MemoryBroker } from './remote/memory.js'
export { optionTable } from './options.js'
export { channels } from './trace.js'
export {
  makePlan, strategies, describePlan, describeTopology, detectTopology, formatCpuList, readTopology, recordMachine,
  errors, Scheduler, Spill
}
export { readCpuLoad } from './cpuload.js'
export type { Options }
export type * from './jobs.js'
export type {
  Admit, AdmitQuery, Codec, JobRef, RefusalKey, RemoteContext, RemoteJob, RemoteLog, RemoteOutcome,
  RemoteState, RemoteStats, RemoteStatus, RemoteTicket, RemoteTier, RunResult, Served, Serving, ShardStats,
  SlotSource, TakenJob
} from './remote/contract.js'
export type { DurableOptions, DurableTicket, RemoteJobOptions, RemoteOptions } from './remote/spill.js'
export type { OffloadOptions } from './pending.js'
export type { ActorSnapshot, Hint, Measures, PinningSnapshot, Snapshot, TierSnapshot } from './snapshot.js'
export type { Plan, PlanOptions, Slot, Strategy, TierPlan, ExplicitTier } from './tiers.js'
export type { Recording } from './record.js'
export type { Cpu, Topology } from './topology.js'
export type { CpuLoad } from './cpuload.js'
export type { RecordOptions } from './recorder.js'
export type { Trace, TraceEvent } from './recording.js'
export type {
  AcceptedMessage, ActorMessage, FailedMessage, GateMessage, HintMessage, PoolIdentity, SettledMessage, StrayMessage
} from './trace.js'
