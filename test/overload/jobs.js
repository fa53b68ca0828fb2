'use strict'
// The work: a loop of so many milliseconds of its thread, as measured when the module is loaded.

let sink = 0
function spin (steps) {
  for (let step = 0; step < steps; step++) sink = (sink * 31 + step) | 0
  return sink
}
let stepsPerMs = 0
for (let round = 0; round < 20; round++) {
  const beganAtMs = performance.now()
  spin(200_000)
  stepsPerMs = Math.max(stepsPerMs, 200_000 / (performance.now() - beganAtMs))
}

exports.work = (ms) => spin(ms * stepsPerMs)
