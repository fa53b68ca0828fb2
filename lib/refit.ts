// Fits a plan made anew into the slots of a running pool: what stays keeps its slot, what is gone leaves it empty.
import { cpusAre } from './machine/cpulist.js'
import { threshold } from './tiers.js'
import type { Plan, Slot, TierPlan } from './tiers.js'

/**
 * The next plan in the slots that a pool has. A cpu keeps its slot while it stays in its tier; a new one takes a free
 * slot there. A tier has no more slots than at the start: what does not fit is left out and noted.
 * @param layout the plan the pool started with, @param current the plan it has now
 * @returns null where the lowest tiers differ, so that no slot could always be open
 */
export function refit (layout: Plan, current: Plan, next: Plan): Plan | null {
  if (next.tiers[0]!.tier !== layout.tiers[0]!.tier) return null
  const notes = [...next.notes]
  const leftOut: number[] = next.tiers.filter(({ tier }) => layout.tiers.every((own) => own.tier !== tier))
    .flatMap(({ cpus }) => cpus)
  let lower = 0
  let isWhole = true
  const tiers = layout.tiers.map(({ tier, slots }): TierPlan => {
    const wanted = next.tiers.find((each) => each.tier === tier)
    const cpus = wanted?.slots.map(({ cpu }) => cpu) ?? []
    leftOut.push(...cpus.slice(slots.length).filter((cpu) => cpu !== null))
    const now = current.tiers.find((each) => each.tier === tier)?.slots ?? []
    const placed = placeIn(slots, now, cpus.slice(0, slots.length))
    const opensAt = isWhole && wanted !== undefined ? wanted.threshold : threshold(lower)
    if (cpus.length > slots.length) isWhole = false
    lower += placed.length
    return { tier, cpus: placed.flatMap(({ cpu }) => cpu ?? []), threshold: opensAt, slots: placed }
  })
  if (leftOut.length > 0) {
    notes.push(`${cpusAre(leftOut)} not used before a restart: the tier has no slot left`)
  }
  return { ...next, tiers, maxActors: lower, notes }
}

function placeIn (slots: readonly Slot[], now: readonly Slot[], cpus: readonly (number | null)[]): Slot[] {
  const tier = slots[0]!.tier
  const placed = new Map<number, Slot>()
  const rest: (number | null)[] = []
  for (const cpu of cpus) {
    const own = now.find((slot) => slot.cpu === cpu && !placed.has(slot.id))
    if (own === undefined) rest.push(cpu)
    else placed.set(own.id, own)
  }
  for (const { id } of slots) {
    const cpu = placed.has(id) ? undefined : rest.shift()
    if (cpu !== undefined) placed.set(id, { id, cpu, tier })
  }
  return [...placed.values()].sort((a, b) => a.id - b.id)
}
