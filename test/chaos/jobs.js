'use strict'
// One job for each kind of chaos. Each tells shared memory that it began, so that a second run, or a run after a
// refusal, is seen.
/* eslint-disable no-throw-literal */
const { EventEmitter } = require('node:events')
const { pbkdf2Sync } = require('node:crypto')
const { threadId } = require('node:worker_threads')
const { KEYS, PLACES, versionPlace } = require('./kinds.js')

/** Replaced in the copies of reloads.js. */
const VERSION = 0

let starts
/**
 * Warm-up: the places where starts are counted, then the last number seen of each key, then how many came wrongly, then
 * the version that each thread has loaded.
 */
exports.begin = (shared) => {
  starts = shared
  Atomics.store(starts, versionPlace(threadId), VERSION)
}

const job = (run) => (input, ctx) => {
  Atomics.add(starts, input.id % PLACES, 1)
  return run(input, ctx)
}
const sleep = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value))
const spin = (ms) => { for (const end = performance.now() + ms; performance.now() < end;); }

exports.good = job(({ id, n }) => ({ id, square: n * n }))
exports.slow = job(({ id, ms }) => sleep(ms, { id }))
exports.block = job(({ id, ms }) => { spin(ms); return { id } })
exports.echo = job(({ id, value }) => ({ id, value }))
exports.moved = job(({ id, buffer }) => ({ id, sum: new Uint8Array(buffer).reduce((sum, byte) => sum + byte, 0) }))
exports.logs = job(({ id }, ctx) => { ctx.log.info({ chaos: id }, 'a record'); return { id } })
exports.keyed = job(({ id, key, number }) => {
  const before = Atomics.exchange(starts, PLACES + key, number)
  if (before > number) Atomics.add(starts, PLACES + KEYS, 1)
  return { id }
})

const circular = new Error('round')
circular.self = circular
const thrown = [
  'text', null, undefined, 0, false, 10n, Symbol('odd'), () => {}, new Proxy(new Error('inside'), {}),
  Object.freeze(new Error('frozen')), Object.freeze({ code: 'FROZEN' }), circular,
  new AggregateError([new TypeError('a'), new RangeError('b')], 'both'),
  new Error('outer', { cause: new Error('inner', { cause: () => {} }) }),
  new DOMException('no clone', 'DataCloneError'),
  Object.defineProperty(new Error('kept'), 'bad', { enumerable: true, get () { throw new Error('getter') } }),
  Object.defineProperty(new Error('no stack'), 'stack', { get () { throw new Error('stack') } }),
  new Proxy({}, { get () { throw new Error('hostile') }, getPrototypeOf () { throw new Error('hostile') } }),
  Object.create(null)
]
exports.throws = job(({ n }) => { throw thrown[n % thrown.length] })
exports.rejects = job(async ({ n }) => { await null; throw thrown[n % thrown.length] })

const { proxy, revoke } = Proxy.revocable({}, {})
revoke()
const returned = [
  () => () => {}, () => [[Symbol('s')]], () => ({ a: new Proxy({}, {}) }), () => new WeakMap(),
  () => ({ p: Promise.resolve(1) }), () => new Map([['k', () => {}]]), () => ({ get bad () { throw new Error('get') } }),
  () => proxy, () => new Set([new WeakRef({})])
]
exports.returns = job(({ n }) => returned[n % returned.length]())
exports.nests = job(({ n }) => JSON.parse('['.repeat(n) + ']'.repeat(n)))
exports.unsendable = job(() => {})

exports.exits = job(() => process.exit(3))
exports.exitsLater = job(async () => { await sleep(1); process.exit(4) })
exports.fillsHeap = job(() => { const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)) })
exports.loops = job(() => { for (;;); })
exports.loopsMicrotasks = job(async () => { for (;;) await undefined })
exports.sleeps = job(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
exports.computesNatively = job(() => { pbkdf2Sync('p', 's', 200_000, 64, 'sha512') })
exports.neverEnds = job(() => ({ then () {} }))
exports.heedsCancel = job((_input, ctx) => { while (!ctx.cancelled); ctx.throwIfCancelled() })

const later = (run) => { setTimeout(run, 3) }
exports.throwsLate = job(({ id, n }) => {
  later([() => { throw new Error('late') }, () => { throw null }, () => new EventEmitter().emit('error', 'late')][n % 3])
  return { id }
})
exports.rejectsLate = job(({ id }) => { later(() => { Promise.reject(new Error('late')) }); return { id } })
exports.exitsLate = job(({ id }) => { later(() => process.exit(5)); return { id } })
exports.leavesTimer = job(({ id }) => { setTimeout(() => {}, 20); return { id } })
