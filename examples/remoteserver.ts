// The server of the remote example: one actor of its own, so that a burst spills; and a route for durable jobs.
import Fastify from 'fastify'
import { join } from 'node:path'
import spillover = require('../plugin/index.js')
import { bullmqTier } from '../lib/remote/bullmq.js'

const write = (text: string): void => { process.stderr.write(`${text}\n`) }

async function start (redis: string): Promise<void> {
  const app = Fastify()
  await app.register(spillover, {
    jobs: join(__dirname, 'remotejobs.js'),
    tiers: [{ actors: 1 }],
    remote: { tier: bullmqTier({ redis }), log: { info: write, warn: write, error: write } },
    // an application names the user that its authentication knows
    durable: { owner: false },
    health: '/health/tiers'
  })
  app.get<{ Querystring: { ms?: string } }>('/grind', async (request) =>
    request.offload('grind', { ms: Number(request.query.ms ?? 50) }))
  app.post('/reports', app.durableHandler('grind'))
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 0) })
  process.stdout.write(`${app.listeningOrigin}\n`)
  process.once('SIGTERM', () => app.close())
}

start(process.env.SPILLOVER_REDIS_URL ?? 'redis://127.0.0.1:6379').catch((error: Error) => {
  write(error.message)
  process.exit(1)
})
