// tinypool, with as many threads as asked for.
import { Tinypool } from 'tinypool'
import * as jobs from '../jobs/jobs.js'

const filename = new URL('../jobs/jobs.js', import.meta.url).href
const names = Object.fromEntries(Object.keys(jobs).map((name) => [name, { name }]))

/** @param {{ actors: number, options?: object }} settings */
export async function open ({ actors, options }) {
  const pool = new Tinypool({ filename, minThreads: actors, maxThreads: actors, ...options })
  return {
    call: (name, input) => pool.run(input, names[name]),
    move: (name, bytes) => pool.run(bytes, { name, transferList: [bytes.buffer] }),
    close: () => pool.destroy()
  }
}
