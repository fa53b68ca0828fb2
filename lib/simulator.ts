// What a pool would do: replays arrivals through the real gate, queue and scheduler in virtual time.
import { isRecord } from './checks.js'
import { errors } from './errors.js'
import { Histogram } from './metrics.js'
import { checkOptions } from './options.js'
import { Scheduler } from './scheduler.js'
import { VirtualClock } from './simulator/clock.js'
import { exponential, normal, randomOf } from './simulator/random.js'
import { SimulatedThreads } from './simulator/threads.js'
import { Slots } from './slots.js'
import { makePlan } from './tiers.js'
import type { Load } from './load.js'
import type { HistogramView } from './metrics.js'
import type { Options } from './options.js'
import type { Trace } from './recording.js'
import type { Plan } from './tiers.js'
import type { Topology } from './topology.js'
import type { Job } from './pending.js'
import type { Random } from './simulator/random.js'

/** The jobs of one name. */
export interface SimulatedKind {
  /** mean run time, ms */
  meanMs: number
  /** share of the arrivals, in any unit @default 1 */
  share?: number
  /** of the run times; lognormal with a deviation of the logarithm of 1 @default 'exponential' */
  distribution?: 'fixed' | 'exponential' | 'lognormal'
}

/** One arrival of a replay. */
export interface Arrival {
  atMs: number
  job: string
  /** @default drawn from the kind */
  runMs?: number
}

/** What the pool itself costs, µs. */
export interface Costs {
  /** of the host thread for each job @default 2.3 */
  hostUs: number
  /** of an actor for each job, beside its run @default 0.95 */
  actorUs: number
  /** from a wake-up or bell until the thread runs @default 50 */
  wakeUs: number
}

/** What is to be simulated: a plan, or a machine to plan for. */
export interface SimulateOptions {
  plan?: Plan
  topology?: Topology
  /** of the pool; those of threads and modules mean nothing here */
  options?: Omit<Options, 'jobs'>
  jobs: Readonly<Record<string, SimulatedKind>>
  /** arrivals a second, at random times; a pair: it rises or falls evenly from the one to the other */
  rate?: number | readonly [from: number, to: number]
  /** arrivals to replay instead, in order */
  arrivals?: readonly Arrival[]
  /** @default 10 */
  seconds?: number
  costs?: Partial<Costs>
  /** @default 1 */
  seed?: number
  /** points of the series @default 100 */
  samples?: number
  /** make a trace of it, as `record()` does of a pool @default false */
  trace?: boolean
}

/** The pool at one moment. */
export interface Sample { atMs: number, openTier: number, active: number, backlog: number, completed: number }

/** What was seen; nothing of it was measured. */
export interface Simulation {
  simulated: true
  seconds: number
  offered: number
  accepted: number
  refused: number
  /** jobs that ended well within the time */
  completed: number
  /** of them, a second */
  throughput: number
  /** from the arrival to the result, without the run */
  waits: HistogramView
  /** from the arrival to the result */
  times: HistogramView
  /** share of the time for which the host thread was busy, 0 to 1 */
  hostUse: number
  tiers: { tier: number, actors: number, threshold: number, openShare: number, completed: number, use: number }[]
  samples: Sample[]
  /** where it was asked for */
  trace?: Trace
}

/**
 * CPU of host and actor for a job that gives back a small object, 512 in flight, and a wake-up: the cost model that
 * `npm run bench` prints, on two shared virtual cores with Node 20. Without a payload `node test/simulation/costs.js`
 * has 0.85 and 0.84 there.
 */
export const defaultCosts: Costs = { hostUs: 1.5, actorUs: 1.6, wakeUs: 50 }

/** Time in which an actor opens, ms; measured. */
const BOOT_MS = 50
/** Longest time that jobs may still run after the last arrival, ms. */
const REST_MS = 60_000

