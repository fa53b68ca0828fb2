'use strict'
// Takes a share of the CPUs, as a generator of load does that runs on the server's machine: `node burner.js 0.4`.

const share = Number(process.argv[2])
const EVERY_MS = 5

function turn () {
  const untilMs = performance.now() + share * EVERY_MS
  while (performance.now() < untilMs);
  setTimeout(turn, (1 - share) * EVERY_MS)
}

process.on('disconnect', () => process.exit())
turn()
