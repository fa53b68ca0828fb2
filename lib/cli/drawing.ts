// The machine as a drawing for a person: packages, NUMA nodes, caches, cores, siblings, and the tier of each cpu.
import { formatCpuList } from '../index.js'
import { paint, wrap } from './paint.js'
import { actors, tierColours, tierLines, unusedCpus } from './plan.js'
import type { Cpu, Plan, Topology } from '../index.js'
import type { Colour, Page } from './paint.js'

// A longer list of cpus is no help above the drawing of the same cpus; chosen.
const maxListLength = 40

/** What a cpu is used for: the character behind its id, and the colour. */
interface Use { readonly mark: string, readonly colour: Colour, readonly text: string }

const uses = {
  1: { mark: '1', colour: tierColours[1], text: 'tier 1' },
  2: { mark: '2', colour: tierColours[2], text: 'tier 2' },
  3: { mark: '3', colour: tierColours[3], text: 'tier 3' },
  reserved: { mark: 'r', colour: 'cyan', text: 'reserved for the event loop' },
  usable: { mark: 'u', colour: 'dim', text: 'usable, not used' },
  barred: { mark: '-', colour: 'dim', text: 'not allowed' }
} as const satisfies Record<string | number, Use>

/** A heading with what it says to which cpus; the innermost ones have the cores below them. */
interface Level { readonly of: (cpu: Cpu) => string, readonly title: (cpus: readonly Cpu[]) => string }

/** Draws the machine with the plan made for it. */
export function drawTopology (page: Page, topology: Topology, plan: Plan): string {
  const online = topology.cpus.filter((cpu) => cpu.online)
  const cells = new Map(online.map((cpu) => [cpu.id, useOf(cpu, plan)]))
  const lines = [...summary(page, topology, plan), '']
  lines.push(...drawLevels(page, levelsOf(online, topology), online, cells, 0))
  if (online.length > 0) lines.push('')
  lines.push(...plan.tiers.flatMap((tier) => tierLines(page, tier)))
  const occurring = new Set(cells.values())
  const legend = Object.values(uses).filter((use) => occurring.has(use))
  if (legend.length > 0) {
    const first = [...cells.keys()][0]!
    lines.push('', ...wrap(page, `${first}:${cells.get(first)!.mark} is cpu ${first} with its use:`.split(' ')
      .concat(legend.map(({ mark, text }) => `${mark}\u00a0${text.replaceAll(' ', '\u00a0')},`)), 2))
    lines[lines.length - 1] = lines.at(-1)!.replace(/,$/, '')
  }
  const notes = [...plan.notes, ...topology.notes]
  if (notes.length > 0) lines.push('')
  for (const note of notes) {
    lines.push(...wrap(page, ['note:', ...note.split(' ')], 6).map((line) => paint(page, 'dim', line)))
  }
  return `${lines.join('\n').replaceAll('\u00a0', ' ')}\n`
}

function summary (page: Page, topology: Topology, plan: Plan): string[] {
  const { cgroup, allowed, cpusAllowedList, counts } = topology
  const ids = (cpus: readonly Cpu[]) => formatCpuList(cpus.map((cpu) => cpu.id))
  const offline = topology.cpus.filter((cpu) => !cpu.online)
  const barred = topology.cpus.filter((cpu) => cpu.online && !cpu.allowed)
  const unused = unusedCpus(plan, topology)
  const lines = [paint(page, 'bold', allowed.length > 0
    ? `${allowed.length} usable ${allowed.length === 1 ? 'cpu' : 'cpus'}: ${formatCpuList(allowed)}`
    : `${topology.parallelism} usable cpus, their ids are unknown`)]
  lines.push(`read from ${topology.source}, architecture ${topology.arch ?? 'unknown'}; ${actors(plan.maxActors)}`)
  if (offline.length > 0) lines.push(`not used: ${ids(offline)} (offline)`)
  if (barred.length > 0) {
    const by = [
      ...(cpusAllowedList === null ? [] : [`affinity ${cpusAllowedList}`]),
      ...(cgroup?.cpuset ? [`cpuset ${formatCpuList(cgroup.cpuset)}`] : [])
    ]
    lines.push(`not used: ${ids(barred)} (not allowed: ${by.join(', ')})`)
  }
  if (unused.length > 0) lines.push(`not used: ${formatCpuList(unused)} (usable: see the notes)`)
  if (plan.reserved.length > 0) lines.push(`reserved: ${formatCpuList(plan.reserved)} (for the event loop)`)
  if (topology.quotaCpus !== null) lines.push(`cpu quota: ${topology.quotaCpus} cpus (cgroup version ${cgroup?.version})`)
  if (topology.perfEvidence !== null) lines.push(`kinds of cores: ${topology.perfEvidence}`)
  if (counts !== null) lines.push(`cores: ${counts.performanceCores} performance, ${counts.efficiencyCores} efficiency`)
  return lines.flatMap((line) => wrap(page, line.split(' '), 2))
}

function useOf (cpu: Cpu, plan: Plan): Use {
  const tier = plan.tiers.find(({ cpus }) => cpus.includes(cpu.id))?.tier
  if (tier !== undefined) return uses[tier]
  return plan.reserved.includes(cpu.id) ? uses.reserved : cpu.allowed ? uses.usable : uses.barred
}

