// The limits under the border, and ours as a multiple of them.
export const title = 'Limits of this machine'

export function cases ({ isQuick }) {
  const timing = isQuick ? { warmMs: 50, measureMs: 100 } : { warmMs: 100, measureMs: 250 }
  return [
    { id: 'split', title: 'two threads on two CPUs', placement: 'split' },
    { id: 'same', title: 'two threads on one CPU', placement: 'same' }
  ].map((one) => ({ ...one, measure: 'limits', variants: ['limits'], ...timing }))
}

export const shown = {
  limits: [['futexUs', 'futex µs'], ['portUs', 'port µs'], ['objectCloneUs', 'clone object'], ['textCloneUs', 'clone 1 KB text'],
    ['kb64CloneUs', 'clone 64 KB'], ['mbCloneUs', 'clone 1 MB'], ['mbCopyUs', 'copy 1 MB']]
}

/** @param of this section's medians @param other those of other sections */
export function goals ({ of, other }) {
  const limit = (metric) => of('split', 'limits', metric)
  const ours = (section, id, metric) => other(section, id, 'spillover', metric)
  const hostUs = ours('border', '512-2', 'hostUs')
  return [
    { text: 'cost model: host thread a job, 512 in flight', unit: 'µs', value: hostUs },
    { text: 'cost model: actor a job', unit: 'µs', value: ours('border', '512-2', 'totalUs') - hostUs },
    {
      text: 'cost model: one wake-up, half of what a silence adds to a round trip',
      unit: 'µs',
      value: (ours('border', 'one', 'parkedUs') - ours('border', 'one', 'hotUs')) / 2
    },
    { text: 'jobs a second at which the host thread is the limit', unit: '/s', value: 1e6 / hostUs },
    { text: 'futex round trip between two CPUs', unit: 'µs', value: limit('futexUs') },
    { text: 'message port round trip between two CPUs', unit: 'µs', value: limit('portUs') },
    { text: 'structured clone of the small object', unit: 'µs', value: limit('objectCloneUs') },
    { text: 'our round trip after a silence, in futex round trips', value: ours('border', 'one', 'parkedUs') / limit('futexUs') },
    { text: 'our round trip back to back, in futex round trips', value: ours('border', 'one', 'hotUs') / limit('futexUs') },
    {
      text: 'our host CPU a job, in structured clones of its object',
      value: ours('border', '64-1', 'hostUs') / limit('objectCloneUs')
    },
    {
      text: 'our CPU for a copied 1 MB, in memory copies of it',
      value: ours('payloads', 'bytes-1m', 'totalUs') / limit('mbCopyUs')
    }
  ]
}
