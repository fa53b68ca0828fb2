'use strict'
// The jobs' module as a deploy in place has it: a file of its own that is replaced by the same jobs of a newer version,
// and that is broken for a moment. Threads that are started meanwhile load what is there.
const { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const VERSION = /^const VERSION = (\d+)$/m
const source = readFileSync(join(__dirname, 'jobs.js'), 'utf8')
  .replace("'./kinds.js'", JSON.stringify(join(__dirname, 'kinds.js')))

/** The version in a file of jobs; 0 where it has none to be read. */
exports.versionIn = (file) => {
  try {
    return Number(VERSION.exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0 // it is not there at this moment
  }
}

exports.makeReloads = (random) => {
  const folder = mkdtempSync(join(tmpdir(), 'spillover-chaos-'))
  // read at once: an import opens other files in the background, and Node leaves one open whose thread is killed before
  // it is told of it (docs/limits.md)
  const file = join(folder, 'jobs.cjs')
  let version = 0
  const write = (text) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const reload = () => write(source.replace(VERSION, `const VERSION = ${++version}`))
  const whole = () => readFileSync(file, 'utf8')
  const breaks = {
    'a syntax error': () => write(`${whole()}\nexports.good = ((`),
    'a throw': () => write(`${whole()}\nthrow new Error('broken by the chaos')`),
    'a missing job': () => write(`${whole()}\ndelete exports.good`),
    'a loop': () => write(`${whole()}\nfor (;;);`),
    'an exit': () => write(`${whole()}\nprocess.exit(7)`),
    'half a file': () => writeFileSync(file, whole().slice(0, random.integer(0, source.length - 1))),
    'no file': () => rmSync(file)
  }
  reload()
  return {
    file,
    get version () { return version },
    reload,
    /** Break it; the next `reload` puts it right. */
    break () { breaks[random.pick(Object.keys(breaks))]() },
    end: () => rmSync(folder, { recursive: true, force: true })
  }
}
