// A ring carries what structured clone carries: every value, in order, round its end, full, and taken back.
import fc from 'fast-check'
import vm from 'node:vm'
import { inspect, isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { QUEUED, REVOKED, RING_BYTES, RING_SPACE, Ring, TAKEN, UNTOLD_BYTES } from '#lib/ring'
import { SHAPES_BYTES } from '#lib/shapes'

/** Both ends of one ring over one buffer, and the port beside it as a queue of structured clones. */
function open (spare = 0) {
  const buffer = new SharedArrayBuffer(256 + RING_SPACE)
  const control = new Int32Array(buffer, 0, 64)
  const writer = new Ring(buffer, 256, control, 0, spare)
  const reader = new Ring(buffer, 256, control, 0, spare)
  const port: unknown[] = []
  let posted = 0
  const post = (value: unknown) => {
    port.push(structuredClone(value))
    posted++
  }
  const fetch = () => {
    if (port.length === 0) throw new Error('the port is empty')
    return port.shift()
  }
  return {
    writer,
    reader,
    fetch,
    get posted () { return posted },
    get held () { return port.length },
    write: (value: unknown, id = 1, mustPost = false) => writer.write(id, 0, QUEUED, value, post, mustPost),
    read: () => reader.read(reader.next()!, fetch)
  }
}

/** Structured clone's outcome: the value, or the name of what it throws. */
function outcome (make: () => unknown): { value: unknown } | { threw: string } {
  try {
    return { value: make() }
  } catch (error) {
    return { threw: (error as Error).name }
  }
}

/** Does it go by the ring itself, the first time? */
const isOwn = (value: unknown) => {
  const ring = open()
  ring.write(value)
  return ring.posted === 0
}

/**
 * Through one ring so often: the keys of an object are written beside it the first time, then listed in the table, then
 * guessed. The last result.
 */
function through (value: unknown, times = 1, ring = open()): unknown {
  let read: unknown
  for (; times > 0; times--) {
    if (ring.write(value) === undefined) throw new Error('an empty ring has no room')
    read = ring.read()
    if (ring.reader.hasRecord || ring.held > 0) throw new Error('something is left')
  }
  return read
}

/** Deep and strict (-0, holes, prototypes), and own keys in their order. */
function same (one: unknown, other: unknown, seen = new Set<unknown>()): boolean {
  if (!isDeepStrictEqual(one, other)) return false
  if (one === null || typeof one !== 'object' || seen.has(one)) return true
  seen.add(one)
  const keys = Object.keys(one)
  return isDeepStrictEqual(keys, Object.keys(other as object)) &&
    keys.every((key) => same(Reflect.get(one, key), Reflect.get(other as object, key), seen))
}

const shared = { a: 1 }
const holes = [1, 2, 3]
delete holes[1]
const withKey = (key: string) => Object.assign([1, 2], { [key]: 3 })
const deep = (depth: number): unknown => depth === 0 ? 'x' : { of: deep(depth - 1) }
const cases: Record<string, unknown> = {
  undefined,
  null: null,
  true: true,
  false: false,
  zero: 0,
  'minus zero': -0,
  'minus zero inside': { a: [-0] },
  NaN,
  'NaN inside': [NaN],
  Infinity: -Infinity,
  'Infinity inside': { a: Infinity },
  'greatest int32': 2147483647,
  'least int32': -2147483648,
  'above int32': 2147483648,
  fraction: 0.1,
  'least float': 5e-324,
  bigint: 12345678901234567890n,
  'bigint inside': [1n],
  'undefined inside': { a: undefined, b: [undefined] },
  'empty text': '',
  ascii: 'abc\0def',
  latin1: 'é ÿ',
  unicode: 'żółw 漢字 😀',
  'lone surrogate': 'a\ud800b',
  'lone surrogate last': 'é\udc00',
  'lone surrogates inside': { '\ud800': ['\udfff'] },
  'line separators': { a: '\u2028\u2029"\\\n' },
  'replacement character': '\ufffd',
  'byte order mark': '\ufeffabc',
  '8,192 units': 'a'.repeat(8192),
  '8,192 wide units': '漢'.repeat(8192),
  '8,193 units': 'a'.repeat(8193),
  'a million units': 'ab'.repeat(500_000),
  'long text inside': { a: '漢'.repeat(8000) },
  'own __proto__': JSON.parse('{"__proto__":{"a":1},"b":2}'),
  'an inner own __proto__': [JSON.parse('{"__proto__":null}')],
  'own constructor': { constructor: 1, hasOwnProperty: 2 },
  'own toJSON': { toJSON: 'text' },
  'numeric keys': { 2: 'b', 1: 'a', '-1': 'c', 1.5: 'd' },
  'no prototype': Object.assign(Object.create(null), { a: 1 }),
  'inherited keys': Object.create({ a: 1 }),
  'class instance': new (class Point { x = 1 })(),
  getter: { get a () { return 5 } },
  'throwing getter': { get a (): number { throw new RangeError('no') } },
  'setter only': Object.defineProperty({}, 'a', { get: undefined, set () {}, enumerable: true }),
  'hidden key': Object.defineProperty({ a: 1 }, 'b', { value: 2 }),
  'symbol key': { a: 1, [Symbol('b')]: 2 },
  'empty array': [],
  holes,
  'only holes': new Array(3),
  'array with a key': withKey('more'),
  'shared reference': [shared, shared],
  'circle in an array': (() => { const a: unknown[] = []; a.push(a); return a })(),
  'depth 15': deep(15),
  'depth 16': deep(16),
  'depth 17': deep(17),
  '60 numbers': Array.from({ length: 60 }, (_, i) => i / 7),
  '1,000 numbers': Array.from({ length: 1000 }, (_, i) => i),
  date: new Date(0),
  'date inside': { at: new Date(1e12) },
  'bad date': new Date(NaN),
  map: new Map<unknown, unknown>([[1, 'a'], ['b', {}]]),
  set: new Set([1, 'a']),
  regexp: /a+/gi,
  bytes: new Uint8Array([1, 2, 3]),
  buffer: Buffer.from('abc'),
  'boxed number': Object(5),
  'boxed text': Object('ab'),
  error: new TypeError('bad'),
  'other realm': vm.runInNewContext('({ a: [1] })'),
  function: () => {},
  'function inside': { a () {} },
  symbol: Symbol('s'),
  'symbol inside': [Symbol('s')],
  proxy: new Proxy({ a: 1 }, {}),
  'proxy inside': { a: new Proxy([1], {}) },
  promise: Promise.resolve(1),
  'weak map': new WeakMap(),
  arguments: (function (..._: number[]) { return arguments })(1, 2)
}

for (const [name, value] of Object.entries(cases)) {
  t.test(`${name}: as structuredClone has it`, async (t) => {
    const expected = outcome(() => structuredClone(value))
    const found = outcome(() => through(value, 1))
    const again = outcome(() => through(value, 3))
    if (name === 'bad date') t.match(inspect(found), /Invalid Date/)
    else if (name === 'error') t.match(found, { value: { name: 'TypeError', message: 'bad' } })
    else {
      t.ok(same(found, expected), inspect({ found, expected }).slice(0, 200))
      t.ok(same(again, expected), inspect({ again, expected }).slice(0, 200))
    }
  })
}

t.test('values that go by the ring itself, and values that go by port', async (t) => {
  const own = [undefined, null, true, 0, -0, NaN, 1.5, '', 'é', 'a\ud800', 'a'.repeat(8192), deep(15), [undefined],
    { a: [1, null, 'b', -0, NaN, 1e9, undefined], '': { a: '漢'.repeat(8000) } }]
  t.same(own.map(isOwn), own.map(() => true))
  const ported = [1n, new Date(), 'a'.repeat(8193), deep(17), [shared, shared], { a: 'a'.repeat(11_000) }, holes,
    withKey('more'), { constructor: 1 }]
  t.same(ported.map(isOwn), ported.map(() => false))
  const forced = open()
  forced.write(5, 1, true)
  t.same([forced.posted, forced.read()], [1, 5], 'mustPost posts a number too')
})

const integers = (length: number) => Array.from({ length }, (_, at) => at)
const objects = (length: number) => Array.from({ length }, () => ({}))

t.test('4,096 values and 1,024 objects go by the ring, one more goes by port', async (t) => {
  t.same([4096, 4097].map((length) => isOwn(integers(length))), [true, false])
  t.same([1023, 1024].map((length) => isOwn(objects(length))), [true, false], 'beside the array that holds them')
})

t.test('an object that is met twice goes by port, be it among the first 32 or not', async (t) => {
  for (const [at, again] of [[0, 31], [0, 40], [30, 31], [31, 32], [40, 41], [40, 200]] as const) {
    const list: object[] = objects(201)
    t.equal(isOwn(list), true)
    list[again] = list[at]!
    t.equal(isOwn(list), false, `${at} and ${again}`)
  }
})

t.test('after one that was too large, the next 15 go by port where they have over 256 values', async (t) => {
  const ring = open()
  const isOwnHere = (value: unknown): boolean => {
    const before = ring.posted
    ring.write(value, 1)
    ring.read()
    return ring.posted === before
  }
  t.equal(isOwnHere([integers(2048), integers(2048)]), false)
  t.equal(isOwnHere(integers(256)), true)
  for (let turn = 2; turn <= 15; turn++) t.equal(isOwnHere(integers(257)), false)
  t.equal(isOwnHere(integers(257)), true)
  t.equal(isOwnHere(integers(4096)), true)
})

t.test('3,000 objects of 60 kinds in turn, some keys the same: each comes out with its own keys in their order', async (t) => {
  const ring = open()
  const kinds = Array.from({ length: 60 }, (_, kind) => {
    const keys = Array.from({ length: kind % 7 }, (_, at) => `key${(kind * at) % 5}${'x'.repeat(at)}`)
    return (n: number) => Object.fromEntries([...keys, `last${kind % 20}`].map((key, at) => [key, at === 1 ? { key, n } : n]))
  })
  let bad = 0
  for (let n = 0; n < 3000; n++) {
    const value = kinds[(n * 7) % 60]!(n)
    if (!same(through(value, 1, ring), value)) bad++
  }
  t.same([bad, ring.posted], [0, 0])
})

t.test('5,000 objects with keys of their own: the table is full and they still go by the ring', async (t) => {
  const ring = open()
  let bad = 0
  for (let n = 0; n < 5000; n++) {
    const value = { [`k${n}`]: n, same: 'text', [`é${n % 600}`]: [n] }
    // twice, so that it would be entered
    if (!same(through(value, 2, ring), value)) bad++
  }
  t.same([bad, ring.posted], [0, 0])
  t.same(through({ a: 1 }, 3, ring), { a: 1 })
})

t.test('a table has room for lists of keys up to its last unit, and no further', async (t) => {
  const ring = open()
  const size = 1000
  const count = Math.ceil(SHAPES_BYTES / 2 / (size + 2))
  for (let n = 0; n <= count; n++) {
    const value = { [String(n).padStart(size, 'k')]: n }
    t.ok(same(through(value, 3, ring), value), `list ${n} of ${count}`)
  }
})

t.test('a getter that writes to the same ring: both values arrive, the inner one first', async (t) => {
  const ring = open()
  const value = { a: 1, get b () { ring.write({ inner: [1, 2] }, 8); return 'b' }, c: 3 }
  ring.write(value, 9)
  t.same([ring.reader.next()?.id, ring.read()], [8, { inner: [1, 2] }])
  t.same([ring.reader.next()?.id, ring.read()], [9, { a: 1, b: 'b', c: 3 }])
  t.equal(ring.posted, 1, 'the inner one by port')
})

t.test('a getter of a value that goes by port writes to the same ring: both arrive, the inner one first', async (t) => {
  const ring = open()
  const value = { map: new Map(), get b () { ring.write('inner', 8); return 'b' } }
  ring.write(value, 9)
  t.same([ring.reader.next()?.id, ring.read()], [8, 'inner'])
  t.same([ring.reader.next()?.id, ring.read()], [9, { map: new Map(), b: 'b' }])
})

t.test('a key that somebody gave all objects or arrays is not sent', async (t) => {
  for (const prototype of [Object.prototype, Array.prototype]) {
    Object.defineProperty(prototype, 'everywhere', { value: 1, enumerable: true, configurable: true })
    try {
      t.same(Object.keys(through({ a: [1] }, 3) as object), ['a'])
    } finally {
      Reflect.deleteProperty(prototype, 'everywhere')
    }
  }
})

t.test('2,000 values of any kind come out as structuredClone makes them', async (t) => {
  const anything = fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withMap: true,
    withNullPrototype: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    withUnicodeString: true
  } as fc.ObjectConstraints)
  const dated = fc.oneof(anything, fc.dictionary(fc.string(), fc.oneof(anything, fc.date({ noInvalidDate: true }))))
  // one ring for all, so that each value meets the guesses and the table that others left
  const ring = open()
  fc.assert(fc.property(dated, fc.integer({ min: 1, max: 3 }), (value, times) =>
    same(outcome(() => through(value, times, ring)), outcome(() => structuredClone(value)))), { numRuns: 2000 })
  t.pass('2,000 runs')
})

