// Random numbers from a seed: mulberry32, 32 bits of state, the same on every machine.

/** A stream of numbers from 0 up to 1. */
export type Random = () => number

export function randomOf (seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A time with the given mean, exponentially distributed. */
export function exponential (random: Random, mean: number): number {
  return -mean * Math.log(1 - random())
}

/** Normally distributed, mean 0, deviation 1. */
export function normal (random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
