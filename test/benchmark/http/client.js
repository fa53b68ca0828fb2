// The other side of the HTTP measurements: starts a server, saturates a route, and asks another at a fixed rate.
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { allowedCpus } from '../placing.js'

const file = (name) => fileURLToPath(new URL(name, import.meta.url))
const hasWrk = spawnSync('wrk', ['-v'], { stdio: 'ignore' }).error === undefined
/** How long answers may come after the last question; chosen. */
const PATIENCE_MS = 8000
/** What saturates the routes. */
export const generator = hasWrk ? 'wrk' : 'autocannon'

/** Keep this process and its children to the first two CPUs; call before anything is started. */
export function useTwoCpus () {
  const cpus = allowedCpus()
  if (cpus.length > 2) spawnSync('taskset', ['-acp', cpus.slice(0, 2).join(','), String(process.pid)], { stdio: 'ignore' })
}

/** The generators shall not wait for a CPU behind the server, where that may be asked for; call after `startServer`. */
export function raisePriority () {
  try {
    os.setPriority(-10)
  } catch {
    // not allowed: then they compete with the server
  }
}

/** @param {{ runtime: string, options?: object }} settings */
export async function startServer (settings) {
  const child = fork(file('server.js'), [JSON.stringify(settings)])
  const ended = once(child, 'exit')
  const [{ address }] = await Promise.race([
    once(child, 'message'), ended.then(([code]) => { throw new Error(`the server ended with code ${code}`) })
  ])
  const ask = async (question) => {
    child.send(question)
    const [message] = await once(child, 'message')
    return message
  }
  return {
    address,
    stats: () => ask('stats'),
    ticks: () => ask('ticks'),
    async stop () {
      child.send('close')
      const late = setTimeout(() => child.kill('SIGKILL'), 5000)
      await ended
      clearTimeout(late)
    }
  }
}

/** Keep so many connections busy with one route until stopped. */
export function saturate (url, connections) {
  const child = hasWrk
    ? spawn('wrk', ['-t1', `-c${connections}`, '-d3600', '--timeout', '60', url], { stdio: 'ignore' })
    : fork(file('autocannon.js'), [JSON.stringify({ url, connections })], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  return async () => {
    child.kill('SIGKILL')
    await ended
  }
}

/**
 * Ask a route so many times a second, whether or not earlier answers have come, for so long: sorted times in ms. What
 * was not answered when patience ends counts with the time it has waited.
 */
export async function probe (url, perSecond, ms) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 512 })
  const sentOnes = []
  const pending = []
  const startMs = performance.now()
  for (let sent = 0; ; sent++) {
    const waitMs = startMs + sent * 1000 / perSecond - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    if (performance.now() - startMs >= ms) break
    const sentMs = performance.now()
    const one = { sentMs, tookMs: undefined }
    sentOnes.push(one)
    pending.push(get(url, agent).then(() => { one.tookMs = performance.now() - sentMs }))
  }
  const late = new AbortController()
  await Promise.race([Promise.all(pending), sleep(PATIENCE_MS, undefined, { signal: late.signal }).catch(() => {})])
  late.abort()
  for (const promise of pending) promise.catch(() => {}) // those that are cut off now
  const nowMs = performance.now()
  agent.destroy()
  return Float64Array.from(sentOnes, ({ sentMs, tookMs }) => tookMs ?? nowMs - sentMs).sort()
}

/** One request, until its answer was read. */
function get (url, agent) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url}: status ${response.statusCode}`))
      response.resume().once('end', resolve).once('error', reject)
    }).once('error', reject)
  })
}
