// Owns the pixels: reads a PNG or JPEG, turns it upright, shrinks it by averaging areas, writes the same kind again.

import jpeg = require('jpeg-js')
import { PNG } from 'pngjs'

/** A picture in memory: four bytes a pixel (red, green, blue, alpha), row by row. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

export type ImageType = 'image/png' | 'image/jpeg'

/** Chosen: a 24-megapixel photograph fits; a small file that unpacks to gigabytes does not. */
const MAX_PIXELS = 40_000_000
const JPEG_QUALITY = 82

const imageError = (statusCode: number, message: string, cause?: unknown) =>
  Object.assign(new Error(message, { cause }), { statusCode })

/** The kind of an image by its first bytes, whatever its sender called it; an error with status 415 for other bytes. */
export const typeOf = (bytes: Uint8Array): ImageType => {
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'image/png'
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'image/jpeg'
  throw imageError(415, 'expected a PNG or JPEG image, got other bytes')
}

/** Unpacks an image; an error with status 400 when it is broken and 413 when it has too many pixels. */
export const decode = (bytes: Uint8Array, type: ImageType): Picture => {
  try {
    return type === 'image/png' ? decodePng(bytes) : decodeJpeg(bytes)
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error) throw error
    const reason = error instanceof Error ? error.message : String(error)
    if (reason.startsWith('maxResolutionInMP') || reason.startsWith('maxMemoryUsageInMB')) throw tooLarge(reason)
    throw imageError(400, `cannot read the ${type}: ${reason}`, error)
  }
}

export const encode = (picture: Picture, type: ImageType): Uint8Array => {
  if (type === 'image/jpeg') return Uint8Array.from(jpeg.encode(picture, JPEG_QUALITY).data)
  const png = new PNG({ width: picture.width, height: picture.height })
  png.data = Buffer.from(picture.data.buffer, picture.data.byteOffset, picture.data.byteLength)
  return Uint8Array.from(PNG.sync.write(png))
}

/**
 * Shrinks to at most `maxWidth` pixels, keeping the proportions; a narrower picture stays as it is.
 * Each new pixel is the mean of the area it covers, its colours weighted by alpha, so that the colour
 * hidden under transparent pixels does not bleed out of the edges.
 * @param onRow called before each new row: the place to stop a job that nobody waits for any more
 */
export const shrink = (picture: Picture, maxWidth: number, onRow: () => void = () => {}): Picture => {
  if (picture.width <= maxWidth) return picture
  const width = maxWidth
  const height = Math.max(1, Math.round(picture.height * width / picture.width))
  const columns = spans(picture.width, width)
  const rows = spans(picture.height, height)
  const data = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++) {
    onRow()
    for (let x = 0; x < width; x++) {
      writeMean(picture, columns[x]!, rows[y]!, data, (y * width + x) * 4)
    }
  }
  return { width, height, data }
}

/** The pixels `first, first + 1, …` that one new pixel covers along one side, and how much of each. */
interface Span {
  readonly first: number
  readonly weights: Float64Array
}

const spans = (from: number, to: number): Span[] => {
  const step = from / to
  return Array.from({ length: to }, (_, index) => {
    const start = index * step
    const end = Math.min(from, start + step)
    const first = Math.floor(start)
    const weights = new Float64Array(Math.max(1, Math.ceil(end) - first))
    for (let i = 0; i < weights.length; i++) {
      weights[i] = Math.min(end, first + i + 1) - Math.max(start, first + i)
    }
    return { first, weights }
  })
}

const writeMean = (picture: Picture, column: Span, row: Span, target: Uint8Array, at: number) => {
  const { data, width } = picture
  let red = 0
  let green = 0
  let blue = 0
  let alpha = 0
  let area = 0
  for (let j = 0; j < row.weights.length; j++) {
    let from = ((row.first + j) * width + column.first) * 4
    for (let i = 0; i < column.weights.length; i++, from += 4) {
      const weight = row.weights[j]! * column.weights[i]!
      const opacity = weight * data[from + 3]!
      red += data[from]! * opacity
      green += data[from + 1]! * opacity
      blue += data[from + 2]! * opacity
      alpha += opacity
      area += weight
    }
  }
  if (alpha === 0) return
  target[at] = Math.round(red / alpha)
  target[at + 1] = Math.round(green / alpha)
  target[at + 2] = Math.round(blue / alpha)
  target[at + 3] = Math.round(alpha / area)
}

const decodePng = (bytes: Uint8Array): Picture => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // The header holds the size at bytes 16 to 23; it is checked before anything is unpacked.
  if (buffer.length < 24) throw new Error('it ends inside its header')
  const width = buffer.readUInt32BE(16)
  const height = buffer.readUInt32BE(20)
  if (width * height > MAX_PIXELS) throw tooLarge(`${width} x ${height} pixels`)
  return PNG.sync.read(buffer)
}

const decodeJpeg = (bytes: Uint8Array): Picture => {
  const picture = jpeg.decode(bytes, {
    useTArray: true,
    tolerantDecoding: false,
    maxResolutionInMP: MAX_PIXELS / 1_000_000,
    maxMemoryUsageInMB: 1024
  }) as Picture & { exifBuffer?: Uint8Array }
  return turn(picture, orientationOf(picture.exifBuffer))
}

const tooLarge = (got: string) => imageError(413, `expected at most ${MAX_PIXELS} pixels, got an image with: ${got}`)

/** Phones store a photograph as the sensor saw it and say in Exif tag 0x0112 how to turn it: 1 (upright) to 8. */
const orientationOf = (exif: Uint8Array | undefined): number => {
  if (exif === undefined || exif.byteLength < 9) return 1
  // jpeg-js keeps the second zero of "Exif\0\0" in front of the TIFF header.
  const tiff = new DataView(exif.buffer, exif.byteOffset + 1, exif.byteLength - 1)
  const little = tiff.getUint16(0) === 0x4949
  const directory = tiff.getUint32(4, little)
  if (directory + 2 > tiff.byteLength) return 1
  const count = tiff.getUint16(directory, little)
  for (let entry = directory + 2, i = 0; i < count && entry + 12 <= tiff.byteLength; i++, entry += 12) {
    if (tiff.getUint16(entry, little) === 0x0112) return tiff.getUint16(entry + 8, little)
  }
  return 1
}

/** Where the pixel (x, y) of the upright picture lies in the stored one of w x h pixels. */
const stored: Readonly<Record<number, (x: number, y: number, w: number, h: number) => readonly [number, number]>> = {
  2: (x, y, w) => [w - 1 - x, y],
  3: (x, y, w, h) => [w - 1 - x, h - 1 - y],
  4: (x, y, _, h) => [x, h - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, _, h) => [y, h - 1 - x],
  7: (x, y, w, h) => [w - 1 - y, h - 1 - x],
  8: (x, y, w) => [w - 1 - y, x]
}

const turn = (picture: Picture, orientation: number): Picture => {
  const find = stored[orientation]
  if (find === undefined) return picture
  const [width, height] = orientation >= 5 ? [picture.height, picture.width] : [picture.width, picture.height]
  const from = new Uint32Array(picture.data.buffer, picture.data.byteOffset, width * height)
  const to = new Uint32Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = find(x, y, picture.width, picture.height)
      to[y * width + x] = from[fromY * picture.width + fromX]!
    }
  }
  return { width, height, data: new Uint8Array(to.buffer) }
}

const startsWith = (bytes: Uint8Array, signature: readonly number[]) =>
  signature.every((byte, index) => bytes[index] === byte)
