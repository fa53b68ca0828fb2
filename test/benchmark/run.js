// One section: its cases in interleaved rounds (A B C … A B C …), each measurement in a process of its own.
import { measure } from './measure.js'
import { ratioOf, summary } from './statistics.js'

/**
 * @returns title and cases: of each the specification, results by variant and metric, and why a variant has none
 */
export async function runSection (section, { node, rounds, isQuick, stepsPerUs, only, missing, onMeasured }) {
  const cases = section.cases({ isQuick, stepsPerUs }).map(({ id, title, variants, byVariant, ...spec }) => ({
    id,
    title,
    spec,
    byVariant: byVariant ?? {},
    samples: Object.fromEntries(variants.filter((one) => !only || only.includes(one)).map((one) => [one, []])),
    failed: {}
  }))
  for (const { samples, failed } of cases) {
    for (const variant of Object.keys(samples)) {
      if (missing[variant] !== undefined) failed[variant] = { times: 0, reason: missing[variant] }
    }
  }
  const count = isQuick ? rounds : Math.min(section.mostRounds ?? Infinity, Math.max(section.leastRounds ?? 0, rounds))
  for (let round = 0; round < count; round++) {
    for (const { id, spec, byVariant, samples, failed } of cases) {
      // a variant that failed twice is not given the time of the next rounds
      const left = Object.keys(samples).filter((variant) => !isGivenUp(failed[variant]))
      const measureOne = async (variant) => {
        const one = { ...spec, ...byVariant[variant], variant }
        const result = await measure(one, { node })
        if (result.failed === undefined) samples[variant].push(result)
        else failed[variant] = { times: (failed[variant]?.times ?? 0) + 1, reason: result.failed }
        onMeasured({ id, variant, round, count, result })
      }
      if (section.isParallel) await Promise.all(left.map(measureOne))
      else for (const variant of left) await measureOne(variant)
    }
  }
  return {
    title: section.title,
    cases: cases.map(({ id, title, spec, samples, failed }) => ({
      id, title, spec, results: Object.fromEntries(Object.entries(samples).map(summarize)), failed
    }))
  }
}

function isGivenUp (failure) {
  return failure !== undefined && failure.times !== 1
}

function summarize ([variant, samples]) {
  const metrics = Object.keys(samples[0] ?? {}).filter((name) => samples.every((one) => Number.isFinite(one[name])))
  const summaries = Object.fromEntries(metrics.map((name) => [name, summary(samples.map((one) => one[name]))]))
  if (samples.some(({ isPinned }) => isPinned === false)) summaries.note = 'not pinned'
  return [variant, summaries]
}

/** The goals of a section, each with its verdict; null where a number is missing or nothing is asked for. */
export function judge (section, name, results) {
  const summaryOf = (section, id, variant, metric) =>
    results[section]?.cases.find((one) => one.id === id)?.results[variant]?.[metric]
  const other = (...where) => summaryOf(...where)?.median ?? NaN
  const of = (...where) => other(name, ...where)
  // of each round its own ratio: what slows the machine for some rounds slows both
  const ratio = (id, variant, against, metric) =>
    ratioOf(summaryOf(name, id, variant, metric), summaryOf(name, id, against, metric))
  return (section.goals?.({ of, other, ratio }) ?? []).map(({ text, at, goal, unit = 'x', value }) => {
    const isJudged = at !== undefined && Number.isFinite(value)
    return { text, at, goal, unit, value, isReached: isJudged ? (at === 'least' ? value >= goal : value <= goal) : null }
  })
}
