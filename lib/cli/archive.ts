// Writes a tar.gz: enough of the format for text files with names of any length, readable by every tar.
import { gzipSync } from 'node:zlib'
import type { Recording } from '../index.js'

const blockBytes = 512
const maxNameBytes = 100

/** A recording as a tar.gz; the same recording gives the same bytes. */
export function packRecording ({ files, folders }: Recording): Buffer {
  const blocks = [
    ...[...folders].sort().map((name) => entry(`${name}/`, '5', '')),
    ...[...files].sort(([a], [b]) => a < b ? -1 : 1).map(([name, text]) => entry(name, '0', text)),
    Buffer.alloc(2 * blockBytes)
  ]
  return gzipSync(Buffer.concat(blocks))
}

/** One file or folder (type 5). A long name comes before it as a file of type L, which all tars understand. */
function entry (name: string, type: '0' | '5' | 'L', text: string): Buffer {
  if (Buffer.byteLength(name, 'latin1') > maxNameBytes) {
    return Buffer.concat([entry('././@LongLink', 'L', `${name}\0`), entry(name.slice(0, maxNameBytes), type, text)])
  }
  const body = Buffer.from(text, 'latin1')
  const header = Buffer.alloc(blockBytes)
  const octal = (value: number, at: number, width: number) => header.write(value.toString(8).padStart(width, '0'), at)
  header.write(name, 0, 'latin1')
  octal(type === '5' ? 0o755 : 0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(body.length, 124, 11)
  octal(0, 136, 11)
  header.write(' '.repeat(8), 148)
  header.write(type, 156)
  header.write('ustar\u000000', 257, 'latin1')
  octal(header.reduce((sum, byte) => sum + byte, 0), 148, 6)
  header.write('\0 ', 154, 'latin1')
  const padding = Buffer.alloc((blockBytes - body.length % blockBytes) % blockBytes)
  return Buffer.concat([header, body, padding])
}
