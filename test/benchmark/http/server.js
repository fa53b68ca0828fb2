// A Fastify server in a process of its own: the same routes with the work inline, on piscina, or on the plugin.
import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { processCpuUs, threadCpuUs } from '../placing.js'
import * as jobs from '../jobs/jobs.js'

const { runtime, options } = JSON.parse(process.argv[2])
const plugin = createRequire(import.meta.url)('../../../dist/plugin/index.js')
const file = new URL('../jobs/jobs.js', import.meta.url)
const delay = monitorEventLoopDelay({ resolution: 1 })
const app = Fastify()
let works = 0
let lights = 0

const runtimes = {
  none: async () => undefined,
  timer: async () => {
    const values = new Map()
    return async (_request, steps) => {
      if (!values.has(steps)) values.set(steps, jobs.work(steps))
      await sleep(options.ms)
      return values.get(steps)
    }
  },
  inline: async () => async (_request, steps) => jobs.work(steps),
  spillover: async () => {
    await app.register(plugin, { jobs: file, ...options })
    return (request, steps) => request.offload('work', steps)
  },
  piscina: async () => {
    const { Piscina } = await import('piscina')
    const pool = new Piscina({ filename: file.href, ...options })
    app.addHook('onClose', () => pool.destroy())
    return (_request, steps) => pool.run(steps, { name: 'work' })
  }
}

const work = await runtimes[runtime]()
app.get('/light', async () => {
  lights++
  return { ok: true }
})
if (work !== undefined) {
  app.get('/work/:steps', async (request) => {
    const value = await work(request, Number(request.params.steps))
    works++
    return { value }
  })
}

const address = await app.listen({ port: 0, host: '127.0.0.1' })
process.on('message', async (message) => {
  if (message === 'close') {
    await app.close()
    process.disconnect()
  } else if (message === 'ticks') {
    process.send({ tickNs: await tickNs() })
  } else {
    const delayP99Ms = delay.percentile(99) / 1e6
    process.send({ works, lights, hostUs: threadCpuUs(), totalUs: processCpuUs(), delayP99Ms })
    delay.reset()
  }
})
/** What one `process.nextTick` costs here by now: the least of some rounds; 60 ns, or 300 where V8 forgot its shape. */
async function tickNs () {
  const rounds = []
  for (let round = 0; round < 9; round++) {
    const startMs = performance.now()
    for (let i = 0; i < 2000; i++) process.nextTick(() => {})
    rounds.push((performance.now() - startMs) * 1e6 / 2000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return Math.min(...rounds)
}

process.on('disconnect', () => process.exit(0))
delay.enable()
process.send({ address })
