// What a client sees of a durable job: its status as JSON, schema, links, tag, and when to ask again. Pure.
import { createHash } from 'node:crypto'
import type { RemoteStatus } from '../lib/index.js'

export interface JobView {
  readonly id: string
  readonly job: string
  readonly state: RemoteStatus['state']
  readonly attempt: number
  readonly progress?: unknown
  readonly createdAt: string
  readonly deadline: string
  readonly links: Links
}

interface Links { readonly self: string, readonly result: string, readonly events: string }

const text = { type: 'string' } as const
const links = { type: 'object', properties: { self: text, result: text, events: text } } as const

/** Schemas, for routes of the application too: `{ $ref: 'fastify-spillover/job#' }`. */
export const schemas = {
  job: {
    $id: 'fastify-spillover/job',
    type: 'object',
    required: ['id', 'state', 'links'],
    properties: {
      id: text,
      job: text,
      state: { ...text, enum: ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] },
      estimateMs: { type: 'integer' },
      attempt: { type: 'integer' },
      progress: {},
      createdAt: { ...text, format: 'date-time' },
      deadline: { ...text, format: 'date-time' },
      links
    }
  },
  problem: {
    $id: 'fastify-spillover/problem',
    type: 'object',
    required: ['type', 'title', 'status'],
    properties: { type: text, title: text, status: { type: 'integer' }, detail: text, code: text, id: text, state: text }
  }
} as const

export function linksOf (prefix: string, id: string): Links {
  const self = `${prefix}/${encodeURIComponent(id)}`
  return { self, result: `${self}/result`, events: `${self}/events` }
}

export function viewOf (prefix: string, status: RemoteStatus): JobView {
  const { id, job, state, attempt, progress, createdAtMs, deadlineAtMs } = status
  return {
    id,
    job,
    state,
    attempt,
    ...(progress !== undefined && { progress }),
    createdAt: new Date(createdAtMs).toISOString(),
    deadline: new Date(deadlineAtMs).toISOString(),
    links: linksOf(prefix, id)
  }
}

export const isFinal = ({ state }: RemoteStatus): boolean => state !== 'queued' && state !== 'running'

/** Changes with what a client can see, and is the same on every machine. */
export function tagOf ({ state, attempt, progress }: RemoteStatus): string {
  return createHash('sha256').update(JSON.stringify([state, attempt, progress ?? null])).digest('base64url').slice(0, 16)
}

/** Seconds after which to ask again: the longer it has been going on, the more; 1 to 30. */
export function retryAfterOf ({ createdAtMs, readAtMs }: RemoteStatus): number {
  return Math.min(30, Math.max(1, Math.round((readAtMs - createdAtMs) / 4000)))
}
