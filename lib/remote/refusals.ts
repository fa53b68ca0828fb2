// Counts the jobs that the remote tier did not take, by reason.
import { errors } from '../errors.js'
import { refusalKeys } from './contract.js'
import type { RefusalKey, RemoteTicket } from './contract.js'

export class Refusals {
  readonly counts = Object.fromEntries(refusalKeys.map((key) => [key, 0])) as Record<RefusalKey, number>

  /** Count it if it turns out to be refused. */
  watch ({ accepted }: RemoteTicket): void {
    accepted.catch((error: unknown) => {
      const key = refusalKeys.find((key) => error instanceof errors[key])
      if (key !== undefined) this.counts[key]++
    })
  }
}
