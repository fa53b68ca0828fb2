#!/usr/bin/env node
// The command line: prints the topology of a machine and the plan of tiers made from it.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import {
  describeTopology, detectTopology, errors, formatCpuList, makePlan, readTopology, strategies
} from './index.js'
import type { Cpu, Plan, PlanOptions, Strategy, Topology } from './index.js'

type Flags = Readonly<Record<string, string | boolean | undefined>>

interface Command {
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** @returns what goes to standard output */
  readonly run: (flags: Flags) => Promise<string>
}

/** A mistake in the arguments; its message is the one line on standard error. */
class UsageError extends Error {}

const help = `Usage: fastify-spillover <command> [options]

Commands:
  topology   the machine: cpus, cores, caches, and what this process may use
  plan       the tiers of actors for this machine

Options:
  --root DIR      read the kernel files below DIR instead of /
  --json          print JSON
  --help          print this text
  --version       print the version

Options of plan:
  --strategy S    ${strategies.join(', ')}
  --reserve N     cores of tier 1 kept free for the event loop, or auto
  --home CPU      a cpu of the L3 domain that is to be tier 1
`

const general = {
  root: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' }
} as const

const commands: Readonly<Record<string, Command>> = {
  topology: {
    options: general,
    async run (flags) {
      const topology = await readMachine(flags)
      return flags.json ? toJson(describeTopology(topology)) : printTopology(topology)
    }
  },
  plan: {
    options: {
      ...general,
      strategy: { type: 'string' },
      reserve: { type: 'string' },
      home: { type: 'string' }
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
      return flags.json ? toJson(describePlan(plan)) : printPlan(plan, topology)
    }
  }
}

async function main (args: readonly string[]): Promise<void> {
  const [name] = args
  if (name === '--help' || name === '-h') return print(help)
  if (name === '--version' || name === '-v') return print(`${readVersion()}\n`)
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    const known = Object.keys(commands).join(', ')
    throw new UsageError(`expected a command (${known}), got ${name === undefined ? 'none' : JSON.stringify(name)}`)
  }
  const flags = parse(command, args.slice(1))
  if (flags.help) return print(help)
  if (flags.version) return print(`${readVersion()}\n`)
  print(await command.run(flags))
}

