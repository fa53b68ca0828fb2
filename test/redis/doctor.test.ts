// The command `doctor` against real servers with right and wrong settings.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { diagnose } from '#lib/remote/diagnosis'
import { until } from '../fixtures/until'
import { makeCertificates } from './certificates'
import { documentedRule, echo, served } from './deployment'
import { freePort, needsRedis, startRedis } from './server'
import type { RedisAddress } from '#lib/remote/connection'

const skip = needsRedis(t)
const cli = join(__dirname, '../../dist/lib/cli.js')
const doctor = (...args: string[]): { status: number | null, out: string, error: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'doctor', ...args], { encoding: 'utf8', timeout: 60_000 })
  return { status, out: stdout, error: stderr }
}
interface Finding { level: string, what: string, text: string }
interface Report { wrong: number, warnings: number, shards: { redis: string, findings: Finding[] }[] }
const report = (url: string, ...args: string[]): Report & { level: (what: string) => string | undefined } => {
  const parsed = JSON.parse(doctor('--json', '--redis', url, ...args).out) as Report
  return { ...parsed, level: (what) => parsed.shards[0]!.findings.find((finding) => finding.what === what)?.level }
}

t.test('a server as it should be: status 0, nothing wrong, as text and as JSON', { skip }, async (t) => {
  const redis = await startRedis(t, '--maxmemory', '100mb')
  const { status, out } = doctor('--redis', redis.url)
  t.equal(status, 0, out)
  t.match(out, new RegExp(`^shard 0: redis://127.0.0.1:${redis.port}\\n`))
  t.match(out, /ok +maxmemory-policy: noeviction\n +ok +appendonly: yes\n/)
  t.match(out, /ok +rights: every command is allowed on \{fs:default:r1:0\}\*/)
  t.match(out, /\nnothing is wrong, 0 notes\n$/)
  const json = report(redis.url)
  t.equal(json.wrong, 0)
  for (const what of ['connection', 'version', 'latency', 'clock', 'memory']) t.equal(json.level(what), 'ok', what)
  t.equal(await redis.client.dbsize(), 0, 'it leaves nothing behind')
})

t.test('--bench with the documented rights: jobs a second, times and the CPU of Redis a job; nothing is left behind', { skip }, async (t) => {
  const redis = await startRedis(t, '--maxmemory', '100mb')
  await redis.client.call('ACL', 'SETUSER', 'spillover', 'on', '>secret', ...documentedRule.split(' '))
  const { status, out } = doctor('--bench', '--env', 'prod', '--redis', redis.url.replace('//', '//spillover:secret@'))
  t.equal(status, 0, out)
  t.match(out, /ok +bench: [1-9]\d* jobs\/s with 64 in flight \(\d+ in 5 s\), p50 [\d.]+ ms, p99 [\d.]+ ms, [1-9]\d* µs of Redis a job: plan for [1-9]\d* jobs\/s\n/)
  t.strictSame(await redis.client.keys('*'), [])
})

t.test('eviction and no append-only file are wrong, status 1; the latter is a note with --allow-volatile', { skip }, async (t) => {
  const redis = await startRedis(t, '--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru', '--maxmemory', '100mb')
  const { status, out } = doctor('--redis', redis.url)
  t.equal(status, 1)
  t.match(out, /WRONG +maxmemory-policy: allkeys-lru/)
  t.match(out, /WRONG +appendonly: no/)
  t.match(out, /\n2 wrong, 0 notes\n$/)
  t.match(report(redis.url, '--allow-volatile'), { wrong: 1, warnings: 1 })
})

