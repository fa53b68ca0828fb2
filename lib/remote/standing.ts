// A worker's fetch that stands in Redis behind its wait for a job, and runs there in the moment the wait ends.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './connection.js'

/** What a fetch gives: the job's record, or nothing, its id, a rate limit, and when the next delayed job is due. */
type Fetched = [record: unknown, id: string, limitMs: number, dueAtMs: number]

type Marker = { member: string, score: number } | null

/** What of BullMQ's worker talks to Redis. */
interface Fetcher {
  readonly queue: object
  readonly blockingClient: Promise<Waiting>
  moveToActive (token: string, name: string | undefined): Promise<Fetched>
  waitForJob (seconds: number): Promise<Marker>
}

/** The connection that waits. */
interface Waiting {
  readonly status: string
  readonly isCluster: boolean
  bzpopmin (...args: (string | number)[]): Promise<string[] | null>
  on (event: 'close', listener: () => void): unknown
}

/** A fetch that was sent, and the token of the lock it takes. */
interface Sent {
  readonly token: string
  readonly answer: Fetched
  /** the one before it found nothing */
  readonly isLone: boolean
}

/** Time for the end of a wait that was told to end, ms; chosen. */
const END_MS = 1000
/** So long lies what tells it where nothing waited any more, ms; chosen. */
const TOLD_MS = 10_000

/**
 * BullMQ waits for a job, and asks for it when that has ended: two round trips before a job starts. What a connection
 * sends behind a wait Redis runs in the moment the wait ends, so the fetch is sent along with it. Not on a Redis
 * Cluster, where two commands of one connection may go different ways.
 *
 * What was lost with its connection is not sent again: nobody may be there to take the job. So one is fetched for a
 * worker that is gone only where Redis does not know that yet, and no longer than the wait may last.
 */
export class Standing {
  readonly #client: Client
  readonly #key: string
  readonly #tokens: string
  #made = 0
  #isEnding = false
  /** behind the wait there is now */
  #behind: Promise<Sent | undefined> | undefined
  /** came with the wait, for the next fetch */
  #fetched: Sent | undefined
  #hasFound = false

  /** `key` can end the waits of this worker and no other's, `id` is its own, too. A wait begins when `next` allows. */
  constructor (backend: unknown, client: Client, key: string, id: string, next: () => Promise<void> | undefined) {
    this.#client = client
    this.#key = key
    this.#tokens = `${id}:standing:`
    const fetcher = backend as Fetcher
    const { moveToActive, waitForJob } = fetcher
    fetcher.waitForJob = async (seconds) => {
      await next()
      return await this.#wait(waitForJob.call(fetcher, seconds))
    }
    fetcher.moveToActive = async (token, name) => {
      const { answer } = this.#fetched ?? {}
      this.#fetched = undefined
      return answer ?? await moveToActive.call(fetcher, token, name)
    }
    fetcher.blockingClient.then((waiting) => {
      // the same, writing to the connection that waits
      const queue = Object.create(fetcher.queue, { client: { value: waiting } })
      const asker: Fetcher = Object.create(fetcher, { queue: { value: queue } })
      if (!waiting.isCluster) this.#follow(waiting, (token) => moveToActive.call(asker, token, undefined))
    }, () => {}) // its worker tells why it cannot wait
  }

  /** The token with which the next fetch was made, where it was made already. */
  get token (): string | undefined { return this.#fetched?.token }
  /** Did it find a job where the one before had found none? */
  get isLone (): boolean { return this.#fetched?.isLone === true }

  /** Let each wait of this connection be followed by a fetch. */
  #follow (waiting: Waiting, fetch: (token: string) => Promise<Fetched>): void {
    let close = (): void => {}
    waiting.on('close', () => close())
    const wait = waiting.bzpopmin.bind(waiting)
    waiting.bzpopmin = (marker, seconds) => {
      const isOver = wait(marker!, this.#key, seconds!)
      // what is sent before it is ready is kept, and sent then
      if (waiting.status !== 'ready' || this.#isEnding) return isOver
      const isClosed = new Promise<null>((resolve) => { close = () => resolve(null) })
      const token = `${this.#tokens}${this.#made++}`
      this.#behind = Promise.race([fetch(token), isClosed])
        .then((answer) => answer === null ? undefined : this.#found(token, answer))
        .catch(() => undefined) // the next fetch says why
      return Promise.race([isOver, isClosed])
    }
  }

  #found (token: string, answer: Fetched): Sent {
    const isLone = !this.#hasFound
    this.#hasFound = Boolean(answer[0])
    return { token, answer, isLone }
  }

  async #wait (isOver: Promise<Marker>): Promise<Marker> {
    const [wait] = await Promise.allSettled([isOver])
    const sent = await this.#behind
    this.#behind = undefined
    if (sent?.answer[0]) {
      this.#fetched = sent
      return { member: '0', score: 0 }
    }
    if (wait.status === 'rejected') throw wait.reason
    // somebody else has the job, and there was none at that moment; else what is due now is asked for
    if (wait.value?.score === 0) this.#fetched = sent
    return wait.value
  }

  /** No fetch stands any more: a job that it still got is given to the worker, who can put it back. */
  async end (): Promise<void> {
    this.#isEnding = true
    if (this.#behind === undefined || this.#client.status !== 'ready') return
    this.#client.pipeline().zadd(this.#key, 0, '0').pexpire(this.#key, TOLD_MS).exec().catch(() => {}) // lost with the connection
    await Promise.race([this.#behind, sleep(END_MS, undefined, { ref: false })])
    this.#client.del(this.#key).catch(() => {}) // as above
  }
}
