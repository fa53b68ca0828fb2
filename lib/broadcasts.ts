// Values that every actor is given: sent to those that live, kept for those that open later. Main thread only.
import { decodeError } from './errors.js'
import type { WireError } from './errors.js'
import type { FromActor } from './jobs.js'
import type { Held, Mailbox } from './mailbox.js'
import type { Actor } from './slots.js'

/** A broadcast that has not reached all. */
interface Sent<T extends Held> {
  readonly left: Set<Mailbox<T>>
  readonly errors: unknown[]
  readonly done: () => void
}

/** All broadcasts of a pool. */
export class Broadcasts<T extends Held> {
  readonly #kept = new Map<string, unknown>()
  readonly #sent = new Map<number, Sent<T>>()
  #seq = 0

  /** The last value of each name, in the order they were sent. */
  get kept (): readonly (readonly [name: string, value: unknown])[] { return [...this.#kept] }

  /**
   * Resolves when every actor that lives has called the function; an actor that ends meanwhile needs it no more.
   * Rejects with what the function threw; then actors that open later get the value before. Throws at once what
   * structured clone throws.
   */
  async send (name: string, job: number, given: unknown, actors: readonly Actor<T>[]): Promise<void> {
    const value = structuredClone(given)
    const seq = ++this.#seq
    const hadOne = this.#kept.has(name)
    const before = this.#kept.get(name)
    this.#kept.delete(name) // the order is that of the last ones
    this.#kept.set(name, value)
    const left = new Set<Mailbox<T>>()
    for (const { state, mailbox, successor } of actors) {
      const message = { type: 'tell', seq, job, value } as const
      successor?.started.mailbox.tell(message)
      if (mailbox === undefined || (state !== 'open' && state !== 'opening')) continue
      mailbox.tell(message)
      left.add(mailbox)
    }
    if (left.size === 0) return
    const errors: unknown[] = []
    await new Promise<void>((resolve) => this.#sent.set(seq, { left, errors, done: resolve }))
    if (errors.length === 0) return
    if (this.#kept.get(name) === value) {
      if (hadOne) this.#kept.set(name, before)
      else this.#kept.delete(name)
    }
    throw errors[0]
  }

  /** An actor has called the function. */
  told (mailbox: Mailbox<T> | undefined, { seq, error }: Extract<FromActor, { type: 'told' }>): void {
    const sent = this.#sent.get(seq)
    if (sent === undefined || mailbox === undefined) return
    if (error !== undefined) sent.errors.push(decodeError(error as WireError))
    this.#off(seq, sent, mailbox)
  }

  /** An actor has ended: its successor is given what is kept when it opens. */
  gone (mailbox: Mailbox<T>): void {
    for (const [seq, sent] of this.#sent) this.#off(seq, sent, mailbox)
  }

  #off (seq: number, { left, done }: Sent<T>, mailbox: Mailbox<T>): void {
    left.delete(mailbox)
    if (left.size > 0) return
    this.#sent.delete(seq)
    done()
  }
}
