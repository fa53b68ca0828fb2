'use strict'
// The jobs of the rows: those of the fault tests, and more ways to go wrong.
const wt = require('node:worker_threads')

Object.assign(exports, require('../fixtures/faults/meddling.cjs'), require('../fixtures/faults/jobs.cjs'), require('./odd.cjs'))

class Odd extends Error {
  name = 'Odd'
  code = 'ODD'
  statusCode = 418
  info = { a: [1, { b: 2 }] }
}
const chain = new Error('its own cause')
chain.cause = chain
const thrown = {
  odd: () => new Odd('odd', { cause: new TypeError('inner') }),
  frozen: () => Object.freeze(Object.assign(new Error('frozen'), { code: 'FROZEN' })),
  ownCause: () => chain,
  stackGetter: () => Object.defineProperty(new Error('no stack'), 'stack', { get () { throw new Error('stack') } }),
  message16Mb: () => new Error('m'.repeat(16 * 2 ** 20)),
  manyKeys: () => Object.assign(new Error('many'), Object.fromEntries(
    Array.from({ length: 10_000 }, (_, at) => [`k${at}`, at]))),
  ownMethods: () => Object.assign(new Error('own'), { errors: Object.assign([1], { slice: () => 5, map: () => 5 }) }),
  protoKey: () => Object.assign(new Error('proto'), { info: JSON.parse('{"__proto__":{"polluted":1}}') }),
  revoked: () => { const { proxy, revoke } = Proxy.revocable(new Error('gone'), {}); revoke(); return proxy }
}
exports.throwMore = (name) => { throw thrown[name]() }

const returned = {
  revoked: () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy },
  port: () => new wt.MessageChannel().port1,
  thenThrows: () => ({ then () { throw new Error('then throws') } }),
  thenGetter: () => ({ get then () { throw new Error('then getter') } }),
  thenTwice: () => ({
    then (resolve, reject) { resolve(1); resolve(2); reject(new Error('late')); setTimeout(resolve, 5, 3) }
  }),
  thenBoth: () => ({ then (resolve, reject) { reject(new Error('first')); resolve(2); throw new Error('third') } }),
  buffer64Mb: () => new Uint8Array(64 * 2 ** 20),
  text64Mb: () => 'x'.repeat(64 * 2 ** 20),
  proto: () => JSON.parse('{"__proto__":{"polluted":1}}'),
  detached: () => { const buffer = new ArrayBuffer(8); structuredClone(buffer, { transfer: [buffer] }); return buffer }
}
exports.returnMore = (name) => returned[name]()

exports.size = (value) => value.length ?? value.byteLength
exports.detachInput = (value) => {
  structuredClone(value.buffer, { transfer: [value.buffer] })
  return value.byteLength
}
exports.mutateInput = (value) => { value.list.length = 0; value.self = value; return 'done' }
exports.polluteByInput = (value) => { Object.assign({}, value); return ({}).polluted === undefined }
exports.closeThread = () => { wt.parentPort.close(); process.exit(0) }
exports.terminateSelf = () => { process.reallyExit(0) }
exports.abort = () => { process.abort() }
exports.oneAllocation = () => new Array(3e7).fill(0).length
exports.overflow = () => exports.overflow() + 1
exports.buffers = () => Array.from({ length: 20 }, () => Buffer.alloc(16 * 2 ** 20, 1)).length
exports.flood = () => { for (let n = 0; n < 20_000; n++) console.log('flood '.repeat(20)); return 'done' }
exports.unlisten = () => { process.removeAllListeners(); setTimeout(() => { throw new Error('late and unlistened') }, 5) }
exports.emitUncaught = () => { process.emit('uncaughtException', new Error('made up')) }
exports.laterTwice = () => { for (let n = 0; n < 50; n++) setTimeout(() => Promise.reject(new Error('one of 50')), 3) }
exports.leakWorker = () => { new wt.Worker('setInterval(() => {}, 1000)', { eval: true }).unref() }
exports.strict = () => { 'use strict'; Object.freeze(globalThis) }
