// Values that every actor is given: sent to those that live, kept for those that open later. Main thread only.
import { decodeError } from './errors.js'
import type { WireError } from './errors.js'
import type { FromActor } from './jobs.js'
import type { Held, Mailbox } from './mailbox.js'
import type { Actor } from './slots.js'

/** A value that is given to actors that open later, unless one after it is. */
interface Kept { readonly value: unknown }

/** A broadcast that has not reached all. */
interface Sent<T extends Held> {
  readonly left: Set<Mailbox<T>>
  readonly errors: unknown[]
  readonly done: () => void
}

/** All broadcasts of a pool. */
export class Broadcasts<T extends Held> {
  /** by name the values that may be the last one: what was called everywhere, and those under way after it */
  readonly #kept = new Map<string, readonly Kept[]>()
  readonly #sent = new Map<number, Sent<T>>()
  #seq = 0

  /** The last value of each name, in the order they were sent. */
  get kept (): readonly (readonly [name: string, value: unknown])[] {
    return [...this.#kept].map(([name, values]) => [name, values.at(-1)!.value])
  }

  /**
   * Resolves when every actor that lives has called the function; an actor that ends meanwhile needs it no more.
   * Rejects with what the function threw; then actors that open later get the value before. Throws at once what
   * structured clone throws.
   */
  async send (name: string, job: number, given: unknown, actors: readonly Actor<T>[]): Promise<void> {
    const value = structuredClone(given)
    const seq = ++this.#seq
    const before = this.#kept.get(name) ?? []
    this.#kept.delete(name) // the order is that of the last ones
    const own: Kept = { value }
    this.#kept.set(name, [...before, own])
    const left = new Set<Mailbox<T>>()
    for (const { state, mailbox, successor } of actors) {
      const message = { type: 'tell', seq, job, value } as const
      successor?.started.mailbox.tell(message)
      if (mailbox === undefined || (state !== 'open' && state !== 'opening')) continue
      mailbox.tell(message)
      left.add(mailbox)
    }
    const errors: unknown[] = []
    if (left.size > 0) await new Promise<void>((resolve) => this.#sent.set(seq, { left, errors, done: resolve }))
    const values = this.#kept.get(name) ?? []
    if (errors.length === 0) {
      this.#kept.set(name, values.slice(Math.max(0, values.indexOf(own))))
      return
    }
    const rest = values.filter((other) => other !== own)
    if (rest.length > 0) this.#kept.set(name, rest)
    else this.#kept.delete(name)
    throw errors[0]
  }

  /** An actor has called the function. */
  told (mailbox: Mailbox<T>, { seq, error }: Extract<FromActor, { type: 'told' }>): void {
    const sent = this.#sent.get(seq)
    if (sent === undefined) return
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
