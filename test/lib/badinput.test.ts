// Bad input: whatever an option is, it is used or refused by its name, with what was expected and what was got.
import path from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { callChecks, checkCall } from '#lib/calls'
import { checkOptions, optionTable } from '#lib/options'
import { MemoryBroker, memoryTier } from '#lib/remote/memory'
import { checkRemote } from '#lib/remote/overflowing'
import { checkSettings } from '#lib/remote/settings'
import { makePlan } from '#lib/tiers'
import { readTopology } from '#lib/topology'
import { checkDurable } from '#plugin/durableoptions'
import { readMachine } from '../fixtures/machines'

const jobs = path.resolve(__dirname, '../../package.json') // any file that is there
const numRuns = 400

/** What is right, worked out from the README's table and not from the code's. */
const whole = (least: number, most = 2147483647) => (v: unknown): boolean =>
  typeof v === 'number' && v % 1 === 0 && v >= least && v <= most
const among = (...all: unknown[]) => (v: unknown): boolean => all.some((one) => one === v)
const object = (v: unknown): boolean => ['[object Object]', '[object Module]'].includes(String(Object.prototype.toString.call(v)))
const allOf = (v: unknown, test: (part: unknown) => boolean): boolean => {
  if (!Array.isArray(v)) return false
  for (let at = 0; at < v.length; at++) if (!test(v[at])) return false
  return true
}
const upTo3 = (test: (part: unknown) => boolean) => (v: unknown): boolean =>
  Array.isArray(v) && v.length >= 1 && v.length <= 3 && allOf(v, test)
const string = (v: unknown): boolean => typeof v === 'string'
const has = (v: any, method: string): boolean => typeof v?.[method] === 'function'
const right: Record<string, (v: any) => boolean> = {
  strategy: among('tiered', 'even-odd', 'linear', 'avoid-smt', 'l3-isolation', 'none'),
  tiers: upTo3(object),
  thresholds: upTo3(whole(0)),
  reserve: (v) => v === 'auto' || whole(0)(v),
  metric: among('demand', 'running'),
  runtime: among('threads', 'inline'),
  nice: (v) => whole(0, 19)(v) || upTo3(whole(0, 19))(v),
  asyncPerActor: whole(1, 256),
  warmupCalls: whole(1, 100_000),
  warmup: object,
  resourceLimits: object,
  env: (v) => object(v) && Object.values(v).every(string),
  execArgv: (v) => allOf(v, string),
  name: (v) => string(v) && v.length > 0 && v.length <= 64 && [...v].every((letter) => /[A-Za-z0-9_.-]/.test(letter)),
  context: (v) => object(v) && has(v, 'capture') && (string(v.restore) || v.restore instanceof URL),
  log: (v) => typeof v === 'object' && has(v, 'info'),
  overflow: (v) => object(v) && has(v, 'take'),
  recycle: object,
  remote: (v) => object(v) && object(v.tier ?? v) && has(v.tier ?? v, 'admit') && has(v.tier ?? v, 'submit')
}
for (const key of ['home', 'retireMs', 'maxQueued', 'maxQueueWaitMs', 'ageMs', 'timeoutMs', 'queueTimeoutMs', 'graceMs', 'drainMs', 'maxRestarts', 'backoffMs', 'maxPayloadBytes', 'quarantineDeaths']) right[key] = whole(0)
for (const key of ['maxActors', 'closeDelayMs', 'bootTimeoutMs', 'withinMs', 'terminateMs', 'quarantineMs']) right[key] = whole(1)
for (const key of ['claim', 'watch', 'tracing', 'keepFreedMemory']) right[key] = among(true, false)
for (const key of ['pin', 'blockWhenIdle', 'spin', 'callerStack']) right[key] = among(true, false, 'auto')

/** Values of every type, and of those that an option could mean. */
const hostile = fc.oneof(
  fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true
  }),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 2 ** 31, 2 ** 31 - 1, 2 ** 53, 0.5, -1, 0, 1, 19, 20, 256, 257, 1n),
  fc.constantFrom('1', '0', 'auto', '', null, true, false),
  fc.constantFrom<unknown>(Symbol('s'), () => {}, class {}, new URL('file:///x'), new Proxy({}, {}), new Proxy([], {}), process.env, [,], [, 1]), // eslint-disable-line no-sparse-arrays
  fc.array(fc.integer({ min: -1, max: 21 }), { maxLength: 4 }),
  fc.constantFrom<unknown>({ get a () { throw new Error('no') } }, new Proxy({}, { get () { throw new Error('no') }, ownKeys () { throw new Error('no') } }), Proxy.revocable({}, {}).proxy)
)

