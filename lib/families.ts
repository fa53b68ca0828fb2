// The metric families of all pools in one registry: read when they are asked for, nothing is kept for them.
import { errors } from './errors.js'
import { remoteFamilies, remoteOf } from './remotefamilies.js'
import type { Durations } from './jobs.js'
import type { Measures, Snapshot } from './snapshot.js'
import type { PoolIdentity } from './trace.js'

/** What a registry is to us: prom-client's, or another's that is used in the same way. */
export interface MetricRegistry {
  readonly contentType: string
  registerMetric (metric: never): void
  removeSingleMetric (name: string): void
  metrics (): Promise<string> | string
}

/** A pool that is measured. */
export interface Measured {
  readonly identity: PoolIdentity
  snapshot (): Snapshot
  measures (): Measures
}

interface Sample { readonly labels: Labels, readonly value: number, readonly metricName?: string }
type Labels = Readonly<Record<string, string | number>>
type Kind = 'counter' | 'gauge' | 'histogram'
interface Reading { readonly snapshot: Snapshot, readonly measures: Measures }

/** Upper edges, seconds: 16 µs to 67 s by fours. They are edges of the core's own buckets, so the counts are exact. */
const EDGES_S = Array.from({ length: 12 }, (_, index) => 16e-6 * 4 ** index)

/** Upper edges, bytes: 64 to 16 MiB by fours. */
const EDGES_BYTES = Array.from({ length: 10 }, (_, index) => 64 * 4 ** index)

const prefix = 'fastify_spillover'

/** One family as a registry keeps it: prom-client's interface of a metric. */
class Family {
  readonly aggregator = 'sum'
  readonly labelNames: readonly string[]

  constructor (
    readonly name: string, readonly type: Kind, readonly help: string, labels: readonly string[],
    readonly read: () => Sample[]
  ) {
    this.labelNames = ['pool', ...labels]
  }

  async get (): Promise<object> {
    const { name, type, help, aggregator } = this
    return { name, type, help, aggregator, values: this.read() }
  }

  /** Nothing to reset: the pool counts since its start. */
  reset (): void {}
}

const familiesOf = new WeakMap<object, Map<string, Measured>>()

/** Add a pool to a registry; returns what takes it out again. Throws where one of its name is there already. */
export function addPool (registry: MetricRegistry, pool: Measured): () => void {
  let pools = familiesOf.get(registry)
  if (pools === undefined) familiesOf.set(registry, pools = new Map())
  const { name } = pool.identity
  if (pools.has(name)) {
    throw new errors.OPTION('metrics', `a registry without another pool of the name ${name}`, 'one that has it')
  }
  const isFirst = pools.size === 0
  pools.set(name, pool)
  const families = isFirst ? makeFamilies(pools) : []
  for (const family of families) registry.registerMetric(family as never)
  return () => {
    pools.delete(name)
    if (pools.size > 0) return
    for (const { name } of makeFamilies(pools)) registry.removeSingleMetric(name)
  }
}

/** A new registry, for this option. Throws `FST_ERR_SPILLOVER_PEER_MISSING` where prom-client cannot be loaded. */
export function newRegistry (option: string): MetricRegistry {
  let client: { Registry: new () => MetricRegistry }
  try {
    client = require('prom-client')
  } catch (error) {
    throw new errors.PEER_MISSING(`option ${option}`, 'the package prom-client', (error as Error).message.split('\n')[0], 'prom-client')
  }
  return new client.Registry()
}

