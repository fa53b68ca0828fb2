// Errors: the table of codes, and what of a job's own error arrives on the other side.
import fc from 'fast-check'
import t from 'tap'
import { decodeError, describe, encodeError, errors, errorTable } from '#lib/errors'

/** As between threads: taken apart, cloned, put together. */
const travel = (thrown: unknown): any => decodeError(structuredClone(encodeError(thrown)))

t.test('36 codes, each once, with the prefix, a status from 400 to 504, and the class of the table', async (t) => {
  const codes = Object.entries(errors).map(([key, Class]) => {
    const error = new Class()
    const [, status, base] = errorTable[key as keyof typeof errorTable]
    t.match(error.code, /^FST_ERR_SPILLOVER_[A-Z]+(_[A-Z]+)*$/, key)
    t.equal(error.code, `FST_ERR_SPILLOVER_${key}`)
    t.ok([400, 401, 413, 422, 429, 499, 500, 503, 504].includes(error.statusCode!), `${key}: ${error.statusCode}`)
    t.equal(error.statusCode, status)
    t.ok(error instanceof base, key)
    t.ok(error instanceof Class, key)
    return error.code
  })
  t.equal(codes.length, 36)
  t.equal(new Set(codes).size, 36)
  t.same(Object.keys(errors), Object.keys(errorTable))
})

t.test('statuses: 503 when it may be tried again, 504 for a timeout, 499 when the client is gone', async (t) => {
  const of = (status: number) =>
    Object.entries(errorTable).filter(([, entry]) => entry[1] === status).map(([key]) => key)
  t.same(of(503), ['NOT_READY', 'OVERLOADED', 'QUEUE_TIMEOUT', 'CLOSED', 'QUARANTINED', 'UNAVAILABLE',
    'REMOTE_DOWN', 'REMOTE_FULL', 'REMOTE_REFUSED', 'REMOTE_UNCERTAIN', 'REMOTE_LOST', 'REMOTE_VOLATILE', 'NO_WORKER'])
  t.same(of(504), ['TIMEOUT', 'REMOTE_EXPIRED'])
  t.same(of(499), ['CANCELLED'])
})

t.test('every text takes as many arguments as it has %s, none stays behind', async (t) => {
  for (const [key, [text]] of Object.entries(errorTable)) {
    const wanted = text.split('%s').length - 1
    const args = Array.from({ length: wanted }, (_, i) => `<${i}>`)
    const { message } = new errors[key as keyof typeof errors](...args)
    t.notMatch(message, /%s/, key)
    for (const arg of args) t.ok(message.includes(arg), `${key} shows ${arg}`)
  }
})

t.test('name, message, code, statusCode, own properties and stack arrive', async (t) => {
  class PaymentError extends Error {
    override name = 'PaymentError'
    code = 'E_PAY'
    statusCode = 402
    details = { amount: 5, at: new Date(0), list: [1n] }
  }
  const sent = new PaymentError('declined')
  const got = travel(sent)
  t.ok(got instanceof Error)
  t.same([got.name, got.message, got.code, got.statusCode], ['PaymentError', 'declined', 'E_PAY', 402])
  t.same(got.details, { amount: 5, at: new Date(0), list: [1n] })
  t.equal(got.stack, sent.stack)
  t.same(Object.keys(got).sort(), ['code', 'details', 'name', 'statusCode'])
})

for (const Class of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
  t.test(`a ${Class.name} arrives as one`, async (t) => {
    const got = travel(new Class('x'))
    t.equal(got.constructor, Class)
    t.equal(got.name, Class.name)
    t.same(Object.keys(got), [])
  })
}

t.test('a code from the prototype arrives, as with an AbortError (20) and our own errors', async (t) => {
  const aborted = travel(AbortSignal.abort().reason)
  t.same([aborted.name, aborted.code], ['AbortError', 20])
  const own = travel(new errors.TIMEOUT('resize', 5))
  t.same([own.code, own.statusCode], ['FST_ERR_SPILLOVER_TIMEOUT', 504])
  t.match(own.message, /job resize: still running after 5 ms/)
})

