// Five hosts, each with a network of its own: Redis, two servers, two workers, cut off in turn while jobs go on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../fixtures/until'
import { makeHosts, needsNamespaces } from './hosts'
import { needsRedis, startRedis } from './server'
import type { ChildProcess } from 'node:child_process'
import type { Host } from './hosts'

const skip = needsNamespaces(needsRedis(t))
const fixtures = join(__dirname, '../fixtures')
const cli = join(__dirname, '../../dist/lib/cli.js')
const me = { 'x-user': 'me' }
interface Answer { value: number, status: number, body: unknown, place: string | null }

/** How long a host is cut off: longer than the lock of a job. */
const CUT_MS = 3000

t.test('5 hosts, each cut off for 3 s in turn: every accepted job has its own result, and all serve again by themselves', { skip, timeout: 240_000 }, async (t) => {
  const [redisHost, one, two, three, four] = makeHosts(t, 5) as [Host, Host, Host, Host, Host]
  const redis = await startRedis(t, { namespace: redisHost.namespace, host: redisHost.address })
  const on = ({ namespace }: Host, ...args: string[]): ChildProcess => {
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }
  for (const host of [three, four]) on(host, cli, 'worker', '--jobs', join(fixtures, 'jobs.cjs'), '--redis', redis.url, '--lock', '2000', '--queues', 'wait@1')
  const servers = await Promise.all([one, two].map(async (host) => {
    const [text] = await once(on(host, join(fixtures, 'remoteserver.cjs'), redis.url, host.address).stdout!, 'data')
    return String(text).trim()
  }))
  let number = 0
  const post = async (server: string): Promise<Answer> => {
    const value = 50 + ++number / 1e6
    const response = await fetch(`${server}/wait`, {
      method: 'POST',
      body: String(value),
      headers: { ...me, 'content-type': 'application/json', prefer: 'wait=2' },
      signal: AbortSignal.timeout(8000)
    })
    return { value, status: response.status, body: await response.json(), place: response.headers.get('location') }
  }
  const wrong: unknown[] = []
  const open = new Map<string, number>()
  const counts = { results: 0, accepted: 0, refused: 0, unheard: 0 }
  const over = new AbortController()
  const lanes = servers.flatMap((server) => Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) {
      const answer = await post(server).catch(() => undefined)
      if (answer === undefined) counts.unheard++
      else if (answer.status === 503) counts.refused++
      else if (answer.status === 202) {
        counts.accepted++
        open.set(answer.place!, answer.value)
      } else if (answer.status === 200 && answer.body === answer.value) counts.results++
      else wrong.push(answer)
      if (answer === undefined || answer.status === 503) await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }))
  await until('the first results', () => counts.results > 20)
  for (const host of [three, redisHost, one, four, two]) {
    host.cut()
    await new Promise((resolve) => setTimeout(resolve, CUT_MS))
    host.mend()
    const before = counts.results
    await until(`results after ${host.address} is back`, () => counts.results > before + 10)
  }
  over.abort()
  await Promise.all(lanes)
  t.strictSame(wrong, [], JSON.stringify(counts))
  for (const [place, value] of open) {
    // any server answers for any job
    const result = async (): Promise<Response> => await fetch(`${servers[1]}${place}/result`, { headers: me })
    // 503 too: this server was the last one that was cut off
    await until(`the end of ${place}`, async () => ![409, 503].includes((await result()).status))
    t.equal(await (await result()).json(), value)
  }
  for (const server of servers) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(server)))
    t.strictSame(answers.map(({ status, body }) => [status, body]), answers.map(({ value }) => [200, value]))
  }
})
