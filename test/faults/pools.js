'use strict'
// The pools side by side, each with one thread and otherwise its defaults: one call and one close.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const required = createRequire(join(__dirname, '..', 'benchmark', 'package.json'))
const worker = join(__dirname, 'peer-worker.cjs')

/** Each opens a pool for a job file; `call` takes the name, the input, and `limitMs`, `signal` and `transfer`. */
exports.pools = {
  'fastify-spillover': async (file, resourceLimits) => {
    const { createScheduler } = require('#lib/index')
    const pool = createScheduler({
      jobs: file,
      tiers: [{ actors: 1 }],
      graceMs: 50,
      maxQueueWaitMs: 0, // how long jobs wait is not what is tested, and the machine may be busy
      execArgv: [],
      ...(resourceLimits && { resourceLimits })
    })
    let isReady = false
    return {
      // the plugin does this before the server listens
      async call (name, input, { limitMs, signal, transfer } = {}) {
        if (!isReady) await pool.ready()
        isReady = true
        return pool.offload(name, input, {
          ...(limitMs !== undefined && { timeoutMs: limitMs }), ...(signal && { signal }), ...(transfer && { transfer })
        })
      },
      close: () => pool.close()
    }
  },
  piscina: async (file, resourceLimits) => {
    const { Piscina } = required('piscina')
    const limits = resourceLimits && { resourceLimits }
    const pool = new Piscina({ filename: file, minThreads: 1, maxThreads: 1, ...limits })
    return {
      call: async (name, input, { limitMs, signal, transfer } = {}) => pool.run(input, {
        name, transferList: transfer, signal: limitMs === undefined ? signal : AbortSignal.timeout(limitMs)
      }),
      close: () => pool.destroy()
    }
  },
  workerpool: async (file, resourceLimits) => {
    const pool = required('workerpool').pool(worker, {
      maxWorkers: 1, workerType: 'thread', workerThreadOpts: { ...(resourceLimits && { resourceLimits }) }
    })
    return {
      async call (name, input, { limitMs, signal, transfer } = {}) {
        const promise = pool.exec(name, [input], { transfer })
        signal?.addEventListener('abort', () => promise.cancel())
        return await (limitMs === undefined ? promise : promise.timeout(limitMs))
      },
      close: () => pool.terminate()
    }
  },
  poolifier: async (file, resourceLimits) => {
    const { FixedThreadPool } = required('poolifier')
    const pool = new FixedThreadPool(1, worker, { workerOptions: { ...(resourceLimits && { resourceLimits }) } })
    return {
      call: async (name, input, { limitMs, signal, transfer } = {}) => pool.execute(
        input, name, limitMs === undefined ? signal : AbortSignal.timeout(limitMs), transfer),
      close: () => pool.destroy()
    }
  }
}