/** Simulate a pool. Same input, same result. Throws `FST_ERR_SPILLOVER_OPTION` for a wrong input. */
export async function simulate (input: SimulateOptions): Promise<Simulation> {
  const { jobs, rate, arrivals, seconds = 10, seed = 1, samples: points = 100 } = input
  check(input)
  const options = { ...checkOptions({ callerStack: false, ...input.options, jobs: __filename }) }
  const plan = input.plan ?? makePlan(input.topology!, options)
  const costs = { ...defaultCosts, ...input.costs }
  const random = randomOf(seed)
  const clock = new VirtualClock({ timerMs: () => 0, soonMs: () => 0.01 })
  const wakeMs = costs.wakeUs / 1000
  let load: Load | undefined
  const names = Object.keys(jobs)
  const scheduler = new Scheduler(plan, options, {
    clock,
    hire: (plan, options, words, events) => {
      load = words
      return new Slots(plan, options, clock, words, events, new SimulatedThreads<Job>(options, words, {
        clock,
        jobs: names,
        places: 512,
        bootMs: () => BOOT_MS,
        bootDies: () => false,
        // a job takes two steps of its actor: claim and reply
        stepMs: () => costs.actorUs / 2000,
        wakeMs: () => wakeMs,
        bellMs: () => wakeMs,
        endMs: () => 1,
        exitMs: () => 0,
        lingerMs: () => 1
      }))
    }
  })
  const ready = scheduler.ready()
  while (clock.step(BOOT_MS));
  await ready

  const beganAtMs = clock.now()
  const endMs = beganAtMs + seconds * 1000
  const recording = input.trace === true ? scheduler.beginRecording() : undefined
  const hostMs = costs.hostUs / 2000
  let offered = 0
  let refused = 0
  let completed = 0
  const waits = new Histogram()
  const times = new Histogram()
  const offer = (job: string, runMs: number, atMs: number): void => {
    offered++
    clock.spend(hostMs)
    try {
      scheduler.submit(job, { runMs }, {}, () => {
        clock.spend(hostMs)
        const tookMs = clock.now() - atMs
        waits.record(Math.max(0, tookMs - runMs))
        times.record(tookMs)
        if (clock.now() <= endMs) completed++
      }, () => clock.spend(hostMs))
    } catch {
      refused++ // the only refusal there is here: overload
    }
  }
  if (arrivals !== undefined) {
    replay(clock, arrivals, ({ job, runMs, atMs }) =>
      offer(job, runMs ?? draw(jobs[job]!, random), beganAtMs + atMs))
  } else {
    const pick = picker(jobs)
    const [from, to] = typeof rate === 'number' ? [rate, rate] : rate!
    const rateAt = (atMs: number): number => from + (to - from) * (atMs - beganAtMs) / (endMs - beganAtMs)
    // arrivals do not wait for the host: one that is late is followed by the next in time
    let atMs = beganAtMs
    const next = (): void => {
      const dueMs = atMs += exponential(random, 1000 / rateAt(atMs))
      if (dueMs > endMs) return
      clock.host(Math.max(0, dueMs - clock.now()), () => {
        next()
        const job = pick(random)
        offer(job, draw(jobs[job]!, random), dueMs)
      })
    }
    next()
  }

  const samples: Sample[] = []
  const openMs = new Map<number, number>(plan.tiers.map(({ tier }) => [tier, 0]))
  let hostUse = 0
  for (let point = 1; point <= points; point++) {
    const atMs = beganAtMs + (endMs - beganAtMs) * point / points
    while (clock.step(atMs));
    const { openTier } = load!
    for (const [tier, ms] of openMs) if (tier <= openTier) openMs.set(tier, ms + (endMs - beganAtMs) / points)
    samples.push({ atMs: atMs - beganAtMs, openTier, active: load!.active, backlog: load!.backlog, completed })
    hostUse = Math.min(1, clock.hostBusyMs / (atMs - beganAtMs))
  }
  const trace = recording?.end()
  while (clock.isHeld && clock.step(endMs + REST_MS));
  const { tiers, counters } = scheduler.snapshot()
  const close = { isDone: false }
  scheduler.close().then(() => { close.isDone = true }, () => {})
  // each pass of the promises of close() takes some microtasks
  do for (let turn = 0; turn < 12; turn++) await undefined
  while (!close.isDone && clock.step())
  return {
    simulated: true,
    seconds,
    offered,
    accepted: counters.accepted,
    refused,
    completed,
    throughput: completed / seconds,
    waits: waits.view(),
    times: times.view(),
    hostUse,
    tiers: tiers.map(({ tier, threshold, actors, run }) => ({
      tier,
      actors: actors.length,
      threshold,
      openShare: openMs.get(tier)! / (endMs - beganAtMs),
      completed: run.count,
      use: Math.min(1, run.count * run.meanMs / (actors.length * seconds * 1000))
    })),
    samples,
    ...(trace !== undefined && { trace })
  }
}

