'use strict'
// The server that is overloaded: a route that offloads, by POST and by GET, and one that does not; and its numbers.
const { join } = require('node:path')
const { getHeapSpaceStatistics } = require('node:v8')
const Fastify = require('fastify')
const spillover = require('#plugin/index')
const { channels } = require('#lib/index')

const { options, lengths, share } = JSON.parse(process.argv[2])
let waits = []
let sizes = []
channels.settled.subscribe(({ outcome, waitMs }) => { if (outcome === 'ok') waits.push(waitMs) })
setInterval(() => sizes.push(process.memoryUsage.rss()), 100).unref()

/** A job is of the first length with this probability, else of the second. */
const draw = () => Math.random() < share ? lengths[0] : lengths.at(-1)

async function main () {
  const app = Fastify()
  await app.register(spillover, { jobs: join(__dirname, 'jobs.js'), ...options })
  app.get('/light', async () => ({ ok: true }))
  app.post('/work', app.offloadHandler('work', { input: draw }))
  app.get('/work', app.offloadHandler('work', { input: draw }))
  process.on('message', (message) => {
    if (message === 'close') return app.close().then(() => process.disconnect())
    const { counters } = app.spillover.snapshot()
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed } = process.memoryUsage()
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size
    app.server.getConnections((_error, sockets) => {
      process.send({ counters, waits, sizes, rss, heapUsed, young, sockets, cpuUs: user + system })
      waits = []
      sizes = []
    })
  })
  process.on('disconnect', () => process.exit(1))
  process.send({ address: await app.listen({ port: 0, host: '127.0.0.1' }) })
}

main()
