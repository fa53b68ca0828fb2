// How full the queues of one shard are and who serves them: sampled, so that admit() needs no I/O.
import type { Shard } from './shard.js'

/** What is known of a queue. `depth` counts waiting and running jobs. */
export interface Sample { depth: number, workers: number, slots: number, usedAtMs: number, isKnown: boolean }

/** A queue that was used within this is sampled at each tick, ms. */
const USED_MS = 5000

/** Samples of the queues of one shard. */
export class Depths {
  readonly #shard: Shard
  readonly #samples = new Map<string, Sample>()
  #sampling: Promise<void> | undefined

  constructor (shard: Shard) { this.#shard = shard }

  get queues (): string[] { return [...this.#samples.keys()] }

  /** A queue that may be used: it is sampled from now on. */
  know (queue: string): Sample {
    let sample = this.#samples.get(queue)
    if (sample === undefined) {
      this.#samples.set(queue, sample = { depth: 0, workers: 0, slots: 0, usedAtMs: 0, isKnown: false })
    }
    return sample
  }

  /** A durable job waits there: say so where nobody serves it, once until somebody has. */
  async tell (queue: string): Promise<void> {
    const { unserved, log } = this.#shard
    const sample = this.know(queue)
    if (sample.workers > 0 || unserved.has(queue)) return
    unserved.add(queue)
    // the sample may be older than the first worker; one that fails is told to whoever else reads it
    await this.#sampling?.catch(() => {})
    await this.read([queue]).catch(() => {})
    if (sample.workers === 0) log.warn(`a durable job was accepted that no living worker serves: ${queue}; it waits for one`)
  }

  of (queue: string): number { return this.#samples.get(queue)?.depth ?? 0 }

  usedLately (nowMs: number): string[] {
    return [...this.#samples].filter(([, { usedAtMs }]) => nowMs - usedAtMs < USED_MS).map(([queue]) => queue)
  }

  view (): Record<string, { depth: number, workers: number, slots: number }> {
    return Object.fromEntries([...this.#samples].map(([queue, { depth, workers, slots }]) =>
      [queue, { depth, workers, slots }]))
  }

  /** Read them in one pipeline. */
  async read (queues: readonly string[]): Promise<void> {
    if (this.#sampling !== undefined || queues.length === 0) return
    this.#sampling = this.#sample(queues)
    try {
      await this.#sampling
    } finally {
      this.#sampling = undefined
    }
  }

  async #sample (queues: readonly string[]): Promise<void> {
    const { keys, clock, client } = this.#shard
    const nowMs = clock.now()
    const pipeline = client.pipeline()
    for (const queue of queues) {
      pipeline.llen(keys.list(queue, 'wait')).zcard(keys.list(queue, 'prioritized'))
        .llen(keys.list(queue, 'active')).zrangebyscore(keys.alive(queue), nowMs, '+inf')
    }
    const replies = await pipeline.exec() ?? []
    for (const [error] of replies) if (error !== null) throw error
    for (const [index, queue] of queues.entries()) {
      const [wait, prioritized, active, alive] = replies.slice(index * 4, index * 4 + 4).map(([, reply]) => reply)
      const sample = this.know(queue)
      sample.depth = Number(wait) + Number(prioritized) + Number(active)
      sample.workers = (alive as string[]).length
      sample.slots = (alive as string[]).reduce((sum, member) => sum + Number(member.slice(member.lastIndexOf(':') + 1)), 0)
      sample.isKnown = true
      if (sample.workers > 0) this.#shard.unserved.delete(queue)
    }
  }
}
