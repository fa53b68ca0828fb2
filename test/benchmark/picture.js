// The picture: bars of the main results as SVG, readable on light and dark pages.
import { number } from './print.js'
import { variants } from './variants.js'

const width = 760
const labelWidth = 210
const barWidth = 400
const rowHeight = 20
const ours = '#0a7d5a'
const theirs = '#8896a5'

/** section, case, metric, heading, and which way is better */
const panels = [
  ['border', '64-1', 'jobsPerSecond', 'Jobs a second, 64 in flight, 1 actor (more is better)'],
  ['border', '512-2', 'jobsPerSecond', 'Jobs a second, 512 in flight, 2 actors (more is better)'],
  ['border', 'one', 'hotUs', 'Round trip back to back, µs (less is better)'],
  ['border', '64-1', 'hostUs', 'CPU of the host thread a job, µs (less is better)'],
  ['http', 'heavy', 'heavyPerSecond', 'HTTP: heavy requests a second on 2 CPUs (more is better)'],
  ['http', 'heavy', 'heavyLightP99Ms', 'HTTP: p99 of the light route meanwhile, ms (less is better)']
]

/** @returns the SVG as text; panels without results are left out */
export function draw ({ date, machine, sections }) {
  const parts = []
  let top = 28
  for (const [section, id, metric, heading] of panels) {
    const results = sections[section]?.cases.find((one) => one.id === id)?.results ?? {}
    const rows = Object.entries(results).filter(([, metrics]) => metrics[metric] !== undefined)
    if (rows.length === 0) continue
    const most = Math.max(...rows.map(([, metrics]) => metrics[metric].high))
    parts.push(text(0, top, heading, 'font-weight="bold"'))
    for (const [variant, metrics] of rows) {
      top += rowHeight
      parts.push(...bar(top, variants[variant].label, metrics[metric], barWidth / most, variant.startsWith('spillover')))
    }
    top += 2 * rowHeight
  }
  const foot = `${machine.cpu}, ${machine.cpus} CPUs, ${machine.system}, Node ${machine.node}, ${date.slice(0, 10)}; ` +
    'medians, lines show the range'
  parts.push(text(0, top, foot, 'opacity="0.7"'))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top + 12}" width="${width}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="#5b6773">\n${parts.join('\n')}\n</svg>\n`
}

/** A bar to the median, a line over the range, and the number. */
function bar (top, label, { median, low, high }, scale, isOurs) {
  const middle = top - 4
  const end = labelWidth + Math.max(high, median) * scale
  return [
    text(0, top, label),
    `<rect x="${labelWidth}" y="${top - 12}" width="${round(Math.max(1, median * scale))}" height="14" rx="2" ` +
      `fill="${isOurs ? ours : theirs}"/>`,
    `<path d="M${round(labelWidth + low * scale)} ${middle}H${round(labelWidth + high * scale)}" stroke="#333" opacity="0.6"/>`,
    text(round(end) + 8, top, number(median))
  ]
}

function text (x, y, content, more = '') {
  return `<text x="${x}" y="${y}"${more && ` ${more}`}>${content.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</text>`
}

function round (value) {
  return Math.round(value * 10) / 10
}
