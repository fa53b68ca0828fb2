// Owns the example server: builds it for one of three runtimes and, when it is the main file, listens and closes.

import { join } from 'node:path'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { Piscina } from 'piscina'
import spillover = require('../plugin/index.js')
import { call, type JobInput, type JobName, type JobResult } from './baseline.js'
import { routes, type Run } from './routes.js'
import { readSettings, SettingError, type Runtime, type Settings, type TierSetting } from './settings.js'

export interface BuildOptions {
  /** Where the jobs run. `@default 'spillover'` */
  readonly runtime?: Runtime | undefined
  /** An explicit plan, for `spillover` only. `@default undefined`: the plan is read from the machine. */
  readonly tiers?: TierSetting[] | undefined
  /** As Fastify's own. `@default false` */
  readonly logger?: FastifyServerOptions['logger']
}

/** The server with all its routes, not yet listening. */
export const build = async (options: BuildOptions = {}): Promise<FastifyInstance> => {
  // Without conversion { "password": 3 } is a wrong body and not the password "3".
  const app = Fastify({ logger: options.logger ?? false, ajv: { customOptions: { coerceTypes: false } } })
  const run = await runtimes[options.runtime ?? 'spillover'](app, options)
  await app.register(routes, { run })
  return app
}

const runtimes: Readonly<Record<Runtime, (app: FastifyInstance, options: BuildOptions) => Promise<Run>>> = {
  spillover: async (app, { tiers }) => {
    await app.register(spillover, {
      jobs: join(__dirname, 'jobs.js'),
      health: '/health/tiers',
      metrics: '/metrics',
      dashboard: { url: '/spillover', routeOpts: { logLevel: 'warn' } },
      ...(tiers && { tiers })
    })
    return (name, input, request) => request.offload<string>(name, input)
  },

  piscina: async (app) => {
    const pool = new Piscina({ filename: join(__dirname, 'baseline.js') })
    app.addHook('onClose', () => pool.close())
    return (name, input) => pool.run({ name, input }, { name: 'call' })
  },

  inline: async () => async <Name extends JobName>(name: Name, input: JobInput<Name>) =>
    await call({ name, input }) as JobResult<Name>
}

const main = async (): Promise<void> => {
  const { port, host, logLevel, runtime, tiers }: Settings = readSettings(process.env)
  const app = await build({ runtime, tiers, logger: { level: logLevel } })
  let isClosing = false
  const close = (reason: string) => {
    if (isClosing) return
    isClosing = true
    app.log.info(`${reason}: closing`)
    // A channel to a parent would keep the process alive.
    app.close().then(() => { if (process.connected) process.disconnect() }).catch(fail)
  }
  process.on('SIGINT', close).on('SIGTERM', close)
  const address = await app.listen({ port, host })
  if (process.send === undefined) return
  // A parent started this server on a free port; the server does not outlive it.
  process.once('disconnect', () => close('the parent is gone'))
  process.send({ address })
}

const fail = (error: NodeJS.ErrnoException): void => {
  process.stderr.write(`${textOf(error)}\n`)
  process.exit(1)
}

const textOf = (error: NodeJS.ErrnoException): string => {
  if (error.code === 'EADDRINUSE') return `the port is in use: ${error.message}; set PORT to another, or to 0 for any`
  // What the plugin or the network refuses is explained by its text; only a fault of this program needs a stack.
  const isExplained = error instanceof SettingError || error.code?.startsWith('FST_ERR_SPILLOVER_') ||
    error.syscall !== undefined
  return isExplained ? error.message : error.stack ?? String(error)
}

if (require.main === module) main().catch(fail)