t.test('1,000 JSON values and texts of any code units come out equal', async (t) => {
  fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary', maxLength: 300 })),
    (value) => same(through(value), structuredClone(value))), { numRuns: 1000 })
  t.pass('1,000 runs')
})

t.test('20,000 records of 16 bytes to 24 KiB go round the end, with their ids, in order', async (t) => {
  const ring = open()
  const valueOf = (id: number): unknown => [
    id, `text ${id}`, { id, list: [id, null, 'é'] }, 'x'.repeat(id * 37 % 8192), id / 3, null, '漢'.repeat(id % 900), '', new Map([[id, 1]])
  ][id % 9]
  let written = 0
  let read = 0
  let bad = 0
  const readOne = () => {
    const record = ring.reader.next()!
    if (record.id !== read) bad++
    if (!isDeepStrictEqual(ring.reader.read(record, ring.fetch), valueOf(read))) bad++
    read++
  }
  while (written < 20_000) {
    if (ring.write(valueOf(written), written) === undefined) readOne()
    else written++
  }
  t.ok(read > 10_000, `${read} were read while writing: the ring was full often`)
  while (ring.reader.hasRecord) readOne()
  t.equal(read, 20_000)
  t.equal(bad, 0)
  t.equal(ring.held, 0)
})

t.test('a full ring holds 8,192 records without payload, returns undefined, and has room again after 4 KiB were read', async (t) => {
  const ring = open()
  let count = 0
  while (count < 10_000 && ring.write(null, count) !== undefined) count++
  t.equal(count, RING_BYTES / 16)
  t.equal(ring.write(5), undefined)
  t.equal(ring.posted, 0, 'what does not fit is not posted either')
  const told = UNTOLD_BYTES / 16
  for (let read = 1; read < told; read++) t.equal(ring.read(), null)
  t.equal(ring.write(5), undefined, 'not told yet')
  t.equal(ring.read(), null)
  for (let more = 0; more < told; more++) t.type(ring.write(5), 'number')
  t.equal(ring.write(6), undefined)
})

