// The plan of tiers as text for a person.
import { formatCpuList } from '../index.js'
import { paint, wrap } from './paint.js'
import type { Plan, TierPlan, Topology } from '../index.js'
import type { Colour, Page } from './paint.js'

/** The colour of each tier. */
export const tierColours: Readonly<Record<TierPlan['tier'], Colour>> = { 1: 'green', 2: 'yellow', 3: 'magenta' }

export function actors (count: number): string {
  return `${count} ${count === 1 ? 'actor' : 'actors'}`
}

/** Size and threshold of a tier, as in `tier 2  8 actors, opens when more than 6 actors are active`. */
export function tierLines (page: Page, { tier, threshold, slots }: TierPlan): string[] {
  const opens = threshold === 0
    ? 'always open'
    : `opens when more than ${actors(threshold)} ${threshold === 1 ? 'is' : 'are'} active`
  const [first, ...more] = wrap(page, `tier ${tier}  ${actors(slots.length)}, ${opens}`.split(' '), 8)
  return [paint(page, tierColours[tier], first!.slice(0, 6)) + first!.slice(6), ...more]
}

/** The plan: each tier with its threshold and its cpus in order of use, and what is left over. */
export function printPlan (page: Page, plan: Plan, topology: Topology): string {
  const lines = [paint(page, 'bold', `${actors(plan.maxActors)}, strategy ${plan.strategy}`)]
  for (const tier of plan.tiers) {
    lines.push(...tierLines(page, tier))
    const cpus = tier.cpus.length > 0 ? wrap(page, ['cpus', ...tier.cpus.map(String)], 8) : ['tied to no cpu']
    lines.push(...cpus.map((text, index) => index === 0 ? `        ${text}` : text))
  }
  if (plan.reserved.length > 0) {
    lines.push(...wrap(page, ['reserved for the event loop: cpus', formatCpuList(plan.reserved)], 8))
  }
  if (plan.quotaCpus !== null) lines.push(`cpu quota: ${plan.quotaCpus} cpus`)
  const unused = unusedCpus(plan, topology)
  if (unused.length > 0) lines.push(...wrap(page, ['usable but not used: cpus', formatCpuList(unused)], 8))
  lines.push(...plan.notes.flatMap((note) => wrap(page, ['note:', ...note.split(' ')], 6)).map((line) => paint(page, 'dim', line)))
  return `${lines.join('\n')}\n`
}

/** Cpus that could be used and have neither a slot nor are reserved; none where the actors are tied to no cpu. */
export function unusedCpus (plan: Plan, topology: Topology): number[] {
  if (plan.tiers.every((tier) => tier.cpus.length === 0)) return []
  const used = new Set([...plan.tiers.flatMap((tier) => tier.cpus), ...plan.reserved])
  return topology.allowed.filter((id) => !used.has(id))
}
