// What the parts of a producer share: one Redis with its names, clock, breaker and waiters, and the outcomes made here.
import { encodeError, errors } from '../errors.js'
import type { Breaker } from './breaker.js'
import type { BrokerClock, Client } from './connection.js'
import type { RemoteLog, RemoteOutcome } from './contract.js'
import type { Keys } from './keys.js'
import type { Settings } from './settings.js'
import type { Times } from './times.js'
import type { Waiters } from './waiters.js'

export type ProducerCounters = Record<
  'submitted' | 'refused' | 'uncertain' | 'hints' | 'badHints' | 'lateHints' | 'swept' | 'lost' | 'cancelled', number>

/** What the producers of all shards share. */
export interface Shared {
  readonly settings: Settings
  readonly log: RemoteLog
  readonly counters: ProducerCounters
  readonly times: Times
  /** queues of which was said that nobody serves them */
  readonly unserved: Set<string>
}

/** One Redis as a producer uses it. */
export interface Shard extends Shared {
  readonly number: number
  readonly keys: Keys
  readonly breaker: Breaker
  readonly clock: BrokerClock
  readonly waiters: Waiters
  readonly client: Client
}

/** An error that tells which job it is about. */
export function withId<More extends object> (error: Error, id: string, more?: More): Error & More {
  return Object.assign(error, { jobId: id, ...more as More })
}

/** The outcome of a job that ended with one of our errors. */
export function failedWith (error: Error): RemoteOutcome {
  return { status: 'failed', error: JSON.stringify(encodeError(error)) }
}

/** The outcome of a job that was taken out of its queue. */
export function cancelledOutcome (job: string): RemoteOutcome {
  return { status: 'cancelled', error: JSON.stringify(encodeError(new errors.CANCELLED(job, 'before it started'))) }
}
