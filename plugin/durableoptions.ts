// Options of the routes for durable jobs: meaning, default and check; and who a caller is.
import { createHash } from 'node:crypto'
import { errors } from '../lib/index.js'
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
  /** wait so long for the result before 202, without being asked @default 0 */
  syncWaitMs?: number
  /** longest wait that `Prefer: wait` can ask for; below what proxies allow @default 25000 */
  maxWaitMs?: number
  /** streams of events at once in this process @default 256 */
  maxStreams?: number
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

const isTime = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 3600_000

const table: Record<keyof DurableRoutes, readonly [unknown, string, (value: unknown) => boolean]> = {
  prefix: ['/jobs', "a path as in '/jobs'", (value) => typeof value === 'string' && /^\/.*[^/]$/.test(value)],
  owner: [undefined, 'a function that names the caller, or false', (value) => value === false || typeof value === 'function'],
  syncWaitMs: [0, 'an integer from 0 to 3600000', isTime],
  maxWaitMs: [25_000, 'an integer from 0 to 3600000', isTime],
  maxStreams: [256, 'an integer of at least 1', (value) => Number.isInteger(value) && (value as number) >= 1],
  exposeErrors: [false, 'true or false', (value) => typeof value === 'boolean'],
  send: [(reply: FastifyReply, value: unknown) => reply.send(value), 'a function', (value) => typeof value === 'function'],
  routeOpts: [{}, 'an object', (value) => value !== null && typeof value === 'object']
}

/** Check options and fill in defaults. Throws `FST_ERR_SPILLOVER_OPTION`. */
export function checkDurable (given: DurableRoutes): DurableChecked {
  if (given === null || typeof given !== 'object') throw new errors.OPTION('durable', 'an object as in { owner }', String(given))
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(table, key)) throw new errors.OPTION(`durable.${key}`, `one of ${Object.keys(table).join(', ')}`, 'an unknown option')
  }
  return Object.fromEntries(Object.entries(table).map(([key, [otherwise, expected, test]]) => {
    const value = given[key as keyof DurableRoutes] ?? otherwise
    if (!test(value)) throw new errors.OPTION(`durable.${key}`, expected, String(value))
    return [key, value]
  })) as unknown as DurableChecked
}
