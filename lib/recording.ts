// A recording of a pool as a trace that Chrome and Perfetto open: tiers as groups, a lane an actor, jobs as slices.
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (the Trace Event Format)
import type { Slot } from './tiers.js'

/** One run of a job; times in ms of one clock. */
export interface RecordedRun {
  readonly job: string
  readonly slot: number
  readonly startedAtMs: number
  readonly runMs: number
  readonly waitMs: number
  readonly borderMs: number
  readonly outcome: string
  readonly requestId?: string | undefined
}

/** The file: `JSON.stringify` it. Without `displayTimeUnit`, which Perfetto 20 takes for the unit of the times. */
export interface Trace {
  readonly traceEvents: readonly TraceEvent[]
  readonly otherData: Readonly<Record<string, string | number>>
}

/** One event; `ts` and `dur` in microseconds. */
export interface TraceEvent {
  readonly name: string
  readonly ph: 'X' | 'C' | 'M' | 'i'
  readonly pid: number
  readonly tid: number
  readonly ts?: number
  readonly dur?: number
  readonly cat?: string
  readonly s?: 't'
  readonly args?: Readonly<Record<string, unknown>>
}

/** The group of what belongs to no tier; tiers are 1 to 3. Perfetto takes process 0 and thread 0 for the kernel's. */
const POOL = 4
/** Lanes of one actor that has several async jobs at once; those below are the pool's. No two groups share one. */
const LANES = 256
const laneOf = (slot: number, lane = 0): number => (slot + 1) * LANES + lane
/** Most events of each kind; chosen: 40 MB of JSON. */
const MAX_EVENTS = 200_000

/** Collects, and makes the file. */
export class Recording {
  readonly #slots: readonly Slot[]
  readonly #startMs: number
  readonly #runs: RecordedRun[] = []
  readonly #counts: { atMs: number, active: number, backlog: number }[] = []
  readonly #gates: { atMs: number, openTier: number }[] = []
  readonly #states: { atMs: number, slot: number, state: string, reason?: string | undefined }[] = []
  #left = 0

  constructor (slots: readonly Slot[], startMs: number, openTier: number) {
    this.#slots = slots
    this.#startMs = startMs
    this.gate(startMs, openTier)
  }

