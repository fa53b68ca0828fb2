// Server-sent events at a bounded rate: one timer while somebody listens, none otherwise.
import type { ServerResponse } from 'node:http'

/** Most listeners at once; chosen: a page is for people. */
const MAX_LISTENERS = 64

/** A stream of events to all who listen. */
export class EventStream {
  readonly #read: () => Promise<object>
  readonly #intervalMs: number
  readonly #listeners = new Set<ServerResponse>()
  #timer: NodeJS.Timeout | undefined
  #isReading = false

  /** `read` makes the event sent every `intervalMs`; it is called only while somebody listens. */
  constructor (read: () => Promise<object>, intervalMs: number) {
    this.#read = read
    this.#intervalMs = intervalMs
  }

  get isFull (): boolean { return this.#listeners.size >= MAX_LISTENERS }
  get listeners (): number { return this.#listeners.size }

  /** Start to send to a response whose head is written. `hello` goes first. */
  add (response: ServerResponse, hello: object): void {
    this.#listeners.add(response)
    response.once('close', () => {
      this.#listeners.delete(response)
      if (this.#listeners.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
    response.write(eventOf('hello', hello))
    this.#timer ??= setInterval(() => { this.#tick() }, this.#intervalMs).unref()
    this.#tick()
  }

  /** Send one event now, to all who listen. */
  send (name: string, data: object): void {
    const event = eventOf(name, data)
    for (const response of this.#listeners) if (!response.writableEnded) response.write(event)
  }

  /** End every connection. */
  close (): void {
    for (const response of this.#listeners) response.end()
  }

  async #tick (): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    try {
      const event = eventOf('state', await this.#read())
      for (const response of this.#listeners) {
        // who does not keep up misses events and gets no longer queue
        if (!response.writableNeedDrain && !response.writableEnded) response.write(event)
      }
    } finally {
      this.#isReading = false
    }
  }
}

function eventOf (name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