function refusal (run: () => unknown): string | undefined {
  try {
    run()
  } catch (error: any) {
    if (error?.code === 'FST_ERR_SPILLOVER_OPTION') return error.message
    throw new Error(`another error: ${inspect(error)}`)
  }
  return undefined
}
const shape = (name: string): RegExp => new RegExp(`^option ${name}([.[].*)?: expected .+, got .+`, 's')

t.test('what is written out here are the options, all of them but jobs', async (t) => {
  t.same(Object.keys(optionTable).filter((key) => key !== 'jobs' && !Object.hasOwn(right, key)), [])
  t.same(Object.keys(right).filter((key) => !Object.hasOwn(optionTable, key)), [])
})

for (const key of Object.keys(right)) {
  t.test(`option ${key}: ${numRuns} values of all types are right or refused by name`, async (t) => {
    fc.assert(fc.property(hostile, (value) => {
      let isRight = false
      try {
        isRight = value === undefined || right[key]!(value)
      } catch {} // a value that throws when it is looked at
      const message = refusal(() => checkOptions({ jobs, [key]: value } as never))
      // parts of these are checked further
      if (isRight && ['warmup', 'resourceLimits', 'context', 'recycle', 'tiers'].includes(key)) return message === undefined || shape(key).test(message)
      return isRight ? message === undefined : message !== undefined && shape(key).test(message) && message.length < 700
    }), { numRuns })
    t.pass('held')
  })

  t.test(`option ${key}: a getter that throws is refused by name, one that changes its mind is read once`, async (t) => {
    const throwing = Object.defineProperty({ jobs }, key, { enumerable: true, get () { throw new Error('getter') } })
    t.match(refusal(() => checkOptions(throwing)), shape(key))
    let reads = 0
    const [otherwise] = optionTable[key as keyof typeof optionTable]
    const counted = Object.defineProperty({ jobs }, key, { enumerable: true, get: () => { reads++; return otherwise } })
    checkOptions(counted)
    t.equal(reads, 1)
  })

  t.test(`option ${key}: its name with one letter less, more or wrong is refused and named`, async (t) => {
    for (const typo of [key.slice(1), `${key}s`, `${key.slice(0, -1)}x`, key.toUpperCase()]) {
      if (Object.hasOwn(optionTable, typo) || typo === 'jobs') continue
      const message = refusal(() => checkOptions({ jobs, [typo]: 1 } as never))
      t.match(message, /^option .*: expected a known option, got an unknown one(: did you mean \w+\?| \(known: jobs, .*\))$/)
      if (typo.length > 3) t.match(message, /did you mean \w+\?$/, typo)
    }
  })
}

