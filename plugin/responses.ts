// The 503 and 504 of routes that offload, in their response schemas, so that OpenAPI documents tell of them.
import type { FastifySchema, RouteOptions } from 'fastify'

/** The body of Fastify's errors; whatever an error handler adds is kept. */
const body = {
  type: 'object',
  properties: {
    statusCode: { type: 'integer' },
    code: { type: 'string' },
    error: { type: 'string' },
    message: { type: 'string' }
  },
  additionalProperties: true
} as const

const responses = {
  503: {
    description: 'No actor can take the job now',
    headers: { 'retry-after': { type: 'integer', description: 'Seconds after which to try again; sent when overloaded' } },
    ...body
  },
  504: { description: 'The job did not end in time', ...body }
} as const

/** What the route says of these codes itself stays, also where it says it for all of them. */
export function addResponses (route: RouteOptions): void {
  const schema = route.schema as (FastifySchema & { response?: Record<string, unknown> }) | undefined
  const own = schema?.response ?? {}
  if (Object.keys(own).some((code) => code === 'default' || code.toLowerCase() === '5xx')) return
  // where a route has no responses, the documents invent this one
  const other = Object.keys(own).length === 0 ? { 200: { description: 'Default Response' } } : {}
  route.schema = { ...schema, response: { ...other, ...responses, ...own } }
}
