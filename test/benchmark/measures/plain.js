// What a plain route costs the server's main thread, µs of CPU a request, with or without the plugin.
import { setTimeout as sleep } from 'node:timers/promises'
import { raisePriority, saturate, startServer, useTwoCpus } from '../http/client.js'

export default async function plain ({ runtime, options, connections, warmMs, measureMs }) {
  useTwoCpus()
  const server = await startServer({ runtime, options })
  raisePriority()
  const stop = saturate(`${server.address}/light`, connections)
  await sleep(warmMs)
  const before = await server.stats()
  const startMs = performance.now()
  await sleep(measureMs)
  const after = await server.stats()
  const seconds = (performance.now() - startMs) / 1000
  await stop()
  const { tickNs } = await server.ticks()
  await server.stop()
  const requests = after.lights - before.lights
  return { requestsPerSecond: requests / seconds, hostUs: (after.hostUs - before.hostUs) / requests, tickNs }
}
