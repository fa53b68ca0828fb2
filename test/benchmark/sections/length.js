// From which job length on a thread is worth it: a route's throughput and its neighbours' p99 against inline.
const lengthsUs = [10, 30, 100, 300, 1000, 3000]
const runtimes = {
  inline: { runtime: 'inline' }, spillover: { runtime: 'spillover' }, piscina: { runtime: 'piscina' }
}
const name = (us) => `us${us}`

export const title = 'Job length from which offloading pays, for a route saturated by 16 connections on 2 CPUs'

export function cases ({ isQuick, stepsPerUs }) {
  const lengths = isQuick ? [100, 1000] : lengthsUs
  return [{
    id: 'sweep',
    title: 'requests a second',
    ...{ measure: 'http', connections: 16, lightPerSecond: 200, timeoutMs: 60_000 },
    hot: { steps: Math.round(10 * stepsPerUs), connections: 16, ms: isQuick ? 500 : 1500 },
    ...{ warmMs: 250, measureMs: isQuick ? 400 : 1500 },
    lengths: lengths.map((us) => ({ name: name(us), steps: Math.round(us * stepsPerUs) })),
    variants: Object.keys(runtimes),
    byVariant: runtimes
  }]
}

export const shown = {
  http: lengthsUs.flatMap((us) => [[`${name(us)}PerSecond`, `${us} µs/s`], [`${name(us)}LightP99Ms`, `${us} µs p99 ms`]])
}

export function goals ({ ratio }) {
  const throughput = (variant) => crossing((us) =>
    ratio('sweep', variant, 'inline', `${name(us)}PerSecond`))
  const neighbours = (variant) => crossing((us) =>
    ratio('sweep', 'inline', variant, `${name(us)}LightP99Ms`))
  return [
    { text: 'length from which offloading beats inline for throughput', unit: 'µs', value: throughput('spillover') },
    { text: 'the same with piscina', unit: 'µs', value: throughput('piscina') },
    {
      text: 'length for throughput against piscina', at: 'most', goal: 0.5, value: throughput('spillover') / throughput('piscina')
    },
    { text: 'length from which offloading beats inline for the neighbours\' p99', unit: 'µs', value: neighbours('spillover') },
    { text: 'the same with piscina', unit: 'µs', value: neighbours('piscina') },
    {
      text: 'length for the neighbours\' p99 against piscina',
      at: 'most',
      goal: 0.5,
      value: neighbours('spillover') / neighbours('piscina')
    }
  ]
}

/**
 * The length from which on the gain is above 1 at all longer ones: between two measured lengths on a straight line of
 * the logarithms. The shortest measured length if it pays everywhere; NaN if it does not pay at the longest.
 */
export function crossing (gainOf) {
  const points = lengthsUs.map((us) => [us, gainOf(us)]).filter(([, gain]) => Number.isFinite(gain))
  const last = points.findLastIndex(([, gain]) => gain <= 1)
  if (points.length === 0 || last === points.length - 1) return NaN
  if (last === -1) return points[0][0]
  const [[us, gain], [nextUs, nextGain]] = [points[last], points[last + 1]]
  const share = -Math.log(gain) / (Math.log(nextGain) - Math.log(gain))
  return us * (nextUs / us) ** share
}
