// poolifier's fixed pool of threads, as many as asked for.
import { fileURLToPath } from 'node:url'
import { FixedThreadPool } from 'poolifier'

const script = fileURLToPath(new URL('../jobs/poolifier.js', import.meta.url))

/** @param {{ actors: number, options?: object }} settings */
export async function open ({ actors, options }) {
  const pool = new FixedThreadPool(actors, script, { ...options })
  return {
    call: (name, input) => pool.execute(input, name),
    move: (name, bytes) => pool.execute(bytes, name, undefined, [bytes.buffer]),
    close: () => pool.destroy()
  }
}
