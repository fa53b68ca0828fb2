'use strict'
// The clients of the chaos: connections that send one job after another, bursts, and clients that go away.
const http = require('node:http')
const { makeRandom } = require('./random.js')
const { kinds, weights } = require('./kinds.js')

const { address, seed, connections, patienceMs } = JSON.parse(process.argv[2])
const random = makeRandom(seed ^ 0x5eed)
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: connections })
const book = { sent: 0, answered: 0, left: 0, status: {}, light: 0, hung: 0, broken: 0, wrong: [] }
let nextId = 0
const state = { isStopped: false }
const wrong = (text) => { if (book.wrong.length < 20) book.wrong.push(text) }

function nextJob () {
  const kind = random.weighted(weights)
  const job = { id: nextId++, kind, n: random.integer(0, 100_000), ms: random.integer(0, kind === 'slow' ? 10 : 2) }
  if (kinds[kind].timeoutMs !== undefined) job.timeoutMs = kinds[kind].timeoutMs
  if (random.chance(0.2)) job.priority = random.pick(['high', 'low'])
  if (random.chance(0.3) && kind !== 'keyed' && kind !== 'moved') job.idempotent = true
  if (random.chance(0.05)) job.queueTimeoutMs = random.integer(1, 50)
  if (random.chance(0.04)) job.cancelMs = random.integer(0, 20)
  else if (random.chance(0.03)) job.isShared = true
  return job
}

/** One request; resolves when it is over, whatever comes. */
function send (path, body, leaveMs) {
  return new Promise((resolve) => {
    book.sent++
    let hasLeft = false
    let isOver = false
    const over = (count) => {
      if (isOver) return
      isOver = true
      clearTimeout(patience)
      clearTimeout(leaving)
      count()
      resolve()
    }
    const request = http.request(address + path, {
      agent, method: body === undefined ? 'GET' : 'POST', headers: body === undefined ? {} : { 'content-type': 'application/json', 'x-id': String(body.id) }
    }, (response) => {
      const parts = []
      response.on('data', (part) => parts.push(part))
      response.on('error', () => over(() => hasLeft ? book.left++ : broken('the answer was cut')))
      response.on('end', () => over(() => {
        book.answered++
        const { statusCode, headers } = response
        book.status[statusCode] = (book.status[statusCode] ?? 0) + 1
        let answer = {}
        try {
          answer = JSON.parse(Buffer.concat(parts).toString())
        } catch {
          wrong(`${path}: an answer that is no JSON`)
        }
        if (body !== undefined && answer.id !== body.id) wrong(`job ${body.id} (${body.kind}) got the answer ${JSON.stringify(answer)}`)
        if (body === undefined && statusCode !== 200) wrong(`GET /light: ${statusCode}`)
        if (answer.code === 'FST_ERR_SPILLOVER_OVERLOADED' && !/^[1-9]\d*$/.test(headers['retry-after'])) wrong(`a 503 without Retry-After: ${headers['retry-after']}`)
      }))
    })
    const broken = (text) => { book.broken++; wrong(`${path} ${JSON.stringify(body)}: ${text}`) }
    request.on('error', (error) => over(() => hasLeft ? book.left++ : broken(String(error))))
    const patience = setTimeout(() => {
      over(() => { book.hung++; wrong(`${path} ${JSON.stringify(body)}: no answer in ${patienceMs} ms`) })
      request.destroy()
    }, patienceMs)
    const leaving = leaveMs === undefined ? undefined : setTimeout(() => { hasLeft = true; request.destroy() }, leaveMs)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

const sendJob = () => send('/job', nextJob(), random.chance(0.03) ? random.integer(0, 15) : undefined)

async function connection () {
  let refused = 0
  while (!state.isStopped) {
    if (random.chance(0.02)) {
      book.light++
      await send('/light')
    } else {
      await sendJob()
      // one that was refused comes again later, or refusals would be all that the server does
      if (book.status[503] > refused) await new Promise((resolve) => setTimeout(resolve, random.integer(5, 60)))
      refused = book.status[503] ?? 0
    }
  }
}

const onOrphaned = () => process.exit(1)
process.on('disconnect', onOrphaned)
const running = Array.from({ length: connections }, connection)
process.on('message', async (message) => {
  if (message.burst !== undefined && !state.isStopped) running.push(...Array.from({ length: message.burst }, sendJob))
  if (running.length > 5000) {
    const all = running.splice(connections)
    running.push(Promise.all(all))
  }
  if (!message.stop) return
  state.isStopped = true
  await Promise.all(running)
  agent.destroy()
  process.off('disconnect', onOrphaned)
  process.send(book)
  process.disconnect()
})
