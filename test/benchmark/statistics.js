// Medians, spreads and quantiles.

/** The smallest value that at least this share of the sorted values does not exceed; NaN of none. */
export function quantile (sorted, share) {
  return sorted.length === 0 ? NaN : sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}

/** Median of numbers in any order: the mean of the two middle ones where there is an even number. */
export function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Median, lowest, highest, and half the range as a share of the median. */
export function summary (values) {
  const middle = median(values)
  const low = Math.min(...values)
  const high = Math.max(...values)
  return { median: middle, low, high, spread: middle === 0 ? 0 : (high - low) / 2 / Math.abs(middle), values }
}

/** Median of the ratios of two summaries, round by round; ratio of their medians where a round lacks a value. */
export function ratioOf (one, other) {
  if (one === undefined || other === undefined) return NaN
  if (one.values.length !== other.values.length) return one.median / other.median
  return median(one.values.map((value, round) => value / other.values[round]))
}
