// SIGTERM to a server under load: every request that it accepted is answered, and the process ends by itself.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import t from 'tap'

t.setTimeout(120_000)
const REQUESTS = 60

t.test(`SIGTERM with ${REQUESTS} requests accepted on keep-alive connections, for 2 actors: all get 200, exit status 0`, { skip: process.platform === 'win32' && 'Windows has no SIGTERM' }, async (t) => {
  const child = fork(join(__dirname, '..', 'fixtures', 'sigterm.cjs'), { execArgv: [] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const [{ address }] = await once(child, 'message')
  const agent = new http.Agent({ keepAlive: true, maxSockets: REQUESTS })
  t.teardown(() => agent.destroy())
  const allAccepted = new Promise<void>((resolve) => {
    child.on('message', ({ accepted }: { accepted?: number }) => { if (accepted === REQUESTS) resolve() })
  })
  const answers = Array.from({ length: REQUESTS }, () => new Promise<unknown>((resolve) => {
    http.get(`${address}/work`, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode)).once('error', resolve)
    }).once('error', resolve)
  }))
  await allAccepted
  child.kill('SIGTERM')
  const all = await Promise.all(answers)
  t.strictSame(all.filter((status) => status !== 200), [])
  t.strictSame(await ended, [0, null])
})
