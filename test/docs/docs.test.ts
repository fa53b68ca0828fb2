// Every code block of the README and of docs/: JavaScript runs, TypeScript compiles, commands and data are right.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { optionTable } from '#lib/index'
import { blocksOf } from './blocks'
import { checks } from './checks'
import { writeProject } from './project'
import type { Block } from './blocks'

const root = path.resolve(__dirname, '../..')
const documents = ['README.md', ...readdirSync(path.join(root, 'docs'))
  .filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const { devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const cli = path.join(root, 'dist/lib/cli.js')
// inside the repository, so that the packages of its devDependencies are found
const work = path.join(root, 'build')
mkdirSync(work, { recursive: true })
const folder = mkdtempSync(path.join(work, 'docs-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8)/.test(name)))

const run = (file: string, args: string[], cwd: string, input = ''): Promise<{ status: number, out: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [file, ...args], { cwd, env, maxBuffer: 2 ** 26 }, (error, out, err) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), out: out + err }))
    child.stdin!.end(input)
  })

/** The help of a command of ours, asked for once. */
const helps = new Map<string, Promise<{ out: string }>>()
const helpOf = (command: string): Promise<{ out: string }> => {
  if (!helps.has(command)) helps.set(command, run(cli, [command, '--help'], root))
  return helps.get(command)!
}