  run (run: RecordedRun): void { this.#add(this.#runs, run) }

  /** Active actors and waiting jobs; kept where one of them changed. */
  count (atMs: number, active: number, backlog: number): void {
    const last = this.#counts.at(-1)
    if (last?.active !== active || last.backlog !== backlog) this.#add(this.#counts, { atMs, active, backlog })
  }

  gate (atMs: number, openTier: number): void { this.#add(this.#gates, { atMs, openTier }) }

  state (atMs: number, slot: number, state: string, reason?: string): void {
    this.#add(this.#states, { atMs, slot, state, reason })
  }

  /** The trace of what was recorded until `endMs`. */
  end (endMs: number, otherData: Readonly<Record<string, string | number>> = {}): Trace {
    const tierOf = new Map(this.#slots.map(({ id, tier }) => [id, tier as number]))
    const us = (ms: number): number => Math.max(0, Math.round((ms - this.#startMs) * 1000))
    const lanes = new Map<number, number[]>()
    const runs = this.#runs.sort((one, other) => one.startedAtMs - other.startedAtMs)
      .map(({ job, slot, startedAtMs, runMs, waitMs, borderMs, ...args }): TraceEvent => {
        const { lane, ts, dur } = place(lanes, slot, us(startedAtMs), us(startedAtMs + runMs))
        return {
          name: job,
          cat: 'job',
          ph: 'X',
          pid: tierOf.get(slot) ?? POOL,
          tid: laneOf(slot, lane),
          ts,
          dur,
          args: { ...args, waitMs: round(waitMs), borderMs: round(borderMs) }
        }
      })
    return {
      traceEvents: [
        ...this.#names(lanes),
        ...runs,
        ...this.#states.map(({ atMs, slot, state, reason }): TraceEvent => ({
          name: state, cat: 'actor', ph: 'i', s: 't', pid: tierOf.get(slot) ?? POOL, tid: laneOf(slot), ts: us(atMs), args: { reason }
        })),
        ...this.#openTiers(endMs, us),
        ...this.#counts.flatMap(({ atMs, active, backlog }): TraceEvent[] => [
          { name: 'active', ph: 'C', pid: POOL, tid: POOL, ts: us(atMs), args: { actors: active } },
          { name: 'backlog', ph: 'C', pid: POOL, tid: POOL, ts: us(atMs), args: { jobs: backlog } }
        ])
      ],
      otherData: { ...otherData, seconds: round((endMs - this.#startMs) / 1000), eventsLeftOut: this.#left }
    }
  }

  #names (lanes: ReadonlyMap<number, readonly number[]>): TraceEvent[] {
    const tiers = [...new Set(this.#slots.map(({ tier }) => tier as number))]
    const name = (pid: number, tid: number, what: string, args: Record<string, unknown>): TraceEvent =>
      ({ name: what, ph: 'M', pid, tid, args })
    return [
      name(POOL, POOL, 'process_name', { name: 'pool' }),
      name(POOL, POOL, 'process_sort_index', { sort_index: 0 }),
      ...tiers.flatMap((tier) => {
        const lane = laneOf(this.#slots.find((slot) => slot.tier === tier)!.id)
        return [
          name(tier, lane, 'process_name', { name: `tier ${tier}` }),
          name(tier, lane, 'process_sort_index', { sort_index: tier })
        ]
      }),
      ...this.#gated.map((tier) => name(POOL, POOL + tier, 'thread_name', { name: `tier ${tier} is open` })),
      ...this.#slots.flatMap(({ id, tier, cpu }) => Array.from({ length: lanes.get(id)?.length ?? 1 }, (_, lane) => {
        const also = lane === 0 ? '' : ` (${lane + 1})`
        return [
          name(tier, laneOf(id, lane), 'thread_name', { name: `actor ${id}${cpu === null ? '' : `, cpu ${cpu}`}${also}` }),
          name(tier, laneOf(id, lane), 'thread_sort_index', { sort_index: laneOf(id, lane) })
        ]
      }).flat())
    ]
  }

  /** Tiers that open and close: all but the lowest. */
  get #gated (): number[] {
    return [...new Set(this.#slots.map(({ tier }) => tier as number))].sort((one, other) => one - other).slice(1)
  }

  /** A tier above the lowest is a slice of the pool's group while it is open. */
  #openTiers (endMs: number, us: (ms: number) => number): TraceEvent[] {
    const events: TraceEvent[] = []
    for (const tier of this.#gated) {
      let openMs: number | undefined
      for (const { atMs, openTier } of [...this.#gates, { atMs: endMs, openTier: 0 }]) {
        const isOpen = openTier >= tier
        if (isOpen) openMs ??= atMs
        if (isOpen || openMs === undefined) continue
        const ts = us(openMs)
        const dur = Math.max(1, us(atMs) - ts)
        events.push({ name: `tier ${tier} open`, cat: 'gate', ph: 'X', pid: POOL, tid: POOL + tier, ts, dur })
        openMs = undefined
      }
    }
    return events
  }

  #add<T> (list: T[], item: T): void {
    if (list.length < MAX_EVENTS) list.push(item)
    else this.#left++
  }
}

/** The first lane of the actor that is free, in microseconds: slices of one lane may not overlap. */
function place (lanes: Map<number, number[]>, slot: number, from: number, to: number):
{ lane: number, ts: number, dur: number } {
  let ends = lanes.get(slot)
  if (ends === undefined) lanes.set(slot, ends = [])
  // start and length of a run are rounded each, so one may seem to begin before the last has ended
  const free = ends.findIndex((end) => end <= from + 2)
  const lane = free >= 0 ? free : Math.min(ends.length, LANES - 1)
  const ts = Math.max(from, ends[lane] ?? 0)
  const dur = Math.max(1, to - ts)
  ends[lane] = ts + dur
  return { lane, ts, dur }
}

function round (value: number): number {
  return Math.round(value * 1000) / 1000
}
