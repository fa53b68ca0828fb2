// The health endpoint: what the pool is doing, with a schema; off unless asked for.
import { readRoute, routeOpts as more } from './options.js'
import type { FastifyInstance, FastifySchema, RouteShorthandOptions } from 'fastify'
import type { Snapshot } from '../lib/index.js'
import type { Pool } from './pool.js'

/** Options of the health endpoint. */
export interface HealthOptions {
  url: string
  /** more route options: hooks for who may see it, `config`, `logLevel` */
  routeOpts?: RouteShorthandOptions
  /** more of the schema, as in `{ hide: true }` */
  routeSchemaOpts?: FastifySchema
}

const number = { type: 'number' } as const
const integer = { type: 'integer' } as const
const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
// untyped: `nullable` is wrong in Swagger 2 and OpenAPI 3.1, and a list of types in OpenAPI 3.0
const orNull = (what: string) => ({ description: `${what}, or null` })
const nullableText = orNull('a text')
const times = {
  type: 'object',
  properties: { count: integer, meanMs: number, p50Ms: number, p99Ms: number, maxMs: number }
} as const

/** JSON schema of the answer. */
const answer = {
  description: 'What the pool is doing',
  type: 'object',
  properties: {
    status: { ...text, enum: ['ok', 'degraded', 'down'] },
    version: text,
    state: text,
    strategy: text,
    metric: text,
    quotaCpus: orNull('a number'),
    reserved: { type: 'array', items: integer },
    notes: { type: 'array', items: text },
    pinning: {
      type: 'object',
      properties: { isOn: flag, reason: nullableText, claimed: { type: 'array', items: integer } }
    },
    active: integer,
    backlog: integer,
    pending: integer,
    openTier: integer,
    retryAfterS: integer,
    counters: { type: 'object', additionalProperties: true },
    remote: orNull('an object'),
    quarantine: {
      type: 'array',
      items: { type: 'object', properties: { job: text, deaths: integer, reason: text, forMs: integer } }
    },
    jobs: { type: 'object', additionalProperties: { type: 'object', properties: { wait: times, run: times, border: times } } },
    tiers: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          tier: integer,
          isOpen: flag,
          reason: text,
          threshold: integer,
          cpus: { type: 'array', items: integer },
          isDegraded: flag,
          active: integer,
          depth: integer,
          states: { type: 'object', additionalProperties: integer },
          wait: times,
          run: times,
          border: times,
          actors: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                slot: integer,
                cpu: orNull('an integer'),
                pinned: flag,
                pinReason: nullableText,
                state: text,
                reason: nullableText,
                depth: integer,
                restarts: integer,
                zombies: integer,
                openForMs: integer,
                utilization: number
              }
            }
          }
        }
      }
    }
  }
} as const

const { version } = require('../../package.json') as { version: string }

const table = { routeOpts: more, routeSchemaOpts: more }

/** `down`: it accepts no jobs, or no actor of tier 1 is open. `degraded`: an actor has failed. */
export function statusOf ({ state, tiers }: Snapshot): 'ok' | 'degraded' | 'down' {
  if (state !== 'open' || !tiers[0]!.actors.some((actor) => actor.state === 'open')) return 'down'
  return tiers.some(({ isDegraded }) => isDegraded) ? 'degraded' : 'ok'
}

/** Add the route, in a child so that it is the plugin's own. 200 while tier 1 has a live actor, else 503. */
export async function registerHealth (fastify: FastifyInstance, pool: Pool, health: string | HealthOptions):
Promise<void> {
  const { url, routeOpts, routeSchemaOpts } = readRoute<HealthOptions>('health', health, table, true)
  await fastify.register(async (child) => {
    child.get(url, {
      ...routeOpts,
      schema: { ...routeSchemaOpts, response: { 200: answer, 503: answer } }
    }, async (_request, reply) => {
      const snapshot = pool.snapshot()
      const { plan } = pool
      const tiers = snapshot.tiers.map((tier) => ({
        ...tier,
        states: tier.actors.reduce<Record<string, number>>((count, { state }) => {
          count[state] = (count[state] ?? 0) + 1
          return count
        }, {})
      }))
      const status = statusOf(snapshot)
      reply.code(status === 'down' ? 503 : 200).header('cache-control', 'no-store')
      return {
        ...snapshot,
        status,
        version,
        strategy: plan.strategy,
        quotaCpus: plan.quotaCpus,
        reserved: plan.reserved,
        notes: plan.notes,
        tiers
      }
    })
  })
}
