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
  // a job with a transfer list, be it empty, goes only to an idle actor
  'spillover-depth1': {
    adapter: 'spillover', label: 'fastify-spillover, depth 1', options: { callOptions: { transfer: [] } }
  },
  'spillover-nice': { adapter: 'spillover', label: 'fastify-spillover, nice: 19', options: { nice: 19 } },
  'spillover-limited': {
    adapter: 'spillover',
    label: 'fastify-spillover, resourceLimits',
    options: { resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 } }
  },
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
  'piscina-2-nice': {
    adapter: 'piscina', label: 'piscina, 2 threads, niceIncrement 10', options: { maxThreads: 2, niceIncrement: 10 }
  },
  none: { adapter: 'inline', label: 'without the plugin', isPool: false },
  limits: { adapter: 'inline', label: 'the limits', isPool: false },
  timer: { adapter: 'inline', label: 'no work, answers by a timer', isPool: false },
  inline: { adapter: 'inline', label: 'inline, no pool' }
}

/** Opens the pool of a variant with so many threads. */
export async function openVariant (id, actors, more) {
  const { adapter, options } = variants[id]
  const { open } = await import(`./adapters/${adapter}.js`)
  const pool = await open({ actors, options: { ...options, ...more } })
  opened.push(pool)
  return pool
}

/** The pools of this process, for the one who must say why a measurement does not end. */
export const opened = []
