// Eight parked actors: what they cost while nothing is asked of them.
export const title = 'Idle: CPU of the process with 8 parked actors'
export const isParallel = true
/** Idle is the same each time; chosen. */
export const mostRounds = 3

export function cases ({ isQuick }) {
  return [{
    id: 'eight',
    title: isQuick ? 'over 2 s' : 'over 10 s',
    ...{ measure: 'idle', actors: 8, settleMs: 500, measureMs: isQuick ? 2000 : 10_000 },
    variants: ['spillover', 'piscina', 'knitting', ...isQuick ? [] : ['tinypool', 'workerpool', 'poolifier']]
  }]
}

export const shown = { idle: [['percent', '% of a core']] }

export function goals ({ of }) {
  return [{
    text: 'idle CPU with 8 parked actors', at: 'most', goal: 0.1, unit: '%', value: of('eight', 'spillover', 'percent')
  }]
}
