// Jobs of some milliseconds while the event loop is busy for 1.5 of every 4 ms: 64 in flight, 2 actors.
const lengthsMs = [3, 7]
const id = (ms) => `ms${ms}`

export const title = 'Jobs of some milliseconds while the event loop is busy for 1.5 of every 4 ms'

export function cases ({ isQuick, stepsPerUs }) {
  return lengthsMs.map((ms) => ({
    id: id(ms),
    title: `${ms} ms, 64 in flight, 2 actors`,
    ...{ measure: 'busy', actors: 2, inFlight: 64, steps: Math.round(ms * 1000 * stepsPerUs), busyMs: 1.5, everyMs: 4 },
    ...{ warmMs: isQuick ? 500 : 1000, measureMs: isQuick ? 500 : 1500 },
    // depth 1 waits for the host between two jobs
    variants: isQuick ? ['spillover', 'piscina'] : ['spillover', 'spillover-depth1', 'piscina', 'piscina-64']
  }))
}

export const shown = { busy: [['jobsPerSecond', 'jobs/s']] }

export function goals ({ ratio }) {
  const against = { piscina: 'piscina defaults', 'spillover-depth1': 'our own depth 1' }
  return lengthsMs.flatMap((ms) => Object.entries(against).map(([variant, text]) => ({
    text: `${ms} ms jobs beside a busy event loop: jobs/s against ${text} (never slower: 1, less 5 % for noise)`,
    at: 'least',
    goal: 0.95,
    value: ratio(id(ms), 'spillover', variant, 'jobsPerSecond')
  })))
}
