// Options of the remote tier as the pool sees it: meaning, default and check.
import {
  atLeast, every, flag, integer, isRecord, keysOf, method, oneOf, readOption, readOptions, record, texts
} from '../checks.js'
import type { Check } from '../checks.js'
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
  /**
   * for development and tests: refuse each input and result of a job that may go elsewhere if it would not arrive as it
   * is, also where the job runs here @default false
   */
  strictEncoding?: boolean
  jobs?: Record<string, RemoteJobOptions>
  /** what is served, as in `['resize@2']` @default every job in its versions */
  queues?: readonly string[] | null
  /** told of engines that go away and come back, and of their settings @default the server's; none without Fastify */
  log?: RemoteLog
}

/** Options with defaults. */
export type RemoteChecked = Required<RemoteOptions>

const silent: RemoteLog = { info () {}, warn () {}, error () {} }

const version: Check = {
  expected: 'a version of letters, digits, _, $ and -',
  test: (value) => typeof value === 'string' && /^[\w$-]{1,128}$/.test(value)
}

const table = {
  tier: [undefined, {
    expected: 'a remote tier, with the methods admit and submit',
    test: (value) => isRecord(value) && method.test(value.admit) && method.test(value.submit)
  }],
  minMeanMs: [20, atLeast(0)],
  afterMs: [10, atLeast(0)],
  serve: [false, oneOf(true, false, 'when-idle')],
  attempts: [3, integer(1, 100)],
  durableTtlMs: [86_400_000, atLeast(0)],
  resultTtlMs: [86_400_000, atLeast(0)],
  strictEncoding: [false, flag],
  jobs: [{}, { expected: "an object, as in { resize: { version: '2' } }", test: isRecord }],
  queues: [null, {
    expected: "an array of names, as in ['resize@2']",
    test: (value) => value === null || every(value, (name) => typeof name === 'string')
  }],
  log: [silent, {
    expected: 'a logger with info, warn and error',
    test: (value) => value !== null && typeof value === 'object' &&
      ['info', 'warn', 'error'].every((name) => method.test((value as Record<string, unknown>)[name]))
  }]
} as const satisfies Record<keyof RemoteOptions, readonly [unknown, Check]>

const jobTable = {
  version: [undefined, version],
  also: [undefined, {
    expected: "an object of versions and exports, as in { 1: 'resizeOld' }",
    test: (value) => texts.test(value) && Object.keys(value as object).every(version.test)
  }],
  spill: [undefined, flag],
  validate: [undefined, method]
} as const satisfies Record<keyof RemoteJobOptions, readonly [unknown, Check]>

/** Check options and fill in defaults. Throws `FST_ERR_SPILLOVER_OPTION`. */
export function checkRemote (options: RemoteOptions): RemoteChecked {
  const checked = readOptions(options as unknown as Record<string, unknown>, table, (key) => `remote.${key}`)
  const jobs = checked.jobs as Record<string, Record<string, unknown>>
  checked.jobs = Object.fromEntries(keysOf(jobs, 'remote.jobs.*').map((key) => {
    const name = `remote.jobs.${String(key)}`
    const job = readOption(jobs, key as string, record, name) as Record<string, unknown>
    return [key, readOptions(job, jobTable, (part) => `${name}.${part}`)]
  }))
  return checked as unknown as RemoteChecked
}