t.test('full memory is wrong, and so is a user who may not publish: the commands are named', { skip }, async (t) => {
  const redis = await startRedis(t, '--maxmemory', '100mb')
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~{fs:default:*', '&{fs:default:*', '+@all', '-publish', '-xadd', '-multi')
  const json = report(redis.url.replace('//', '//app:secret@'))
  t.match(json.shards[0]!.findings.filter(({ level }) => level === 'bad'),
    [{ what: 'rights', text: 'refused on {fs:default:r1:0}*: XADD, MULTI, PUBLISH' }])
  t.notMatch(JSON.stringify(json), /secret/)
  await redis.client.config('SET', 'maxmemory', '1mb')
  t.match(report(redis.url).shards[0]!.findings.filter(({ level }) => level === 'bad'),
    [{ what: 'memory' }, { what: 'writes', text: 'no job can be handed over or answered now: its memory is full (maxmemory); raise maxmemory, or remove what else lies there' }])
})

t.test('a user who may not run INFO: doctor says what is not known, the server says it once in its log, also when it connects again', { skip }, async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-info')
  const url = redis.url.replace('//', '//app:secret@')
  t.match(doctor('--redis', url), { status: 1, error: /^$/, out: /WRONG +INFO: refused: version, .*; allow \+info\n/ })
  t.match(report(url, '--allow-volatile'), { wrong: 0, shards: [{ findings: [{ what: 'connection' }, { level: 'warn', what: 'INFO' }] }] })
  const told: string[] = []
  // ioredis would write there, once for each connection
  const printed = t.capture(console, 'warn')
  const tier = bullmqTier({ redis: url })
  t.teardown(() => tier.close())
  tier.start({ log: { info () {}, warn: (text) => { told.push(text) }, error () {} }, served: [] })
  const isUp = (): boolean => tier.stats().shards[0]!.breaker === 'closed'
  await until('the tier to be up', isUp)
  await tier.serve(served, echo, { size: 1, free: () => 1 })
  await until('the worker to be known', () => tier.admit({ ...served[0]!, payloadBytes: 1, durable: false, deadlineMs: 20_000, meanMs: NaN }).ok)
  await redis.client.call('CLIENT', 'KILL', 'USER', 'app')
  await until('the connection to be gone', () => !isUp())
  await until('the tier to be up again', isUp)
  t.match(told.filter((text) => text.includes('INFO')), [/^redis of shard 0: its user may not run INFO, /])
  t.equal(told.filter((text) => text.includes('INFO')).length, 1, told.join('\n'))
  t.strictSame(printed(), [])
})

t.test('a queue with a job and without a worker is orphaned, and a paused one is told of', { skip }, async (t) => {
  const redis = await startRedis(t)
  const tier = bullmqTier({ redis: redis.url, env: 'e' })
  t.teardown(() => tier.close())
  tier.start({ log: console, served: [] })
  const query = { job: 'work', version: '1', payloadBytes: 1, durable: true, deadlineMs: 1000, meanMs: NaN }
  await until('the tier to be up', () => tier.admit(query).ok)
  await tier.submit({
    ...query, payload: '1', codec: 'json', reply: 'committed', timeoutMs: 0, attempts: 1, priority: 'normal', resultTtlMs: 1000
  }).accepted
  t.equal(report(redis.url, '--env', 'e').level('queue work@1'), 'bad')
  t.match(doctor('--redis', redis.url, '--env', 'e').out, /WRONG +queue work@1: orphaned: 1 jobs, 0 failed ones kept, 0 workers/)
  await redis.client.hset('{fs:e:r1:0}:work@1:meta', 'paused', '1')
  t.match(doctor('--redis', redis.url, '--env', 'e').out, /WRONG +queue work@1: paused; 1 jobs/)
})

t.test('nobody there, a wrong password, a wrong URL: status 1 and the reason, never the password', { skip }, async (t) => {
  const redis = await startRedis(t, '--requirepass', 'right')
  const port = await freePort()
  const away = doctor('--redis', `redis://u:secret@127.0.0.1:${port}`)
  t.match([away.status, away.out], [1, /WRONG +connection: connection refused at 127\.0\.0\.1:\d+\n/])
  const nodes = doctor('--cluster', '--cluster-shards', '1', '--redis', `redis://:right@127.0.0.1:${port},redis://127.0.0.1:${redis.port}`)
  t.equal(nodes.status, 1)
  t.match(nodes.out, new RegExp(`WRONG +node 127\\.0\\.0\\.1:${port}: connection refused at 127\\.0\\.0\\.1:${port}\n`))
  t.match(nodes.out, new RegExp(`WRONG +node 127\\.0\\.0\\.1:${redis.port}: it is no node of a cluster: leave out --cluster, or set cluster-enabled yes\n`))
  const wrong = doctor('--redis', redis.url.replace('//', '//:secret@'))
  t.match([wrong.status, wrong.out], [1, /WRONG +connection: it does not accept the user or the password/])
  const bad = doctor('--redis', 'http://u:secret@x')
  t.match([bad.status, bad.error], [1, /^fastify-spillover: option --redis: expected redis:\/\/ or rediss:\/\/ URLs\n$/])
  for (const { out, error } of [away, wrong, bad]) t.notMatch(out + error, /secret/)
})

t.test('TLS and plain text at cross purposes, a wrong CA and a wrong name: what was expected, what was got, what to do', { skip }, async (t) => {
  const tls = makeCertificates(t)
  const port = await freePort()
  const redis = await startRedis(t, ...tls.options(port), '--requirepass', 'right')
  const ask = async (address: RedisAddress): Promise<string> => {
    const [finding] = await diagnose(address, 0, { env: 'e', region: 'r1', allowVolatile: false })
    return `${finding!.what}: ${finding!.text}`
  }
  t.equal(await ask(`redis://:right@127.0.0.1:${port}`),
    'connection: expected plain text (redis://), got TLS: use rediss:// or `tls` for this port')
  t.equal(await ask({ url: `rediss://:right@127.0.0.1:${redis.port}`, tls: { ca: tls.ca } }),
    'connection: expected TLS (rediss:// or `tls`), got plain text: use redis:// for this port, or its TLS port')
  t.match(await ask({ url: `rediss://:right@127.0.0.1:${port}`, tls: { ca: tls.otherCa } }),
    /^connection: its certificate is signed by none that this client knows \([A-Z_]+\): give its CA in tls\.ca or NODE_EXTRA_CA_CERTS$/)
  t.equal(await ask({ url: `rediss://:right@127.0.0.1:${port}`, tls: { ca: tls.ca, servername: 'elsewhere' } }),
    'connection: its certificate is not for the name that was asked for (ERR_TLS_CERT_ALTNAME_INVALID): use a name that is in it, or set tls.servername')
  t.equal(await ask({ url: `rediss://:right@127.0.0.1:${port}`, tls: { ca: tls.ca } }), 'connection: reached')
})

t.test('old keys: of a shard that is none, of a queue that was given up; not those of queues in use; not looked for without the right to SCAN', { skip }, async (t) => {
  const redis = await startRedis(t)
  const old = (...args: string[]): string[] => report(redis.url, '--env', 'e', ...args).shards[0]!.findings
    .filter(({ what }) => what === 'old keys').map(({ level, text }) => `${level} ${text}`)
  t.strictSame(old(), ['ok none seen'])
  await redis.client.mset('{fs:e:r1:0}:a@1:id', 1, '{fs:e:r1:0}:a@1:x', 1, '{fs:e:r1:0}:b@1:id', 1, '{fs:e:r1:0}:c@1:id', 1,
    '{fs:e:r1:1}:a@1:id', 1, '{fs:other:r1:7}:a@1:id', 1)
  await redis.client.lpush('{fs:e:r1:0}:b@1:wait', 'waits')
  await redis.client.zadd('{fs:e:r1:0}:alive:c@1', Date.now() + 60_000, 'worker:1')
  t.strictSame(old(), [
    'warn 2 keys {fs:e:r1:0}:a@1:* of a queue that nobody serves and where no job waits: they stay until somebody removes them',
    'warn 1 keys {fs:e:r1:1}:a@1:* of no shard of this deployment: they stay until somebody removes them'
  ])
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-scan')
  t.strictSame(report(redis.url.replace('//', '//app:secret@'), '--env', 'e').shards[0]!.findings
    .filter(({ what }) => what === 'old keys').map(({ text }) => text), ['not looked for: SCAN is refused to this user'])
})
