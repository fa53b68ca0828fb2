// The conformance suite on the in-memory tier.
import t from 'tap'
import { memoryTier, MemoryBroker } from '#lib/index'
import { remoteConformance } from '#lib/remote/conformance'

remoteConformance({
  test: (title, run) => t.test(title, run),
  async make () {
    const broker = new MemoryBroker()
    const options = { maxPayloadBytes: 4096, maxInFlight: 8 }
    const tiers = [memoryTier(broker, options), memoryTier(broker, options)]
    return {
      producer: tiers[0]!,
      worker: tiers[1]!,
      another: () => memoryTier(broker, options),
      close: async () => { await Promise.all(tiers.map((tier) => tier.close())) }
    }
  }
})
