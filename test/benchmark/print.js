// The results as lines of text.
import { variants } from './variants.js'

/** Three digits that mean something, with thousands separated. */
export function number (value) {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en-US', { minimumFractionDigits: Math.min(digits, 4), maximumFractionDigits: Math.min(digits, 4) })
}

export function printSection (section, { title, cases }) {
  console.log(`\n${title}`)
  for (const { title, spec, results, failed } of cases) {
    const columns = section.shown[spec.measure].filter(([metric]) => Object.values(results).some((one) => one[metric]))
    const width = Math.max(14, ...columns.map(([, name]) => name.length + 2))
    console.log(`\n  ${`${title}${spec.placement ? `, ${spec.placement}` : ''}`}`)
    console.log(`    ${''.padEnd(37)}${columns.map(([, name]) => name.padStart(width)).join('')}`)
    for (const [variant, metrics] of Object.entries(results)) {
      const cells = columns.map(([metric]) => cell(metrics[metric]).padStart(width)).join('')
      const failure = failed[variant]
      const notes = [metrics.note, failure && `${failure.times === 0 ? 'no result' : `failed ${failure.times}x`}: ` +
        failure.reason].filter(Boolean)
      console.log(`    ${variants[variant].label.padEnd(37)}${failure?.times === 0 ? '' : cells}` +
        (notes.length === 0 ? '' : `  (${notes.join('; ')})`))
    }
  }
}

/** A median, and half the range in percent where there were several rounds. */
function cell (one) {
  if (one === undefined) return '–'
  return one.values.length === 1 ? number(one.median) : `${number(one.median)} ±${Math.round(one.spread * 100)}%`
}

export function printGoals (goals) {
  console.log('\ngoals')
  for (const { text, at, goal, unit, value, isReached } of goals) {
    const verdict = !Number.isFinite(value) ? 'not measured' : isReached === null ? '' : isReached ? 'ok' : 'NOT'
    const asked = at === undefined ? '' : `${at === 'least' ? '≥' : '≤'} ${goal} ${unit}`
    console.log(`  ${verdict.padEnd(13)}${number(value).padStart(9)} ${unit.padEnd(3)}${asked.padStart(10)}  ${text}`)
  }
}
