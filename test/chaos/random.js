'use strict'
// Random numbers from a seed: the same seed gives the same sequence (mulberry32).

exports.makeRandom = (seed) => {
  // seeds that lie side by side would begin alike
  let state = Math.imul(Math.imul(seed ^ 0x2c1b3c6d, 0x297a2d39) ^ (seed << 13), 0x85ebca6b) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const integer = (from, to) => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    integer,
    chance: (share) => next() < share,
    pick: (list) => list[integer(0, list.length - 1)],
    /** one key of `{ key: weight }` */
    weighted (weights) {
      let left = next() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
      for (const [key, weight] of Object.entries(weights)) if ((left -= weight) < 0) return key
      return Object.keys(weights)[0]
    }
  }
}
