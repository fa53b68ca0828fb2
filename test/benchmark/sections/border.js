// The border at full speed: no-op jobs with a small object at 1, 64 and 512 in flight, 1 and 2 actors.
const field = [
  'spillover', 'piscina', 'piscina-64', 'tinypool', 'tinypool-64', 'workerpool', 'poolifier', 'poolifier-queue',
  'knitting'
]
const defaults = ['piscina', 'tinypool', 'workerpool']
const others = field.slice(1)
/** Who is left in a quick run. */
const quick = {
  '64-1': ['spillover', 'piscina', 'piscina-64', 'tinypool', 'workerpool', 'poolifier', 'knitting'],
  '512-2': ['spillover', 'piscina-64', 'poolifier', 'knitting'],
  one: ['spillover', 'piscina', 'knitting']
}

export const title = 'The border: a job that gives back its small object'

export function cases ({ isQuick }) {
  // V8 has optimised all of it after some 100,000 jobs
  const timing = isQuick ? { warmMs: 200, measureMs: 300 } : { warmMs: 1000, measureMs: 800 }
  const throughput = { measure: 'throughput', variants: field, ...timing }
  const silences = isQuick ? 30 : 80
  const all = [
    { id: '64-1', title: '64 in flight, 1 actor', actors: 1, inFlight: 64, placement: 'split', ...throughput },
    { id: '512-1', title: '512 in flight, 1 actor', actors: 1, inFlight: 512, placement: 'split', ...throughput },
    { id: '64-2', title: '64 in flight, 2 actors', actors: 2, inFlight: 64, ...throughput },
    { id: '512-2', title: '512 in flight, 2 actors', actors: 2, inFlight: 512, ...throughput },
    {
      id: 'noop',
      title: '64 in flight, 1 actor, nothing comes back',
      ...{ actors: 1, inFlight: 64, placement: 'split', payload: 'noop' },
      ...throughput,
      variants: ['spillover', 'spillover-lean', 'piscina', 'piscina-64', 'poolifier', 'knitting']
    },
    {
      id: 'one',
      title: '1 in flight: back to back, and after 5 ms of silence',
      ...{ measure: 'roundtrip', variants: field, actors: 1, placement: 'split', silences, silenceMs: 5 },
      ...timing
    }
  ]
  if (!isQuick) return all
  return all.filter(({ id }) => quick[id]).map((one) => ({ ...one, variants: quick[one.id] }))
}

export const shown = {
  throughput: [['jobsPerSecond', 'jobs/s'], ['hostUs', 'host CPU µs/job'], ['totalUs', 'CPU µs/job']],
  roundtrip: [['hotUs', 'hot µs'], ['hotP99Us', 'hot p99 µs'], ['parkedUs', 'parked µs'], ['parkedP99Us', 'parked p99 µs']]
}

export function goals ({ of, ratio }) {
  const rate = (id, variant) => ratio(id, 'spillover', variant, 'jobsPerSecond')
  return [
    ...defaults.map((variant) => ({
      text: `jobs/s, 64 in flight, 1 actor, against ${variant} defaults`, at: 'least', goal: 40, value: rate('64-1', variant)
    })),
    ...['piscina-64', 'poolifier', 'poolifier-queue'].map((variant) => ({
      text: `jobs/s, 64 in flight, 1 actor, against ${variant}`, at: 'least', goal: 6, value: rate('64-1', variant)
    })),
    {
      text: 'jobs/s, 512 in flight, 2 actors, against the fastest of these',
      at: 'least',
      goal: 10,
      value: Math.min(...others.filter((one) => one !== 'knitting').map((one) => rate('512-2', one)).filter(isFinite))
    },
    {
      text: 'round trip back to back, against piscina',
      at: 'most',
      goal: 0.05,
      value: ratio('one', 'spillover', 'piscina', 'hotUs')
    },
    {
      text: 'round trip after 5 ms of silence, against piscina',
      at: 'most',
      goal: 0.9,
      value: ratio('one', 'spillover', 'piscina', 'parkedUs')
    },
    { text: 'jobs/s, 64 in flight, 1 actor, against knitting', at: 'least', goal: 1.1, value: rate('64-1', 'knitting') },
    {
      text: 'round trip back to back, against knitting',
      at: 'most',
      goal: 1,
      value: ratio('one', 'spillover', 'knitting', 'hotUs')
    },
    { text: 'host CPU a job, 64 in flight', at: 'most', goal: 2.5, unit: 'µs', value: of('64-1', 'spillover', 'hostUs') }
  ]
}
