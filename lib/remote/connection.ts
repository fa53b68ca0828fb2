// Connections to one Redis: how each kind of them waits, the broker's clock, and what INFO tells.
import { Cluster, Redis } from 'ioredis'
import type { Command, RedisOptions } from 'ioredis'

/** One Redis: a URL, ioredis options, or both; or the nodes of a Redis Cluster. */
export type RedisAddress = string | (RedisOptions & { url?: string }) | {
  cluster: readonly {
    host: string,
    port: number
  }[],
  redisOptions?: RedisOptions
}

export type Client = Redis | Cluster

/**
 * `producer` never waits: a request does, behind it. `worker` and `subscriber` try again for ever.
 * Waits are from the experiments with a killed, a frozen and a cut-off Redis.
 */
const kinds = {
  producer: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    // see `giveUp`
    commandTimeout: undefined,
    connectTimeout: 2000,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000)
  },
  worker: {
    maxRetriesPerRequest: null,
    connectTimeout: 5000,
    // ends a connection that is silent while an answer is due; longer than the blocking fetch waits
    socketTimeout: 8000,
    retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times, 10), 1000)
  },
  subscriber: {
    maxRetriesPerRequest: null,
    connectTimeout: 2000,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000)
  }
} satisfies Record<string, RedisOptions>

/** Seconds that a worker's blocking fetch waits; below the worker's socketTimeout. */
export const FETCH_WAIT_S = 3

/**
 * Open a connection. It tries for ever; errors go to `onError`, since one without a listener would end the process.
 * A `producer`'s commands are given up after `commandTimeoutMs`.
 */
export function connect (address: RedisAddress, kind: keyof typeof kinds, name: string, commandTimeoutMs: number,
  onError: (error: Error) => void): Client {
  const options: RedisOptions = { ...kinds[kind], keepAlive: 5000, connectionName: name }
  let client: Client
  if (typeof address === 'string') {
    client = new Redis(address, options)
  } else if ('cluster' in address) {
    client = new Cluster([...address.cluster], {
      redisOptions: { ...options, ...address.redisOptions },
      enableOfflineQueue: kind !== 'producer',
      clusterRetryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000),
      slotsRefreshTimeout: 2000
    })
  } else {
    const { url, ...rest } = address
    client = url === undefined ? new Redis({ ...rest, ...options }) : new Redis(url, { ...rest, ...options })
  }
  client.on('error', onError)
  const prepare = (node: Redis): void => {
    gather(node)
    checkQuietly(node)
    if (kind === 'producer') giveUp(node, commandTimeoutMs)
  }
  if (client instanceof Cluster) {
    client.on('+node', prepare)
    listenQuietly(client)
  } else prepare(client)
  // BullMQ waits for jobs on a connection of its own
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => Client
  client.duplicate = ((...args: unknown[]) => {
    const copy = duplicate(...args)
    if (copy instanceof Cluster) {
      copy.on('+node', checkQuietly)
      listenQuietly(copy)
    } else {
      checkQuietly(copy)
      // see `Standing`
      copy.options.autoResendUnfulfilledCommands = false
    }
    return copy
  }) as never
  return client
}

/** What an error of a connection says, with the address; that of a name with several addresses has one for each. */
export function reasonOf (error: Error): string {
  const { code, address, port, errors } = error as NodeJS.ErrnoException &
  { address?: string, port?: number, errors?: readonly Error[] }
  if (errors !== undefined && errors.length > 0) return [...new Set(errors.map(reasonOf))].join(', ')
  if (code === 'ECONNREFUSED' && address !== undefined) {
    return `connection refused at ${address.includes(':') ? `[${address}]` : address}:${port}`
  }
  return error.message || String(error)
}

/**
 * What one turn of the event loop writes goes out with two calls of the kernel: such calls were a quarter of what a job
 * cost this process. The first command goes at once: Redis sends no answer or hint before it has run all that it has
 * read. Unlike the pipelines that ioredis can make by itself, no command waits for the answer of one
 * before it.
 */
function gather (client: Redis): void {
  client.on('connect', () => {
    const { stream } = client
    let isHeld = false
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
    stream.write = (...args: unknown[]) => {
      if (isHeld) return write(...args)
      isHeld = true
      const isRoom = write(...args)
      stream.cork()
      setImmediate(() => {
        isHeld = false
        stream.uncork()
      })
      return isRoom
    }
  })
}

/**
 * ioredis asks INFO whether the data is loaded, and writes a line of its own to the console for each connection whose
 * user may not. Here it is told nothing: who needs to know is told once, by `readFacts`.
 */
function checkQuietly (client: Redis): void {
  const info = client.info.bind(client) as (...sections: unknown[]) => Promise<string>
  client.info = (async (...args: unknown[]) => {
    const callback = args.at(-1)
    // ours have none
    if (typeof callback !== 'function') return await info(...args)
    await info().then((text) => callback(null, text), (error) => isForbidden(error) ? callback(null, '') : callback(error))
  }) as never
}

/** The connection with which a cluster listens is made anew for each node that is tried, and told by no event. */
function listenQuietly (client: Cluster): void {
  const { subscriber } = client as unknown as { subscriber?: { subscriber: Redis | null, selectSubscriber (): void } }
  if (subscriber === undefined) return
  const select = subscriber.selectSubscriber.bind(subscriber)
  subscriber.selectSubscriber = () => {
    select()
    if (subscriber.subscriber !== null) checkQuietly(subscriber.subscriber)
  }
}

