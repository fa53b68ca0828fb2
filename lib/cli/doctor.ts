// The command `doctor`: is each Redis fit for the tier? A line a finding, or JSON; status 1 if something is wrong.
import type { Finding } from '../remote/diagnosis.js'

/** Flags of the command. */
export const doctorOptions = {
  redis: { type: 'string' },
  env: { type: 'string' },
  region: { type: 'string' },
  'allow-volatile': { type: 'boolean' }
} as const

/** What is printed of them. */
export const doctorHelp = `Usage: fastify-spillover doctor --redis URL [options]

Looks whether each Redis is fit for the remote tier.

Options:
  --redis URL       as of worker; SPILLOVER_REDIS_URL
  --env NAME        as of worker (default: default)
  --region NAME     as in the servers' option (default: r1)
  --allow-volatile  no append-only file is a warning: there are no durable jobs
  --json            print JSON for programs
  -h, --help        print this text
`

type Flags = Readonly<Record<string, string | boolean | undefined>>

/** Look at each Redis. Returns what to print, and sets the exit status to 1 if something is wrong. */
export async function runDoctor (flags: Flags): Promise<string> {
  const list = flags.redis ?? process.env.SPILLOVER_REDIS_URL
  if (typeof list !== 'string') throw new Error('option --redis: expected a URL, got none, nor SPILLOVER_REDIS_URL')
  const name = (key: string, otherwise: string): string => {
    const value = String(flags[key] ?? otherwise)
    if (!/^[a-z0-9-]{1,32}$/.test(value)) throw new Error(`option --${key}: expected up to 32 of a-z, 0-9 and -`)
    return value
  }
  const options = { env: name('env', 'default'), region: name('region', 'r1'), allowVolatile: flags['allow-volatile'] === true }
  const urls = list.split(',')
  // a password is never shown, also not in the text of an error
  const shown = urls.map((url) => {
    if (!/^rediss?:\/\//.test(url)) throw new Error('option --redis: expected redis:// or rediss:// URLs')
    const { protocol, host } = new URL(url)
    return `${protocol}//${host}`
  })
  const { diagnose } = await import('../remote/diagnosis.js').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'MODULE_NOT_FOUND' ? new Error('ioredis is needed: npm install bullmq ioredis') : error
  })
  const shards = await Promise.all(urls.map(async (url, shard) =>
    ({ shard, redis: shown[shard]!, findings: await diagnose(url, shard, options) })))
  const count = (level: Finding['level']): number =>
    shards.reduce((sum, { findings }) => sum + findings.filter((finding) => finding.level === level).length, 0)
  const [wrong, warnings] = [count('bad'), count('warn')]
  if (wrong > 0) process.exitCode = 1
  if (flags.json === true) return `${JSON.stringify({ wrong, warnings, shards }, null, 2)}\n`
  const lines = shards.flatMap(({ shard, redis, findings }) => [`shard ${shard}: ${redis}`,
    ...findings.map(({ level, what, text }) => `  ${{ ok: 'ok   ', warn: 'note ', bad: 'WRONG' }[level]}  ${what}: ${text}`)])
  return `${lines.join('\n')}\n${wrong === 0 ? 'nothing is wrong' : `${wrong} wrong`}, ${warnings} notes\n`
}
