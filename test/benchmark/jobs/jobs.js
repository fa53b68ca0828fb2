// The jobs of every benchmark: the same functions in each pool.

/** Gives back what it was given: the payload crosses the border both ways. */
export function echo (input) {
  return input
}

/** Takes a payload and returns nothing. */
export function noop () {}

/** Looks at both ends of a buffer, so that it must have arrived, and gives its length. */
export function size (bytes) {
  const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes
  return view[0] === 1 && view[view.length - 1] === 2 ? view.length : -1
}

/** Burns about this many microseconds of CPU in JavaScript, and gives back the number. */
export function burn (us) {
  const untilMs = performance.now() + us / 1000
  while (performance.now() < untilMs);
  return us
}

/** Computes: the steps of the Collatz sequence of all numbers up to `limit`; the same CPU work in every thread. */
export function compute (limit) {
  let steps = 0
  for (let start = 1; start <= limit; start++) {
    for (let value = start; value !== 1; steps++) value = value % 2 === 0 ? value / 2 : 3 * value + 1
  }
  return steps
}
