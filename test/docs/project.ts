// Makes the blocks of one document into files that can be run: each section in a folder, with what came before it.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Block } from './blocks'

/** A file to be imported; `block` is where it comes from. */
export interface Entry { readonly file: string, readonly block: Block }

/** What a snippet may use without saying where it comes from; the text above it in the document does. */
const given: Readonly<Record<string, string>> = {
  spillover: "import spillover from 'fastify-spillover'",
  Fastify: "import Fastify from 'fastify'",
  createScheduler: "import { createScheduler } from 'fastify-spillover/scheduler'",
  jobs: "const jobs = new URL('./jobs.js', import.meta.url)",
  authenticate: 'const authenticate = async () => {}',
  reportInput: "const reportInput = { type: 'object' }",
  tier: "import { memoryTier, MemoryBroker } from 'fastify-spillover/scheduler'\nconst tier = memoryTier(new MemoryBroker())"
}

/** Jobs for documents that show none. */
const defaultJobs = ['hash', 'thumbnail', 'report', 'setPrices', 'price']

/** The module of jobs that a document shows, with those that it speaks of and does not show. */
const withDefaults = (code: string): string => code + defaultJobs
  .filter((name) => !new RegExp(`export (?:async )?(?:function|const) ${name}\\b`).test(code))
  .map((name) => `export function ${name} (input) { return input ?? null }\n`).join('')

/**
 * Write the JavaScript of a document below `root`. `checks` are added to the snippet of a heading that has an `app` or
 * is a file of that name: they see what it declares.
 */
export function writeProject (root: string, packageRoot: string, blocks: readonly Block[],
  checks: Readonly<Record<string, string>>): Entry[] {
  const entries: Entry[] = []
  const files = new Map([['jobs.js', ''], ['package.json', '{ "type": "module" }']])
  const folders = new Map<string, string>()
  mkdirSync(path.join(root, 'node_modules'), { recursive: true })
  symlinkSync(packageRoot, path.join(root, 'node_modules', 'fastify-spillover'), 'junction')
  // files first: a server may be shown before its jobs
  for (const heading of new Set(blocks.map((block) => block.heading))) {
    const own = blocks.filter((block) => block.heading === heading && block.language === 'js')
    const folder = path.join(root, `section-${folders.size}`)
    folders.set(heading, folder)
    for (const { file, code } of own) if (file !== undefined) files.set(file, code)
    for (const [file, code] of files) write(path.join(folder, file), file === 'jobs.js' ? withDefaults(code) : code)
    for (const [index, block] of own.entries()) {
      if (block.compiledOnly !== undefined) continue
      const isServer = isApp(block.code)
      if (block.file !== undefined && !isServer) {
        entries.push({ file: path.join(folder, block.file), block })
        continue
      }
      if (block.file?.endsWith('.cjs') === true) {
        // it has no top-level await, so it is left to listen until the process ends
        write(path.join(folder, block.file), onFreePort(block.code))
        entries.push({ file: path.join(folder, block.file), block })
        continue
      }
      const isLast = !own.slice(index + 1).some(({ code, file }) => !file?.endsWith('.cjs') && (file === undefined || isApp(code)))
      const file = path.join(folder, block.file ?? `snippet-${block.line}.mjs`)
      write(file, complete(block.code, isLast ? checks[heading] : undefined))
      entries.push({ file, block })
    }
  }
  return entries
}

/** Does it have an `app` of its own, and not only in a function? */
function isApp (code: string): boolean {
  return /^(?:const app\b|await app\.|app\.)/m.test(code)
}

/** The snippet with what it does not declare, a free port instead of 3000, what is to be seen, and its end. */
function complete (code: string, check: string | undefined): string {
  const declares = (name: string): boolean =>
    new RegExp(`\\b(?:const|let|function|class|import)\\b(?:(?! of )[^\\n;=('"])*\\b${name}\\b`).test(code)
  const uses = (name: string): boolean => new RegExp(`(?<![.\\w'"/-])${name}\\b(?!:)`).test(code)
  const before = declares('assert') ? [] : ["import assert from 'node:assert/strict'"]
  for (const [name, text] of Object.entries(given)) if (uses(name) && !declares(name)) before.push(text)
  const hasApp = uses('app')
  if (hasApp && !declares('app')) {
    if (!before.includes(given.Fastify!)) before.push(given.Fastify!)
    before.push('const app = Fastify()')
    if (!/register\(spillover|register\(import/.test(code)) {
      if (!before.includes(given.spillover!) && !declares('spillover')) before.push(given.spillover!)
      before.push("await app.register(spillover, { jobs: new URL('./jobs.js', import.meta.url) })")
    }
  }
  const isPool = uses('pool') && !declares('pool')
  if (isPool) {
    before.push("import { createScheduler as make } from 'fastify-spillover/scheduler'",
      "const pool = make({ jobs: new URL('./jobs.js', import.meta.url) })", 'await pool.ready()')
  }
  const body = onFreePort(code)
  const after = [...(hasApp ? ['await app.ready()'] : []), ...(check === undefined ? [] : [check]),
    ...(hasApp ? ['await app.close()'] : []), ...(isPool ? ['await pool.close()'] : [])]
  return [...before, body, ...after].join('\n')
}

function onFreePort (code: string): string {
  return code.replace(/port: 3000\b/, "port: 0, host: '127.0.0.1'")
}

function write (file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
}