function parse (command: Command, args: string[]): Flags {
  try {
    return parseArgs({ args, options: command.options, allowPositionals: false, strict: true }).values as Flags
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function toInteger (name: string, text: string | boolean): number {
  if (!/^\d{1,6}$/.test(String(text))) {
    throw new UsageError(`option --${name}: expected an integer of at least 0, got ${JSON.stringify(text)}`)
  }
  return Number(text)
}

async function readMachine (flags: Flags): Promise<Topology> {
  if (flags.root === undefined) return detectTopology()
  const root = String(flags.root)
  const topology = readTopology({ root })
  if (topology.source !== 'none') return topology
  // existsSync never throws, so a folder that may not be entered is refused like one that is not there.
  const reason = fs.existsSync(root) ? 'no cpu in sys/devices/system/cpu' : 'there is no such folder'
  throw new errors.TOPOLOGY_ROOT(root, reason)
}

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

function describePlan (plan: Plan): Record<string, unknown> {
  return {
    ...plan,
    tiers: plan.tiers.map(({ tier, cpus, threshold, slots }) => ({
      tier,
      cpus,
      threshold,
      // Actors that are tied to no cpu would not show otherwise.
      ...(cpus.length === slots.length ? {} : { actors: slots.length })
    }))
  }
}

function paint (code: number, text: string): string {
  const isColourful = process.stdout.isTTY && (process.env.NO_COLOR ?? '') === ''
  return isColourful ? `\u001b[${code}m${text}\u001b[0m` : text
}

const bold = (text: string): string => paint(1, text)
const dim = (text: string): string => paint(2, text)

function printTopology (topology: Topology): string {
  const { cgroup } = topology
  const usable = topology.cpus.filter((cpu) => cpu.allowed)
  const offline = topology.cpus.filter((cpu) => !cpu.online)
  const barred = topology.cpus.filter((cpu) => cpu.online && !cpu.allowed)
  const ids = (cpus: readonly Cpu[]) => formatCpuList(cpus.map((cpu) => cpu.id))
  const lines = [bold(usable.length > 0
    ? `${usable.length} usable ${usable.length === 1 ? 'cpu' : 'cpus'}: ${ids(usable)}`
    : `${topology.parallelism} usable cpus, their ids are unknown`)]
  lines.push(`read from ${topology.source}, architecture ${topology.arch ?? 'unknown'}`)
  if (offline.length > 0) lines.push(`not used: ${ids(offline)} (offline)`)
  if (barred.length > 0) {
    const by = [
      ...(topology.cpusAllowedList === null ? [] : [`affinity ${topology.cpusAllowedList}`]),
      ...(cgroup?.cpuset ? [`cpuset ${formatCpuList(cgroup.cpuset)}`] : [])
    ]
    lines.push(`not used: ${ids(barred)} (not allowed: ${by.join(', ')})`)
  }
  if (topology.quotaCpus !== null) lines.push(`cpu quota: ${topology.quotaCpus} cpus (cgroup version ${cgroup?.version})`)
  if (topology.perfEvidence !== null) lines.push(`kinds of cores: ${topology.perfEvidence}`)
  if (topology.counts !== null) {
    const { performanceCores, efficiencyCores } = topology.counts
    lines.push(`cores: ${performanceCores} performance, ${efficiencyCores} efficiency`)
  }
  const domains = new Map<string, Cpu[]>()
  for (const cpu of topology.cpus) {
    if (cpu.online) domains.set(domainName(cpu), [...domains.get(domainName(cpu)) ?? [], cpu])
  }
  for (const [domain, cpus] of domains) {
    lines.push('', bold(domain))
    const seen = new Set<string>()
    for (const cpu of cpus) {
      const core = formatCpuList(cpu.coreCpus ?? [cpu.id])
      if (seen.has(core)) continue
      seen.add(core)
      const facts = [
        ...(cpu.package === null ? [] : [`package ${cpu.package}`]),
        ...(cpu.node === null ? [] : [`node ${cpu.node}`]),
        ...(cpu.perfClass === null ? [] : [cpu.perfClass])
      ]
      lines.push(`  core ${String(cpu.core ?? '?').padEnd(4)} cpus ${core.padEnd(10)} ${dim(facts.join(', '))}`.trimEnd())
    }
  }
  if (topology.notes.length > 0) lines.push('', ...topology.notes.map((note) => dim(`note: ${note}`)))
  return `${lines.join('\n')}\n`
}

function printPlan (plan: Plan, topology: Topology): string {
  const actors = (count: number) => `${count} ${count === 1 ? 'actor' : 'actors'}`
  const lines = [bold(`${actors(plan.maxActors)}, strategy ${plan.strategy}`)]
  for (const { tier, cpus, threshold, slots } of plan.tiers) {
    const opens = threshold === 0 ? 'always open' : `opens when more than ${actors(threshold)} ${threshold === 1 ? 'is' : 'are'} active`
    lines.push(`${bold(`tier ${tier}`)}  ${actors(slots.length)}, ${opens}`)
    lines.push(`        ${cpus.length > 0 ? `cpus ${cpus.join(' ')}` : 'tied to no cpu'}`)
  }
  const unused = new Set(topology.cpus.filter((cpu) => cpu.allowed).map((cpu) => cpu.id))
  for (const id of [...plan.tiers.flatMap((tier) => tier.cpus), ...plan.reserved]) unused.delete(id)
  const isTied = plan.tiers.some((tier) => tier.cpus.length > 0)
  if (isTied && unused.size > 0) lines.push(`usable but not used: cpus ${formatCpuList(unused)}`)
  lines.push(...plan.notes.map((note) => dim(`note: ${note}`)))
  return `${lines.join('\n')}\n`
}

function domainName (cpu: Cpu): string {
  const cache = cpu.l3Cpus ?? cpu.llcCpus
  if (cache === null) return `no known cache, node ${cpu.node ?? 'unknown'}`
  return `L${cpu.l3Cpus === null ? cpu.llcLevel : 3} cache of cpus ${formatCpuList(cache)}`
}

// A reader of our output that has seen enough, like head, closes the pipe: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

main(process.argv.slice(2)).catch((error: unknown) => {
  // Our own errors say what was expected; anything else is a fault of ours and keeps its stack.
  const isExpected = error instanceof UsageError || Object.values(errors).some((type) => error instanceof type)
  process.exitCode = 1
  if (!isExpected) throw error
  process.stderr.write(`fastify-spillover: ${(error as Error).message.replace(/\s*\n\s*/g, ' ')}\n`)
})
