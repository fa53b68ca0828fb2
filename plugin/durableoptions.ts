// Options of the routes for durable jobs: meaning, default and check; and who a caller is.
import { createHash } from 'node:crypto'
import { errors, flag, integer, isRecord, method, readOptions, show } from '../lib/index.js'
import { routeOpts } from './options.js'
import type { Check } from '../lib/index.js'
import type { LimitOptions } from './ownerlimit.js'
import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'

/** Options of the routes for durable jobs. Times are ms. */
export interface DurableRoutes {
  /** path below which each job has its routes @default '/jobs' */
  prefix?: string
  /**
   * Who asks: a text that names the caller as your authentication knows them. Others get 404. `false`: whoever has the
   * id may see the job, and Idempotency-Key is refused, since one caller's key would give another's result.
   */
  owner: ((request: FastifyRequest) => string | Promise<string>) | false
  /**
   * wait so long for the result before 202, without being asked, at most 25000; not where such jobs took as long lately
   * @default 0
   */
  syncWaitMs?: number
  /** longest wait that `Prefer: wait` can ask for; below what proxies allow @default 25000 */
  maxWaitMs?: number
  /** streams of events at once in this process @default 256 */
  maxStreams?: number
  /** jobs that one owner may hand over to this process at once and in each `perMs`; more get 429 @default none */
  limit?: LimitOptions | null
  /** tell clients the code and message of a job's own error @default false */
  exposeErrors?: boolean
  /** send a stored result @default reply.send(value) */
  send?: (reply: FastifyReply, value: unknown, job: string) => unknown
  /** more options of the job's routes: hooks, `config`, `logLevel` */
  routeOpts?: RouteShorthandOptions
}

export type DurableChecked = Required<Omit<DurableRoutes, 'routeOpts'>> & Pick<DurableRoutes, 'routeOpts'>

/** The hash that stands for the caller in the record; undefined where everybody may see it. */
export async function ownerOf ({ owner }: DurableChecked, request: FastifyRequest): Promise<string | undefined> {
  if (owner === false) return undefined
  const name = await owner(request)
  if (typeof name !== 'string' || name === '') throw new errors.NO_OWNER()
  return createHash('sha256').update(name).digest('base64url')
}

const limitTable = {
  jobs: [undefined, integer(1)],
  perMs: [undefined, integer(1)]
} as const satisfies Record<keyof LimitOptions, readonly [unknown, Check]>

const table = {
  prefix: ['/jobs', {
    expected: "a path as in '/jobs'",
    test: (value) => typeof value === 'string' && /^\/.*[^/]$/.test(value)
  }],
  owner: [undefined, {
    expected: 'a function that names the caller, or false',
    test: (value) => value === false || typeof value === 'function'
  }],
  // below what proxies allow
  syncWaitMs: [0, integer(0, 25_000)],
  maxWaitMs: [25_000, integer(0, 3600_000)],
  maxStreams: [256, integer(1)],
  limit: [null, { expected: 'null or an object as in { jobs: 60, perMs: 60000 }', test: (value) => value === null || isRecord(value) }],
  exposeErrors: [false, flag],
  send: [(reply: FastifyReply, value: unknown) => reply.send(value), method],
  routeOpts
} as const satisfies Record<keyof DurableRoutes, readonly [unknown, Check]>

/** Check options and fill in defaults. Throws `FST_ERR_SPILLOVER_OPTION`. */
export function checkDurable (given: DurableRoutes): DurableChecked {
  if (!isRecord(given)) throw new errors.OPTION('durable', 'an object as in { owner }', show(given))
  const checked = readOptions(given, table, (key) => `durable.${key}`)
  if (checked.owner === undefined) throw new errors.OPTION('durable.owner', table.owner[1].expected, 'undefined')
  if (checked.owner === false && checked.limit !== null) {
    throw new errors.OPTION('durable.limit', 'no value where owner is false', show(checked.limit))
  }
  if (checked.limit !== null) checked.limit = checkLimit(checked.limit as Record<string, unknown>)
  return { ...checked, routeOpts: checked.routeOpts ?? {} } as unknown as DurableChecked
}

function checkLimit (given: Record<string, unknown>): Record<string, unknown> {
  const limit = readOptions(given, limitTable, (key) => `durable.limit.${key}`)
  for (const [key, [, { expected }]] of Object.entries(limitTable)) {
    if (limit[key] === undefined) throw new errors.OPTION(`durable.limit.${key}`, expected, 'undefined')
  }
  return limit
}
