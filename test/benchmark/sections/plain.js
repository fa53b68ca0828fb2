// What the plugin costs a route that does not offload.
export const title = 'A plain route with and without the plugin'
/** More than elsewhere, since the difference looked for is small; chosen. */
export const leastRounds = 10

export function cases ({ isQuick }) {
  return [{
    id: 'light',
    title: '16 connections on 2 CPUs',
    ...{ measure: 'plain', connections: 16, warmMs: isQuick ? 300 : 1500, measureMs: isQuick ? 500 : 1500 },
    variants: ['none', 'spillover'],
    byVariant: { none: { runtime: 'none' }, spillover: { runtime: 'spillover' } }
  }]
}

export const shown = { plain: [['hostUs', 'host CPU µs/request'], ['requestsPerSecond', 'requests/s'], ['tickNs', 'ns/nextTick']] }

export function goals ({ ratio }) {
  return [{
    text: 'host CPU of a plain request with the plugin, against without (none measurable: 1, and 2 % for noise)',
    at: 'most',
    goal: 1.02,
    value: ratio('light', 'spillover', 'none', 'hostUs')
  }]
}
