#!/usr/bin/env node
// The command line: the commands, their help, and how each ends.
import fs from 'node:fs'
import path from 'node:path'
import { packRecording } from './cli/archive.js'
import { doctorHelp, doctorOptions, runDoctor } from './cli/doctor.js'
import { drawTopology } from './cli/drawing.js'
import { parseFlags, toInteger, UsageError } from './cli/flags.js'
import { pageOf } from './cli/paint.js'
import { printPlan } from './cli/plan.js'
import { runSimulate, simulateHelp, simulateOptions } from './cli/simulate.js'
import { runWorker, workerHelp, workerOptions } from './cli/worker.js'
import {
  describePlan, describeTopology, detectTopology, errors, makePlan, readTopology, recordMachine, strategies, suggest
} from './index.js'
import type { FlagOptions, Flags } from './cli/flags.js'
import type { Page } from './cli/paint.js'
import type { PlanOptions, Strategy, Topology } from './index.js'

interface Command {
  readonly help: string
  readonly options: FlagOptions
  /** @returns what goes to standard output */
  readonly run: (flags: Flags) => Promise<string>
}

const help = `Usage: fastify-spillover <command> [options]

Commands:
  topology          draw the machine: packages, nodes, caches, cores, and what
                    each cpu is used for or why it is not
  plan              print the tiers of actors, and when they open
  simulate          what a pool would do on a machine under a load
  worker            run jobs of other machines, taken from Redis
  doctor            look whether each Redis is fit for that

  fastify-spillover <command> --help lists the options of a command.

Options:
  -h, --help        print this text
  -v, --version     print the version

Colour follows FORCE_COLOR, NO_COLOR and whether the output is a terminal.
Exit status: 0; 1 with one line on standard error where a value is wrong or the
command fails; 2 for a command or option that there is not.
`

const machineHelp = `  --root DIR        read the kernel files below DIR instead of /
`

const generalHelp = `  --json            print JSON for programs
  -h, --help        print this text
`

const topologyHelp = `Usage: fastify-spillover topology [options]

Draws the machine: packages, nodes, caches, cores, and what each cpu is used for
or why it is not.

Options:
${machineHelp}  --record FILE     save the kernel files that tell the machine as FILE, a
                    tar.gz, to attach to an issue; unpacked, it is a DIR for
                    --root. It holds nothing of the process but which cpus it
                    may use.
${generalHelp}`

const planHelp = `Usage: fastify-spillover plan [options]

Prints the tiers of actors for this machine, and when they open.

Options:
${machineHelp}  --strategy S      ${strategies.slice(0, 4).join(', ')},
                    ${strategies.slice(4).join(', ')} (default: ${strategies[0]})
  --reserve N       cores of tier 1 kept free for the event loop, or auto
                    (default)
  --home CPU        a cpu of the L3 domain that is to be tier 1
${generalHelp}`

const json = { json: { type: 'boolean' } } as const
const machine = { root: { type: 'string' }, ...json } as const
const general = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' }
} as const

const commands: Readonly<Record<string, Command>> = {
  topology: {
    help: topologyHelp,
    options: { ...machine, record: { type: 'string' }, ...general },
    async run (flags) {
      const topology = await readMachine(flags)
      if (flags.record !== undefined) return record(String(flags.record), flags)
      return flags.json ? toJson(describeTopology(topology)) : drawTopology(page(), topology, makePlan(topology))
    }
  },
  plan: {
    help: planHelp,
    options: {
      ...machine,
      strategy: { type: 'string' },
      reserve: { type: 'string' },
      home: { type: 'string' },
      ...general
    },
    async run (flags) {
      const options: PlanOptions = {
        ...(flags.strategy === undefined ? {} : { strategy: flags.strategy as Strategy }),
        ...(flags.reserve === undefined
          ? {}
          : { reserve: flags.reserve === 'auto' ? 'auto' as const : toInteger('reserve', flags.reserve) }),
        ...(flags.home === undefined ? {} : { home: toInteger('home', flags.home) })
      }
      const topology = await readMachine(flags)
      const plan = makePlan(topology, options)
      return flags.json ? toJson(describePlan(plan)) : printPlan(page(), plan, topology)
    }
  },
  simulate: {
    help: simulateHelp,
    options: { ...machine, ...simulateOptions, ...general },
    run: (flags) => runSimulate(flags, () => readMachine(flags), page)
  },
  worker: {
    help: workerHelp,
    options: { ...workerOptions, ...general },
    run: (flags) => usage(() => runWorker(flags))
  },
  doctor: {
    help: doctorHelp,
    options: { ...json, ...doctorOptions, ...general },
    run: (flags) => usage(() => runDoctor(flags))
  }
}