function replay (clock: VirtualClock, arrivals: readonly Arrival[], offer: (arrival: Arrival) => void): void {
  const beganAtMs = clock.now()
  let at = 0
  const next = (): void => {
    const arrival = arrivals[at++]
    if (arrival === undefined) return
    clock.host(Math.max(0, beganAtMs + arrival.atMs - clock.now()), () => {
      next()
      offer(arrival)
    })
  }
  next()
}

/** Draws names by their shares. */
function picker (jobs: Readonly<Record<string, SimulatedKind>>): (random: Random) => string {
  const entries = Object.entries(jobs)
  const sum = entries.reduce((all, [, { share = 1 }]) => all + share, 0)
  return (random) => {
    let left = random() * sum
    return (entries.find(([, { share = 1 }]) => (left -= share) < 0) ?? entries.at(-1)!)[0]
  }
}

function draw ({ meanMs, distribution = 'exponential' }: SimulatedKind, random: Random): number {
  if (distribution === 'fixed') return meanMs
  if (distribution === 'exponential') return exponential(random, meanMs)
  return meanMs * Math.exp(normal(random) - 0.5)
}

function check ({ plan, topology, jobs, rate, arrivals, seconds, costs = {} }: SimulateOptions): void {
  const refuse = (name: string, expected: string, got: unknown): never => {
    throw new errors.OPTION(name, expected, JSON.stringify(got) ?? 'undefined')
  }
  const isPositive = (value: unknown): boolean => typeof value === 'number' && value > 0 && value < Infinity
  if ((plan === undefined) === (topology === undefined)) refuse('plan', 'either a plan or a topology', plan === undefined ? undefined : 'both')
  if (!isRecord(jobs) || Object.keys(jobs).length === 0) {
    refuse('jobs', 'an object as in { "resize": { "meanMs": 5, "share": 2 } }', jobs)
  }
  for (const [name, kind] of Object.entries(jobs)) {
    if (!isRecord(kind)) refuse(`jobs.${name}`, 'an object as in { "meanMs": 5, "share": 2 }', kind)
    const { meanMs, share = 1, distribution = 'fixed' } = kind
    if (!isPositive(meanMs)) refuse(`jobs.${name}.meanMs`, 'a number above 0', meanMs)
    if (!isPositive(share)) refuse(`jobs.${name}.share`, 'a number above 0', share)
    if (!['fixed', 'exponential', 'lognormal'].includes(distribution)) {
      refuse(`jobs.${name}.distribution`, 'fixed, exponential or lognormal', distribution)
    }
  }
  if ((rate === undefined) === (arrivals === undefined)) refuse('rate', 'either a rate or arrivals', rate)
  const isPair = Array.isArray(rate) && rate.length === 2 && rate.every(isPositive)
  if (rate !== undefined && !isPair && !isPositive(rate)) refuse('rate', 'a number above 0, or two of them', rate)
  if (seconds !== undefined && !isPositive(seconds)) refuse('seconds', 'a number above 0', seconds)
  for (const [name, value] of Object.entries(costs)) if (!isPositive(value)) refuse(`costs.${name}`, 'a number above 0', value)
  for (const { job } of arrivals ?? []) {
    if (!Object.hasOwn(jobs, job)) refuse('arrivals', `jobs named ${Object.keys(jobs).join(', ')}`, job)
  }
}
