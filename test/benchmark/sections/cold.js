// Cold starts, and the memory of actors.
export const title = 'Cold and parked actors'

export function cases ({ isQuick }) {
  return [
    {
      id: 'pool',
      title: 'a new pool of one thread, to the first result',
      measure: 'cold',
      variants: ['spillover', 'piscina', 'knitting', ...isQuick ? [] : ['tinypool', 'workerpool', 'poolifier']]
    },
    {
      id: 'tier',
      title: 'an actor of tier 2, to the result of its first job',
      measure: 'spill',
      repeats: isQuick ? 5 : 15,
      variants: ['spillover']
    },
    {
      id: 'memory',
      title: 'resident memory of a parked actor',
      ...{ measure: 'memory', actors: 8, settleMs: 300, nodeOptions: ['--expose-gc'] },
      variants: isQuick ? ['spillover'] : ['spillover', 'spillover-limited', 'piscina', 'knitting']
    }
  ]
}

export const shown = {
  cold: [['firstMs', 'ms']],
  spill: [['coldMs', 'cold ms'], ['parkedMs', 'parked ms']],
  memory: [['mbPerActor', 'MB an actor']]
}

export function goals ({ of }) {
  const cold = of('tier', 'spillover', 'coldMs')
  const parked = of('tier', 'spillover', 'parkedMs')
  return [
    { text: 'cold tier-2 actor to its first result', unit: 'ms', value: cold },
    { text: 'parked tier-2 actor to its first result', unit: 'ms', value: parked },
    { text: 'parked against cold', at: 'most', goal: 0.02, value: parked / cold },
    { text: 'memory of a parked actor', unit: 'MB', value: of('memory', 'spillover', 'mbPerActor') },
    {
      text: 'the same with a heap limited to 32 + 4 MB', unit: 'MB', value: of('memory', 'spillover-limited', 'mbPerActor')
    }
  ]
}