/** The headings, the widest first: a package or a node is one only where no heading below it reaches out of it. */
function levelsOf (cpus: readonly Cpu[], topology: Topology): Level[] {
  const levels: Level[] = []
  const level = (cpu: Cpu) => `L${cpu.l3Cpus === null ? cpu.llcLevel : 3} cache`
  const isPrivate = (cpu: Cpu) => (cpu.l3Cpus ?? cpu.llcCpus ?? []).every((id) => cpu.coreCpus?.includes(id))
  // Caches of one core each join nothing: their cores are drawn side by side.
  const domain = (cpu: Cpu) => isPrivate(cpu) ? '' : formatCpuList(cpu.l3Cpus ?? cpu.llcCpus ?? [])
  const fits = (inner: (cpu: Cpu) => string, outer: (cpu: Cpu) => unknown) =>
    new Set(cpus.map(inner)).size === new Set(cpus.map((cpu) => `${inner(cpu)} ${outer(cpu)}`)).size
  const isSplit = (of: (cpu: Cpu) => unknown) => new Set(cpus.map(of)).size > 1
  const node = (cpu: Cpu) => String(cpu.node)
  const socket = (cpu: Cpu) => cpu.package
  const byPackage = isSplit(socket) && fits(domain, socket) && fits(node, socket)
  if (byPackage) {
    levels.push({ of: (cpu) => String(cpu.package), title: ([cpu]) => `package ${cpu!.package ?? 'unknown'}` })
  }
  const byNode = isSplit(node) && fits(domain, node)
  if (byNode) {
    levels.push({
      of: node,
      title ([cpu]) {
        const row = topology.nodes.find(({ id }) => id === cpu!.node)?.distance ?? {}
        const far = Object.entries(row).filter(([other]) => other !== node(cpu!)).map(([other, to]) => `${to} to ${other}`)
        return `NUMA node ${cpu!.node ?? 'unknown'}${far.length > 0 ? `, distance ${far.join(', ')}` : ''}`
      }
    })
  }
  levels.push({
    of: domain,
    title: (cpus) => {
      const [cpu] = cpus as [Cpu]
      const several = (name: string, of: (cpu: Cpu) => number | null) => {
        const ids = [...new Set(cpus.map(of))].filter((id) => id !== null)
        return ids.length === 0 ? '' : `, ${name}${ids.length === 1 ? '' : 's'} ${formatCpuList(ids)}`
      }
      const list = domain(cpu).length > maxListLength ? `${cpus.length} cpus` : `cpus ${domain(cpu)}`
      const own = cpu.llcCpus === null ? 'no known cache' : `${level(cpu)} of each core its own`
      return (domain(cpu) === '' ? own : `${level(cpu)} of ${list}`) + (byPackage ? '' : several('package', socket)) + (byNode ? '' : several('node', (each) => each.node))
    }
  })
  return levels
}

function drawLevels (
  page: Page, levels: readonly Level[], cpus: readonly Cpu[], cells: ReadonlyMap<number, Use>, indent: number
): string[] {
  const [level, ...inner] = levels
  if (level === undefined) return drawCores(page, cpus, cells, indent)
  const groups = new Map<string, Cpu[]>()
  for (const cpu of cpus) groups.set(level.of(cpu), [...groups.get(level.of(cpu)) ?? [], cpu])
  return [...groups.values()].flatMap((group, index) => [
    ...(index > 0 && indent === 0 ? [''] : []),
    ...wrap(page, level.title(group).split(' '), indent + 2).map((line, nth) =>
      nth === 0 ? ' '.repeat(indent) + paint(page, 'bold', line) : paint(page, 'bold', line)),
    ...drawLevels(page, inner, group, cells, indent + 2)
  ])
}

/** One column a core, its siblings below each other; as many columns side by side as the page is wide. */
function drawCores (page: Page, cpus: readonly Cpu[], cells: ReadonlyMap<number, Use>, indent: number): string[] {
  const cores = new Map<string, Cpu[]>()
  for (const cpu of cpus) {
    const name = formatCpuList(cpu.coreCpus ?? [cpu.id])
    cores.set(name, [...cores.get(name) ?? [], cpu])
  }
  const columns = [...cores.values()].sort(([a], [b]) =>
    (a!.package ?? 0) - (b!.package ?? 0) || (a!.core ?? a!.id) - (b!.core ?? b!.id) || a!.id - b!.id)
  const kind = { performance: 'P', efficiency: 'E', unknown: '' }
  const heads = columns.map(([cpu]) => `${cpu!.core ?? '?'}${kind[cpu!.perfClass ?? 'unknown']}`)
  const cell = (cpu: Cpu) => `${cpu.id}:${cells.get(cpu.id)!.mark}`
  const wide = Math.max(...heads.map((head) => head.length), ...cpus.map((cpu) => cell(cpu).length)) + 2
  const perLine = Math.max(1, Math.floor((page.width - indent - 4) / wide))
  const lines: string[] = []
  for (let from = 0; from < columns.length; from += perLine) {
    const part = columns.slice(from, from + perLine)
    const label = (text: string) => ' '.repeat(indent) + text
    const row = heads.slice(from, from + perLine).map((head) => head.padStart(wide))
    lines.push(paint(page, 'dim', label('core') + row.join('')))
    for (let nth = 0; part.some((core) => core.length > nth); nth++) {
      const row = part.map(({ [nth]: cpu }) => cpu === undefined
        ? ' '.repeat(wide)
        : ' '.repeat(wide - cell(cpu).length) + paint(page, cells.get(cpu.id)!.colour, cell(cpu)))
      lines.push((label(nth === 0 ? 'cpus' : '    ') + row.join('')).trimEnd())
    }
  }
  return lines
}