t.test('a reader that finds nothing has told of all that it passed', async (t) => {
  const ring = open()
  for (let round = 0; round < 3; round++) {
    let count = 0
    while (ring.write(null) !== undefined) count++
    t.equal(count, RING_BYTES / 16, `round ${round}`)
    while (ring.reader.next() !== undefined) ring.read()
  }
})

t.test('an empty text in the last 16 bytes of the ring', async (t) => {
  const ring = open()
  for (let i = 1; i < RING_BYTES / 16; i++) ring.write(null)
  t.type(ring.write(''), 'number')
  for (let i = 1; i < RING_BYTES / 16; i++) ring.read()
  t.equal(ring.read(), '')
})

t.test('with 4,096 bytes to spare, payloads go by port before the ring is full', async (t) => {
  const ring = open(4096)
  let own = 0
  while (ring.posted === 0) {
    ring.write('x'.repeat(96)) // at most 288 bytes are kept for it, 96 + 16 are used
    own++
  }
  const used = (own - 1) * 112
  t.ok(used <= RING_BYTES - 4096, `${used} bytes`)
  t.ok(used > RING_BYTES - 4096 - 400, `${used} bytes`)
  let more = 0
  while (ring.write('x'.repeat(96)) !== undefined) more++
  t.ok(more > 200, `${more} more`)
  let bad = 0
  while (ring.reader.hasRecord) if (ring.read() !== 'x'.repeat(96)) bad++
  t.equal(bad, 0)
})

