// workerpool with worker threads, as many as asked for.
import { fileURLToPath } from 'node:url'
import workerpool from 'workerpool'

const script = fileURLToPath(new URL('../jobs/workerpool.js', import.meta.url))

/** @param {{ actors: number, options?: object }} settings */
export async function open ({ actors, options }) {
  const pool = workerpool.pool(script, { maxWorkers: actors, workerType: 'thread', ...options })
  return {
    call: (name, input) => pool.exec(name, [input]),
    move: (name, bytes) => pool.exec(name, [bytes], { transfer: [bytes.buffer] }),
    close: () => pool.terminate()
  }
}
