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

/** Computes so many steps of a random sequence: the same CPU work wherever it runs, unlike `burn`. */
export function work (steps) {
  let value = 1
  for (let step = 0; step < steps; step++) value = (Math.imul(value, 1103515245) + 12345) | 0
  return value >>> 1
}

/** The same under other names, where short and long jobs shall have a name each. */
export const short = burn
export const long = burn

/** The tier of the actor that runs it; only where the pool tells. */
export function tier (_input, ctx) {
  return ctx.tier
}

/** Holds its thread for so many milliseconds without using a CPU. */
export function block (ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  return ms
}
