// Every key and channel of one shard. The braces put them all into one slot of a Redis Cluster.

/** Names of one shard. BullMQ's own keys are `prefix:queue:…`. */
export class Keys {
  readonly prefix: string
  /** cancel orders to the workers */
  readonly cancels: string
  /** set of all queues that ever were used */
  readonly queues: string

  constructor (env: string, region: string, shard: number) {
    this.prefix = `{fs:${env}:${region}:${shard}}`
    this.cancels = `${this.prefix}:c`
    this.queues = `${this.prefix}:queues`
  }

  record (queue: string, unique: string): string { return `${this.prefix}:${queue}:${unique}` }
  lock (queue: string, unique: string): string { return `${this.record(queue, unique)}:lock` }
  list (queue: string, name: 'wait' | 'paused' | 'prioritized' | 'active' | 'delayed' | 'failed' | 'meta'): string { return `${this.prefix}:${queue}:${name}` }
  /** sorted set of living workers, by the time until which they are believed to live */
  alive (queue: string): string { return `${this.prefix}:alive:${queue}` }
  /** what ends the wait of one worker for a job */
  woken (queue: string, worker: string): string { return `${this.prefix}:woken:${queue}:${worker}` }
  /** ended jobs that were not durable, by the time of their end; BullMQ's own sets have the durable ones */
  spilled (queue: string): string { return `${this.prefix}:${queue}:spilled` }
  /** a payload too large for the record; with the fingerprint of a keyed one: a key may come with another input */
  payload (queue: string, unique: string, fingerprint: string | undefined): string {
    return `${this.prefix}:pay:${queue}:${unique}${fingerprint === undefined ? '' : `:${fingerprint}`}`
  }

  /** a result too large for the record */
  result (queue: string, unique: string): string { return `${this.prefix}:res:${queue}:${unique}` }
  /** instances that wait for a job beside the one that submitted it */
  waiters (queue: string, unique: string): string { return `${this.prefix}:w:${queue}:${unique}` }
  /** a job that was cancelled: what became of its removed record, and a mark for whoever would run it again */
  gone (queue: string, unique: string): string { return `${this.prefix}:gone:${queue}:${unique}` }
  /** hints to one process */
  hints (instance: string): string { return `${this.prefix}:r:${instance}` }
}
