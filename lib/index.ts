// The assembly of the scheduler's floors, and its public names.
import { formatCpuList } from './machine/cpulist.js'
import { recordMachine } from './record.js'
import { describePlan, describeTopology } from './schema.js'
import { addonReason, startThreadPool } from './affinity.js'
import { claimCores, releaseCores } from './claims.js'
import { NO_THREADS } from './inline/mailbox.js'
import { planPinned, unpinned } from './pinning.js'
import { makePlan, strategies } from './tiers.js'
import { detectTopology, readTopology } from './topology.js'
import { checkOptions } from './options.js'
import { errors } from './errors.js'
import { loading } from './modules.js'
import { Scheduler } from './scheduler.js'
import { Spill } from './remote/spill.js'
import { keepTickShape } from './ticks.js'
import { watchMachine } from './watcher.js'
import { defaultCosts, simulate } from './simulator.js'
import type { Options } from './options.js'
import type { Pinning, PinningOptions } from './pinning.js'
import type { Plan } from './tiers.js'
import type { Topology } from './topology.js'

/**
 * A tiered pool for the machine it runs on, without Fastify. Options are checked here: a wrong one throws
 * `FST_ERR_SPILLOVER_OPTION`. Call `ready()` before the first `offload()`, and `close()` at the end.
 */
export function createScheduler (options: Options): Scheduler {
  const checked = checkOptions(options)
  if (loading.isActor) {
    throw new errors.OPTION('jobs', 'a module of jobs alone', 'one that makes a pool while it is loaded: is it the file of the server?')
  }
  const { remote } = checked
  if (remote !== undefined) {
    if (checked.overflow !== undefined) throw new errors.OPTION('overflow', 'no value where remote is set', 'an object')
    checked.overflow = new Spill('tier' in remote ? remote : { tier: remote })
  }
  if (checked.runtime === 'inline') {
    return new Scheduler(makePlan(readTopology(), checked), checked, undefined, unpinned(NO_THREADS))
  }
  keepTickShape()
  const { plan, pinning } = layOut(readTopology(), checked)
  try {
    const scheduler = new Scheduler(plan, checked, undefined, pinning)
    if (checked.watch && checked.tiers === undefined) {
      scheduler.follow(watchMachine((topology) => follow(scheduler, topology, checked)))
    }
    return scheduler
  } catch (error) {
    pinning.release()
    throw error
  }
}

/** Make the plan and claim its cores. A process has each claim once, however many of its pools want it. */
function layOut (topology: Topology, options: PinningOptions): { plan: Plan, pinning: Pinning } {
  const made = planPinned(topology, options, addonReason, { claim: claimCores, release: releaseCores })
  if (made.pinning.reason === null) startThreadPool()
  return made
}

/** The machine is another one: plan, pinning and claims are made anew. Where no plan can be made the old one stays. */
function follow (scheduler: Scheduler, topology: Topology, options: PinningOptions): void {
  if (topology.allowed.length === 0) return
  try {
    const { plan, pinning } = layOut(topology, options)
    if (!scheduler.replan(plan, pinning)) pinning.release()
  } catch (error) {
    // such as a home that is not there any more
    if (!(error instanceof errors.OPTION)) throw error
  }
}

export { callChecks } from './calls.js'
export { Departure } from './departure.js'
export { atLeast, flag, integer, isRecord, method, readOptions, show, suggest, unknownJob, unknownOption } from './checks.js'
export { errorTable } from './errors.js'
export { addPool, newRegistry } from './families.js'
export { memoryTier, MemoryBroker } from './remote/memory.js'
export { optionTable } from './options.js'
export { channels } from './trace.js'
export {
  defaultCosts, simulate,
  makePlan, strategies, describePlan, describeTopology, detectTopology, formatCpuList, readTopology, recordMachine,
  errors, Scheduler, Spill
}
export { readCpuLoad } from './cpuload.js'
export type { Options }
export type { Check, Table } from './checks.js'
export type { Measured, MetricRegistry } from './families.js'
export type * from './jobs.js'
export type {
  Admit, AdmitQuery, Codec, JobRef, RefusalKey, RemoteContext, RemoteJob, RemoteLog, RemoteOutcome,
  RemoteState, RemoteStats, RemoteStatus, RemoteTicket, RemoteTier, RunResult, Served, Serving, ShardStats,
  SlotSource, TakenJob
} from './remote/contract.js'
export type { DurableOptions, Durables, DurableTicket, RemoteJobOptions, RemoteOptions } from './remote/spill.js'
export type { Arrival, Costs, Sample, SimulatedKind, SimulateOptions, Simulation } from './simulator.js'
export type { OffloadOptions } from './pending.js'
export type { ActorSnapshot, Hint, Measures, PinningSnapshot, Snapshot, TierSnapshot } from './snapshot.js'
export type { Plan, PlanOptions, Slot, Strategy, TierPlan, ExplicitTier } from './tiers.js'
export type { Recording } from './record.js'
export type { Cpu, Topology } from './topology.js'
export type { CpuLoad } from './cpuload.js'
export type { RecordOptions } from './recorder.js'
export type { Trace, TraceEvent } from './recording.js'
export type {
  AcceptedMessage, ActorMessage, FailedMessage, GateMessage, HintMessage, PlanMessage, PoolIdentity, SettledMessage,
  StrayMessage
} from './trace.js'
