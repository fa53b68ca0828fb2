'use strict'
// The latched job: holds its actor until it is let go, and notes on which cpus its thread ran meanwhile.
const fs = require('node:fs')

/** @param words shared; word 0 is the latch, closed while it is 0, word 1 counts who holds */
exports.hold = (words) => {
  const tid = Number(fs.readlinkSync('/proc/thread-self').split('/').pop())
  const ran = new Set()
  Atomics.add(words, 1, 1)
  do {
    const untilMs = performance.now() + 2
    while (performance.now() < untilMs);
    // The 39th field; the name, the second, may hold blanks.
    ran.add(Number(fs.readFileSync('/proc/thread-self/stat', 'latin1').replace(/^.*\) /s, '').split(' ')[36]))
  } while (Atomics.wait(words, 0, 0, 300) !== 'not-equal')
  return { tid, ran: [...ran] }
}

/** A short piece of work, to be counted. */
exports.burn = (ms) => {
  const untilMs = performance.now() + ms
  while (performance.now() < untilMs);
  return ms
}
