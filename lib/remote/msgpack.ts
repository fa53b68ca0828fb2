// The codec for what JSON cannot carry: binary, dates, maps, big integers. msgpackr comes with bullmq.
import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import { Serializer } from 'node:v8'
import type { Codec } from './contract.js'

interface Packer { pack (value: unknown): Buffer, unpack (bytes: Uint8Array): unknown }

const { Packr } = createRequire(require.resolve('bullmq'))('msgpackr') as { Packr: new (options: object) => Packer }
const packer = new Packr({ structuredClone: true })

/** msgpack in base64. A value is read back once before it travels: what would change goes by no codec. */
export const msgpackCodec: Codec = {
  name: 'msgpack',
  encode (value) {
    try {
      const cloned = structuredClone(value)
      new Serializer().writeValue(cloned) // throws for a view of shared memory, which would arrive as a copy
      const bytes = packer.pack(cloned)
      return isDeepStrictEqual(packer.unpack(bytes), cloned) ? bytes.toString('base64') : undefined
    } catch {
      return undefined // functions, symbols and other things that do not travel to a thread either
    }
  },
  decode: (text) => packer.unpack(Buffer.from(text, 'base64'))
}
