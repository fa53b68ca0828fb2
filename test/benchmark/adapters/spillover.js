// fastify-spillover by its public name `fastify-spillover/scheduler`.
import { createRequire } from 'node:module'

const { createScheduler } = createRequire(import.meta.url)('../../../dist/lib/index.js')

/** @param {{ actors: number, options?: object }} settings with `callOptions` in the options: given with each job */
export async function open ({ actors, options: { callOptions, ...options } = {} }) {
  const pool = createScheduler({ jobs: new URL('../jobs/jobs.js', import.meta.url), tiers: [{ actors }], ...options })
  await pool.ready()
  return {
    call: (name, input) => pool.offload(name, input, callOptions),
    move: (name, bytes) => pool.offload(name, bytes, { transfer: [bytes.buffer] }),
    close: () => pool.close(),
    describe: () => inWords(pool.snapshot())
  }
}

/** What a pool that does not answer was doing. */
function inWords ({ state, pending, backlog, active, tiers, counters }) {
  const actors = tiers.flatMap(({ actors }) => actors.map(({ state, depth }) => `${state} with ${depth}`))
  return `${state}, ${pending} pending, ${backlog} waiting, ${active} active, ${counters.takenBack} taken back, ` +
    `actors ${actors.join(', ')}`
}
