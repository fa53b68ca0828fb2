// A server on 2 CPUs whose work route is saturated: what the other routes feel, and how much work is done.
/** The work of `/heavy`, as of issue and README: milliseconds of JavaScript. */
const heavyMs = 7
const connections = 64
const runtimes = {
  spillover: { runtime: 'spillover' },
  'spillover-nice': { runtime: 'spillover', options: { nice: 19 } },
  piscina: { runtime: 'piscina' },
  'piscina-2-nice': { runtime: 'piscina', options: { maxThreads: 2, niceIncrement: 10 } },
  // about as many requests a second, and no work: what any pool could reach at best
  timer: { runtime: 'timer', options: { ms: connections * heavyMs / 2 } },
  inline: { runtime: 'inline' }
}
const needless = ['inline', 'timer', 'piscina-2-nice']

export const title = `HTTP on 2 CPUs: ${heavyMs} ms of work a request, ${connections} connections, and 250 light requests a second`

export function cases ({ isQuick, stepsPerUs }) {
  return [{
    id: 'heavy',
    title: `saturated by ${connections} connections`,
    ...{ measure: 'http', connections, lightPerSecond: 250, timeoutMs: 60_000 },
    hot: { steps: Math.round(10 * stepsPerUs), connections: 16, ms: isQuick ? 500 : 1500 },
    ...{ warmMs: isQuick ? 500 : 1000, measureMs: isQuick ? 1500 : 6000 },
    lengths: [{ name: 'heavy', steps: Math.round(heavyMs * 1000 * stepsPerUs) }],
    variants: Object.keys(runtimes).filter((one) => !isQuick || !needless.includes(one)),
    byVariant: runtimes
  }]
}

export const shown = {
  http: [['heavyPerSecond', 'heavy/s'], ['heavyLightP50Ms', 'light p50 ms'], ['heavyLightP99Ms', 'light p99 ms'],
    ['heavyLightP999Ms', 'light p99.9 ms'], ['heavyDelayP99Ms', 'loop delay p99 ms']]
}

export function goals ({ ratio }) {
  const ours = (metric) => ratio('heavy', 'spillover', 'piscina', metric)
  const timers = (metric) => ratio('heavy', 'timer', 'piscina', metric)
  return [
    { text: 'HTTP: light p99 against piscina defaults', at: 'most', goal: 0.5, value: ours('heavyLightP99Ms') },
    { text: 'HTTP: light p99.9 against piscina defaults', at: 'most', goal: 0.5, value: ours('heavyLightP999Ms') },
    { text: 'HTTP: heavy requests a second against piscina defaults', at: 'least', goal: 1, value: ours('heavyPerSecond') },
    { text: 'HTTP: light p99 of a server without work against piscina defaults', value: timers('heavyLightP99Ms') },
    { text: 'HTTP: light p99.9 of a server without work against piscina defaults', value: timers('heavyLightP999Ms') }
  ]
}
