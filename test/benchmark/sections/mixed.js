// Short jobs among long ones: 90 % of 0.2 ms and 10 % of 20 ms on 2 actors at load 0.7.
export const title = 'Mixed lengths: 90 % 0.2 ms, 10 % 20 ms, Poisson arrivals at load 0.7, 2 actors'

export function cases ({ isQuick }) {
  const common = { measure: 'mixed', actors: 2, load: 0.7, seed: 1, warmMs: 500, measureMs: isQuick ? 1500 : 4000 }
  const ours = ['spillover', 'spillover-depth1']
  const one = { id: 'one-name', title: 'both lengths are one job', names: 1, variants: [...ours, 'piscina'], ...common }
  const two = { id: 'two-names', title: 'each length has a name', names: 2, variants: ours, ...common }
  return isQuick ? [one] : [one, two]
}

export const shown = {
  mixed: [['shortP50Ms', 'short p50 ms'], ['shortP99Ms', 'short p99 ms'], ['allP99Ms', 'all p99 ms'], ['meanMs', 'mean ms']]
}

export function goals ({ ratio }) {
  const shortP99 = (id, variant) => ratio(id, 'spillover', variant, 'shortP99Ms')
  return [
    { text: 'mixed lengths: p99 of the short jobs against piscina', at: 'most', goal: 0.8, value: shortP99('one-name', 'piscina') },
    {
      text: 'mixed lengths: p99 of the short jobs against our own depth 1 (no worse: 1, and 5 % for noise)',
      at: 'most',
      goal: 1.05,
      value: shortP99('one-name', 'spillover-depth1')
    },
    {
      text: 'mixed lengths, each with a name: p99 of the short jobs against our own depth 1',
      at: 'most',
      goal: 1.05,
      value: shortP99('two-names', 'spillover-depth1')
    }
  ]
}
