// One section: its cases in interleaved rounds (A B C … A B C …), each measurement in a process of its own.
import { measure } from './measure.js'
import { summary } from './statistics.js'

/**
 * @returns title and cases: of each the specification, results by variant and metric, and why a variant has none
 */
export async function runSection (section, { node, rounds, isQuick, only, missing, onMeasured }) {
  const cases = section.cases({ isQuick }).map(({ id, title, variants, ...spec }) => ({
    id,
    title,
    spec,
    samples: Object.fromEntries(variants.filter((one) => !only || only.includes(one)).map((one) => [one, []])),
    failed: {}
  }))
  for (const one of cases) {
    for (const variant of Object.keys(one.samples)) {
      if (missing[variant] !== undefined) one.failed[variant] = missing[variant]
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { id, spec, samples, failed } of cases) {
      for (const variant of Object.keys(samples)) {
        // a variant that failed is not given the time of the next rounds
        if (failed[variant] !== undefined) continue
        const result = await measure({ ...spec, variant }, { node })
        if (result.failed !== undefined) failed[variant] = result.failed
        else samples[variant].push(result)
        onMeasured({ id, variant, round, result })
      }
    }
  }
  return {
    title: section.title,
    cases: cases.map(({ id, title, spec, samples, failed }) => ({
      id, title, spec, results: Object.fromEntries(Object.entries(samples).map(summarize)), failed
    }))
  }
}

function summarize ([variant, samples]) {
  const metrics = Object.keys(samples[0] ?? {}).filter((name) => samples.every((one) => Number.isFinite(one[name])))
  const summaries = Object.fromEntries(metrics.map((name) => [name, summary(samples.map((one) => one[name]))]))
  if (samples.some(({ isPinned }) => isPinned === false)) summaries.note = 'not pinned'
  return [variant, summaries]
}

/** The goals of a section, each with its verdict; undefined where a number is missing. */
export function judge (section, result) {
  const of = (id, variant, metric) =>
    result.cases.find((one) => one.id === id)?.results[variant]?.[metric]?.median ?? NaN
  return (section.goals?.(of) ?? []).map(({ text, at, goal, unit = 'x', value }) => ({
    text, at, goal, unit, value, isReached: Number.isFinite(value) ? (at === 'least' ? value >= goal : value <= goal) : null
  }))
}
