// A short loop once it is hot: does the pool's code around it slow it down?
export const title = 'A loop of 300 µs, hot, 2 in flight, 1 actor'

export function cases ({ isQuick, stepsPerUs }) {
  return [{
    id: 'loop',
    title: 'time from result to result',
    ...{ measure: 'hot', actors: 1, placement: 'split', steps: Math.round(300 * stepsPerUs) },
    // V8 has optimised all of it after some thousand runs
    ...{ warmMs: isQuick ? 800 : 1500, measureMs: isQuick ? 300 : 800 },
    variants: ['inline', 'spillover', 'piscina', 'piscina-64']
  }]
}

export const shown = { hot: [['jobUs', 'µs/job']] }

export function goals ({ ratio }) {
  const time = (variant) => ratio('loop', 'spillover', variant, 'jobUs')
  return [
    { text: 'a hot loop of 300 µs: time against inline', at: 'most', goal: 1.1, value: time('inline') },
    { text: 'the same against piscina', at: 'most', goal: 1, value: time('piscina') }
  ]
}
