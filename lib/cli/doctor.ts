// The command `doctor`: is each Redis fit for the tier? A line a finding, or JSON; status 1 if something is wrong.
import { readPlace, redisHelp, redisOptions } from './redis.js'
import type { Flags } from './flags.js'
import type { Place } from './redis.js'
import type { Finding } from '../remote/diagnosis.js'

type Address = Exclude<Place['redis'], readonly string[]> | string
/** Chosen: long enough that the start does not count. */
const BENCH_MS = 5000

/** Flags of the command. */
export const doctorOptions = {
  ...redisOptions,
  'allow-volatile': { type: 'boolean' },
  bench: { type: 'boolean' }
} as const

/** What is printed of them. */
export const doctorHelp = `Usage: fastify-spillover doctor --redis URL [options]

Looks whether each Redis is fit for the remote tier.

Options:
${redisHelp}  --allow-volatile  no append-only file is a warning: there are no durable jobs
  --bench           measure what each Redis carries, 5 s each: it is kept busy
                    with small jobs, which are removed again
  --json            print JSON for programs
  -h, --help        print this text
`

interface Shard { readonly shard: number, readonly redis: string, readonly findings: Finding[] }

/** Each alone, so that none takes this machine's time from another; the shards of a cluster are one Redis. */
async function measure (shards: readonly Shard[], addresses: readonly Address[], env: string): Promise<void> {
  const { rate } = await import('../remote/rating.js')
  for (const [at, address] of addresses.entries()) {
    const { findings } = shards[at]!
    // one that cannot be reached would be waited for without end
    if (!findings.some(({ level, what }) => level === 'ok' && what === 'connection')) continue
    try {
      const { jobs, perSecond, p50Ms, p99Ms, cpuMicros, planFor } = await rate(address, env, BENCH_MS)
      findings.push({
        level: 'ok',
        what: 'bench',
        text: `${perSecond} jobs/s with 64 in flight (${jobs} in ${BENCH_MS / 1000} s), ` +
        `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${cpuMicros} µs of Redis a job: plan for ${planFor} jobs/s`
      })
    } catch (error) {
      findings.push({ level: 'bad', what: 'bench', text: (error as Error).message })
    }
  }
}

/** Look at each Redis. Returns what to print, and sets the exit status to 1 if something is wrong. */
export async function runDoctor (flags: Flags): Promise<string> {
  const { redis, env, region, shown } = readPlace(flags)
  const addresses = Array.isArray(redis) ? redis : shown.map(() => redis)
  const options = { env, region, allowVolatile: flags['allow-volatile'] === true, shards: addresses.length }
  const { diagnose } = await import('../remote/diagnosis.js')
  const shards: Shard[] = await Promise.all(addresses.map(async (address, shard) =>
    ({ shard, redis: shown[shard]!, findings: await diagnose(address, shard, options) })))
  if (flags.bench === true) await measure(shards, Array.isArray(redis) ? redis : [redis], env)
  const count = (level: Finding['level']): number =>
    shards.reduce((sum, { findings }) => sum + findings.filter((finding) => finding.level === level).length, 0)
  const [wrong, warnings] = [count('bad'), count('warn')]
  if (wrong > 0) process.exitCode = 1
  if (flags.json === true) return `${JSON.stringify({ wrong, warnings, shards }, null, 2)}\n`
  const lines = shards.flatMap(({ shard, redis, findings }) => [`shard ${shard}: ${redis}`,
    ...findings.map(({ level, what, text }) => `  ${{ ok: 'ok   ', warn: 'note ', bad: 'WRONG' }[level]}  ${what}: ${text}`)])
  return `${lines.join('\n')}\n${wrong === 0 ? 'nothing is wrong' : `${wrong} wrong`}, ${warnings} ${warnings === 1 ? 'note' : 'notes'}\n`
}
