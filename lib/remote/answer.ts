// How a worker answers: seals the outcome, lays a large one beside the record, and hints to those who wait.
import { UnrecoverableError } from 'bullmq'
import { encodeError, errors } from '../errors.js'
import { failureText, seal } from './envelope.js'
import { makeId } from './id.js'
import { parseSafely } from './json.js'
import type { Job } from 'bullmq'
import type { RunResult } from './contract.js'
import type { Client } from './connection.js'
import type { Envelope, Sealed } from './envelope.js'
import type { Keys } from './keys.js'
import type { Settings } from './settings.js'

/** The JSON text of an error of ours, as an outcome has it. */
export const toText = (error: Error): string => JSON.stringify(encodeError(error))

/**
 * Hint to those who wait with what the record says, if it says that the job has ended: sent right behind the command
 * that ends it, so the waiters hear of it without another round trip, and hear nothing where that command failed.
 */
const hintFromRecord = `
local finished, value = unpack(redis.call('HMGET', KEYS[1], 'finishedOn', 'returnvalue'))
if not finished or not value then return 0 end
local text = '{"i":' .. ARGV[3] .. ',"o":' .. value .. '}'
redis.call('PUBLISH', ARGV[1] .. ARGV[2], text)
if ARGV[4] == '1' then
  for _, instance in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    if instance ~= ARGV[2] then redis.call('PUBLISH', ARGV[1] .. instance, text) end
  end
end
return 1`

/**
 * Lay a result beside the record, if this run still has the job's lock: else the job is another run's, or has its
 * result by now.
 */
const layBeside = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

type WithScripts = {
  spilloverHint (...args: string[]): Promise<number>
  spilloverBeside (...args: (string | number)[]): Promise<number>
}

/** Answers of the worker of one shard. */
export class Answers {
  readonly #settings: Settings
  readonly #shard: number
  readonly #keys: Keys
  readonly #client: Client
  /** hints on their way: 1 where the record had the end */
  readonly #hinted = new WeakMap<Job, Promise<number>>()

  constructor (settings: Settings, shard: number, keys: Keys, client: Client) {
    this.#settings = settings
    this.#shard = shard
    this.#keys = keys
    this.#client = client
    client.defineCommand('spilloverHint', { numberOfKeys: 2, lua: hintFromRecord })
    client.defineCommand('spilloverBeside', { numberOfKeys: 2, lua: layBeside })
  }

  async succeed (id: string, queue: string, job: Job, envelope: Envelope, result: RunResult & { status: 'ok' }): Promise<Sealed> {
    const { inlineBytes, maxResultBytes, signingKey } = this.#settings
    const bytes = Buffer.byteLength(result.payload)
    if (bytes > maxResultBytes) {
      const error = new errors.REMOTE_PAYLOAD(job.name, `its result has ${bytes} bytes, limit ${maxResultBytes}`)
      return this.fail(id, { status: 'failed', error: toText(error) }, false)
    }
    const sealed = seal(id, { status: 'ok', codec: result.codec, payload: result.payload }, inlineBytes, signingKey)
    // without the lock the end will not be booked either
    if ('big' in sealed && await this.#layBeside(queue, job, result.payload) === 0) return sealed
    if (envelope.f === 1) this.hint(queue, job, sealed)
    // when BullMQ, which goes on with this job in this turn, has sent the end of it
    else process.nextTick(() => { this.#hinted.set(job, this.#hintFromRecord(queue, job, id)) })
    return sealed
  }

  #layBeside (queue: string, job: Job, payload: string): Promise<number> {
    const keys = [this.#keys.result(queue, job.id!), this.#keys.lock(queue, job.id!)]
    return (this.#client as unknown as WithScripts).spilloverBeside(...keys, job.token!, payload, keptMs(job))
  }

  #hintFromRecord (queue: string, job: Job, id: string): Promise<number> {
    const { rt, k, du } = job.data as Envelope
    const unique = job.id!
    const isShared = k !== undefined || du === 1 ? '1' : '0'
    const keys = [this.#keys.record(queue, unique), this.#keys.waiters(queue, unique)]
    const client = this.#client as unknown as WithScripts
    return client.spilloverHint(...keys, this.#keys.hints(''), rt, JSON.stringify(id), isShared).catch(() => 0) // told when BullMQ says that it has ended
  }

  /** The end of a job is booked: its input is not needed again. Hint, unless that was done already. */
  async booked (queue: string, job: Job, sealed: Sealed): Promise<void> {
    const { big, f, k } = job.data as Envelope
    if (big !== undefined) this.#client.del(this.#keys.payload(queue, job.id!, k)).catch(() => {}) // it expires
    if (f === 1) return
    if (await this.#hinted.get(job) !== 1) this.hint(queue, job, sealed)
  }

  /** End the attempt as failed; the outcome travels in the reason. */
  fail (id: string, result: RunResult, mayRetry: boolean): never {
    const outcome = { status: result.status, error: (result as { error: string }).error } as { status: 'failed', error: string }
    const sealed = seal(id, outcome, this.#settings.inlineBytes, this.#settings.signingKey)
    const { name = 'Error', message = '' } = parseSafely(outcome.error) as { name?: string, message?: string }
    const text = failureText(`${name}: ${message}`, sealed)
    throw Object.assign(mayRetry ? new Error(text) : new UnrecoverableError(text), { stack: '', sealed })
  }

  /** Tell who waits. Without an outcome: to look at the record. A lost hint costs its waiter one sweep. */
  hint (queue: string, job: Job, sealed: Sealed | undefined): void {
    const { rt, k, du } = job.data as Envelope
    const id = makeId(this.#settings.region, this.#shard, queue, job.id!)
    const text = JSON.stringify({ i: id, o: sealed })
    const publish = (instance: string): void => {
      this.#client.publish(this.#keys.hints(instance), text).catch(() => {}) // the sweep finds it
    }
    if (typeof rt === 'string' && rt !== '') publish(rt)
    if (k === undefined && du !== 1) return
    this.#client.smembers(this.#keys.waiters(queue, job.id!))
      .then((instances) => {
        for (const instance of instances) if (instance !== rt) publish(instance)
      }, () => {}) // as above
  }
}

function keptMs (job: Job): number {
  const keep = job.opts.removeOnComplete
  return typeof keep === 'object' && 'age' in keep && typeof keep.age === 'number' ? keep.age * 1000 : 60000
}
