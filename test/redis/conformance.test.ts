// The conformance suite on BullMQ and a real Redis; each test has a deployment of its own on it.
import t from 'tap'
import { bullmqTier } from '#lib/remote/bullmq'
import { remoteConformance } from '#lib/remote/conformance'
import { needsRedis, startRedis } from './server'
import type { RemoteTier } from '#lib/index'

const skip = needsRedis(t)
let number = 0

t.test('conformance', { skip }, async (t) => {
  const redis = await startRedis(t)
  remoteConformance({
    test: (title, run) => t.test(title, run),
    async make () {
      const env = `e${number++}`
      const tiers: RemoteTier[] = []
      const another = (): RemoteTier => {
        const tier = bullmqTier({
          redis: redis.url,
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
      return {
        producer: another(),
        worker: another(),
        another,
        close: async () => { await Promise.all(tiers.map((tier) => tier.close())) }
      }
    }
  })
})
