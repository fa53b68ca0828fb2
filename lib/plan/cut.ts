// Takes from the dealt tiers what the event loop keeps, and what a quota or maxActors does not allow.
import { cpusAre } from '../machine/cpulist.js'
import type { Machine } from './cores.js'
import type { Entry, Tiers } from './deal.js'
import type { Strategy } from './options.js'

// `'auto'` gives up at most a quarter of tier 1; chosen.
const minCoresToReserve = 4

/**
 * Takes the first cores of the lowest tier, and their siblings in every tier, for the event loop. The first, because
 * it lies in the home domain, where the host shares the cache with the actors it posts to most, and because the
 * kernel's own interrupts and threads are on the lowest cpus anyhow, so that the actors are spared them.
 */
export function keepFree (
  tiers: Tiers,
  strategy: Strategy | 'explicit',
  reserve: number | 'auto',
  { coreOf }: Machine,
  reserved: number[],
  notes: string[]
): Tiers {
  const lowest = tiers.find((tier) => tier.length > 0) ?? tiers[0]
  // A cpu that is not on the machine, or no cpu at all, is a core of its own.
  const cores = [...new Set(lowest.map((id, index) => (id === null ? undefined : coreOf.get(id)) ?? index))]
  const isLiteral = strategy === 'even-odd' || strategy === 'none' || strategy === 'explicit'
  const wanted = reserve !== 'auto' ? reserve : !isLiteral && cores.length >= minCoresToReserve ? 1 : 0
  const count = Math.min(wanted, cores.length - 1)
  if (count < wanted) notes.push(`${count} of ${wanted} cores are reserved: the lowest tier has ${cores.length}`)
  if (count === 0) return tiers
  const taken = cores.slice(0, count)
  const drop = new Set<number>()
  const dropIndex = new Set<number>()
  for (const core of taken) {
    if (typeof core === 'number') {
      dropIndex.add(core)
      if (lowest[core] !== null) drop.add(lowest[core]!)
    } else {
      for (const id of core.cpus) drop.add(id)
    }
  }
  reserved.push(...[...drop].sort((a, b) => a - b))
  notes.push(drop.size > 0
    ? `${cpusAre(drop)} kept free for the event loop`
    : `${count} fewer actors leave room for the event loop`)
  const keep = (tier: Entry[]) => tier.filter((id, index) =>
    id === null ? tier !== lowest || !dropIndex.has(index) : !drop.has(id))
  return [keep(tiers[0]), keep(tiers[1]), keep(tiers[2])]
}

/** Cuts the list of all slots to what the quota and `maxActors` allow. */
export function cut (
  tiers: Tiers, quotaCpus: number | null, strategy: Strategy | 'explicit', maxActors: number, notes: string[]
): Tiers {
  const size = tiers[0].length + tiers[1].length + tiers[2].length
  let limit = maxActors
  if (quotaCpus !== null) {
    const quota = Math.max(1, Math.floor(quotaCpus))
    // The seed's rule and explicit tiers are taken as they stand; `maxActors` still bounds them.
    if (strategy === 'even-odd' || strategy === 'explicit') {
      if (size > quota) notes.push(`the quota of ${quotaCpus} cpus does not cut ${strategy} tiers: ${size} actors may be throttled`)
    } else {
      if (quota < Math.min(size, maxActors)) notes.push(`the quota of ${quotaCpus} cpus allows ${quota} of ${size} actors`)
      limit = Math.min(limit, quota)
    }
  }
  if (maxActors < size && limit === maxActors) notes.push(`maxActors allows ${maxActors} of ${size} actors`)
  let left = limit
  const take = (tier: Entry[]) => {
    const kept = tier.slice(0, left)
    left -= kept.length
    return kept
  }
  return [take(tiers[0]), take(tiers[1]), take(tiers[2])]
}
