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
    const columns = section.shown[spec.measure]
    console.log(`\n  ${title}${spec.placement ? `, ${spec.placement}` : ''}`)
    console.log(`    ${''.padEnd(42)}${columns.map(([, name]) => name.padStart(25)).join('')}`)
    for (const [variant, metrics] of Object.entries(results)) {
      if (failed[variant] !== undefined) {
        console.log(`    ${variants[variant].label.padEnd(42)}  no result: ${failed[variant]}`)
        continue
      }
      const cells = columns.map(([metric]) => cell(metrics[metric]).padStart(25))
      console.log(`    ${variants[variant].label.padEnd(42)}${cells.join('')}${metrics.note ? `  (${metrics.note})` : ''}`)
    }
  }
}

function cell (one) {
  if (one === undefined) return '–'
  return `${number(one.median)} ±${Math.round(one.spread * 100)}%`.padStart(1)
}

export function printGoals (goals) {
  console.log('\ngoals')
  for (const { text, at, goal, unit, value, isReached } of goals) {
    const verdict = isReached === null ? 'not measured' : isReached ? 'ok' : 'NOT'
    console.log(`  ${verdict.padEnd(13)}${number(value).padStart(9)} ${unit.padEnd(4)} ` +
      `(${at === 'least' ? '≥' : '≤'} ${goal} ${unit})  ${text}`)
  }
}
