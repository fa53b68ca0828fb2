// The check of the options that the plugin adds to those of the pool, and of what a route says of its jobs.
import { atLeast, callChecks, errors, isRecord, method, optionTable, readOptions, show, unknownOption } from '../lib/index.js'
import type { Check, Table } from '../lib/index.js'

const path: Check = {
  expected: 'a path that begins with /',
  test: (value) => typeof value === 'string' && value.startsWith('/')
}
/** More options of a route; what is in it is Fastify's to check. */
export const routeOpts = [undefined, { expected: 'an object of route options', test: isRecord }] as const

const names = ['jobs', 'health', 'metrics', 'dashboard', 'durable', 'namespace', ...Object.keys(optionTable)]

/** Throws `FST_ERR_SPILLOVER_OPTION` for a name that is neither an option of the pool nor one of the plugin. */
export function checkNames (options: object): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) throw unknownOption(unknown, unknown, names)
}

/** Options of a route that may be given as its path alone. Throws `FST_ERR_SPILLOVER_OPTION`. */
export function readRoute<Options> (name: string, given: unknown, table: Table, needsUrl: boolean): Options {
  const options = typeof given === 'string' ? { url: given } : given
  const expected = `a path as in '/${name}', or an object of ${['url', ...Object.keys(table)].join(', ')}`
  if (!isRecord(options)) throw new errors.OPTION(name, expected, show(given))
  const read = readOptions(options, { url: [undefined, path], ...table },
    (key) => typeof given === 'string' ? name : `${name}.${key}`)
  if (needsUrl && read.url === undefined) throw new errors.OPTION(name, expected, show(given))
  return read as Options
}

const { timeoutMs, queueTimeoutMs, priority, idempotent } = callChecks
const tableOf = (checks: Record<string, Check>): Table =>
  Object.fromEntries(Object.entries(checks).map(([key, check]) => [key, [undefined, check] as const]))

const defaults = { timeoutMs, queueTimeoutMs, priority, idempotent }
const routeTable = tableOf({ job: { expected: 'the name of a job', test: (value) => typeof value === 'string' }, ...defaults })
const handlerTables = {
  offloadHandler: tableOf({ input: method, ...defaults }),
  durableHandler: tableOf({ input: method, deadlineMs: atLeast(1), timeoutMs, priority })
}

/** Check what a route says of its jobs; `where` names it. */
export function checkRoute (config: unknown, where: string): void {
  if (!isRecord(config)) throw new errors.OPTION(`config.offload of ${where}`, 'an object or false', show(config))
  readOptions(config, routeTable, (key) => `config.offload.${key} of ${where}`)
}

/** Check the options of a handler that is made for a job. Throws `FST_ERR_SPILLOVER_OPTION`. */
export function checkHandler (options: unknown, kind: keyof typeof handlerTables, name: string): void {
  const where = `${kind}(${show(name)})`
  if (!isRecord(options)) throw new errors.OPTION(where, 'an object of options', show(options))
  readOptions(options, handlerTables[kind], (key) => `${key} of ${where}`)
}