/**
 * Commands that are not answered in time are rejected, as with ioredis' `commandTimeout`; but only the time since they
 * left this process counts, and only once the socket has been read: while this event loop stood still, Redis may well
 * have answered.
 */
function giveUp (client: Redis, timeoutMs: number): void {
  const send = client.sendCommand.bind(client)
  /** of this turn: they leave at its end, see `gather` */
  let sent: Command[] = []
  client.sendCommand = (command, stream) => {
    const answer = send(command, stream)
    if (sent.push(command) === 1) {
      setImmediate(() => {
        for (const one of sent) limit(one, timeoutMs)
        sent = []
      })
    }
    return answer
  }
}

function limit (command: Command, timeoutMs: number): void {
  if (command.isSettled) return
  const timer = setTimeout(() => setImmediate(() => {
    // the sockets are read between the timers and this
    if (!command.isSettled) command.reject(new Error(`no answer within ${timeoutMs} ms`))
  }), timeoutMs)
  const stop = (): void => clearTimeout(timer)
  command.promise.then(stop, stop)
}

/** Time of the broker: its offset from ours, from the midpoint of a round trip. */
export class BrokerClock {
  readonly #now: () => number
  offsetMs = 0
  roundtripMs = 0

  constructor (now: () => number) { this.#now = now }

  now (): number { return this.#now() + this.offsetMs }

  /** Of a cluster: the clock of the node that has the key, not of any. */
  async read (client: Client, key: string): Promise<void> {
    const before = this.#now()
    const answer = client instanceof Cluster ? client.eval("return redis.call('TIME')", 1, key) : client.time()
    const [seconds, micros] = await answer as [string, string]
    const after = this.#now()
    this.roundtripMs = after - before
    this.offsetMs = Number(seconds) * 1000 + Number(micros) / 1000 - (before + after) / 2
  }
}

/** What INFO tells that matters here. */
export interface ServerFacts {
  readonly version: string,
  readonly policy: string,
  readonly hasAof: boolean,
  /** bytes; 0: no limit */
  readonly maxMemory: number,
  readonly usedMemory: number
}

/** The servers behind it that have keys. */
export const mastersOf = (client: Client): Redis[] => client instanceof Redis ? [client] : client.nodes('master')

/** Where it connects to, and with which TLS; undefined for a cluster. */
export const targetOf = (client: Client): { host?: string, port?: number, tls?: object } | undefined =>
  client instanceof Redis ? client.options : undefined

/** Did `readFacts` fail since the user has not the right to? */
export const isForbidden = (error: unknown): boolean => /^NOPERM/.test((error as Error).message)

/** Rejects where INFO is forbidden. */
export async function readFacts (client: Client): Promise<ServerFacts> {
  if (client instanceof Redis) return await factsOf(client)
  // a cluster is as good as its worst node, and as full as its fullest
  const [first, ...others] = await Promise.all(client.nodes('master').map(factsOf))
  return others.reduce((worst, facts) => ({
    version: worst.version.localeCompare(facts.version, 'en', { numeric: true }) <= 0 ? worst.version : facts.version,
    policy: worst.policy === 'noeviction' ? facts.policy : worst.policy,
    hasAof: worst.hasAof && facts.hasAof,
    ...fuller(worst, facts)
  }), first!)
}

const fuller = (...nodes: readonly ServerFacts[]): Pick<ServerFacts, 'maxMemory' | 'usedMemory'> => {
  const share = ({ maxMemory, usedMemory }: ServerFacts): number => maxMemory === 0 ? -1 : usedMemory / maxMemory
  const { maxMemory, usedMemory } = nodes.reduce((a, b) => share(b) > share(a) ? b : a)
  return { maxMemory, usedMemory }
}

async function factsOf (client: Redis): Promise<ServerFacts> {
  const text = await client.info()
  const field = (name: string): string => new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1]?.trim() ?? ''
  return {
    version: field('valkey_version') || field('redis_version'),
    policy: field('maxmemory_policy'),
    hasAof: field('aof_enabled') === '1',
    maxMemory: Number(field('maxmemory') || 0),
    usedMemory: Number(field('used_memory') || 0)
  }
}

/** One subscriber connection that is noticed when it dies silently; `onReady` after each (re)connection. */
export class Subscription {
  readonly #client: Client
  readonly #timer: NodeJS.Timeout

  constructor (client: Client, channel: string, onMessage: (text: string) => void, onReady: () => void) {
    this.#client = client
    client.on('message', (_channel: string, text: string) => onMessage(text))
    const subscribe = (): void => {
      client.subscribe(channel).then(onReady, () => {}) // lost again: the next connection subscribes
    }
    client.on('ready', subscribe)
    if (client.status === 'ready') subscribe()
    this.#timer = setInterval(() => this.#check(), 5000).unref()
  }

  #check (): void {
    const client = this.#client
    if (client.status !== 'ready' || !(client instanceof Redis)) return
    const limit = setTimeout(() => { if (client.status === 'ready') client.disconnect(true) }, 2000).unref()
    client.ping().then(() => clearTimeout(limit), () => clearTimeout(limit))
  }

  close (): void {
    clearInterval(this.#timer)
    this.#client.disconnect()
  }
}