t.test('a chain of 3 causes arrives, hidden as the language has it; a cause may be any value', async (t) => {
  const got = travel(new Error('a', { cause: new TypeError('b', { cause: new Error('c', { cause: 'd' }) }) }))
  t.ok(got.cause instanceof TypeError)
  t.same([got.cause.message, got.cause.cause.message, got.cause.cause.cause], ['b', 'c', 'd'])
  t.same(Object.keys(got), [])
  t.equal(Object.hasOwn(travel(new Error('x')), 'cause'), false)
  t.equal(Object.hasOwn(travel(new Error('x', { cause: undefined })), 'cause'), true)
})

t.test('a circle of causes ends after 5 of them', async (t) => {
  const circle = new Error('round')
  circle.cause = circle
  let got = travel(circle)
  let depth = 0
  for (; got.cause !== undefined; got = got.cause) depth++
  t.equal(depth, 5)
})

t.test('the errors of an AggregateError arrive, the first 32 of 40', async (t) => {
  const got = travel(new AggregateError([new TypeError('a'), 'b', 3], 'all'))
  t.ok(got instanceof AggregateError)
  t.equal(got.message, 'all')
  t.ok(got.errors[0] instanceof TypeError)
  t.same([got.errors[0].message, got.errors[1], got.errors[2]], ['a', 'b', 3])
  t.equal(travel(new AggregateError(Array.from({ length: 40 }, () => 1))).errors.length, 32)
})

t.test('of 40 own properties 32 arrive; functions and symbols do not', async (t) => {
  const many = Object.assign(new Error('x'), Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`p${i}`, i])))
  t.equal(Object.keys(travel(many)).length, 32)
  t.same(Object.keys(travel(Object.assign(new Error('x'), { f () {}, s: Symbol('s'), a: 1 }))), ['a'])
})

t.test('an own property __proto__ stays a property', async (t) => {
  const sent = Object.defineProperty(new Error('x'), '__proto__', { value: { a: 1 }, enumerable: true })
  const got = travel(sent)
  t.equal(Object.getPrototypeOf(got), Error.prototype)
  t.same(Object.getOwnPropertyDescriptor(got, '__proto__')?.value, { a: 1 })
})

for (const value of [undefined, null, true, 0, -0, NaN, '', 'text', 10n, { a: [1] }, [1, 2], new Map([[1, 2]])]) {
  t.test(`thrown ${typeof value} ${describe(value)} arrives as it is`, async (t) => {
    t.strictSame(travel(value), value)
  })
}

t.test('a thrown symbol or function arrives as its text', async (t) => {
  t.equal(travel(Symbol('s')), 'Symbol(s)')
  t.equal(travel(Math.max), 'function max() { [native code] }')
})

function hostile (): Record<string, unknown> {
  const fail = () => { throw new Error('hostile') }
  const handler = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((trap) => [trap, fail]))
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const accessors: PropertyDescriptorMap = {}
  for (const key of ['stack', 'name', 'message', 'code', 'statusCode', 'cause', 'errors', 'more']) {
    accessors[key] = { get: fail, enumerable: true, configurable: true }
  }
  return {
    'proxy of an object': new Proxy({}, handler),
    'proxy of an error': new Proxy(new Error('x'), handler),
    'proxy that is an error': new Proxy(new Error('x'), { get: fail, ownKeys: fail, has: fail, getOwnPropertyDescriptor: fail }),
    'revoked proxy': revoked.proxy,
    getters: Object.defineProperties(new Error('x'), accessors),
    toString: { toString: fail, f () {} },
    'wrong types': Object.assign(new Error('x'), { name: 5, message: {}, stack: 7, code: {}, statusCode: [] }),
    'no prototype': Object.create(null),
    'hostile cause': new Error('x', { cause: new Proxy({}, handler) }),
    'hostile member': new AggregateError([revoked.proxy, new Proxy({}, handler)])
  }
}

