// Owns the routes of the example; the caller says how a job is run.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { JobInput, JobName, JobResult } from './baseline.js'

export type Run = <Name extends JobName>(
  name: Name, input: JobInput<Name>, request: FastifyRequest
) => Promise<JobResult<Name>>

const BODY_LIMIT_BYTES = 10 * 1024 * 1024

// The compiler copies no HTML: from dist/examples the page is still the one beside the source.
const page = readFileSync(join(__dirname, '..', '..', 'examples', 'page.html'), 'utf8')

// Nothing from another host can load, not even an image named in rendered Markdown.
const PAGE_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
  "connect-src 'self'; img-src blob: data:; frame-src 'self'; base-uri 'none'; form-action 'none'"

export const routes: FastifyPluginAsync<{ run: Run }> = async (app, { run }) => {
  app.get('/', async (_request, reply) => reply
    .type('text/html; charset=utf-8')
    .header('content-security-policy', PAGE_POLICY)
    .send(page))

  app.get('/light', async () => ({ ok: true }))

  app.post<{ Body: { password: string } }>('/passwords', {
    config: { offload: { timeoutMs: 10_000, priority: 'high' } },
    schema: {
      body: {
        type: 'object',
        required: ['password'],
        additionalProperties: false,
        properties: { password: { type: 'string', minLength: 1, maxLength: 1024 } }
      }
    }
  }, async (request) => ({ hash: await run('passwordHash', request.body.password, request) }))

  await app.register(thumbnails, { run })
  await app.register(markdown, { run })
}

// Each of these two has its own content types, so each is a context of its own.
const thumbnails: FastifyPluginAsync<{ run: Run }> = async (app, { run }) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['image/png', 'image/jpeg'], { parseAs: 'buffer', bodyLimit: BODY_LIMIT_BYTES },
    (_request, body, done) => done(null, body))

  app.post<{ Body: Buffer | undefined, Querystring: { width: string } }>('/thumbnails', {
    bodyLimit: BODY_LIMIT_BYTES,
    schema: {
      querystring: {
        type: 'object',
        // Text, because the server does not convert types: 1 to 9999.
        properties: { width: { type: 'string', pattern: '^[1-9][0-9]{0,3}$', default: '320' } }
      }
    }
  }, async (request, reply) => {
    // A request without a body meets no parser.
    if (request.body === undefined) {
      return reply.code(415).send(new Error('expected a body of the type image/png or image/jpeg, got none'))
    }
    const input = { image: request.body, width: Number(request.query.width) }
    const result = await run('thumbnail', input, request)
    return reply.type(result.type).send(Buffer.from(result.bytes))
  })
}

const markdown: FastifyPluginAsync<{ run: Run }> = async (app, { run }) => {
  app.addContentTypeParser('text/markdown', { parseAs: 'string' }, (_request, body, done) => {
    done(null, { markdown: body })
  })

  app.post<{ Body: { markdown: string } }>('/markdown', {
    schema: {
      body: {
        type: 'object',
        required: ['markdown'],
        properties: { markdown: { type: 'string', maxLength: 1_000_000 } }
      }
    }
  }, async (request, reply) => reply
    .type('text/html; charset=utf-8')
    // Opened by itself, the fragment may run nothing.
    .header('content-security-policy', "sandbox; default-src 'none'; style-src 'unsafe-inline'")
    .send(await run('markdown', request.body.markdown, request)))
}
