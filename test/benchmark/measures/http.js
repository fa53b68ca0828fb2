// A server whose one route is saturated with work: how much of it is done, and how its light route answers meanwhile.
import { setTimeout as sleep } from 'node:timers/promises'
import { probe, raisePriority, saturate, startServer, useTwoCpus } from '../http/client.js'
import { work } from '../jobs/jobs.js'
import { quantile } from '../statistics.js'

/** Measure `lengths` of `{ name, steps }` one after the other on one server, after short work has made its code hot. */
export default async function measureHttp (spec) {
  const { runtime, options, connections, lightPerSecond, lengths, hot, warmMs, measureMs } = spec
  useTwoCpus()
  const server = await startServer({ runtime, options })
  raisePriority()
  const stopHeating = saturate(`${server.address}/work/${hot.steps}`, hot.connections)
  await sleep(hot.ms)
  await stopHeating()
  await drained(server)
  const result = {}
  for (const { name, steps } of lengths) {
    const url = `${server.address}/work/${steps}`
    const { value } = await (await fetch(url)).json()
    if (value !== work(steps)) throw new Error(`wrong result: ${value}`)
    const stop = saturate(url, connections)
    await sleep(warmMs)
    const before = await server.stats()
    const startMs = performance.now()
    const light = await probe(`${server.address}/light`, lightPerSecond, measureMs)
    const seconds = (performance.now() - startMs) / 1000
    const after = await server.stats()
    await stop()
    result[`${name}PerSecond`] = (after.works - before.works) / seconds
    result[`${name}LightP50Ms`] = quantile(light, 0.5)
    result[`${name}LightP99Ms`] = quantile(light, 0.99)
    result[`${name}LightP999Ms`] = quantile(light, 0.999)
    result[`${name}DelayP99Ms`] = after.delayP99Ms
    await drained(server)
  }
  await server.stop()
  return result
}

/** Wait until the server has nothing left of the load that was stopped: its counter stands still. */
async function drained (server) {
  let last = -1
  for (let looks = 0; looks < 50; looks++) {
    const { works } = await server.stats()
    if (works === last) return
    last = works
    await sleep(100)
  }
}
