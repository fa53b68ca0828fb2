// The command `doctor`: is each Redis fit for the tier? A line a finding, or JSON; status 1 if something is wrong.
import { readPlace, redisHelp, redisOptions } from './redis.js'
import type { Flags } from './flags.js'
import type { Finding } from '../remote/diagnosis.js'

/** Flags of the command. */
export const doctorOptions = {
  ...redisOptions,
  'allow-volatile': { type: 'boolean' }
} as const

/** What is printed of them. */
export const doctorHelp = `Usage: fastify-spillover doctor --redis URL [options]

Looks whether each Redis is fit for the remote tier.

Options:
${redisHelp}  --allow-volatile  no append-only file is a warning: there are no durable jobs
  --json            print JSON for programs
  -h, --help        print this text
`

/** Look at each Redis. Returns what to print, and sets the exit status to 1 if something is wrong. */
export async function runDoctor (flags: Flags): Promise<string> {
  const { redis, env, region, shown } = readPlace(flags)
  const options = { env, region, allowVolatile: flags['allow-volatile'] === true }
  const { diagnose } = await import('../remote/diagnosis.js').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'MODULE_NOT_FOUND' ? new Error('ioredis is needed: npm install bullmq ioredis') : error
  })
  const addresses = Array.isArray(redis) ? redis : shown.map(() => redis)
  const shards = await Promise.all(addresses.map(async (address, shard) =>
    ({ shard, redis: shown[shard]!, findings: await diagnose(address, shard, options) })))
  const count = (level: Finding['level']): number =>
    shards.reduce((sum, { findings }) => sum + findings.filter((finding) => finding.level === level).length, 0)
  const [wrong, warnings] = [count('bad'), count('warn')]
  if (wrong > 0) process.exitCode = 1
  if (flags.json === true) return `${JSON.stringify({ wrong, warnings, shards }, null, 2)}\n`
  const lines = shards.flatMap(({ shard, redis, findings }) => [`shard ${shard}: ${redis}`,
    ...findings.map(({ level, what, text }) => `  ${{ ok: 'ok   ', warn: 'note ', bad: 'WRONG' }[level]}  ${what}: ${text}`)])
  return `${lines.join('\n')}\n${wrong === 0 ? 'nothing is wrong' : `${wrong} wrong`}, ${warnings} notes\n`
}