t.test('timeout means timeoutMs, and what is far from all is told without a guess', async (t) => {
  t.match(refusal(() => checkOptions({ jobs, timeout: 5 } as never)), /did you mean timeoutMs\?$/)
  t.match(refusal(() => checkOptions({ jobs, ipn: true } as never)), /did you mean pin\?$/, 'two letters that changed places are one mistake')
  t.match(refusal(() => checkOptions({ jobs, retryPolicy: 5 } as never)), /got an unknown one \(known: /)
  t.match(refusal(() => checkOptions({ jobs, [Symbol('odd')]: 5 } as never)), /^option Symbol\(odd\): .*unknown one \(/)
})

t.test('parts of options are checked by their names', async (t) => {
  for (const [options, message] of [
    [{ resourceLimits: { maxOldGenerationSizeMb: '64' } }, /^option resourceLimits\.maxOldGenerationSizeMb: expected a number above 0, got '64'$/],
    [{ resourceLimits: { stackSizeMb: NaN } }, /^option resourceLimits\.stackSizeMb: expected a number above 0, got NaN$/],
    [{ resourceLimits: { maxOldGenerationSize: 64 } }, /^option resourceLimits\.maxOldGenerationSize: .*did you mean maxOldGenerationSizeMb\?$/],
    [{ context: { capture () {}, restore: jobs, restor: 1 } }, /^option context\.restor: .*did you mean restore\?$/],
    [{ context: { capture () {}, restore: '/gone.js' } }, /^option context\.restore: .*got \/gone\.js$/],
    [{ warmup: { hash: { f () {} } } }, /^option warmup\.hash: expected an input that can be sent to a thread, got .*at \.f: a function\)$/],
    [{ env: new Map([['A', 'b']]) }, /^option env: expected an object of strings, got Map/],
    [{ warmup: new Date(0) }, /^option warmup: expected an object, got 1970/],
    [{ execArgv: [, '--x'] }, /^option execArgv: expected an array of strings, got/], // eslint-disable-line no-sparse-arrays
    [{ thresholds: [0, , 3] }, /^option thresholds: expected an array of 1 to 3 integers/], // eslint-disable-line no-sparse-arrays
    [JSON.parse('{"resourceLimits":{"__proto__":{"stackSizeMb":1}}}'), /^option resourceLimits\.__proto__: .*unknown one \(/],
    [JSON.parse('{"__proto__":{"timeoutMs":1}}'), /^option __proto__: .*unknown one \(/],
    [JSON.parse('{"constructor":{"prototype":{}}}'), /^option constructor: .*unknown one \(/]
  ] as const) {
    t.match(refusal(() => checkOptions({ jobs, ...Object.fromEntries(Object.entries(options)), ...(Object.hasOwn(options, '__proto__') && { ['__proto__']: 1 }) } as never)), message)
  }
  t.equal(({} as any).timeoutMs, undefined)
})

const tier = memoryTier(new MemoryBroker())
const list = (test: (part: unknown) => boolean) => (v: unknown): boolean => allOf(v, test)
const above0 = (v: unknown): boolean => typeof v === 'number' && v > 0 && v < Infinity
const from0 = (v: unknown): boolean => typeof v === 'number' && v >= 0
const fn = (v: unknown): boolean => typeof v === 'function'
const version = (v: unknown): boolean => string(v) && /^[A-Za-z0-9_$-]{1,128}$/.test(v as string)
/** Each place where options are nested: how it is checked, what is right of its parts, and what has to be there. */
const nestedOptions: Record<string, {
  check: (parts: Record<string, unknown>) => unknown
  parts: Record<string, (v: any) => boolean>
  needed?: Record<string, unknown>
}> = {
  recycle: {
    check: (recycle) => checkOptions({ jobs, recycle } as never),
    parts: { maxHeapMb: whole(1), maxJobs: whole(1), maxAgeMs: whole(1) }
  },
  resourceLimits: {
    check: (resourceLimits) => checkOptions({ jobs, resourceLimits } as never),
    parts: {
      maxOldGenerationSizeMb: above0,
      maxYoungGenerationSizeMb: above0,
      codeRangeSizeMb: above0,
      stackSizeMb: above0
    }
  },
  'tiers[0]': {
    check: (tier) => makePlan(readTopology(), { tiers: checkOptions({ jobs, tiers: [tier] } as never).tiers }),
    parts: { actors: whole(1, 4096), threshold: among(0) },
    needed: { actors: 1 }
  },
  remote: {
    check: (remote) => checkRemote(remote as never),
    parts: {
      minMeanMs: from0,
      afterMs: from0,
      serve: among(true, false, 'when-idle'),
      attempts: whole(1, 100),
      durableTtlMs: from0,
      resultTtlMs: from0,
      jobs: (v) => object(v) && Object.keys(v).length === 0,
      queues: (v) => v === null || list(string)(v),
      log: (v) => typeof v === 'object' && has(v, 'info') && has(v, 'warn') && has(v, 'error')
    },
    needed: { tier }
  },
  'remote.jobs.resize': {
    check: (resize) => checkRemote({ tier, jobs: { resize } } as never),
    parts: {
      version,
      also: (v) => object(v) && Object.values(v).every(string) && Object.keys(v).every(version),
      spill: among(true, false),
      validate: fn
    }
  },
  // of bullmqTier
  'remote ': {
    check: (settings) => checkSettings(settings as never),
    parts: {
      env: (v) => string(v) && /^[a-z0-9-]{1,32}$/.test(v),
      region: (v) => string(v) && /^[a-z0-9-]{1,32}$/.test(v),
      clusterShards: whole(1, 100),
      maxInFlight: whole(1),
      maxPayloadBytes: whole(1),
      maxResultBytes: whole(1),
      inlineBytes: whole(1),
      commandTimeoutMs: whole(1),
      sweepMs: whole(1),
      lockMs: whole(1000),
      stalledMs: whole(1),
      keepResults: whole(1),
      allowVolatile: among(true, false),
      signingKey: (v) => string(v) && v.length >= 16,
      now: fn,
      instance: (v) => string(v) && /^[\w.-]{1,100}$/.test(v)
    },
    needed: { redis: 'redis://localhost' }
  },
  durable: {
    check: (durable) => checkDurable(durable as never),
    parts: {
      prefix: (v) => string(v) && v.length > 1 && v.startsWith('/') && !v.endsWith('/'),
      owner: (v) => v === false || fn(v),
      syncWaitMs: whole(0, 3600_000),
      maxWaitMs: whole(0, 3600_000),
      maxStreams: whole(1),
      exposeErrors: among(true, false),
      send: fn,
      routeOpts: object
    },
    needed: { owner: false }
  }
}

for (const [where, { check, parts, needed = {} }] of Object.entries(nestedOptions)) {
  const at = (key: string): RegExp =>
    new RegExp(`^option ${where.trim().replace(/[[\].]/g, '\\$&')}\\.${key}([.[].*)?: expected .+, got .+`, 's')
  for (const [key, isRightPart] of Object.entries(parts)) {
    t.test(`option ${where.trim()}.${key}: 100 values of all types are right or refused by their path`, async (t) => {
      fc.assert(fc.property(hostile, (value) => {
        let isRight = false
        try {
          isRight = value === undefined || isRightPart(value)
        } catch {} // a value that throws when it is looked at
        if (value === undefined && Object.hasOwn(needed, key)) return true
        const message = refusal(() => check({ ...needed, [key]: value }))
        return isRight ? message === undefined : message !== undefined && at(key).test(message) && message.length < 900
      }), { numRuns: 100 })
      const throwing = Object.defineProperty({ ...needed }, key, { enumerable: true, get () { throw new Error('getter') } })
      t.match(refusal(() => check(throwing)), at(key), 'a getter that throws')
      const typo = `${key}x`
      t.match(refusal(() => check({ ...needed, [typo]: 1 })), at(typo))
      t.match(refusal(() => check({ ...needed, [typo]: 1 })), new RegExp(`unknown one: did you mean ${key}\\?$`))
    })
  }

  t.test(`option ${where.trim()}: an own __proto__ is an unknown option, and pollutes nothing`, async (t) => {
    const given = Object.assign(JSON.parse('{"__proto__":{"polluted":1}}'), needed)
    t.match(refusal(() => check(given)), at('__proto__'))
    t.equal(({} as any).polluted, undefined)
    t.equal(refusal(() => check(needed)), undefined, 'what is needed is enough')
  })
}

t.test('secrets are not shown: neither a signing key nor the URL of a Redis', async (t) => {
  const redis = 'redis://localhost'
  t.equal(refusal(() => checkSettings({ redis, signingKey: 'hunter2' })), 'option remote.signingKey: expected a text of at least 16 characters, got a string')
  t.notMatch(refusal(() => checkSettings({ redis: 'http://:hunter2@host' })), /hunter2/)
  t.match(refusal(() => checkSettings({ redis: [redis, 5] } as never)), /^option remote\.redis: expected redis:\/\/ /)
  t.match(refusal(() => checkSettings({} as never)), /^option remote\.redis: .*got undefined$/)
})

t.test('an env that is process.env is right', async (t) => {
  t.equal(checkOptions({ jobs, env: process.env as never }).env, process.env)
})

t.test('tiers: parts and combinations of a plan are refused by name', async (t) => {
  const machine = readTopology({ root: '/recorded', reader: readMachine('vm-1s8c-nosmt').reader })
  for (const [options, message] of [
    [{ tiers: [{ actors: 1, treshold: 1 }] }, 'option tiers[0].treshold: expected a known option, got an unknown one: did you mean threshold?'],
    [{ tiers: [{}] }, 'option tiers[0]: expected either cpus or actors, got {}'],
    [{ tiers: [{ actors: 1, cpus: [0] }] }, 'option tiers[0]: expected either cpus or actors, got {"actors":1,"cpus":[0]}'],
    [{ tiers: [{ actors: 1n }] }, 'option tiers[0].actors: expected an integer from 1 to 4096, got 1n'],
    [{ tiers: [{ cpus: [, 1] }] }, 'option tiers[0].cpus: expected a list of cpu ids, got [null,1]'], // eslint-disable-line no-sparse-arrays
    [{ tiers: [, { actors: 1 }] }, 'option tiers[0]: expected either cpus or actors, got undefined'], // eslint-disable-line no-sparse-arrays
    [{ tiers: [{ actors: 1 }, { actors: 1, threshold: NaN }] }, 'option tiers[1].threshold: expected an integer of at least 0, got NaN'],
    [{ tiers: [{ actors: 1 }], home: 1 }, 'option home: expected none beside explicit tiers, got 1'],
    [{ tiers: [{ actors: 1 }], reserve: 2 }, 'option reserve: expected 0 or "auto" beside explicit tiers, got 2'],
    [{ tiers: [{ actors: 1 }], strategy: 'linear' }, 'option strategy: expected none beside explicit tiers, got "linear"'],
    [{ tiers: [{ actors: 1 }, { actors: 1, threshold: 1 }], thresholds: [0, 1] }, 'option tiers[1].threshold: expected none beside thresholds, got 1'],
    [{ thresholds: [0, 5, 3] }, 'option thresholds: expected 1 to 3 integers in ascending order, the first 0, got [0,5,3]'],
    [{ thresholds: [1] }, 'option thresholds: expected 1 to 3 integers in ascending order, the first 0, got [1]'],
    [{ home: 99 }, /^option home: expected one of the usable cpus 0-7, got 99$/]
  ] as const) t.match(refusal(() => makePlan(machine, options as never)), message)
})

/** What is right of a call, from the README. */
const rightCall: Record<string, (v: any) => boolean> = {
  signal: (v) => v instanceof AbortSignal,
  timeoutMs: whole(0),
  queueTimeoutMs: whole(0),
  priority: among('high', 'normal', 'low'),
  key: string,
  transfer: (v) => Array.isArray(v),
  idempotent: among(true, false),
  spill: among(true, false),
  durable: among(true, false),
  idempotencyKey: (v) => object(v) && string(v.scope) && string(v.value),
  traceparent: string,
  requestId: (v) => string(v) || typeof v === 'number',
  onProgress: (v) => typeof v === 'function',
  log: (v) => typeof v === 'object' && v !== null
}

t.test('options of a call: what is written out here are all of them', async (t) => {
  t.same(Object.keys(rightCall).sort(), Object.keys(callChecks).sort())
})

for (const key of Object.keys(rightCall)) {
  t.test(`option ${key} of a call: ${numRuns} values are right or refused by name`, async (t) => {
    fc.assert(fc.property(hostile, (value) => {
      let isRight = false
      try {
        isRight = value === undefined || rightCall[key]!(value)
      } catch {} // a value that throws when it is looked at
      const message = refusal(() => checkCall({ [key]: value }))
      return isRight ? message === undefined : message !== undefined && shape(key).test(message)
    }), { numRuns })
    const throwing = Object.defineProperty({}, key, { enumerable: true, get () { throw new Error('getter') } })
    t.match(refusal(() => checkCall(throwing)), shape(key))
    t.match(refusal(() => checkCall({ [`${key}s`]: 1 } as never)), new RegExp(`got an unknown one: did you mean ${key}\\?$`))
  })
}

t.test('options of a call: no object, own __proto__, and what is on Object.prototype', async (t) => {
  for (const options of [null, 'text', 5, true]) t.match(refusal(() => checkCall(options as never)), /^option options of the call: expected an object, got/)
  t.match(refusal(() => checkCall(JSON.parse('{"__proto__":{"timeoutMs":1}}'))), /^option __proto__: .*unknown one \(/)
  Object.defineProperty(Object.prototype, 'polluted', { value: 1, enumerable: true, configurable: true }) // eslint-disable-line no-extend-native
  t.teardown(() => { delete (Object.prototype as any).polluted })
  t.equal(refusal(() => checkCall({ timeoutMs: 5 })), undefined)
})
