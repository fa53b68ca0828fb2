'use strict'
// The rows: what one job does, is given or throws, and what is right of it. `right` looks at what its caller got.
const nested = (levels) => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
const detached = () => {
  const buffer = new ArrayBuffer(8)
  const view = new Uint8Array(buffer)
  structuredClone(buffer, { transfer: [buffer] })
  return { buffer, view }
}

/** It has to reject, with anything. */
const rejects = ({ isRejected }) => isRejected
/** It has to reject with an error that says so much. */
const says = (pattern, isKept = () => true) => ({ isRejected, value }) => isRejected &&
  (pattern.test(String(value?.message)) ? isKept(value) || 'E' : 'E')
const throws = (expected) => ({ isRejected, value }) => isRejected && (Object.is(value, expected) || 'E')
const resolves = (expected) => ({ isRejected, value }) => !isRejected && (value === expected || 'E')
/** It may end either way, but it has to end. */
const ends = () => true
/** How long a job may run that does not end by itself. */
const limitMs = 300

const row = (name, job, input, right, more) => ({ name, job, input, right, ...more })

exports.rows = [
  row('throws an Error subclass: code, status, info, cause', 'throwMore', 'odd', says(/^odd$/, (e) => e.name === 'Odd' && e.code === 'ODD' && e.statusCode === 418 && e.info?.a?.[1]?.b === 2 && e.cause?.message === 'inner')),
  row('throws null', 'throw', 'null', throws(null)),
  row('throws undefined', 'throw', 'undefined', throws(undefined)),
  row('throws 0', 'throw', 'zero', throws(0)),
  row('throws a text', 'throw', 'text', throws('text')),
  row('throws a symbol', 'throw', 'symbol', rejects),
  row('throws a function', 'throw', 'function', rejects),
  row('throws a Proxy of an Error', 'throw', 'proxy', says(/inside/)),
  row('throws a revoked Proxy', 'throwMore', 'revoked', rejects),
  row('throws an object that throws when looked at', 'throw', 'hostile', rejects),
  row('throws a DOMException', 'throw', 'dom', says(/no clone/)),
  row('throws an AggregateError', 'throw', 'aggregate', says(/both/, (e) => e.errors?.length === 2)),
  row('throws an fs error', 'throw', 'fs', says(/ENOENT/, (e) => e.code === 'ENOENT')),
  row('throws a circular error', 'throw', 'circular', says(/round/)),
  row('throws an error that is its own cause', 'throwMore', 'ownCause', says(/its own cause/)),
  row('throws an error with a BigInt', 'throw', 'bigint', says(/big/)),
  row('throws an error with a throwing getter', 'throw', 'getter', says(/kept/)),
  row('throws an error with a throwing stack', 'throwMore', 'stackGetter', says(/no stack/)),
  row('throws an error with a function as cause', 'throw', 'functionCause', says(/outer/)),
  row('throws a frozen error', 'throwMore', 'frozen', says(/frozen/, (e) => e.code === 'FROZEN')),
  row('throws an error with a text of 16 MB', 'throwMore', 'message16Mb', rejects),
  row('throws an error with 10,000 properties', 'throwMore', 'manyKeys', says(/many/)),
  row('throws an error with a property of 5,000 levels', 'throw', 'deep', says(/^deep$/, (e) => e.code === 'E_DEEP')),
  row('throws an AggregateError whose errors have methods of their own', 'throwMore', 'ownMethods', says(/^own$/)),
  row('throws an error with a key __proto__', 'throwMore', 'protoKey', says(/proto/, () => ({}).polluted === undefined)),

  row('returns a function', 'return', 'function', rejects),
  row('returns a symbol', 'return', 'symbol', rejects),
  row('returns a Proxy', 'return', 'proxy', rejects),
  row('returns a revoked Proxy', 'returnMore', 'revoked', rejects),
  row('returns a WeakMap', 'return', 'weakMap', rejects),
  row('returns an object with a promise', 'return', 'promise', rejects),
  row('returns a getter that throws', 'return', 'getter', rejects),
  row('returns a port', 'returnMore', 'port', rejects),
  row('returns a detached buffer', 'returnMore', 'detached', ends),
  row('returns 4,000 levels', 'nest', 4000, ends),
  row('returns 20,000 levels', 'nest', 20_000, ends),
  row('returns 64 MB of bytes', 'returnMore', 'buffer64Mb', ({ value }) => value?.length === 64 * 2 ** 20),
  row('returns 64 MB of text', 'returnMore', 'text64Mb', ({ value }) => value?.length === 64 * 2 ** 20),
  row('returns a key __proto__', 'returnMore', 'proto', ({ value }) => value?.polluted === undefined && ({}).polluted === undefined),
  row('returns a thenable that settles twice', 'returnMore', 'thenTwice', resolves(1)),
  row('returns a thenable that rejects, resolves and throws', 'returnMore', 'thenBoth', says(/first/)),
  row('returns a thenable whose then throws', 'returnMore', 'thenThrows', says(/then throws/)),
  row('returns a then getter that throws', 'returnMore', 'thenGetter', says(/then getter/)),
  row('returns a thenable that never settles', 'never', 0, rejects, { limitMs }),

  row('is given a function', 'echo', () => ({ f () {} }), rejects),
  row('is given a getter that throws', 'echo', () => ({ get bad () { throw new Error('bad') } }), rejects),
  row('is given a getter that throws null', 'echo', () => ({ get bad () { throw null } }), rejects), // eslint-disable-line no-throw-literal
  row('is given 5,000 levels', 'echo', () => nested(5000), ends),
  row('is given a key __proto__', 'polluteByInput', () => JSON.parse('{"__proto__":{"polluted":1}}'), resolves(true)),
  row('is given 64 MB of bytes', 'size', () => new Uint8Array(64 * 2 ** 20), resolves(64 * 2 ** 20)),
  row('is given 64 MB of text', 'size', () => 'x'.repeat(64 * 2 ** 20), resolves(64 * 2 ** 20)),
  row('is given a detached buffer to move', 'bytes', () => detached().buffer, rejects, { transfer: (input) => [input] }),
  row('is given a view of a detached buffer', 'bytes', () => detached().view, rejects, { transfer: (input) => [input.buffer] }),
  row('is given one buffer twice to move', 'bytes', () => new ArrayBuffer(8), rejects, { transfer: (input) => [input, input] }),
  row('is given no buffer to move but junk', 'echo', 1, rejects, { transfer: () => ['junk'] }),
  row('detaches its input', 'detachInput', () => new Uint8Array(8), resolves(0)),
  row('changes its input', 'mutateInput', () => ({ list: [1, 2] }), resolves('done')),
  row('is asked by a name that is inherited', 'toString', 1, rejects),
  row('is asked by a name that is not there', 'nobody', 1, rejects),

  row('exits', 'exit', 0, rejects),
  row('exits after an await', 'exitAsync', 0, rejects),
  row('exits after it has ended', 'lateExit', 0, ends, { isLate: true }),
  row('exits past all listeners', 'terminateSelf', 0, rejects),
  row('closes its thread', 'closeThread', 0, rejects),
  row('closes its port', 'closePort', 0, ends),
  row('posts junk on its port', 'junk', 0, ends),
  row('takes the listeners off its port', 'dropListeners', 0, ends),
  row('aborts the process', 'abort', 0, rejects),
  row('throws after it has ended', 'lateThrow', 0, ends, { isLate: true }),
  row('throws null after it has ended', 'lateNull', 0, ends, { isLate: true }),
  row('throws in a tick after it has ended', 'lateTick', 0, ends, { isLate: true }),
  row('emits an error after it has ended', 'lateEmit', 0, ends, { isLate: true }),
  row('rejects after it has ended', 'lateReject', 0, ends, { isLate: true }),
  row('rejects 50 times after it has ended', 'laterTwice', 0, ends, { isLate: true }),
  row('throws late, without listeners', 'unlisten', 0, ends, { isLate: true }),
  row('emits uncaughtException', 'emitUncaught', 0, ends),
  row('loops', 'loop', 0, rejects, { limitMs }),
  row('loops in microtasks', 'microtasks', 0, rejects, { limitMs }),
  row('sleeps for good', 'wait', 0, rejects, { limitMs }),
  row('matches a hostile pattern', 'regexp', 0, rejects, { limitMs }),
  row('computes in native code', 'native', 0, ends, { limitMs: 100 }),
  row('leaves a loop in a timer', 'leave', 'timer', ends, { isLate: true, patienceMs: 15_000 }),
  row('fills the heap', 'memory', 0, rejects, { resourceLimits: { maxOldGenerationSizeMb: 24 } }),
  row('allocates 320 MB at once, with 24', 'oneAllocation', 0, ends, { resourceLimits: { maxOldGenerationSizeMb: 24 } }),
  row('holds 320 MB of Buffers', 'buffers', 0, ends),
  row('recurses without end', 'overflow', 0, rejects),
  row('writes 2.4 MB to stdout', 'flood', 0, resolves('done')),
  row('leaks a thread of its own', 'leakWorker', 0, ends),
  row('freezes globalThis', 'strict', 0, ends),
  ...['promise', 'promiseThen', 'json', 'atomicsWait', 'atomicsAll', 'objectKey', 'objectSetter', 'arrayMethods', 'mapMethods', 'clockThrows', 'setImmediate', 'timers', 'queueMicrotask', 'structuredClone', 'errorStack', 'freezeAll', 'processListeners', 'processEmit', 'exitListener', 'hrtime', 'storage', 'stdout', 'parentPortSilent', 'allListeners', 'intervals', 'context'].map((what) =>
    row(`breaks: ${what}`, 'meddle', what, ends, { mayHurt: true })),

  row('returns a Response', 'odd', 'response', ends),
  row('returns a Blob', 'odd', 'blob', ends),
  row('returns a ReadableStream', 'odd', 'stream', rejects),
  row('returns shared memory', 'odd', 'shared', ({ value }) => value?.buffer instanceof SharedArrayBuffer),
  row('returns a WebAssembly.Module', 'odd', 'wasm', ({ value }) => value instanceof WebAssembly.Module),
  row('returns a Map of 200,000 entries', 'odd', 'map', ({ value }) => value?.size === 200_000, { isDear: true }),
  row('returns 2 GB of text', 'odd', 'twoGb', says(/string length/), { isDear: true }),
  row('returns 300 MB of bytes', 'odd', 'tooLarge', ends, { isDear: true }),
  row('returns a Proxy that throws when looked at', 'odd', 'tag', rejects),
  row('returns a tag that throws', 'odd', 'tagGetter', ({ value }) => value?.kept === 1),
  row('returns a disposable', 'odd', 'disposable', ({ value }) => value?.kept === 1),
  row('returns a toJSON that throws', 'odd', 'toJson', ({ value }) => value?.kept === 1),
  row('returns a getter that loops', 'odd', 'getterLoops', rejects, { limitMs }),
  row('returns a generator', 'odd', 'generator', ends),
  row('throws an error whose message loops', 'odd', 'messageLoops', rejects, { limitMs }),
  row('throws two errors that are each other\'s cause', 'odd', 'causePair', says(/^one$/, (e) => e.cause?.message === 'other')),
  row('throws an error of another realm', 'odd', 'otherRealm', says(/other realm/, (e) => e.name === 'RangeError' && e.code === 'REALM')),
  row('throws what has only the prototype of an error', 'odd', 'errorClass', says(/no error/)),
  row('throws an AggregateError of 10,000', 'odd', 'hugeErrors', says(/many/), { isDear: true }),

  row('changes process.env', 'odd', 'env', ({ isRejected }) => !isRejected && process.env.SPILLED === undefined && process.env.PATH !== undefined),
  row('changes the folder of the process', 'odd', 'chdir', rejects),
  row('changes the umask of the process', 'odd', 'umask', rejects),
  row('sends SIGTERM to its process, which handles it', 'odd', 'sigterm', ends, { handles: 'SIGTERM' }),
  row('stops its process for 300 ms', 'odd', 'sigstop', ends),
  row('sets the exit code and takes process.exit away', 'odd', 'exitCode', ends),
  row('sets flags of V8', 'odd', 'v8Flags', ends),
  row('opens the inspector', 'odd', 'inspector', ends),
  row('loads junk as an addon', 'odd', 'addon', rejects),
  row('reads from stdin', 'odd', 'stdin', ends, { limitMs }),
  row('ends stdout', 'odd', 'stdoutEnds', ends),
  row('closes all handles of its thread', 'odd', 'handles', ends, { mayHurt: true }),
  row('gives the ports of its thread away', 'odd', 'movesPorts', ends, { mayHurt: true }),
  row('unrefs all handles of its thread', 'odd', 'unrefs', ends, { mayHurt: true }),
  ...['portMethods', 'portSilent', 'emitter', 'globals', 'hook'].map((what) =>
    row(`breaks its thread: ${what}`, 'odd', what, ends, { mayHurt: true, limitMs: 1000 })),
  row('reads the port of its thread for good', 'odd', 'receives', rejects, { limitMs }),
  row('throws where Error.prepareStackTrace throws', 'odd', 'prepareStack', says(/kept/)),
  row('captures late errors of its thread', 'odd', 'capture', ends, { isLate: true }),
  row('throws in a domain after it has ended', 'odd', 'domain', ends, { isLate: true }),
  row('exits with a listener that throws', 'odd', 'exitThrows', rejects),
  row('exits with a listener that loops', 'odd', 'exitLoops', rejects, { limitMs }),
  row('throws in a finalizer', 'odd', 'finalizer', ends, { isLate: true, isDear: true }),
  row('loops in ticks', 'odd', 'ticks', rejects, { limitMs }),
  row('loops in immediates', 'odd', 'immediates', rejects, { limitMs }),
  row('leaves a watcher of a folder', 'odd', 'watcher', ends),
  row('leaves a watcher of a file', 'odd', 'watchFile', ends),
  row('leaves a server that listens, unref\'ed', 'odd', 'server', ends),
  row('leaves a server that listens', 'odd', 'serverRef', ends),
  row('leaves a thread that loops', 'odd', 'nested', ends, { isDear: true }),
  row('leaves a thread that sleeps', 'odd', 'nestedWaits', ends),

  row('its module is missing', 'good', 1, rejects, { file: 'gone.cjs', isBroken: true }),
  row('its module throws', 'good', 1, rejects, { file: 'throws.cjs', isBroken: true }),
  row('its module exits', 'good', 1, rejects, { file: 'exits.cjs', isBroken: true }),
  row('its module loops', 'good', 1, rejects, { file: 'loops.cjs', isBroken: true, patienceMs: 12_000 }),
  row('its module fills the heap', 'good', 1, rejects, { file: 'fillsheap.cjs', isBroken: true, resourceLimits: { maxOldGenerationSizeMb: 24 } }),
  row('its module throws at every other load, and it exits', 'exit', 0, rejects, { file: 'flaky.cjs', retries: true }),
  row('is cancelled while its module loads', 'slow', 100, ends, { file: 'slow.cjs', isCold: true, abortMs: 50 }),
  row('is cancelled while it waits behind another', 'count', 0, rejects, { abortMs: 20, behindMs: 200 }),
  row('500 are cancelled while they wait', 'count', 0, rejects, { abortMs: 20, behindMs: 200, times: 500 })
]