function makeFamilies (pools: ReadonlyMap<string, Measured>): Family[] {
  // all families of one scrape are read from one snapshot
  let readings: Map<string, Reading> | undefined
  const read = (): Map<string, Reading> => {
    if (readings === undefined) {
      readings = new Map([...pools].map(([name, pool]) =>
        [name, { snapshot: pool.snapshot(), measures: pool.measures() }]))
      setImmediate(() => { readings = undefined })
    }
    return readings
  }
  const family = (type: Kind, name: string, help: string, labels: readonly string[],
    samples: (reading: Reading) => [Labels, number][]): Family =>
    new Family(`${prefix}_${name}`, type, help, labels, () => [...read()].flatMap(([pool, reading]) =>
      samples(reading).map(([labels, value]) => ({ labels: { pool, ...labels }, value }))))
  const histogram = (name: 'wait' | 'border' | 'run', help: string): Family => {
    const full = `${prefix}_job_${name}_seconds`
    return new Family(full, 'histogram', help, ['job', 'tier'], () => [...read()].flatMap(([pool, { measures }]) =>
      measures.times.flatMap(({ job, tier, times }) => histogramSamples(full, { pool, job, tier }, times[name]))))
  }
  const elsewhere = (name: 'wait' | 'roundtrip', help: string): Family => {
    const full = `${prefix}_remote_${name}_seconds`
    return new Family(full, 'histogram', help, ['job'], () => [...read()].flatMap(([pool, { measures }]) =>
      [...measures.elsewhere].flatMap(([job, { [name]: times }]) =>
        times.count === 0 ? [] : histogramSamples(full, { pool, job }, times))))
  }
  const sized = (name: 'payload' | 'result', help: string): Family => {
    const full = `${prefix}_remote_${name}_bytes`
    return new Family(full, 'histogram', help, ['job'], () => [...read()].flatMap(([pool, { measures }]) =>
      [...measures.elsewhere].flatMap(([job, { [name]: sizes }]) =>
        sizes.count === 0 ? [] : histogramSamples(full, { pool, job }, sizes, EDGES_BYTES, 1e-3))))
  }
  const perActor = ({ snapshot }: Reading) => snapshot.tiers.flatMap(({ tier, actors }) =>
    actors.map((actor) => ({ labels: { tier, slot: actor.slot }, actor })))
  const perTier = (value: (tier: Snapshot['tiers'][number]) => number) => ({ snapshot }: Reading): [Labels, number][] =>
    snapshot.tiers.map((tier) => [{ tier: tier.tier }, value(tier)])
  const counter = (name: keyof Omit<Snapshot['counters'], 'settled'>, as: string, help: string): Family =>
    family('counter', as, help, [], ({ snapshot }) => [[{}, snapshot.counters[name] as number]])

  return [
    histogram('wait', 'Time from acceptance of a job to its start.'),
    histogram('run', 'Time a job ran.'),
    histogram('border', 'Time from the end of a job to its result on the main thread.'),
    family('gauge', 'active_actors', 'Actors with unfinished jobs.', [], ({ snapshot }) => [[{}, snapshot.active]]),
    family('gauge', 'backlog_jobs', 'Jobs that wait for an actor.', [], ({ snapshot }) => [[{}, snapshot.backlog]]),
    family('gauge', 'pending_jobs', 'Jobs accepted and not yet settled.', [], ({ snapshot }) => [[{}, snapshot.pending]]),
    family('gauge', 'mailbox_jobs', 'Jobs in the mailboxes of a tier, those that run included.', ['tier'],
      perTier(({ depth }) => depth)),
    family('gauge', 'tier_open', 'Whether a tier is open.', ['tier'], perTier(({ isOpen }) => isOpen ? 1 : 0)),
    family('gauge', 'open_tiers', 'Number of open tiers.', [], ({ snapshot }) =>
      [[{}, snapshot.tiers.filter(({ isOpen }) => isOpen).length]]),
    family('gauge', 'actors', 'Actors of a tier by state.', ['tier', 'state'], ({ snapshot }) =>
      snapshot.tiers.flatMap(({ tier, actors }) => states.map((state): [Labels, number] =>
        [{ tier, state }, actors.filter((actor) => actor.state === state).length]))),
    family('gauge', 'actor_event_loop_utilization_ratio', 'Share of its life that an actor was not idle.', ['tier', 'slot'],
      (reading) => perActor(reading).map(({ labels, actor }) => [labels, actor.utilization])),
    family('gauge', 'actor_heap_used_bytes', 'JavaScript heap in use by an actor.', ['tier', 'slot'],
      (reading) => perActor(reading).map(({ labels, actor }) => [labels, actor.heapUsedBytes])),
    counter('accepted', 'jobs_accepted_total', 'Jobs accepted.'),
    family('counter', 'jobs_settled_total', 'Jobs settled, by outcome; tier is none where no actor had the job.',
      ['job', 'tier', 'outcome'], ({ measures }) => measures.settled.map(({ job, tier, outcome, count }) =>
        [{ job, tier: tier ?? 'none', outcome }, count])),
    counter('refused', 'jobs_shed_total', 'Jobs refused for overload.'),
    counter('spilled', 'jobs_spilled_total', 'Jobs taken by the overflow.'),
    counter('takenBack', 'jobs_taken_back_total', 'Jobs taken back from a mailbox before they began.'),
    counter('restarts', 'actor_restarts_total', 'Actors that died and were, or are to be, replaced.'),
    counter('kills', 'actor_kills_total', 'Actors killed because a cancelled job did not end.'),
    counter('outOfMemory', 'actor_out_of_memory_total', 'Actors that died because they ran out of memory.'),
    counter('strays', 'stray_errors_total', 'Errors that jobs threw after they had ended.'),
    counter('meddled', 'actor_meddled_total', 'Actors replaced because a job changed what later ones build on.'),
    elsewhere('wait', 'Time from handing a job over on another machine to its first start here.'),
    elsewhere('roundtrip', 'Time from handing a job over to its outcome.'),
    sized('payload', 'Size of the inputs of jobs that were handed over.'),
    sized('result', 'Size of their results.'),
    ...remoteFamilies.map(([kind, name, help, labels, samples]) => family(kind, name, help, labels, ({ snapshot }) => {
      const remote = remoteOf(snapshot.remote)
      return remote === undefined ? [] : samples(remote)
    }))
  ]
}

const states = ['closed', 'opening', 'open', 'draining', 'failed', 'vacant'] as const

/** `unitMs` is how many ms of the histogram one of the metric's units is. */
function histogramSamples (name: string, labels: Labels, times: Durations, edges: readonly number[] = EDGES_S,
  unitMs = 1000): Sample[] {
  const counts = times.cumulative(edges.map((edge) => edge * unitMs))
  return [
    ...edges.map((edge, index) => ({
      labels: { le: Number(edge.toPrecision(6)), ...labels }, value: counts[index]!, metricName: `${name}_bucket`
    })),
    { labels: { le: '+Inf', ...labels }, value: times.count, metricName: `${name}_bucket` },
    { labels, value: times.sumMs / unitMs, metricName: `${name}_sum` },
    { labels, value: times.count, metricName: `${name}_count` }
  ]
}
