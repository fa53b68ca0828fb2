// Payloads: integers, text and buffers, copied and moved.
const sizes = [
  ['integer', 'an integer, there and back', 64],
  ['text', '1 KB of text, there and back', 64],
  ['rows', '100 rows of 4 fields, there and back', 64],
  ['bytes-64k', '64 KB buffer, copied', 64],
  ['bytes-64k-moved', '64 KB buffer, transferred', 64],
  ['bytes-1m', '1 MB buffer, copied', 64],
  ['bytes-1m-moved', '1 MB buffer, transferred', 64]
]

export const title = 'Payloads, 64 in flight, 1 actor'

export function cases ({ isQuick }) {
  const timing = isQuick ? { warmMs: 150, measureMs: 250 } : { warmMs: 600, measureMs: 800 }
  return sizes.map(([payload, title, inFlight]) => ({
    id: payload,
    title,
    ...{ measure: 'throughput', actors: 1, placement: 'split', payload, inFlight, ...timing },
    variants: ['spillover', 'piscina-64', 'knitting', ...isQuick ? [] : ['piscina']]
  }))
}

export const shown = {
  throughput: [['jobsPerSecond', 'jobs/s'], ['hostUs', 'host CPU µs/job'], ['totalUs', 'CPU µs/job']]
}

export function goals ({ ratio }) {
  return sizes.map(([payload, title]) => {
    const rates = ['piscina', 'piscina-64'].map((one) => ratio(payload, 'spillover', one, 'jobsPerSecond'))
    const isSmall = payload === 'integer' || payload === 'text'
    return {
      text: `${title}: jobs/s against the faster piscina${isSmall ? '' : ' (never slower: 1, less 5 % for noise)'}`,
      at: 'least',
      goal: isSmall ? 2 : 0.95,
      value: Math.min(...rates.filter(isFinite))
    }
  })
}
