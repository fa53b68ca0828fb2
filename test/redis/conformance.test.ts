// The conformance suite on BullMQ and a real Redis; each test has a deployment of its own on it.
import t from 'tap'
import { remoteConformance } from '#lib/remote/conformance'
import { deploy } from './deployment'
import { needsRedis, startRedis } from './server'

const skip = needsRedis(t)
let number = 0

t.test('conformance', { skip }, async (t) => {
  const redis = await startRedis(t)
  remoteConformance({
    test: (title, run) => t.test(title, run),
    make: async () => deploy(redis.url, `e${number++}`)
  })
})
