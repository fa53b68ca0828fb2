'use strict'
// Breaks the policy files mechanically: each condition negated, each comparison flipped, each sum turned round, each
// statement left out, one at a time, and runs seeds until one is red. `npm run simulate:mutants -- [--file placing]
// [--seeds 2000] [--from-line N] [--to-line N] [--every N --at M]` prints those that nothing was seen of; the last two
// take one of N mutants, for a sample.
const { fork } = require('node:child_process')
const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { availableParallelism } = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { equivalents, unseen } = require('./equivalents.js')

const root = path.join(__dirname, '..', '..')
/** What decides; the files that only carry or count what was decided are left out. */
const files = ['gate', 'queue', 'keys', 'idle', 'estimate', 'restarts', 'quarantine', 'recycling', 'recycler', 'watchdog',
  'deadlines', 'broadcasts', 'refit', 'placing', 'settling', 'slots', 'scheduler']
const swapped = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
  '+=': '-=',
  '-=': '+=',
  '++': '--',
  '--': '++',
  '*': '/',
  '/': '*',
  min: 'max',
  max: 'min',
  true: 'false',
  false: 'true'
}
/** 20 seeds take 20 ms; a mutant that says nothing for so long turns round in one place, ms. */
const SILENT_MS = 20_000

/** All mutants of a source file: what stands where, and what is put there. */
function mutantsOf (ts, name) {
  const text = readFileSync(path.join(root, 'lib', `${name}.ts`), 'utf8')
  const source = ts.createSourceFile(`${name}.ts`, text, ts.ScriptTarget.ES2022, true)
  const found = new Map()
  const add = (node, by) => {
    const [from, to] = [node.getStart(source), node.getEnd()]
    const line = source.getLineAndCharacterOfPosition(from).line
    const what = `${text.slice(from, to).replace(/\s+/g, ' ')} => ${by || 'nothing'}`
    const changed = text.slice(0, from) + by + text.slice(to)
    if (!found.has(changed)) found.set(changed, { name, line: line + 1, code: text.split('\n')[line].trim(), what, changed })
  }
  const negate = (node) => add(node, `!(${node.getText(source)})`)
  const visit = (node) => {
    const { kind } = node
    const member = node.name?.getText?.(source)
    if (member !== undefined && unseen.some((each) => each.file === name && each.member === member)) return
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isImportDeclaration(node)) return
    const [first] = node.getText(source).split('\n')
    if (ts.isStatement(node) && unseen.some(({ statement }) => statement?.test(first))) return
    if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)) negate(node.expression)
    if (ts.isConditionalExpression(node)) negate(node.condition)
    if (ts.isForStatement(node) && node.condition) negate(node.condition)
    if (ts.isBinaryExpression(node)) {
      const operator = node.operatorToken.getText(source)
      if (operator === '&&' || operator === '||') {
        add(node, node.left.getText(source))
        add(node, node.right.getText(source))
      } else if (operator in swapped) add(node.operatorToken, swapped[operator])
    }
    if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      const operator = ts.tokenToString(node.operator)
      const operand = node.operand.getText(source)
      if (operator === '!') add(node, operand)
      else if (operator in swapped && operator.length === 2) {
        add(node, ts.isPrefixUnaryExpression(node) ? swapped[operator] + operand : operand + swapped[operator])
      }
    }
    if (kind === ts.SyntaxKind.TrueKeyword || kind === ts.SyntaxKind.FalseKeyword) add(node, swapped[first])
    if (ts.isNumericLiteral(node)) add(node, `(${node.text} + 1)`)
    if (ts.isPropertyAccessExpression(node) && node.expression.getText(source) === 'Math' && node.name.text in swapped) {
      add(node.name, swapped[node.name.text])
    }
    if (ts.isExpressionStatement(node) || ts.isBreakStatement(node) || ts.isContinueStatement(node) ||
      ts.isThrowStatement(node) || (ts.isReturnStatement(node) && ts.isIfStatement(node.parent))) {
      if (ts.isExpressionStatement(node) && /^super\(/.test(node.getText(source))) return
      add(node, ';')
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return [...found.values()]
}

/** A child: takes one broken file instead of the built one, and runs seeds until one is red. */
function runChild () {
  process.once('message', async ({ name, code, seeds, from }) => {
    const broken = path.join(root, 'dist', 'lib', `${name}.js`)
    const { '.js': load } = Module._extensions
    Module._extensions['.js'] = (module, filename) =>
      filename === broken ? module._compile(code, filename) : load(module, filename)
    Error.stackTraceLimit = 0
    let result = { seed: 0 }
    try {
      const { runSeed } = require('./world.js')
      for (let seed = from; seed < from + seeds && result.seed === 0; seed++) {
        await runSeed(seed).catch((error) => { result = { seed, text: error.message } })
        if (seed % 20 === 0) process.send('goes on')
      }
    } catch (error) {
      result = { seed: -1, text: `${error}` }
    }
    process.send(result, () => process.exit())
  })
}

function run (name, code, seeds, from) {
  return new Promise((resolve) => {
    const child = fork(__filename, ['--child'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), SILENT_MS)
    let result = { seed: -1, text: 'does not end' }
    child.on('message', (message) => {
      if (message === 'goes on') timer.refresh()
      else result = message
    })
    child.once('exit', () => {
      clearTimeout(timer)
      resolve(result)
    })
    child.send({ name, code, seeds, from })
  })
}

async function main () {
  const { values } = parseArgs({
    options: {
      file: { type: 'string', multiple: true, default: files },
      seeds: { type: 'string', default: '2000' },
      from: { type: 'string', default: '1' },
      'from-line': { type: 'string', default: '0' },
      'to-line': { type: 'string', default: 'Infinity' },
      every: { type: 'string', default: '1' },
      at: { type: 'string', default: '0' },
      verbose: { type: 'boolean', default: false },
      child: { type: 'boolean', default: false }
    }
  })
  if (values.child) return runChild()
  const ts = require('typescript')
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  const left = values.file.flatMap((name) => mutantsOf(ts, name))
    .filter(({ line }) => line >= Number(values['from-line']) && line <= Number(values['to-line']))
    .filter((_, index) => index % Number(values.every) === Number(values.at) % Number(values.every))
  const total = left.length
  const survivors = []
  let equivalent = 0
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const { name, line, code, what, changed } = mutant
      const isKnown = equivalents.some((each) =>
        each.file === name && code.includes(each.code) && what.includes(each.what))
      if (isKnown) {
        equivalent++
        continue
      }
      const { outputText } = ts.transpileModule(changed, { compilerOptions: options, fileName: `${name}.ts` })
      const { seed, text } = await run(name, outputText, Number(values.seeds), Number(values.from))
      if (values.verbose) console.log(`${name}.ts:${line}: ${what}: ${seed} ${text ?? 'GREEN'}`)
      if (seed !== 0) continue
      survivors.push(mutant)
      if (!values.verbose) console.log(`GREEN ${name}.ts:${line}: ${code}\n      ${what}`)
    }
  }))
  console.log(`${total} mutants: ${total - equivalent - survivors.length} found out, ${survivors.length} not, ` +
    `${equivalent} known to change nothing that is promised`)
}

main()
