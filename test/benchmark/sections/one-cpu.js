// Host and actor on one CPU: a pool that spins takes the CPU from the thread it waits for.
export const title = 'Both threads on one CPU'

export function cases ({ isQuick }) {
  const timing = isQuick ? { warmMs: 200, measureMs: 300 } : { warmMs: 400, measureMs: 700 }
  const throughput = { measure: 'throughput', actors: 1, inFlight: 64, ...timing }
  const variants = ['spillover', 'spillover-nospin', 'piscina', 'piscina-64', 'knitting']
  const all = [
    { id: 'told', title: '64 in flight, the process may use one CPU', oneCpu: true, variants, ...throughput },
    {
      id: 'untold',
      title: '64 in flight, put on one CPU after the start',
      placement: 'same',
      variants: ['spillover', 'spillover-nospin', 'piscina', 'knitting'],
      ...throughput
    },
    {
      id: 'one',
      title: '1 in flight, the process may use one CPU',
      ...{ measure: 'roundtrip', oneCpu: true, actors: 1, silences: isQuick ? 20 : 40, silenceMs: 5, variants },
      ...timing
    }
  ]
  return isQuick ? all.filter(({ id }) => id === 'told') : all
}

export const shown = {
  throughput: [['jobsPerSecond', 'jobs/s'], ['hostUs', 'host CPU µs/job'], ['totalUs', 'CPU µs/job']],
  roundtrip: [['hotUs', 'hot µs'], ['hotP99Us', 'hot p99 µs'], ['parkedUs', 'parked µs'], ['parkedP99Us', 'parked p99 µs']]
}

export function goals ({ ratio }) {
  const rate = (id, variant) => ratio(id, 'spillover', variant, 'jobsPerSecond')
  return [
    { text: 'one CPU: jobs/s against piscina', at: 'least', goal: 6, value: rate('told', 'piscina') },
    { text: 'put on one CPU after the start: jobs/s against piscina', at: 'least', goal: 6, value: rate('untold', 'piscina') },
    {
      text: 'one CPU: jobs/s against the same without spinning (never slower: 1, less 5 % for noise)',
      at: 'least',
      goal: 0.95,
      value: Math.min(...['told', 'untold'].map((id) => rate(id, 'spillover-nospin')).filter(isFinite))
    }
  ]
}
