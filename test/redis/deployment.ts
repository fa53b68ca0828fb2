// What the tests of one tier share: a job, who serves it, and deployments of their own for the conformance suite.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bullmqTier } from '#lib/remote/bullmq'
import type { BullmqOptions } from '#lib/remote/bullmq'
import type { RemoteJob, RemoteTier, RunResult } from '#lib/index'

export const served = [{ job: 'work', version: '1' }]
export const echo = async ({ payload }: { payload: string }): Promise<RunResult> => ({ status: 'ok', codec: 'json', payload })

export const job = (more: Partial<RemoteJob> = {}): RemoteJob => ({
  job: 'work',
  version: '1',
  payload: '1',
  codec: 'json',
  durable: true,
  reply: 'committed',
  deadlineMs: 60_000,
  timeoutMs: 0,
  attempts: 1,
  priority: 'normal',
  resultTtlMs: 60_000,
  ...more
})

/** A producer, a worker, and more tiers of one environment, with the limits that the conformance suite expects. */
export function deploy (redis: BullmqOptions['redis'], env: string, of: { server?: typeof redis, worker?: typeof redis } = {}) {
  const tiers: RemoteTier[] = []
  const make = (redis: BullmqOptions['redis']): RemoteTier => {
    const tier = bullmqTier({
      redis,
      env,
      maxPayloadBytes: 4096,
      maxInFlight: 8,
      lockMs: 2000,
      stalledMs: 1000,
      sweepMs: 500
    })
    tiers.push(tier)
    return tier
  }
  const close = async (): Promise<void> => { await Promise.all(tiers.map((tier) => tier.close())) }
  return { producer: make(of.server ?? redis), worker: make(of.worker ?? redis), another: () => make(redis), close }
}

/** The event loop stands still at the end of its turn. */
export const standStill = async (ms: number): Promise<void> => new Promise((resolve) => setImmediate(() => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  resolve()
}))

/** The rights of a user as docs/remote.md has them. */
const page = readFileSync(join(__dirname, '../../docs/remote.md'), 'utf8')
export const documentedRule = /ACL SETUSER spillover on >PASSWORD (.+)/.exec(page)![1]!
/** What the page takes from it for a user of servers and one of workers. */
export const [, documentedForServers, documentedForWorkers] = /with `(-[^`]+)` behind it for servers.+ with `(-[^`]+)` for workers/.exec(page)! as unknown as [string, string, string]
export const documentedForClusters = /A Redis Cluster needs `([^`]+)` too/.exec(page)![1]!
