// The packages that only the remote tier needs: to be imported before whatever imports them.
import { createRequire } from 'node:module'
import { errors } from '../errors.js'

const here = createRequire(__filename)

for (const name of ['bullmq', 'ioredis']) {
  try {
    here.resolve(name)
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0]
    throw new errors.PEER_MISSING('the remote tier (fastify-spillover/bullmq)', 'bullmq and ioredis', reason, 'bullmq ioredis')
  }
}
