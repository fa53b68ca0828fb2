// Every option: its default, a wrong value refused by name with what was expected and got, and the modules of jobs.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import t from 'tap'
import { checkOptions, optionTable } from '#lib/options'

const jobs = path.resolve(__dirname, '../../package.json') // any file that is there
const href = pathToFileURL(jobs).href
const check = (others: any): any => checkOptions({ jobs, ...others })
function refusal (options: any): string {
  try {
    checkOptions(options)
  } catch (error: any) {
    if (error.code !== 'FST_ERR_SPILLOVER_OPTION') throw error
    if (!(error instanceof TypeError)) throw error
    return error.message
  }
  return 'not refused'
}

const wrong = {
  runtime: ['fibers', true, null],
  strategy: ['fast', 1, '__proto__'],
  tiers: [[], [1], {}, [{}, {}, {}, {}], [null]],
  thresholds: [[], [-1], [0.5], 3, [0, 1, 2, 3], ['0']],
  reserve: [-1, 'all', 0.5, NaN, true],
  home: [-1, '0', 1.5, Infinity],
  maxActors: [0, -1, '4', 2 ** 31],
  metric: ['load', 1],
  pin: ['yes', 1, 0],
  claim: ['auto', 1, null],
  closeDelayMs: [-1, 0, '100', NaN, Infinity, 1.5],
  retireMs: [-1, '1s', 2 ** 31],
  nice: [-1, 20, [], [0, 20], '10', [1, 2, 3, 4]],
  maxQueued: [-1, Infinity, '1'],
  maxQueueWaitMs: [-1, 2 ** 31],
  maxPayloadBytes: [-1, '1mb'],
  keepFreedMemory: ['yes', 1],
  ageMs: [-1, 0.5],
  timeoutMs: [-1, 2 ** 31, '30s'],
  queueTimeoutMs: [-1, NaN],
  graceMs: [-1, []],
  drainMs: [-1, {}],
  bootTimeoutMs: [0, -1],
  maxRestarts: [-1, 1.5],
  withinMs: [0, '1'],
  backoffMs: [-1, 1n],
  terminateMs: [0, -1, 1.5, '1'],
  quarantineDeaths: [-1, 0.5, '3'],
  quarantineMs: [0, null],
  recycle: [1, 'daily', []],
  asyncPerActor: [0, 257, 1.5],
  blockWhenIdle: ['never', 1],
  spin: ['always', 0],
  watch: [1, 'true', 'auto', null],
  callerStack: ['always', 1],
  warmup: [[], 'job', 1],
  warmupCalls: [0, 100_001, 1.5],
  resourceLimits: [[], 512],
  env: [{ A: 1 }, [], 'A=1'],
  execArgv: ['--expose-gc', [1], {}],
  name: ['', 'two words', 1],
  tracing: ['yes', 1],
  context: [{}, { capture: 1, restore: jobs }, { capture: () => 1 }, []],
  log: [{}, 'info', true],
  overflow: [{}, () => {}, { take: 1 }],
  remote: [{}, 'redis://127.0.0.1', { tier: {} }, { admit () {} }]
} satisfies Record<keyof typeof optionTable, unknown[]>

t.test('a wrong value of every option is refused, and so is null', async (t) => {
  t.same(Object.keys(wrong), Object.keys(optionTable), 'every option of the table')
  for (const [key, [, { expected }]] of Object.entries(optionTable)) {
    for (const value of [...wrong[key as keyof typeof wrong], null]) {
      const got = inspect(value)
      t.equal(refusal({ jobs, [key]: value }), `option ${key}: expected ${expected}, got ${got}`)
    }
  }
})

t.test('texts of 5 checks, written out', async (t) => {
  t.equal(refusal({ jobs, maxActors: 0 }), 'option maxActors: expected an integer of at least 1, got 0')
  t.equal(refusal({ jobs, pin: 'on' }), "option pin: expected one of true, false, 'auto', got 'on'")
  t.match(refusal({ jobs, nice: 20 }), /^option nice: expected an integer from 0 to 19 or an array of 1 to 3 integers .*, got 20$/)
  t.equal(refusal({ jobs, env: { A: 1 } }), 'option env: expected an object of strings, got { A: 1 }')
  t.equal(refusal({ jobs, overflow: {} }), 'option overflow: expected an object with a method take, got {}')
})

t.test('the edges of what is allowed: 0, 19, 256 and 2,147,483,647', async (t) => {
  const edges = {
    timeoutMs: 2 ** 31 - 1, closeDelayMs: 1, asyncPerActor: 256, nice: 19, maxQueued: 0, maxActors: 1, reserve: 0
  }
  t.match(check(edges), { ...edges, nice: [19, 19, 19] })
})

