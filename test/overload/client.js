'use strict'
// One load in a process of its own: so many requests a second whatever comes back, or so many connections that ask
// again at once whatever they are told; tells when each was sent and answered, and with what.
const http = require('node:http')

const { address, path, body, perSecond, connections, seconds } = JSON.parse(process.argv[2])
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 4096 })
const headers = body === undefined ? {} : { 'content-type': 'application/json' }
const beganAtMs = performance.now()
const untilMs = beganAtMs + seconds * 1000
const sent = []

function send () {
  const one = { sentMs: performance.now() - beganAtMs, tookMs: undefined, status: 0, retryAfterS: undefined }
  sent.push(one)
  return new Promise((resolve) => {
    const over = (status) => {
      Object.assign(one, { status, tookMs: performance.now() - beganAtMs - one.sentMs })
      resolve()
    }
    http.request(address + path, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (response) => {
      const retryAfter = response.headers['retry-after']
      if (retryAfter !== undefined) one.retryAfterS = Number(retryAfter)
      response.resume().once('end', () => over(response.statusCode)).once('error', () => over(-1))
    }).once('error', () => over(-1)).end(body)
  })
}

async function openLoop () {
  const pending = []
  let atMs = beganAtMs
  while (atMs < untilMs) {
    atMs += -Math.log(1 - Math.random()) * 1000 / perSecond
    const waitMs = atMs - performance.now()
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
    pending.push(send())
  }
  await Promise.all(pending)
}

async function connection () {
  while (performance.now() < untilMs) await send()
}

async function main () {
  await (perSecond === undefined ? Promise.all(Array.from({ length: connections }, connection)) : openLoop())
  agent.destroy()
  process.send(sent, () => process.disconnect())
}

main()
