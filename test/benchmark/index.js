// The command line of the benchmark: which sections, how long, with which Node; prints, and writes JSON and a picture.
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { describeMachine, readVersions } from './machine.js'
import { printGoals, printSection } from './print.js'
import { judge, runSection } from './run.js'
import { installNode24, setUp } from './setup.js'
import { variants } from './variants.js'

const sectionNames = ['border']
const here = fileURLToPath(new URL('.', import.meta.url))

const usage = `npm run bench -- [options]

  --quick             about a minute: one short round; the numbers are rough
  --only a,b          only these sections: ${sectionNames.join(', ')}
  --variants a,b      only these: ${Object.keys(variants).join(', ')}
  --rounds N          rounds of each measurement; 5, or 1 with --quick
  --node PATH         run the measurements with this Node
  --node24            install Node 24 in test/benchmark (Linux x64) and use it
  --out DIR           where results.json and results.svg are written; test/benchmark/results
  --save              also write them as test/benchmark/latest.json and latest.svg
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
      save: { type: 'boolean', default: false },
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

  const startMs = performance.now()
  const sections = {}
  const goals = []
  for (const name of wanted) {
    const section = await import(`./sections/${name}.js`)
    const onMeasured = ({ id, variant, round, result }) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${name} ${id} ${variant}, round ${round + 1} of ${rounds}`)
      if (result.failed !== undefined) console.error(`\n${name} ${id} ${variant} failed: ${result.failed}`)
    }
    const options = { node, rounds, isQuick: given.quick, only, missing, onMeasured }
    sections[name] = await runSection(section, options)
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    printSection(section, sections[name])
    sections[name].goals = judge(section, sections[name])
    goals.push(...sections[name].goals)
  }
  printGoals(goals)

  const command = ['npm run bench', ...process.argv.slice(2).length ? ['--'] : [],
    ...process.argv.slice(2).filter((one, index, all) => one !== '--node' && all[index - 1] !== '--node')].join(' ')
  const seconds = Math.round((performance.now() - startMs) / 1000)
  const date = new Date().toISOString()
  const whole = { date, command, rounds, isQuick: given.quick, seconds, machine, versions, sections }
  mkdirSync(given.out, { recursive: true })
  const text = `${JSON.stringify(whole, null, 2)}\n`
  writeFileSync(`${given.out}/results.json`, text)
  if (given.save) writeFileSync(`${here}latest.json`, text)
  console.log(`\n${seconds} s; written to ${given.out}/results.json`)
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
