// A job's log records: the levels, what crosses the border, and how a record reaches the caller's logger.
import { decodeError, describe, encodeError } from './errors.js'
import type { WireError } from './errors.js'
import type { FromActor, JobLog, LogMethod } from './jobs.js'

/** pino's levels, in the order of their numbers on the control port: index 0 is pino's 10. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** Above all levels: nothing is logged. */
export const SILENT = logLevels.length

/** What travels of one record. */
export type LogRecord = Extract<FromActor, { type: 'log' }>

/** The lowest level a logger writes, as an index; pino says it as `levelVal`, of another logger all is wanted. */
export function logLevelOf (log: Partial<JobLog> | undefined): number {
  if (log === undefined) return SILENT
  const { levelVal } = log as { levelVal?: unknown }
  // Fastify without a logger has one whose methods are all this
  if (typeof levelVal !== 'number') return log.fatal?.name === 'noop' ? SILENT : 0
  return Math.min(SILENT, Math.max(0, Math.ceil(levelVal / 10) - 1))
}

/** The `ctx.log` of one job. Worker thread only. Records below `level` are not sent. */
export function makeLog (id: number, level: number, send: (record: LogRecord) => void): JobLog {
  return Object.fromEntries(logLevels.map((name, index): [string, LogMethod] => [name, index < level
    ? () => {}
    : (...args) => {
        const record = recordOf(id, index, args)
        try {
          send(record)
        } catch {
          send({ ...record, args: record.args.map(cloneable) })
        }
      }])) as JobLog
}

/** Write a record to a logger. Host only. */
export function writeLog (log: Partial<JobLog> | undefined, record: LogRecord): void {
  const [first, ...rest] = record.args
  const method = logLevels[record.level]!
  if (record.err === undefined) log?.[method]?.(first, ...rest)
  else log?.[method]?.({ ...(first as object), err: decodeError(record.err as WireError) }, ...rest)
}

/** Say something of the pool itself. Host only. */
export function warn (log: Partial<JobLog> | undefined, text: string): void {
  if (log?.warn === undefined) process.emitWarning(text, 'SpilloverWarning')
  else log.warn(text)
}

/** Structured clone keeps little of an error, so one that is logged goes beside the other arguments. */
function recordOf (id: number, level: number, args: readonly unknown[]): LogRecord {
  const [first, ...rest] = args
  if (first instanceof Error) return { type: 'log', id, level, args: [{}, ...rest], err: encodeError(first) }
  if (first !== null && typeof first === 'object' && (first as { err?: unknown }).err instanceof Error) {
    const { err, ...more } = first as { err: Error }
    return { type: 'log', id, level, args: [more, ...rest], err: encodeError(err) }
  }
  return { type: 'log', id, level, args }
}

/** The value, or what of it can travel: properties that cannot are described. */
function cloneable (value: unknown): unknown {
  if (canTravel(value)) return value
  if (value === null || typeof value !== 'object') return describe(value)
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, canTravel(part) ? part : describe(part)]))
}

function canTravel (value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false // that is the answer
  }
}
