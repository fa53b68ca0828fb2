// Server-sent events of durable jobs: one timer reads the records of all that are watched; the last event is `done`.
import { isFinal, tagOf, viewOf } from './jobview.js'
import type { ServerResponse } from 'node:http'
import type { Durables, RemoteStatus } from '../lib/index.js'

/** How often records are read, and how often a silent stream gets a comment so that no proxy ends it, ms. Chosen. */
const READ_MS = 1000
const BEAT_MS = 15_000

interface Watched {
  readonly id: string
  readonly response: ServerResponse
  last: string
  seen: RemoteStatus | undefined
  saidAtMs: number
  isReading: boolean
}

/** The streams of one process. */
export class JobStreams {
  readonly #durables: Durables
  readonly #prefix: string
  readonly #max: number
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined

  constructor (durables: Durables, prefix: string, max: number) {
    this.#durables = durables
    this.#prefix = prefix
    this.#max = max
  }

  get isFull (): boolean { return this.#watched.size >= this.#max }

  /**
   * Send a job's changes to a response whose head is written. `last` is the id of the last event its client has: the
   * ids are tags of states, so any machine can go on.
   */
  add (id: string, last: string, response: ServerResponse): void {
    const watched: Watched = { id, response, last, seen: undefined, saidAtMs: Date.now(), isReading: false }
    this.#watched.add(watched)
    // a job that ends is told of at once
    const ticket = this.#durables.attach(id)
    const read = (): void => { this.#read(watched) }
    ticket.done.then(read, read)
    response.once('close', () => {
      ticket.detach()
      this.#watched.delete(watched)
      if (this.#watched.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
    this.#timer ??= setInterval(() => { for (const one of this.#watched) this.#read(one) }, READ_MS).unref()
    read()
  }

  /** End every stream; their clients come again with the id of the last event. */
  close (): void {
    for (const { response } of this.#watched) response.end()
  }

  async #read (watched: Watched): Promise<void> {
    const { id, response, seen } = watched
    // who does not keep up misses states in between, and gets no longer queue
    if (watched.isReading || response.writableEnded || response.writableNeedDrain) return
    watched.isReading = true
    try {
      const status = await this.#durables.lookup(id)
      if (response.writableEnded) return
      if (status === null) {
        response.end(eventOf('done', '', { id, state: 'unknown' }))
      } else if (isFinal(status)) {
        response.end(eventOf('done', tagOf(status), viewOf(this.#prefix, status)))
      } else if (tagOf(status) !== watched.last) {
        const isProgress = seen !== undefined && seen.state === status.state && seen.attempt === status.attempt
        this.#say(watched, eventOf(isProgress ? 'progress' : 'state', tagOf(status), viewOf(this.#prefix, status)))
        watched.last = tagOf(status)
      }
      watched.seen = status ?? undefined
    } catch {
      // the engine is away: the client is kept, and hears of the job when it is back
    } finally {
      watched.isReading = false
    }
    if (Date.now() - watched.saidAtMs >= BEAT_MS && !response.writableEnded) this.#say(watched, ': hb\n\n')
  }

  #say (watched: Watched, text: string): void {
    watched.saidAtMs = Date.now()
    watched.response.write(text)
  }
}

function eventOf (name: string, id: string, data: object): string {
  return `${id === '' ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
