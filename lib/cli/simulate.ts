// The command `simulate`: what a pool would do on a machine under a load, as text, JSON, a picture and a trace.
import { readFileSync, writeFileSync } from 'node:fs'
import { simulate } from '../index.js'
import { drawCurves } from './curves.js'
import { toInteger, UsageError } from './flags.js'
import { wrap } from './paint.js'
import { drawPicture } from './picture.js'
import type { Arrival, Options, SimulatedKind, SimulateOptions, Simulation, Topology, Trace } from '../index.js'
import type { Flags } from './flags.js'
import type { Page } from './paint.js'

/** Flags of the command. */
export const simulateOptions = {
  jobs: { type: 'string' },
  rate: { type: 'string' },
  replay: { type: 'string' },
  seconds: { type: 'string' },
  seed: { type: 'string' },
  options: { type: 'string' },
  svg: { type: 'string' },
  trace: { type: 'string' }
} as const

/** What is printed of them. */
export const simulateHelp = `Usage: fastify-spillover simulate --jobs FILE --rate N [options]
       fastify-spillover simulate --replay FILE [options]

What a pool would do on a machine under a load: tiers over time, waits and
throughput. Nothing is measured; the real scheduler runs in virtual time.

Options:
  --root DIR        the machine whose kernel files lie below DIR, instead of
                    this one; topology --record makes such a folder
  --jobs FILE       JSON as { "resize": { "meanMs": 5, "share": 2 } }: mean run
                    time of each job in ms, and its share of the load (default
                    1); "distribution": exponential (default), fixed, lognormal
  --rate N          jobs a second; FROM-TO rises or falls evenly, as in 100-4000
  --replay FILE     the arrivals and run times of a trace made by record(),
                    instead of --jobs and --rate
  --seconds N       time simulated (default: 10, or that of the trace)
  --seed N          other random numbers (default: 1); a seed gives one result
  --options FILE    JSON of the pool's options, as in { "maxQueued": 100 }
  --json            print JSON for programs
  --svg FILE        also draw a picture
  --trace FILE      also write a trace that Chrome and Perfetto open
  -h, --help        print this text
`

/** Points of the curves. */
const SAMPLES = 200

/** Simulates; returns what goes to standard output. */
export async function runSimulate (flags: Flags, readMachine: () => Promise<Topology>, page: () => Page):
Promise<string> {
  const input = inputOf(flags)
  const topology = await readMachine()
  const result = await simulate({ ...input, topology, samples: SAMPLES, trace: flags.trace !== undefined })
  const { trace, ...numbers } = result
  if (trace !== undefined) write('trace', String(flags.trace), JSON.stringify(trace))
  if (flags.svg !== undefined) write('svg', String(flags.svg), drawPicture(result))
  return flags.json ? `${JSON.stringify(numbers, null, 2)}\n` : printSimulation(page(), result)
}

function inputOf (flags: Flags): Omit<SimulateOptions, 'topology' | 'plan'> {
  const options = flags.options === undefined ? {} : readJson('options', String(flags.options)) as Omit<Options, 'jobs'>
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new UsageError(`option --options: expected an object as in { "maxQueued": 100 }, got ${JSON.stringify(options)}`)
  }
  const seed = flags.seed === undefined ? {} : { seed: toInteger('seed', flags.seed) }
  const seconds = flags.seconds === undefined ? undefined : toSeconds(String(flags.seconds))
  if (flags.replay !== undefined) {
    if (flags.jobs !== undefined || flags.rate !== undefined) {
      throw new UsageError('option --replay: expected neither --jobs nor --rate beside it')
    }
    const replay = arrivalsOf(readJson('replay', String(flags.replay)) as Trace)
    return { options, ...seed, ...replay, seconds: seconds ?? replay.seconds }
  }
  if (flags.jobs === undefined) throw new UsageError('option --jobs: expected a file, got none (or give --replay)')
  if (flags.rate === undefined) throw new UsageError('option --rate: expected jobs a second, got none')
  const jobs = readJson('jobs', String(flags.jobs)) as Record<string, SimulatedKind>
  return { options, ...seed, jobs, rate: toRate(String(flags.rate)), seconds: seconds ?? 10 }
}

