// Options of the remote tier as the pool sees it: meaning, default and check.
import { inspect } from 'node:util'
import { errors } from '../errors.js'
import type { RemoteLog, RemoteTier } from './contract.js'

/** What is particular to one job. */
export interface RemoteJobOptions {
  /** goes into the queue's name: a worker of another version never takes it @default '1' */
  version?: string
  /** older or newer versions this process serves too, and the export that runs each */
  also?: Record<string, string>
  /** may it go elsewhere when this machine is full @default true */
  spill?: boolean
  /** checks the input once more where it runs: false or a text refuses it */
  validate?: (input: unknown) => boolean | string
}

/** Options of the remote tier. Times are ms. */
export interface RemoteOptions {
  tier: RemoteTier
  /** only jobs whose measured mean run time is at least this go elsewhere; measured: below 5 a loss @default 20 */
  minMeanMs?: number
  /** and only when the wait here is expected to be longer than this @default 10 */
  afterMs?: number
  /** take jobs of other machines too: 'when-idle' while no job waits here @default false */
  serve?: boolean | 'when-idle'
  /** runs of a durable job whose function throws or whose worker dies @default 3 */
  attempts?: number
  /** how long a durable job may wait and run @default 86400000 */
  durableTtlMs?: number
  /** how long the result of a durable job is kept @default 86400000 */
  resultTtlMs?: number
  jobs?: Record<string, RemoteJobOptions>
  /** what is served, as in `['resize@2']` @default every job in its versions */
  queues?: readonly string[] | null
  log?: RemoteLog
}

/** Options with defaults. */
export type RemoteChecked = Required<RemoteOptions>

const silent: RemoteLog = { info () {}, warn () {}, error () {} }

const number = (value: unknown): boolean => typeof value === 'number' && value >= 0
const object = (value: unknown): boolean => value !== null && typeof value === 'object'

/** What each option but `tier` must be. */
const checks: Record<Exclude<keyof RemoteOptions, 'tier'>, readonly [string, (value: unknown) => boolean]> = {
  minMeanMs: ['a number of at least 0', number],
  afterMs: ['a number of at least 0', number],
  serve: ["true, false or 'when-idle'", (value) => [true, false, 'when-idle'].includes(value as boolean)],
  attempts: ['an integer from 1 to 100', (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 100],
  durableTtlMs: ['a number of at least 0', number],
  resultTtlMs: ['a number of at least 0', number],
  jobs: ["an object, as in { resize: { version: '2' } }", (value) => object(value) && Object.values(value as object).every(object)],
  queues: ["an array of names, as in ['resize@2']", (value) => value === null || Array.isArray(value)],
  log: ['a logger', object]
}

/** Check options and fill in defaults. Throws `FST_ERR_SPILLOVER_OPTION`. */
export function checkRemote (options: RemoteOptions): RemoteChecked {
  for (const [key, value] of Object.entries(options)) {
    if (key === 'tier') continue
    if (!Object.hasOwn(checks, key)) throw new errors.OPTION(`remote.${key}`, `one of tier, ${Object.keys(checks).join(', ')}`, 'an unknown option')
    const [expected, test] = checks[key as keyof typeof checks]
    if (value !== undefined && !test(value)) throw new errors.OPTION(`remote.${key}`, expected, inspect(value))
  }
  for (const [job, { version = '1', also = {} }] of Object.entries(options.jobs ?? {})) {
    for (const part of [version, ...Object.keys(also)]) {
      if (!/^[\w$-]{1,128}$/.test(part)) throw new errors.OPTION(`remote.jobs.${job}`, 'versions of letters, digits, _, $ and -', inspect(part))
    }
  }
  return {
    minMeanMs: 20,
    afterMs: 10,
    serve: false,
    attempts: 3,
    durableTtlMs: 86_400_000,
    resultTtlMs: 86_400_000,
    jobs: {},
    queues: null,
    log: silent,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  } as RemoteChecked
}
