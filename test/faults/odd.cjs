'use strict'
// Jobs that meddle with what a thread shares with the process, with Node's internals, or return what few return.
const { spawn } = require('node:child_process')
const { createHook } = require('node:async_hooks')
const domain = require('node:domain') // eslint-disable-line n/no-deprecated-api
const { EventEmitter } = require('node:events')
const fs = require('node:fs')
const inspector = require('node:inspector')
const net = require('node:net')
const v8 = require('node:v8')
const vm = require('node:vm')
const wt = require('node:worker_threads')

const never = () => new Promise(() => {})
const pair = () => {
  const one = new Error('one')
  one.cause = Object.assign(new Error('other'), { cause: one })
  return one
}

const odd = {
  // what belongs to the process
  env () { process.env.SPILLED = '1'; delete process.env.PATH; process.env = { nothing: '1' } },
  chdir: () => process.chdir('/'),
  umask: () => process.umask(0),
  sigterm () { process.kill(process.pid, 'SIGTERM') },
  sigstop () {
    spawn('sh', ['-c', `sleep 0.3; kill -CONT ${process.pid}`], { stdio: 'ignore' }).unref()
    process.kill(process.pid, 'SIGSTOP')
  },
  exitCode () { process.exitCode = 9; process.exit = null },
  v8Flags () { v8.setFlagsFromString('--no-opt'); v8.setFlagsFromString('--no-such-flag') },
  inspector () { inspector.open(0, '127.0.0.1'); inspector.close() },
  addon: () => process.dlopen({ exports: {} }, __filename),
  stdin () { process.stdin.on('data', () => {}); process.stdin.resume(); fs.readSync(0, Buffer.alloc(1)) },
  stdoutEnds () { process.stdout.end(); process.stderr.destroy(); console.log('after the end') },

  // what the thread stands on
  handles () { for (const handle of process._getActiveHandles()) handle.close?.() },
  unrefs () {
    for (const handle of [...process._getActiveHandles(), ...process._getActiveRequests()]) handle.unref?.()
  },
  portMethods () {
    for (const name of ['postMessage', 'close', 'on', 'ref', 'unref']) {
      wt.MessagePort.prototype[name] = () => { throw new Error(name) }
    }
  },
  portSilent () { wt.MessagePort.prototype.postMessage = () => {} },
  emitter () { for (const name of ['on', 'emit', 'once', 'addListener']) EventEmitter.prototype[name] = () => { throw new Error(name) } },
  movesPorts () {
    const { port1 } = new wt.MessageChannel()
    for (const port of process._getActiveHandles()) try { port1.postMessage(null, [port]) } catch {}
  },
  receives () { for (;;) wt.receiveMessageOnPort(wt.parentPort) },
  globals () {
    for (const name of ['performance', 'Atomics', 'structuredClone', 'setImmediate', 'queueMicrotask', 'setTimeout',
      'Promise', 'Map', 'Set', 'WeakMap', 'Error', 'Int32Array', 'SharedArrayBuffer', 'Reflect', 'JSON', 'Math']) {
      Object.defineProperty(globalThis, name, { value: undefined, configurable: true, writable: true })
    }
  },
  prepareStack () { Error.prepareStackTrace = () => { throw new Error('stack') }; throw new Error('kept') },
  capture () {
    process.setUncaughtExceptionCaptureCallback(() => {})
    setTimeout(() => { throw new Error('captured') }, 3)
  },
  domain () {
    const own = domain.create()
    own.on('error', () => {})
    own.run(() => setTimeout(() => { throw new Error('in a domain') }, 3))
  },
  hook () { createHook({ init () { throw new Error('hook') } }).enable(); setTimeout(() => {}, 1) },
  exitThrows () { process.on('exit', () => { throw new Error('at the exit') }); process.exit(0) },
  exitLoops () { process.on('exit', () => { for (;;); }); process.exit(0) },
  finalizer () {
    const registry = new FinalizationRegistry(() => { throw new Error('finalizer') })
    for (let n = 0; n < 1000; n++) registry.register({ n }, n)
    for (let n = 0; n < 50; n++) Array.from({ length: 50_000 }, (_, at) => ({ at }))
  },
  ticks () { const next = () => process.nextTick(next); next(); return never() },
  immediates () { const next = () => setImmediate(next); next(); return never() },

  // what it leaves behind
  watcher () { fs.watch(__dirname, () => {}) },
  watchFile () { fs.watchFile(__filename, { interval: 20 }, () => {}).unref() },
  server: () => new Promise((resolve) => {
    net.createServer().listen(0, '127.0.0.1', function () { this.unref(); resolve() })
  }),
  serverRef: () => new Promise((resolve) => net.createServer().listen(0, '127.0.0.1', resolve)),
  nested () { new wt.Worker('for (;;);', { eval: true }) }, // eslint-disable-line no-new
  nestedWaits () { new wt.Worker('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)', { eval: true }) }, // eslint-disable-line no-new

  // what it returns or throws
  response: () => new Response('text'),
  blob: () => new Blob(['text']),
  stream: () => new ReadableStream(),
  shared: () => new Int32Array(new SharedArrayBuffer(8)),
  wasm: () => new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
  map: () => new Map(Array.from({ length: 200_000 }, (_, at) => [at, `value ${at}`])),
  twoGb: () => 'x'.repeat(2 ** 31),
  tooLarge: () => new Uint8Array(300 * 2 ** 20),
  tag: () => new Proxy({}, { get () { throw new Error('tag') } }),
  tagGetter: () => ({ get [Symbol.toStringTag] () { throw new Error('tag') }, kept: 1 }),
  disposable: () => ({ kept: 1, [Symbol.dispose ?? Symbol.for('dispose')] () {} }),
  toJson: () => Object.defineProperty({ kept: 1 }, 'toJSON', { value () { throw new Error('toJSON') } }),
  getterLoops: () => ({ get bad () { for (;;); } }),
  generator: () => (function * () { yield 1 })(),
  messageLoops () { throw Object.defineProperty(new Error(''), 'message', { get () { for (;;); } }) },
  causePair () { throw pair() },
  otherRealm () { throw vm.runInNewContext('Object.assign(new RangeError("other realm"), { code: "REALM" })') },
  errorClass () { throw Object.setPrototypeOf({ message: 'no error', stack: 5, name: {} }, Error.prototype) },
  hugeErrors () { throw new AggregateError(Array.from({ length: 10_000 }, (_, at) => new Error(String(at))), 'many') }
}
exports.odd = (name) => odd[name]()