/** The arrivals of a recording: each run began after its wait. */
function arrivalsOf (trace: Trace): { arrivals: Arrival[], jobs: Record<string, SimulatedKind>, seconds: number } {
  const runs = (Array.isArray(trace?.traceEvents) ? trace.traceEvents : []).filter((event) => event?.ph === 'X' && event.cat === 'job')
  if (runs.length === 0) throw new UsageError('option --replay: expected a trace made by record(), got one without jobs')
  const arrivals = runs.map(({ name, ts = 0, dur = 1, args }) => ({
    job: name, atMs: ts / 1000 - Number(args?.waitMs ?? 0), runMs: dur / 1000
  })).sort((one, other) => one.atMs - other.atMs)
  const beganAtMs = Math.min(0, arrivals[0]!.atMs)
  const jobs: Record<string, SimulatedKind> = {}
  for (const name of new Set(arrivals.map(({ job }) => job))) {
    const own = arrivals.filter(({ job }) => job === name)
    jobs[name] = { meanMs: own.reduce((sum, { runMs }) => sum + runMs, 0) / own.length, share: own.length }
  }
  const lastMs = arrivals.at(-1)!.atMs - beganAtMs
  const seconds = Math.max(Number(trace.otherData?.seconds ?? 0), Math.ceil(lastMs) / 1000, 0.001)
  return { arrivals: arrivals.map((arrival) => ({ ...arrival, atMs: arrival.atMs - beganAtMs })), jobs, seconds }
}

function printSimulation (page: Page, result: Simulation): string {
  const { seconds, offered, accepted, refused, completed, throughput, waits, times, hostUse, tiers } = result
  const count = (value: number): string => Math.round(value).toLocaleString('en')
  const share = (value: number): string => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`
  const ms = (value: number): string => value < 10 ? `${value.toFixed(2)} ms` : `${count(value)} ms`
  const row = (name: string, text: string): string[] =>
    wrap(page, text.split(' '), 12).map((line, index) => index === 0 ? name.padEnd(12) + line : line)
  const rows = [
    ['tier', 'actors', 'opens over', 'open', 'busy', 'jobs'],
    ...tiers.map(({ tier, actors, threshold, openShare, use, completed }) =>
      [String(tier), String(actors), threshold === 0 ? 'always' : `${threshold} active`, share(openShare), share(use), count(completed)])
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  return [
    ...wrap(page, `simulated, not measured: ${seconds} s, ${count(offered / seconds)} jobs a second offered`.split(' '), 2),
    '',
    ...rows.map((cells) => cells.map((cell, column) => cell.padStart(widths[column]!)).join(page.width < 60 ? ' ' : '  ')),
    '',
    ...drawCurves(page, result),
    '',
    ...row('throughput', `${count(throughput)} jobs a second`),
    ...row('jobs', `${count(offered)} offered, ${count(accepted)} accepted, ${count(refused)} refused, ${count(completed)} done within the ${seconds} s`),
    ...row('wait', `p50 ${ms(waits.p50Ms)}, p99 ${ms(waits.p99Ms)}, longest ${ms(waits.maxMs)}`),
    ...row('answer', `p50 ${ms(times.p50Ms)}, p99 ${ms(times.p99Ms)}, longest ${ms(times.maxMs)}`),
    ...row('event loop', `${share(hostUse)} busy with the pool`)
  ].join('\n') + '\n'
}

function toRate (text: string): number | readonly [number, number] {
  const parts = text.split('-').map(Number)
  if (!/^[\d.]+(-[\d.]+)?$/.test(text) || !parts.every((part) => part > 0 && part < Infinity)) {
    throw new UsageError(`option --rate: expected jobs a second, as in 500 or 100-4000, got ${JSON.stringify(text)}`)
  }
  return parts.length === 1 ? parts[0]! : [parts[0]!, parts[1]!]
}

function toSeconds (text: string): number {
  const seconds = Number(text)
  if (!/^[\d.]+$/.test(text) || !(seconds > 0 && seconds <= 86_400)) {
    throw new UsageError(`option --seconds: expected a number above 0, at most 86400, got ${JSON.stringify(text)}`)
  }
  return seconds
}

function readJson (flag: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`option --${flag}: cannot read ${file}: ${(error as Error).message}`)
  }
}

function write (flag: string, file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (error) {
    throw new UsageError(`option --${flag}: cannot write the file: ${(error as Error).message}`)
  }
}
