// Waits for a durable job on behalf of one client: until it ends, the time is up or the client has gone.
import type { FastifyReply } from 'fastify'

export type Ended = { readonly value: unknown } | { readonly error: unknown }

/** undefined: not ended in time. */
export async function waitFor (done: Promise<unknown>, waitMs: number, reply: FastifyReply):
Promise<Ended | undefined> {
  if (waitMs === 0) return undefined
  const { raw } = reply
  let stop!: () => void
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined)
    timer = setTimeout(stop, waitMs)
    raw.once('close', stop)
  })
  try {
    return await Promise.race([done.then((value) => ({ value }), (error: unknown) => ({ error })), over])
  } finally {
    clearTimeout(timer)
    raw.off('close', stop)
  }
}