/** What a command of an `sh` block must be: undefined where it is right, else what is wrong. */
async function wrongWith (command: string): Promise<string | undefined> {
  const words = command.replace(/^(?:[A-Z_]+=(?:'[^']*'|\S+) )+/, '').replace(/\s+#.*$/, '').trim().split(/\s+/)
  const [program, ...args] = words
  if (program === 'npm' && args[0] === 'install') {
    return args.slice(1).filter((name) => !name.startsWith('-') && name !== 'fastify-spillover' && name !== 'fastify')
      .find((name) => !(name in devDependencies)) && `${command}: not among our devDependencies, so nothing tests it`
  }
  if (/^npm (?:init -y|pkg set type=module)$/.test(words.join(' '))) return undefined
  if (program === 'curl' || (program === 'node' && /^server\.c?js$/.test(args[0]!))) return undefined // what is checked below
  if (program === 'npm' && ['start', 'test', 'uninstall'].includes(args[0]!)) return undefined
  if (program === 'npm' && args[0] === 'run') return args[1]! in scripts ? undefined : `no script ${args[1]}`
  if (program === 'npx' && args[0] === 'fastify-spillover') {
    // it must know the command and each option; values are not needed for that
    const options = args.filter((word) => word.startsWith('--'))
    const { out } = await helpOf(args[1]!)
    const missing = options.find((option) => !out.includes(option.split('=')[0]!))
    return missing === undefined ? undefined : `fastify-spillover ${args[1]} has no ${missing}`
  }
  if (program === 'node') return existsSync(path.join(root, args[0]!)) ? undefined : `no file ${args[0]}`
  if (program === 'npx' && args[0] === 'fastify') return args[1] === 'start' ? undefined : 'only start is tested'
  return `${program}: a program that this test does not know`
}

for (const document of documents) {
  const blocks = blocksOf(readFileSync(path.join(root, document), 'utf8'))
  const at = ({ line, heading }: Block): string => `${document}:${line} (${heading})`
  const of = (...languages: string[]): Block[] => blocks.filter(({ language }) => languages.includes(language))
  const home = path.join(folder, document.replace(/\W/g, '-'))

  t.test(`${document}: ${of('js').length} blocks of JavaScript run`, async (t) => {
    const entries = writeProject(home, root, blocks, checks[document] ?? {})
    t.same(Object.keys(checks[document] ?? {}).filter((heading) => !of('js').some((block) => block.heading === heading)), [], 'no check without its section')
    const { out } = await run(path.join(__dirname, 'run.mjs'), [], home, JSON.stringify(entries.map(({ file }) => file)))
    t.match(out, /^done$/m, 'all were tried')
    const failures = [...out.matchAll(/^failed: (.*)$/gm)].map(([, text]) => JSON.parse(text!) as { file: string, reason: string })
    for (const { file, block } of entries) {
      t.equal(failures.find((failure) => failure.file === file)?.reason, undefined, at(block))
    }
    for (const block of of('js').filter(({ compiledOnly }) => compiledOnly !== undefined)) {
      const file = path.join(home, `compiled-${block.line}.${/\brequire\(/.test(block.code) ? 'cjs' : 'mjs'}`)
      writeFileSync(file, block.code)
      t.equal((await run('--check', [file], home)).status, 0, `${at(block)}: ${block.compiledOnly}`)
    }
  })

  t.test(`${document}: ${of('ts').length} blocks of TypeScript compile`, async (t) => {
    const sections = new Map<string, Block[]>()
    for (const block of of('ts')) sections.set(block.heading, [...sections.get(block.heading) ?? [], block])
    for (const own of sections.values()) {
      const section = path.join(home, `ts-${own[0]!.line}`)
      mkdirSync(path.join(section, 'node_modules'), { recursive: true })
      symlinkSync(root, path.join(section, 'node_modules', 'fastify-spillover'), 'junction')
      writeFileSync(path.join(section, 'package.json'), '{ "type": "module" }')
      const jobs = blocks.find(({ file, heading }) => file === 'jobs.js' && heading === own[0]!.heading)?.code ??
        'export function hash (input) { return input }\n'
      if (!own.some(({ file }) => file === 'jobs.ts')) writeFileSync(path.join(section, 'jobs.js'), jobs)
      const names = own.map(({ file, line, code }) => {
        const name = file ?? `snippet-${line}.ts`
        writeFileSync(path.join(section, name), code)
        return name
      })
      const { status, out } = await run(path.join(root, 'node_modules/typescript/bin/tsc'), ['--noEmit', '--strict', '--allowJs',
        '--noImplicitAny', 'false', '--module', 'nodenext', '--target', 'es2023', '--typeRoots', path.join(root, 'node_modules/@types'),
        '--types', 'node', '--skipLibCheck', '--ignoreConfig', '--pretty', 'false', ...names], section)
      t.equal(out, '', own.map(at).join(', '))
      t.equal(status, 0)
    }
  })

  t.test(`${document}: ${blocks.length - of('js', 'ts').length} blocks of commands, data and output are right`, async (t) => {
    for (const block of blocks) {
      const { language, code } = block
      if (language === 'sh') {
        for (const command of code.replaceAll('\\\n', ' ').split('\n').filter((line) => line !== '' && !line.startsWith('#'))) {
          t.equal(await wrongWith(command), undefined, `${at(block)}: ${command}`)
        }
      } else if (language === 'json') {
        t.doesNotThrow(() => JSON.parse(code), at(block))
      } else if (language === 'yaml') {
        t.doesNotThrow(() => parse(code), at(block))
      } else if (language === 'dockerfile') {
        const lines = code.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
        t.ok(lines.every((line) => /^(FROM|WORKDIR|COPY|RUN|CMD|ENV|USER|EXPOSE) /.test(line)), at(block))
      } else if (language === '' && code.startsWith('32 usable cpus')) {
        const machine = path.join(folder, 'machine')
        if (!existsSync(machine)) {
          mkdirSync(machine)
          await new Promise((resolve, reject) => execFile('tar', ['xzf', path.join(root, 'test/fixtures/machines/vm-seed-16c32t/root.tar.gz'), '-C', machine],
            (error) => error === null ? resolve(undefined) : reject(error)))
        }
        const { out } = await run(cli, ['topology', '--root', machine], root)
        t.ok(out.replaceAll(/ +$/gm, '').startsWith(code.replaceAll(/ +$/gm, '').trimEnd()), `${at(block)}: is what the command prints`)
      } else if (!['js', 'ts'].includes(language)) {
        t.fail(`${at(block)}: a block of "${language}", which nothing tests`)
      }
    }
  })
}

t.test('docs/options.md lists every option with its default, in the order of the table', async (t) => {
  const text = readFileSync(path.join(root, 'docs/options.md'), 'utf8')
  const section = text.slice(0, text.indexOf('The plugin has'))
  const rows = [...section.matchAll(/^\| `(\w+)` \| (.*?) \| /gm)].map(([, name, otherwise]) => [name, otherwise])
  t.same(Object.fromEntries(rows), {
    jobs: 'required',
    ...Object.fromEntries(Object.entries(optionTable).map(([name, [otherwise]]) =>
      [name, otherwise === undefined ? 'not set' : `\`${inspect(otherwise)}\``]))
  })
})

t.test('every link between the documents leads to a file, and to a heading where it names one', async (t) => {
  const anchor = (heading: string): string => heading.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-')
  for (const document of documents) {
    const text = readFileSync(path.join(root, document), 'utf8')
    for (const [, to] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [file, heading] = to!.split('#') as [string, string | undefined]
      const target = file === '' ? path.join(root, document) : path.join(root, path.dirname(document), file)
      if (!t.ok(existsSync(target), `${document}: ${to}`) || heading === undefined) continue
      const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchor(title!))
      t.ok(headings.includes(heading), `${document}: ${to}`)
    }
  }
})

t.test('a broken block of each kind is found', async (t) => {
  const text = '# One\n```js\n// jobs.js\nexport function hash () {}\n```\n# Two\n```js\nawait app.offload(\'nobody\', 1)\n```\n' +
    '# Three\n```js\napp.get(\'/\', app.offloadHandler(\'nobody\'))\n```\n# Four\n```js\nconst right = 1\nexport { right }\n```\n'
  const home = path.join(folder, 'broken')
  const entries = writeProject(home, root, blocksOf(text), { Three: 'assert.equal(1, 2)' })
  const { out } = await run(path.join(__dirname, 'run.mjs'), [], home, JSON.stringify(entries.map(({ file }) => file)))
  const failed = [...out.matchAll(/^failed: (.*)$/gm)].map(([, line]) => entries.find(({ file }) => file === JSON.parse(line!).file)!.block.heading)
  t.same(failed, ['Two', 'Three'])
  t.match(await wrongWith('npm run nothing'), 'no script nothing')
  t.match(await wrongWith('npx fastify-spillover plan --fast'), 'has no --fast')
  t.match(await wrongWith('node test/nothing.js'), 'no file')
  t.match(await wrongWith('npm install nothing'), 'not among')
  t.match(await wrongWith('kubectl get pods'), 'does not know')
  t.throws(() => blocksOf('```js\nx'), /not closed/)
})
