// piscina, with as many threads as asked for.
import { FixedQueue, Piscina } from 'piscina'
import * as jobs from '../jobs/jobs.js'

const filename = new URL('../jobs/jobs.js', import.meta.url).href
const names = Object.fromEntries(Object.keys(jobs).map((name) => [name, { name }]))

/** @param {{ actors: number, options?: object }} settings */
export async function open ({ actors, options: { fixedQueue, ...options } = {} }) {
  if (fixedQueue) options.taskQueue = new FixedQueue()
  const pool = new Piscina({ filename, minThreads: actors, maxThreads: actors, ...options })
  return {
    call: (name, input) => pool.run(input, names[name]),
    move: (name, bytes) => pool.run(bytes, { name, transferList: [bytes.buffer] }),
    close: () => pool.destroy()
  }
}