t.test('every default passes its own check, and is what an option left out or undefined becomes', async (t) => {
  const none = check({})
  const undefinedOnes = check(Object.fromEntries(Object.keys(optionTable).map((key) => [key, undefined])))
  for (const [key, [otherwise, { test }]] of Object.entries(optionTable)) {
    if (otherwise !== undefined) t.ok(test(otherwise), key)
    const expected = key === 'nice' ? [10, 10, 10] : otherwise
    t.same([none[key], undefinedOnes[key]], [expected, expected], key)
  }
})

t.test('false and 0 are values, not absences', async (t) => {
  t.match(check({ callerStack: false, pin: false, timeoutMs: 0, drainMs: 0 }),
    { callerStack: false, pin: false, timeoutMs: 0, drainMs: 0 })
})

t.test('an unknown option is refused with the one that is meant, or with all that there are', async (t) => {
  t.match(refusal({ jobs, timeout: 5 }), /^option timeout: expected a known option, got an unknown one: did you mean timeoutMs\?$/)
  t.match(refusal({ jobs, concurrency: 5 }), /^option concurrency: expected a known option, got an unknown one \(known: jobs, runtime, strategy, .*overflow, remote\)$/)
  for (const key of ['toString', 'constructor', 'hasOwnProperty']) {
    t.match(refusal({ jobs, [key]: 1 }), new RegExp(`^option ${key}: .*unknown one`))
  }
})

t.test('an own key __proto__ is refused, inherited options are ignored', async (t) => {
  t.match(refusal({ jobs, ['__proto__']: { timeoutMs: 5 } }), /^option __proto__: .*unknown one/)
  const inherited = Object.assign(Object.create({ timeoutMs: 5, unknown: 1, pin: 'wrong' }), { jobs })
  t.match(checkOptions(inherited), { timeoutMs: 30000, pin: 'auto' })
})

for (const given of [undefined, null, 'jobs.js', 5, [], () => {}]) {
  t.test(`${inspect(given)} instead of options is refused`, async (t) => {
    t.equal(refusal(given), `option options: expected an object with jobs, got ${inspect(given)}`)
  })
}

t.test('jobs: missing, of a wrong type, empty', async (t) => {
  const expected = 'option jobs: expected a path or file: URL of a module, or an object of them, got'
  for (const value of [undefined, null, 5, true, {}, [], [jobs], new Map()]) {
    t.equal(refusal({ jobs: value }), `${expected} ${inspect(value)}`)
  }
  t.equal(refusal({}), `${expected} undefined`)
})

t.test('jobs: a path that is not there, a folder, an http: URL, an empty path', async (t) => {
  const expected = 'expected the path or file: URL of a module that exists, got'
  const gone = path.join(__dirname, 'gone.js')
  t.equal(refusal({ jobs: gone }), `option jobs: ${expected} ${gone}`)
  t.equal(refusal({ jobs: pathToFileURL(gone).href }), `option jobs: ${expected} ${gone}`)
  t.equal(refusal({ jobs: __dirname }), `option jobs: ${expected} ${__dirname}`)
  t.equal(refusal({ jobs: new URL('http://x/jobs.js') }), `option jobs: ${expected} http://x/jobs.js`)
  t.equal(refusal({ jobs: '' }), `option jobs: ${expected} ''`)
  t.equal(refusal({ jobs: { image: jobs, text: gone } }), `option jobs.text: ${expected} ${gone}`)
  t.equal(refusal({ jobs: { image: 5 } }), `option jobs.image: ${expected} 5`)
})

t.test('jobs: path, file: text, URL and a relative path are one module; an object gives prefixes', async (t) => {
  for (const form of [jobs, href, new URL(href), path.relative(process.cwd(), jobs)]) {
    t.same(checkOptions({ jobs: form }).modules, [{ prefix: '', href }])
  }
  t.same(checkOptions({ jobs: { image: jobs, text: href } }).modules,
    [{ prefix: 'image', href }, { prefix: 'text', href }])
})

t.test('nice: one number is for 3 tiers, a list stays', async (t) => {
  t.same(check({ nice: 5 }).nice, [5, 5, 5])
  t.same(check({ nice: [0, 5, 19] }).nice, [0, 5, 19])
})

t.test('jobs: what the file system or the URL parser refuses is refused as the option jobs', async (t) => {
  for (const bad of ['file://host/jobs.js', 'file:///a%2Fb.js', '/tmp/a\0b.js', path.join(jobs, 'x.js')]) {
    t.throws(() => checkOptions({ jobs: bad }), { code: 'FST_ERR_SPILLOVER_OPTION', message: /^option jobs: / }, inspect(bad))
  }
})
