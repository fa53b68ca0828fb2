// The field: every pool with its defaults and with the best settings its documentation names; nothing else is set.

/** piscina README, "Options" and "Performance Notes": tasks a worker, no timing records, FixedQueue. */
const piscinaBest = { concurrentTasksPerWorker: 64, recordTiming: false, fixedQueue: true }

/**
 * id: adapter, label and options. Threads are set by each measurement, in
 * all of them.
 */
export const variants = {
  spillover: { adapter: 'spillover', label: 'fastify-spillover' },
  'spillover-lean': { adapter: 'spillover', label: 'fastify-spillover, callerStack: false', options: { callerStack: false } },
  'spillover-nospin': { adapter: 'spillover', label: 'fastify-spillover, spin: false', options: { spin: false } },
  piscina: { adapter: 'piscina', label: 'piscina' },
  'piscina-64': { adapter: 'piscina', label: 'piscina, 64 tasks a worker', options: piscinaBest },
  'piscina-64-async': {
    adapter: 'piscina', label: 'piscina, 64, atomics: async', options: { ...piscinaBest, atomics: 'async' }
  },
  'piscina-64-off': {
    adapter: 'piscina', label: 'piscina, 64, atomics: disabled', options: { ...piscinaBest, atomics: 'disabled' }
  },
  tinypool: { adapter: 'tinypool', label: 'tinypool' },
  'tinypool-64': { adapter: 'tinypool', label: 'tinypool, 64 tasks a worker', options: { concurrentTasksPerWorker: 64 } },
  workerpool: { adapter: 'workerpool', label: 'workerpool' },
  'workerpool-min': { adapter: 'workerpool', label: 'workerpool, minWorkers: max', options: { minWorkers: 'max' } },
  poolifier: { adapter: 'poolifier', label: 'poolifier' },
  'poolifier-queue': {
    adapter: 'poolifier',
    label: 'poolifier, tasks queue, 64 a worker',
    options: { enableEvents: false, enableTasksQueue: true, tasksQueueOptions: { concurrency: 64 } }
  },
  knitting: { adapter: 'knitting', label: 'knitting' },
  inline: { adapter: 'inline', label: 'inline, no pool' }
}

/** Opens the pool of a variant with so many threads. */
export async function openVariant (id, actors, more) {
  const { adapter, options } = variants[id]
  const { open } = await import(`./adapters/${adapter}.js`)
  return open({ actors, options: { ...options, ...more } })
}
