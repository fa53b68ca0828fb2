// A simulation as SVG, readable on light and dark pages: tiers, active actors, waiting jobs and throughput over time.
import type { Sample, Simulation } from '../index.js'

const width = 760
const left = 56
const right = 96
const plotHeight = 130
const gap = 44
const colours = { 1: '#1a8f5a', 2: '#c98500', 3: '#a34bc9' } as const
const ink = '#6b7785'

interface Point { readonly x: number, readonly y: number }

/** The picture as text. */
export function drawPicture (simulation: Simulation): string {
  const { seconds, offered, tiers, samples, waits } = simulation
  const actors = tiers.reduce((sum, { actors }) => sum + actors, 0)
  const x = (atMs: number): number => left + atMs / (seconds * 1000) * (width - left - right)
  const tops = [70, 70 + plotHeight + gap, 70 + 2 * (plotHeight + gap)] as const
  const height = tops[2] + plotHeight + 36
  const points = (top: number, most: number, of: (sample: Sample, index: number) => number): Point[] =>
    samples.map((sample, index) => ({ x: x(sample.atMs), y: top + plotHeight * (1 - of(sample, index) / most) }))
  const rates = samples.map(({ completed, atMs }, index) => {
    const before = samples[index - 1] ?? { completed: 0, atMs: 0 }
    return (completed - before.completed) / (atMs - before.atMs) * 1000
  })
  const mostWaiting = Math.max(...samples.map(({ backlog }) => backlog))
  const mostRate = Math.max(...rates)
  const end = { x: x(samples.at(-1)!.atMs) }
  const area = (top: number, of: readonly Point[], colour: string): string =>
    `<path d="M${left} ${top + plotHeight}L${pathOf(of)}L${round(end.x)} ${top + plotHeight}Z" fill="${colour}" fill-opacity="0.18"/>` +
    `<path d="M${pathOf(of)}" fill="none" stroke="${colour}" stroke-width="1.5"/>`
  const parts = [
    text(left, 22, `${Math.round(offered / seconds).toLocaleString('en')} jobs a second on ${actors} actors: ` +
      `median wait ${duration(waits.p50Ms)}, p99 ${duration(waits.p99Ms)}`, 'font-size="15" font-weight="600"'),
    text(left, 42, 'Simulated, not measured. The bands show which tiers are open; dashed: where the next one opens.'),
    ...frame(tops[0], 'active actors', actors, seconds),
    ...bands(tops[0], simulation, x),
    ...thresholds(tops[0], simulation, actors),
    `<path d="M${pathOf(points(tops[0], actors, ({ active }) => active))}" fill="none" stroke="${ink}" stroke-width="1.5"/>`,
    ...frame(tops[1], 'waiting jobs', Math.max(1, mostWaiting), seconds),
    area(tops[1], points(tops[1], Math.max(1, mostWaiting), ({ backlog }) => backlog), '#cc4b37'),
    ...frame(tops[2], 'jobs done a second', mostRate, seconds),
    area(tops[2], points(tops[2], Math.max(1, mostRate), (_, index) => rates[index]!), '#2f7ed8')
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="${ink}">\n` +
    `<title>Tiers of a simulated pool over ${seconds} s</title>\n${parts.join('\n')}\n</svg>\n`
}

/** Title, axis and scale of one plot. */
function frame (top: number, title: string, most: number, seconds: number): string[] {
  const bottom = top + plotHeight
  return [
    text(left, top - 8, title, 'font-weight="600"'),
    `<path d="M${left} ${bottom}H${width - right}M${left} ${top}V${bottom}" stroke="${ink}" stroke-opacity="0.5"/>`,
    text(left - 6, top + 9, Math.round(most).toLocaleString('en'), 'text-anchor="end"'),
    text(left - 6, bottom, '0', 'text-anchor="end"'),
    text(left, bottom + 15, '0 s'),
    text(width - right, bottom + 15, `${seconds} s`, 'text-anchor="end"')
  ]
}

/** For each tier a stripe over the time for which it was open, one above the other, as high as it has actors. */
function bands (top: number, { samples, tiers, seconds }: Simulation, x: (atMs: number) => number): string[] {
  const all = tiers.reduce((sum, { actors }) => sum + actors, 0)
  let below = 0
  return tiers.flatMap(({ tier, actors }) => {
    const y = top + plotHeight * (1 - (below + actors) / all)
    const high = plotHeight * actors / all
    below += actors
    const colour = colours[tier as 1 | 2 | 3]
    const stripes: string[] = []
    let from: number | undefined
    let lastMs = 0
    for (const { atMs, openTier } of [...samples, { atMs: seconds * 1000, openTier: 0 }]) {
      if (openTier >= tier) from ??= lastMs
      else if (from !== undefined) {
        stripes.push(`<rect x="${round(x(from))}" y="${round(y)}" width="${round(x(lastMs) - x(from))}" height="${round(high)}" fill="${colour}" fill-opacity="0.28"/>`)
        from = undefined
      }
      lastMs = atMs
    }
    return [
      `<rect x="${left}" y="${round(y)}" width="${width - left - right}" height="${round(high)}" fill="${colour}" fill-opacity="0.07"/>`,
      ...stripes,
      text(width - right + 8, y + high / 2 + 4, `tier ${tier} · ${actors}`, `fill="${colour}" font-weight="600"`)
    ]
  })
}

function thresholds (top: number, { tiers }: Simulation, actors: number): string[] {
  return tiers.filter(({ threshold }) => threshold > 0).map(({ tier, threshold }) => {
    const y = round(top + plotHeight * (1 - threshold / actors))
    return `<path d="M${left} ${y}H${width - right}" stroke="${colours[tier as 1 | 2 | 3]}" stroke-dasharray="5 4"/>`
  })
}

function pathOf (points: readonly Point[]): string {
  return points.map(({ x, y }) => `${round(x)} ${round(y)}`).join('L')
}

function duration (ms: number): string {
  return ms < 1 ? `${Math.round(ms * 1000)} µs` : ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

function round (value: number): number {
  return Math.round(value * 10) / 10
}

function text (x: number, y: number, content: string, more = ''): string {
  return `<text x="${round(x)}" y="${round(y)}"${more && ` ${more}`}>${content.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</text>`
}
