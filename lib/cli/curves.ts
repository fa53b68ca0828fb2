// The series of a simulation as lines of blocks, as wide as the page.
import { paint } from './paint.js'
import { tierColours } from './plan.js'
import type { Simulation } from '../index.js'
import type { Page } from './paint.js'

const blocks = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
/** Of the words before a curve and the number behind it. */
const MARGIN = 12
const END = 10

/** Open tiers, active actors, waiting jobs and throughput over the time. */
export function drawCurves (page: Page, { seconds, samples, tiers }: Simulation): string[] {
  const columns = Math.max(10, Math.min(samples.length, page.width - MARGIN - END))
  // each column shows the samples that fall into it
  const parts = Array.from({ length: columns }, (_, column) =>
    samples.slice(Math.floor(column * samples.length / columns), Math.floor((column + 1) * samples.length / columns)))
  const most = (of: (sample: Simulation['samples'][number]) => number): number[] =>
    parts.map((part) => Math.max(...part.map(of)))
  const columnSeconds = seconds / columns
  const done = parts.map((part) => part.at(-1)!.completed)
  const rates = done.map((count, column) => (count - (done[column - 1] ?? 0)) / columnSeconds)
  const open = most(({ openTier }) => openTier)
  const actors = tiers.reduce((sum, { actors }) => sum + actors, 0)
  const row = (name: string, curve: string, end: string): string => `${name.padEnd(MARGIN)}${curve}  ${end}`.trimEnd()
  return [
    row('open tiers', open.map((tier) => paint(page, tierColours[tier as 1 | 2 | 3], String(tier))).join(''), ''),
    row('active', curve(most(({ active }) => active), actors), `of ${actors}`),
    row('waiting', curve(most(({ backlog }) => backlog)), `≤ ${Math.max(...most(({ backlog }) => backlog)).toLocaleString('en')}`),
    row('jobs/s', curve(rates), `≤ ${Math.round(Math.max(...rates)).toLocaleString('en')}`),
    row('', `0 s${`${seconds} s`.padStart(columns - 3)}`, '')
  ]
}

/** A block for each value; 0 is blank and only the highest is full. */
function curve (values: readonly number[], top = Math.max(...values)): string {
  return values.map((value) => blocks[value <= 0 || top <= 0 ? 0 : Math.max(1, Math.min(8, Math.round(value / top * 8)))]).join('')
}
