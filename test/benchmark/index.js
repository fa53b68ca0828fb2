// The command line of the benchmark: which sections, how long, with which Node; prints, and writes JSON and a picture.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { calibrate } from './calibrate.js'
import { describeMachine, readVersions } from './machine.js'
import { draw } from './picture.js'
import { measure } from './measure.js'
import { printGoals, printSection } from './print.js'
import { judge, runSection } from './run.js'
import { installNode24, setUp } from './setup.js'
import { variants } from './variants.js'

const sectionNames = ['border', 'one-cpu', 'payloads', 'mixed', 'busy', 'hot', 'http', 'length', 'idle', 'cold', 'plain', 'limits']
const here = fileURLToPath(new URL('.', import.meta.url))

const usage = `npm run bench -- [options]

  --quick             about a minute: one short round; the numbers are rough
  --only a,b          only these sections: ${sectionNames.join(', ')}
  --variants a,b      only these: ${Object.keys(variants).join(', ')}
  --rounds N          rounds of each measurement; 5, or 1 with --quick
  --node PATH         run the measurements with this Node
  --node24            install Node 24 in test/benchmark (Linux x64) and use it
  --out DIR           where results.json and results.svg are written; test/benchmark/results
  --verify            measure nothing: check that each pool gives the right results
  --save              also write them as test/benchmark/latest.json and latest.svg; with --only the sections that are
                      there from earlier runs stay, and are said to be of those
  --note TEXT         kept with the results and shown in the README
  --help              this text`

async function main () {
  const { values: given } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: sectionNames.join(',') },
      variants: { type: 'string' },
      rounds: { type: 'string' },
      node: { type: 'string', default: process.execPath },
      node24: { type: 'boolean', default: false },
      out: { type: 'string', default: `${here}results` },
      verify: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      note: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (given.help) return console.log(usage)
  const wanted = namesIn('--only', given.only, sectionNames)
  const only = given.variants && namesIn('--variants', given.variants, Object.keys(variants))
  const rounds = Number(given.rounds ?? (given.quick ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds: expected a whole number from 1, got ${given.rounds}`)

  const node = given.node24 ? installNode24() : given.node
  const machine = describeMachine({ node })
  const wantsKnitting = Number(/\d+/.exec(machine.node)) >= 22
  const missing = setUp({ wantsKnitting })
  if (!wantsKnitting) missing.knitting = `needs Node 22 or later, this is ${machine.node}: try --node24`
  const versions = readVersions()
  console.log(`${machine.cpu}, ${machine.cpus} CPUs${machine.isVirtual ? ' (virtual)' : ''}, ${machine.memoryGb} GB, ` +
    `${machine.system}, Node ${machine.node}, load ${machine.load.toFixed(2)}`)
  console.log(Object.entries(versions).map((one) => one.join(' ')).join(', '))

  if (given.verify) return verify({ node, only, missing })
  const startMs = performance.now()
  const stepsPerUs = calibrate()
  const sections = {}
  const goals = []
  for (const name of wanted) {
    const section = await import(`./sections/${name}.js`)
    const onMeasured = ({ id, variant, round, count, result }) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name} ${id} ${variant}, round ${round + 1} of ${count}`)
      if (result.failed !== undefined) console.error(`\n${name} ${id} ${variant} failed: ${result.failed}`)
    }
    const options = { node, rounds, isQuick: given.quick, stepsPerUs, only, missing, onMeasured }
    sections[name] = await runSection(section, options)
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    printSection(section, sections[name])
    sections[name].goals = judge(section, name, sections)
    goals.push(...sections[name].goals)
  }
  printGoals(goals)

  const command = commandOf(process.argv.slice(2))
  const seconds = Math.round((performance.now() - startMs) / 1000)
  const date = new Date().toISOString()
  const { quick: isQuick, note } = given
  const whole = { date, command, note, rounds, isQuick, seconds, machine, versions, sections }
  mkdirSync(given.out, { recursive: true })
  write(given.out, 'results', whole)
  if (given.save) write(here, 'latest', withEarlier(whole))
  console.log(`\n${seconds} s; written to ${given.out}/results.json and results.svg`)
}

/** The sections that this run left out stay as they are in latest.json, with the date and command of their run. */
function withEarlier (whole) {
  const path = `${here}latest.json`
  const earlier = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { sections: {} }
  const { date, command } = earlier
  const names = sectionNames.filter((name) => name in whole.sections || name in earlier.sections)
  const sections = names.map((name) => [name, whole.sections[name] ?? { date, command, ...earlier.sections[name] }])
  return { ...whole, sections: Object.fromEntries(sections) }
}

/** One pool after the other, a line each; the exit status is 1 if one is wrong. */
async function verify ({ node, only, missing }) {
  for (const [variant, { label, isPool = true }] of Object.entries(variants)) {
    if (!isPool || (only && !only.includes(variant))) continue
    const failed = missing[variant]
    const result = failed === undefined ? await measure({ measure: 'verify', variant }, { node }) : { failed }
    const isRight = result.failed === undefined && result.wrong.length === 0
    console.log(`${isRight ? `ok, ${result.right} right` : failed === undefined ? 'WRONG' : 'missing'}: ${label}` +
      (isRight ? '' : `: ${result.failed ?? result.wrong.join(', ')}`))
    if (!isRight && failed === undefined) process.exitCode = 1
  }
}

/** The command as it may be shown: without paths of this machine and texts. */
function commandOf (args) {
  const hidden = ['--node', '--out', '--note', '--save']
  const shown = args.filter((one, index) => !hidden.includes(one) && !hidden.slice(0, 3).includes(args[index - 1]))
  return ['npm run bench', ...shown.length > 0 ? ['--', ...shown] : []].join(' ')
}

function write (folder, name, whole) {
  // five digits are more than the spread of any of them
  const text = JSON.stringify(whole, (_key, value) => typeof value === 'number' ? Number(value.toPrecision(5)) : value, 1)
  writeFileSync(`${folder}/${name}.json`, `${text}\n`)
  writeFileSync(`${folder}/${name}.svg`, draw(whole))
}

function namesIn (option, text, known) {
  const names = text.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`${option}: expected some of ${known.join(', ')}, got ${unknown}`)
  return names
}

main().catch((error) => {
  console.error(error instanceof TypeError ? error.message : error)
  process.exit(1)
})
