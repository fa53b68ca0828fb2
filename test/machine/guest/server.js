'use strict'
// The server under test: Fastify with the built plugin, and routes that hold actors and let them go.
const path = require('node:path')
const fastify = require('fastify')
const spillover = require('../../../dist/plugin/index.js')

const main = async () => {
  // Ten seconds for a plugin are too few under emulation.
  const app = fastify({ pluginTimeout: 0 })
  await app.register(spillover, {
    jobs: path.join(__dirname, 'jobs.cjs'),
    health: '/health/tiers',
    reserve: 0,
    // Everything is slow here, and time is not what is tested.
    timeoutMs: 0,
    maxQueueWaitMs: 0,
    bootTimeoutMs: 240_000,
    retireMs: 3000
  })
  const words = new Int32Array(new SharedArrayBuffer(8))
  let holds = []
  app.post('/hold', async () => {
    holds.push(app.offload('hold', words))
    return { holds: holds.length }
  })
  app.post('/release', async () => {
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)
    const results = await Promise.all(holds)
    holds = []
    Atomics.store(words, 0, 0)
    return results
  })
  app.post('/burn/:count', async ({ params }) => {
    const results = await Promise.allSettled(Array.from({ length: Number(params.count) }, () => app.offload('burn', 5)))
    return { fulfilled: results.filter(({ status }) => status === 'fulfilled').length }
  })
  app.get('/plan', async () => app.spillover.plan)
  await app.listen({ port: 8080, host: '127.0.0.1' })
  process.once('SIGTERM', () => app.close())
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
