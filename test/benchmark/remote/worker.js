// The workers of bench:remote, in a process of their own: BullMQ's and the tier's, both echo and both with 64 at once.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { Worker } = require('bullmq')
const { bullmqTier } = require('../../../dist/lib/remote/bullmq.js')
const port = Number(process.argv[2])
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
const worker = new Worker('bullmq', async (job) => job.data, { connection, concurrency: 64 })
await worker.waitUntilReady()
const tier = bullmqTier({ redis: `redis://127.0.0.1:${port}`, env: 'bench' })
tier.start({ log: { info () {}, warn () {}, error () {} }, served: [] })
const slots = { size: 64, free: () => 64 }
await tier.serve([{ job: 'echo', version: '1' }], async ({ payload }) => ({ status: 'ok', codec: 'json', payload }), slots)
process.on('message', () => process.send(process.cpuUsage()))
process.once('SIGTERM', async () => {
  await Promise.allSettled([worker.close(true), tier.close()])
  process.exit()
})
console.log('ready')
