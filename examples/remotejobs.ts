// Jobs of the remote example: both processes have them, and each tells where it ran.

/** Keeps a core busy for so long, as a picture or a report would. */
export function grind ({ ms }: { ms: number }): { pid: number, turns: number } {
  const until = performance.now() + ms
  let turns = 0
  while (performance.now() < until) turns++
  return { pid: process.pid, turns }
}
