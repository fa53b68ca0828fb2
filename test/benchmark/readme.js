// Writes the tables of README.md from latest.json, between their markers: `npm run bench:readme`.
import { readFileSync } from 'node:fs'
import { number } from './print.js'
import { rewrite, table } from './rewrite.js'
import { variants } from './variants.js'

const here = new URL('.', import.meta.url)
const latest = JSON.parse(readFileSync(new URL('latest.json', here), 'utf8'))

/** Rows of the first table: section, case, metric, text. */
const borderRows = [
  ['border', '64-1', 'jobsPerSecond', 'jobs/s, 64 in flight, 1 actor'],
  ['border', '512-2', 'jobsPerSecond', 'jobs/s, 512 in flight, 2 actors'],
  ['border', 'one', 'hotUs', 'round trip back to back, µs'],
  ['border', 'one', 'parkedUs', 'round trip after 5 ms of silence, µs'],
  ['border', '64-1', 'hostUs', 'CPU of the host thread, µs/job'],
  ['border', '64-1', 'totalUs', 'CPU of all threads, µs/job'],
  ['one-cpu', 'told', 'jobsPerSecond', 'jobs/s, both threads on one CPU'],
  ['payloads', 'integer', 'jobsPerSecond', 'jobs/s, an integer'],
  ['payloads', 'text', 'jobsPerSecond', 'jobs/s, 1 KB of text'],
  ['payloads', 'rows', 'jobsPerSecond', 'jobs/s, 100 rows of 4 fields'],
  ['payloads', 'bytes-64k', 'jobsPerSecond', 'jobs/s, 64 KB buffer copied'],
  ['payloads', 'bytes-64k-moved', 'jobsPerSecond', 'jobs/s, 64 KB buffer transferred'],
  ['payloads', 'bytes-1m', 'jobsPerSecond', 'jobs/s, 1 MB buffer copied'],
  ['payloads', 'bytes-1m-moved', 'jobsPerSecond', 'jobs/s, 1 MB buffer transferred'],
  ['idle', 'eight', 'percent', 'idle CPU, 8 threads, % of a core']
]
const borderColumns = ['spillover', 'piscina', 'piscina-64', 'tinypool', 'workerpool', 'poolifier', 'knitting']
const httpColumns = [['heavyPerSecond', 'heavy/s'], ['heavyLightP50Ms', 'light p50, ms'],
  ['heavyLightP99Ms', 'light p99, ms'], ['heavyLightP999Ms', 'light p99.9, ms']]

function valueOf (section, id, variant, metric) {
  return latest.sections[section]?.cases.find((one) => one.id === id)?.results[variant]?.[metric]?.median
}

function format (value) {
  return value === undefined ? '–' : number(value)
}

function about () {
  const { date, machine, versions, command, rounds, note } = latest
  const peers = Object.entries(versions).filter(([name]) => name !== 'fastify-spillover')
    .map((one) => one.join(' ')).join(', ')
  return `Measured on ${date.slice(0, 10)} by \`${command}\`: ${machine.cpu}, ${machine.cpus} CPUs` +
    `${machine.isVirtual ? ' of a virtual machine' : ''}, ${machine.system}, Node ${machine.node}; ${peers}. ` +
    `${rounds === 1 ? 'One round.' : `Medians of ${rounds} interleaved rounds.`}${earlier()}${note ? ` **${note}**` : ''}`
}

/** Which sections are of an earlier run. */
function earlier () {
  const runs = {}
  for (const [name, { date, command }] of Object.entries(latest.sections)) {
    if (date !== undefined) (runs[`on ${date.slice(0, 10)} by \`${command}\``] ??= []).push(name)
  }
  return Object.entries(runs).map(([run, names]) => ` The sections ${names.join(', ')}: ${run}.`).join('')
}

function border () {
  const isMeasured = (variant) =>
    borderRows.some(([section, id, metric]) => valueOf(section, id, variant, metric) !== undefined)
  const columns = borderColumns.filter(isMeasured)
  const rows = borderRows.filter(([section, id, metric]) => valueOf(section, id, 'spillover', metric) !== undefined)
  return table(['', ...columns.map((one) => variants[one].label)],
    rows.map(([section, id, metric, text]) =>
      [text, ...columns.map((one) => format(valueOf(section, id, one, metric)))]))
}

function http () {
  const rows = latest.sections.http?.cases[0].results ?? {}
  return table(['', ...httpColumns.map(([, text]) => text)], Object.keys(rows).map((variant) =>
    [variants[variant].label, ...httpColumns.map(([metric]) => format(valueOf('http', 'heavy', variant, metric)))]))
}

/** The sweep of job lengths: requests a second, and the neighbours' p99. */
function lengths () {
  const [sweep] = latest.sections.length?.cases ?? []
  if (sweep === undefined) return ''
  const ids = Object.keys(sweep.results)
  const head = ['work a request', ...ids.flatMap((one) => [`${variants[one].label}, requests/s`, 'light p99, ms'])]
  const cells = (name, variant) => [`${name}PerSecond`, `${name}LightP99Ms`]
    .map((metric) => format(valueOf('length', 'sweep', variant, metric)))
  return table(head, sweep.spec.lengths.map(({ name }) =>
    [`${name.slice(2)} µs`, ...ids.flatMap((variant) => cells(name, variant))]))
}

function goals () {
  const rows = Object.values(latest.sections).flatMap((one) => one.goals)
  return table(['measure', 'measured', 'goal', ''], rows.map(({ text, at, goal, unit, value, isReached }) => [
    text,
    value === null ? 'not measured' : `${number(value)} ${unit}`,
    at === undefined ? '' : `${at === 'least' ? '≥' : '≤'} ${goal} ${unit}`,
    isReached === null ? '' : isReached ? 'ok' : 'not reached'
  ]))
}

const sweep = lengths()
rewrite('../../README.md', 'bench', [
  about(),
  '![The main results as bars](test/benchmark/latest.svg)',
  border(),
  'On 2 CPUs, a route with 7 ms of work kept busy by 64 connections, and a light route beside it:',
  http(),
  ...sweep && ['A route with less work, kept busy by 16 connections, and its light neighbour:', sweep]
].join('\n\n'))
rewrite('README.md', 'goals', `${about()}\n\n${goals()}`)
