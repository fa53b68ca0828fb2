// What is sent: each payload with the job that takes it and the test of its result.

const text = 'The quick brown fox jumps over the lazy dog. '.repeat(23).slice(0, 1024)

/** A buffer whose two ends are marked: the job `size` looks at them. */
export function makeBytes (length) {
  const bytes = new Uint8Array(length)
  bytes[0] = 1
  bytes[length - 1] = 2
  return bytes
}

const kb64 = makeBytes(65536)
const mb = makeBytes(1 << 20)
const rows = Array.from({ length: 100 }, (_, id) => ({ id, name: `row ${id}`, price: id * 1.25, isSold: id % 2 === 0 }))
const isSmall = (value) => value.a === 1 && value.b === 'hello world' && value.c.length === 3 && value.c[2] === 3

/**
 * `make` gives an input, `isRight` judges a result. `moved` payloads are transferred, so each job has a new one, and it
 * is written whole: a buffer that nobody has filled has no pages yet, and only the allocator is measured.
 */
export const payloads = {
  object: { job: 'echo', make: () => ({ a: 1, b: 'hello world', c: [1, 2, 3] }), isRight: isSmall },
  noop: {
    job: 'noop', make: () => ({ a: 1, b: 'hello world', c: [1, 2, 3] }), isRight: (value) => value === undefined
  },
  integer: { job: 'echo', make: () => 42, isRight: (value) => value === 42 },
  text: { job: 'echo', make: () => text, isRight: (value) => value.length === 1024 && value === text },
  rows: { job: 'echo', make: () => rows, isRight: (value) => value.length === 100 && value[99].price === 123.75 },
  'bytes-64k': { job: 'size', make: () => kb64, isRight: (value) => value === 65536 },
  'bytes-64k-moved': { job: 'size', moved: true, make: () => kb64.slice(), isRight: (value) => value === 65536 },
  'bytes-1m': { job: 'size', make: () => mb, isRight: (value) => value === 1 << 20 },
  'bytes-1m-moved': { job: 'size', moved: true, make: () => mb.slice(), isRight: (value) => value === 1 << 20 }
}
