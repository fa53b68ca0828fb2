// The example as a newcomer starts it: what it shows, that it leaves nothing running, and what it says without Redis.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { needsRedis } from './server'

const skip = needsRedis(t)
const example = join(__dirname, '../../dist/examples/remote.js')

t.test('20 jobs at once run on server and worker, a durable one is answered 202 and then 200; no process is left', { skip }, async (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [example, '--once'], { encoding: 'utf8', timeout: 60_000 })
  t.equal(status, 0, stderr)
  const [, worker, server] = /worker (\d+), server (\d+)/.exec(stdout)!.map(Number)
  const [, there, here] = /(\d+) of 20 jobs at once ran on the worker\n(\d+) of 20 jobs at once ran on the server/.exec(stdout)!
  t.equal(Number(there) + Number(here), 20)
  t.ok(Number(there) > 0, `${there} went to the worker`)
  t.match(stdout, /POST \/reports: 202, Location: \/jobs\/r1\.00\.grind%401\./)
  t.match(stdout, new RegExp(`/result: 200 \\{"pid":${worker},`))
  for (const pid of [worker!, server!]) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

t.test('without redis-server it says what to install', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [example, '--once'], { encoding: 'utf8', env: { PATH: '/nonexistent' } })
  t.equal(status, 1)
  t.match(stderr, /^This example needs redis-server, which is not installed: apt-get install redis-server\n$/)
})