/** What it throws is one line on standard error. */
async function usage (run: () => Promise<string>): Promise<string> {
  try {
    return await run()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function main (args: readonly string[]): Promise<void> {
  const [name] = args
  if (name === '--help' || name === '-h') return print(help)
  if (name === '--version' || name === '-v') return print(`${readVersion()}\n`)
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    const known = Object.keys(commands)
    if (name === undefined) throw new UsageError(`expected a command (${known.join(', ')}), got none (fastify-spillover --help tells more)`, 2)
    const [what, meant] = name.startsWith('-') ? ['option', ['--help', '--version']] : ['command', known]
    throw new UsageError(`unknown ${what} ${name}: ${suggest(name, meant)} (fastify-spillover --help tells more)`, 2)
  }
  const flags = parseFlags(name!, command.options, args.slice(1))
  if (flags.help) return print(command.help)
  if (flags.version) return print(`${readVersion()}\n`)
  print(await command.run(flags).catch((error: unknown) => { throw inFlags(error, command.options) }))
}

/** An option that was refused, by the name that it has on the command line, or in the file of --options. */
function inFlags (error: unknown, options: FlagOptions): unknown {
  if (!(error instanceof Error)) return error
  const name = /^option (\w+)/.exec(error.message)?.[1]
  if (name === undefined) return error
  const has = (flag: string): boolean => Object.hasOwn(options, flag)
  if (!has(name) && !has('options')) return error
  return new UsageError(error.message.replace(/^option (\w+)\.?/, (text, head: string) =>
    !has(head) ? `option --options: ${text.slice(7)}` : `option --${head}${text.endsWith('.') ? ': ' : ''}`))
}

async function readMachine (flags: Flags): Promise<Topology> {
  if (flags.root === undefined) return detectTopology()
  const root = String(flags.root)
  const topology = readTopology({ root })
  if (topology.source !== 'none') return topology
  // existsSync never throws, so a folder that may not be entered is refused like one that is not there.
  const reason = fs.existsSync(`${root}/`) ? 'no cpu in sys/devices/system/cpu' : 'there is no such folder'
  throw new errors.TOPOLOGY_ROOT(root, reason)
}

/** Saves the machine's files; returns what to tell the person. */
function record (file: string, flags: Flags): string {
  const recording = recordMachine(flags.root === undefined ? {} : { root: String(flags.root) })
  if (recording.files.size === 0) throw new UsageError('option --record: there are no kernel files on this machine')
  try {
    fs.writeFileSync(file, packRecording(recording))
  } catch (error) {
    throw new UsageError(`option --record: cannot write the file: ${(error as Error).message}`)
  }
  const { size } = recording.files
  return flags.json ? toJson({ file, files: size }) : `${size} files in ${file}: tar xzf it into a folder for --root\n`
}

const page = (): Page => pageOf({ stream: process.stdout, env: process.env })

function readVersion (): string {
  const file = path.join(__dirname, '../../package.json')
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string }).version
}

function print (text: string): void {
  process.stdout.write(text)
}

function toJson (value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

// A reader of our output that has seen enough, like head, closes the pipe: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

main(process.argv.slice(2)).catch((error: unknown) => {
  // Our own errors say what was expected; anything else is a fault of ours and keeps its stack.
  const isExpected = error instanceof UsageError || Object.values(errors).some((type) => error instanceof type)
  process.exitCode = error instanceof UsageError ? error.exitCode : 1
  if (!isExpected) throw error
  process.stderr.write(`fastify-spillover: ${(error as Error).message.replace(/\s*\n\s*/g, ' ')}\n`)
})