t.test('what cannot be cloned throws in the writer and leaves no record', async (t) => {
  const ring = open()
  t.throws(() => ring.write(() => {}), { name: 'DataCloneError' })
  t.throws(() => ring.write({ a: Symbol('s') }), { name: 'DataCloneError' })
  t.equal(ring.reader.hasRecord, false)
  ring.write('next')
  t.equal(ring.read(), 'next')
})

t.test('revoked before the claim: taken back once, and never claimed', async (t) => {
  const ring = open()
  const position = ring.write('a', 7)!
  const record = { ...ring.reader.next()! }
  t.equal(record.id, 7)
  t.equal(ring.writer.revoke(position), true)
  t.equal(ring.writer.revoke(position), false, 'a second time')
  t.equal(ring.reader.claim(record), false)
  ring.reader.skip(record, ring.fetch)
  t.equal(ring.reader.next(), undefined)
})

t.test('revoked before the reader looks: the record shows it, and the next one is untouched', async (t) => {
  const ring = open()
  const position = ring.write(new Map([[1, 2]]), 1)!
  ring.write(new Map([[3, 4]]), 2)
  t.equal(ring.writer.revoke(position), true)
  const record = ring.reader.next()!
  t.equal(record.word & 15, REVOKED)
  t.equal(ring.reader.claim({ ...record }), false)
  ring.reader.skip(record, ring.fetch)
  t.equal(ring.held, 1, 'the value that went by port is gone')
  const next = ring.reader.next()!
  t.equal(next.id, 2)
  t.equal(ring.reader.claim(next), true)
  t.same(ring.reader.read(next, ring.fetch), new Map([[3, 4]]))
})

