// The codecs of a tier: the first in which a value comes back as it is, JSON before others.
import { createHash } from 'node:crypto'
import { decodeError, errors } from '../errors.js'
import { jsonCodec, parseSafely } from './json.js'
import type { WireError } from '../errors.js'
import type { Codec, RemoteOutcome } from './contract.js'

/** A value as it travels. */
export interface Encoded { readonly codec: string, readonly payload: string }

/** An error as it travels: where JSON would change its own properties, or what was thrown, `exact` has them as well. */
export type ExactError = WireError & { exact?: Encoded }

export class Codecs {
  readonly #codecs: readonly Codec[]

  constructor (more: readonly Codec[]) { this.#codecs = [jsonCodec, ...more] }

  named (name: string): Codec | undefined { return this.#codecs.find((codec) => codec.name === name) }

  /** undefined: the value would not arrive as it is. */
  encode (value: unknown): Encoded | undefined {
    for (const codec of this.#codecs) {
      const payload = codec.encode(value)
      if (payload !== undefined) return { codec: codec.name, payload }
    }
    return undefined
  }

  /** The same error, and those that it brings along. */
  exactly (wire: WireError): ExactError {
    const carried = 'own' in wire ? wire.own : wire.value
    const encoded = this.encode(carried)
    const exact = encoded?.codec === jsonCodec.name ? undefined : encoded
    return {
      ...wire,
      ...exact && { exact },
      ...'own' in wire && wire.cause && { cause: this.exactly(wire.cause) },
      ...'own' in wire && wire.errors && { errors: wire.errors.map((error) => this.exactly(error)) }
    }
  }

  #restored ({ exact, ...wire }: ExactError): WireError {
    const carried = exact && this.named(exact.codec)?.decode(exact.payload)
    if (!('own' in wire)) return exact ? { value: carried } : wire
    return {
      ...wire,
      ...typeof carried === 'object' && carried !== null && { own: carried as Record<string, unknown> },
      ...wire.cause && { cause: this.#restored(wire.cause) },
      ...wire.errors && { errors: wire.errors.map((error) => this.#restored(error)) }
    }
  }

  /** The value of an outcome. Throws the job's own error, or one of ours. */
  valueOf (job: string, outcome: RemoteOutcome): unknown {
    if (outcome.status !== 'ok') throw decodeError(this.#restored(parseSafely(outcome.error) as ExactError))
    const codec = this.named(outcome.codec)
    if (codec === undefined) throw new errors.REMOTE_ENVELOPE(job, `codec ${outcome.codec.slice(0, 20)} is not known here`)
    return codec.decode(outcome.payload)
  }
}

/** Tells whether two inputs are the same. */
export const fingerprintOf = ({ codec, payload }: Encoded): string =>
  createHash('sha256').update(`${codec}\0${payload}`).digest('base64url')
