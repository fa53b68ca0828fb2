// npm run example:remote: starts Redis, a worker and a server, shows a burst that spills and a durable job.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ChildProcess } from 'node:child_process'
import type { AddressInfo } from 'node:net'

const children: ChildProcess[] = []
let folder = ''
let isEnding = false
/** Ctrl-C, also before all is started. */
const isTold = new Promise<void>((resolve) => {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => resolve())
})
const write = (text: string): void => { process.stdout.write(`${text}\n`) }

/** Start a process and wait for its first line that matches. What it says from then on, and its end, is shown. */
async function start (name: string, command: string, args: string[], env: object, ready: RegExp): Promise<string> {
  if (isEnding) throw new Error('ended before all was started')
  // a group of its own: Ctrl-C reaches this process alone, which ends the others in order
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  children.push(child)
  const before: string[] = []
  return await new Promise((resolve, reject) => {
    let isReady = false
    const onLine = (line: string): void => {
      if (isReady) {
        write(`[${name}] ${line}`)
        return
      }
      before.push(line)
      const found = ready.exec(line)
      if (found === null) return
      isReady = true
      resolve(found[0])
    }
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', onLine)
    child.once('error', reject)
    // its last lines are read by then
    child.once('close', (code, signal) => {
      const end = `ended with ${code === null ? signal : `status ${code}`}`
      if (!isReady) reject(new Error(`${name} ${end}:\n${before.slice(-10).join('\n')}`))
      else if (!isEnding) write(`[${name}] ${end}`)
    })
  })
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function stop (): Promise<void> {
  isEnding = true
  for (const child of children.reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
}

async function main (): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'spillover-example-'))
  const port = await freePort()
  await start('redis', 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--save', ''], {}, /Ready to accept connections/)
  const env = { SPILLOVER_REDIS_URL: `redis://127.0.0.1:${port}` }
  await start('worker', process.execPath, [join(__dirname, '../lib/cli.js'), 'worker', '--jobs', join(__dirname, 'remotejobs.js'), '--drain', '5000'], env, /serves/)
  const origin = await start('server', process.execPath, [join(__dirname, 'remoteserver.js')], env, /http:\S+/)
  const [, worker, server] = children as [ChildProcess, ChildProcess, ChildProcess]
  write(`Redis on port ${port}, worker ${worker.pid}, server ${server.pid} on ${origin}\n`)
  await workerKnown(origin)
  // a job that was not measured yet stays here: the first ones teach the server that it is worth to go
  for (let job = 0; job < 3; job++) await fetch(`${origin}/grind?ms=50`)
  await showBurst(origin, new Map([[worker.pid!, 'the worker'], [server.pid!, 'the server']]))
  await showDurable(origin)
  write(`
curl '${origin}/grind?ms=100'
curl -i -X POST ${origin}/reports -H 'content-type: application/json' -d '{"ms":3000}'
npx fastify-spillover doctor --redis ${env.SPILLOVER_REDIS_URL}`)
}

/** Until the server has heard of the worker. */
async function workerKnown (origin: string): Promise<void> {
  for (let look = 0; look < 300; look++) {
    const { remote } = await (await fetch(`${origin}/health/tiers`)).json() as
      { remote: { shards: { queues: Record<string, { workers: number }> }[] } }
    if ((remote.shards[0]?.queues['grind@1']?.workers ?? 0) > 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the server heard nothing of the worker within 30 s')
}

async function showBurst (origin: string, names: ReadonlyMap<number, string>): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 20 }, async () =>
    await (await fetch(`${origin}/grind?ms=50`)).json() as { pid: number }))
  for (const [pid, name] of names) write(`${answers.filter((answer) => answer.pid === pid).length} of 20 jobs at once ran on ${name}`)
}

async function showDurable (origin: string): Promise<void> {
  const accepted = await fetch(`${origin}/reports`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"ms":200}'
  })
  const location = accepted.headers.get('location')!
  write(`\nPOST /reports: ${accepted.status}, Location: ${location}`)
  const result = await fetch(`${origin}${location}`, { headers: { prefer: 'wait=20' } })
  write(`GET ${new URL(result.url).pathname}: ${result.status} ${await result.text()}`)
}

if (spawnSync('redis-server', ['--version']).status !== 0) {
  process.stderr.write('This example needs redis-server, which is not installed: apt-get install redis-server\n')
  process.exitCode = 1
} else {
  const run = main().then(async () => {
    if (process.argv.includes('--once')) return
    write('\nCtrl-C ends all three.')
    await isTold
  })
  Promise.race([run, isTold]).catch((error: Error) => {
    process.exitCode = 1
    process.stderr.write(`${error.message}\n`)
  }).finally(async () => {
    await stop()
    // what was still to be shown is not
    process.exit()
  })
}