t.test('revoked after the claim: refused, while it runs and after it was passed', async (t) => {
  const ring = open()
  const position = ring.write('a')!
  const record = ring.reader.next()!
  t.equal(ring.reader.claim(record), true)
  t.equal(ring.reader.next()!.word & 15, TAKEN)
  t.equal(ring.writer.revoke(position), false)
  t.equal(ring.reader.read(record, ring.fetch), 'a')
  t.equal(ring.writer.revoke(position), false)
})

t.test('a place that was used anew, a round later, is not revoked by its old position', async (t) => {
  const ring = open()
  const old = ring.write(0)!
  ring.read()
  for (let i = 1; i < RING_BYTES / 16; i++) {
    ring.write(i)
    ring.read()
  }
  const fresh = ring.write('new')!
  t.equal(fresh, old + RING_BYTES)
  t.equal(ring.writer.revoke(old), false)
  t.equal(ring.read(), 'new')
})

t.test('arrays with a key that only looks like an index, and a Date or Map in disguise, are not plain', async (t) => {
  for (const key of ['-1', '0.5', 'NaN', '-Infinity']) {
    const array: unknown[] = [1, 2, 3]
    delete array[1]
    t.equal(isOwn(Object.assign(array, { [key]: 4 })), false, key)
  }
  for (const value of [new Date(0), new Map(), new Set(), /a/, new Error('x'), Object(1), new Uint8Array(2)]) {
    const name = value.constructor.name
    t.equal(isOwn(Object.setPrototypeOf(value, Object.prototype)), false, name)
  }
})
