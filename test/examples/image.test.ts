// Tests what the example does with pixels, on pictures small enough to work out by hand.

import t from 'tap'
import jpeg = require('jpeg-js')
import { PNG } from 'pngjs'
import { decode, encode, shrink, typeOf, type Picture } from '../../dist/examples/image.js'

const picture = (width: number, height: number, ...pixels: number[][]): Picture =>
  ({ width, height, data: Uint8Array.from(pixels.flat()) })

/** A JPEG of 32 x 16 pixels, its left half red, its right half blue, with an Exif orientation. */
const turnedJpeg = (orientation: number): Uint8Array => {
  const data = Buffer.alloc(32 * 16 * 4)
  for (let i = 0; i < 32 * 16; i++) data.set(i % 32 < 16 ? [255, 0, 0, 255] : [0, 0, 255, 255], i * 4)
  const plain = jpeg.encode({ width: 32, height: 16, data }, 95).data
  const tiff = [
    0x4d, 0x4d, 0, 42, 0, 0, 0, 8, // big-endian, the first directory starts at byte 8
    0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, // one entry: orientation, a short
    0, 0, 0, 0
  ]
  const exif = [0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff]
  const segment = [0xff, 0xe1, 0, exif.length + 2, ...exif]
  return Buffer.concat([plain.subarray(0, 2), Buffer.from(segment), plain.subarray(2)])
}

const colourAt = ({ width, data }: Picture, x: number, y: number) =>
  data[(y * width + x) * 4]! > 128 ? 'red' : data[(y * width + x) * 4 + 2]! > 128 ? 'blue' : 'other'

t.test('four pixels become their mean', async (t) => {
  const small = shrink(picture(2, 2, [10, 0, 0, 255], [20, 0, 0, 255], [30, 0, 0, 255], [40, 80, 0, 255]), 1)
  t.strictSame([...small.data], [25, 20, 0, 255])
})

t.test('three pixels become two: each new one covers one pixel and a half', async (t) => {
  // (0 * 1 + 90 * 0.5) / 1.5 = 30 and (90 * 0.5 + 240 * 1) / 1.5 = 190; 1 * 2 / 3 rows is rounded to 1
  const small = shrink(picture(3, 1, [0, 0, 0, 255], [90, 0, 0, 255], [240, 0, 0, 255]), 2)
  t.strictSame([small.width, small.height], [2, 1])
  t.strictSame([small.data[0], small.data[4]], [30, 190])
})

t.test('the colour of a transparent pixel does not bleed into its neighbour', async (t) => {
  const small = shrink(picture(2, 1, [200, 100, 0, 255], [0, 0, 255, 0]), 1)
  t.strictSame([...small.data], [200, 100, 0, 128])
})

t.test('a picture that is narrower than asked for keeps its pixels', async (t) => {
  const source = picture(1, 1, [1, 2, 3, 255])
  t.equal(shrink(source, 2), source)
})

t.test('shrink calls onRow once a new row, and stops where it throws', async (t) => {
  let rows = 0
  const source = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 4) }
  shrink(source, 4, () => { rows++ })
  t.equal(rows, 4)
  t.throws(() => shrink(source, 4, () => { throw new Error('cancelled') }), { message: 'cancelled' })
})

t.test('a PNG keeps its pixels through encode and decode', async (t) => {
  const source = picture(2, 1, [1, 2, 3, 255], [4, 5, 6, 100])
  const bytes = encode(source, 'image/png')
  t.equal(typeOf(bytes), 'image/png')
  t.strictSame([...decode(bytes, 'image/png').data], [...source.data])
})

t.test('a JPEG is turned upright by its Exif orientation', async (t) => {
  // What stands left, right, top and bottom after the turn; the sensor saw red left, blue right.
  const expected: [number, number, number, string, string][] = [
    [1, 32, 16, 'red', 'blue'], // first pixel, last pixel
    [2, 32, 16, 'blue', 'red'],
    [3, 32, 16, 'blue', 'red'],
    [4, 32, 16, 'red', 'blue'],
    [5, 16, 32, 'red', 'blue'],
    [6, 16, 32, 'red', 'blue'],
    [7, 16, 32, 'blue', 'red'],
    [8, 16, 32, 'blue', 'red']
  ]
  for (const [orientation, width, height, first, last] of expected) {
    const upright = decode(turnedJpeg(orientation), 'image/jpeg')
    t.strictSame([upright.width, upright.height], [width, height], `size for orientation ${orientation}`)
    t.equal(colourAt(upright, 2, 2), first, `top left for orientation ${orientation}`)
    t.equal(colourAt(upright, width - 3, height - 3), last, `bottom right for orientation ${orientation}`)
  }
})

t.test('a PNG whose header claims 400 megapixels is refused with 413 before it is unpacked', async (t) => {
  const bytes = PNG.sync.write(new PNG({ width: 1, height: 1 }))
  bytes.writeUInt32BE(20_000, 16)
  bytes.writeUInt32BE(20_000, 20)
  t.throws(() => decode(bytes, 'image/png'), { statusCode: 413, message: /20000 x 20000/ })
})

t.test('a JPEG whose header claims 400 megapixels is refused with 413', async (t) => {
  const bytes = Buffer.from(turnedJpeg(1))
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]))
  bytes.writeUInt16BE(20_000, frame + 5)
  bytes.writeUInt16BE(20_000, frame + 7)
  t.throws(() => decode(bytes, 'image/jpeg'), { statusCode: 413, message: /expected at most 40000000 pixels/ })
})