for (const [name, thrown] of Object.entries(hostile())) {
  t.test(`hostile, ${name}: nothing throws, and something arrives`, async (t) => {
    const got = travel(thrown)
    t.ok(got instanceof Error || typeof got === 'string' || typeof got === 'object', typeof got)
    if (got instanceof Error) {
      t.type(got.name, 'string')
      t.type(got.message, 'string')
      t.type(got.stack, 'string')
    }
    t.type(describe(thrown), 'string')
  })
}

t.test('500 values of any kind, thrown or as a cause or property, travel without throwing', async (t) => {
  const anything = fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true, withSparseArray: true })
  fc.assert(fc.property(anything, (value) => {
    travel(value)
    const got = travel(Object.assign(new Error('x', { cause: value }), { value }))
    if (got.message !== 'x') throw new Error('message')
  }), { numRuns: 500 })
  t.pass('500 runs')
})

t.test('the stack of the caller follows the one of the worker', async (t) => {
  const got = decodeError(encodeError(new Error('x')), '\n    at caller (file.js:1:2)') as Error
  t.match(got.stack, /^Error: x\n[^]*\n {4}at \[the worker thread was called from\]\n {4}at caller \(file.js:1:2\)$/)
})

t.test('errors that are no array, as those of a validation, arrive as a property', async (t) => {
  t.same(travel(Object.assign(new Error('x'), { errors: { field: 'bad' } })).errors, { field: 'bad' })
})

t.test('an error named as a property of every object arrives as an Error of that name', async (t) => {
  for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty']) {
    const sent = encodeError(Object.assign(new Error('x'), { name }))
    t.doesNotThrow(() => decodeError(sent), name)
    t.ok(decodeError(sent) instanceof Error, name)
    t.equal((decodeError(sent) as Error).name, name)
  }
})

t.test('errors that throw when they are read are left out, the rest arrives', async (t) => {
  const revoked = Proxy.revocable([], {})
  revoked.revoke()
  const throwing = new Proxy([], { get () { throw new Error('hostile') } })
  for (const errors of [revoked.proxy, throwing]) {
    t.doesNotThrow(() => encodeError(Object.assign(new Error('x'), { errors })))
  }
})

t.test('errors that have a slice of their own arrive, and one whose length is no number has none', async (t) => {
  const own = Object.assign([new TypeError('a')], { slice: () => 5, map: () => 5, flatMap: () => 5 })
  t.match(travel(Object.assign(new Error('x'), { errors: own })), { message: 'x', errors: [{ message: 'a' }] })
  const odd = new Proxy([], { get: () => 'odd' })
  t.match(travel(Object.assign(new Error('x'), { errors: odd })), { message: 'x', errors: [] })
})

t.test('a property or cause of 1001 levels, which the host might not read, is left out; of 999 it arrives', async (t) => {
  const nest = (levels: number, wrap: (inner: unknown) => unknown): unknown => {
    let value: unknown = []
    for (let level = 1; level < levels; level++) value = wrap(value)
    return value
  }
  for (const wrap of [
    (inner: unknown) => [inner], (inner: unknown) => ({ inner }), (inner: unknown) => new Map([[inner, 1]]),
    (inner: unknown) => new Set([inner])
  ]) {
    const got = travel(Object.assign(new Error('x', { cause: nest(1001, wrap) }), { code: 'E', deep: nest(1001, wrap), flat: nest(999, wrap) }))
    t.strictSame([got.message, got.code, 'deep' in got, 'flat' in got, typeof got.cause], ['x', 'E', false, true, 'string'])
  }
  // parts that are held many times are looked at once
  const wide = nest(900, (inner) => [inner, inner])
  t.ok('wide' in travel(Object.assign(new Error('x'), { wide })))
})

t.test('errors that hold each other, 32 wide and 5 deep, are bounded: at most 65 arrive', async (t) => {
  const whole = new AggregateError([], 'all')
  whole.errors = Array.from({ length: 32 }, () => whole)
  let count = 0
  const walk = (error: any): void => {
    count++
    for (const part of error.errors ?? []) walk(part)
  }
  walk(travel(whole))
  t.ok(count > 32 && count <= 65, String(count))
})
