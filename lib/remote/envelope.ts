// What lies in the engine: the envelope of a job and of its outcome, their limits and their signatures.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { parseSafely } from './json.js'
import type { RemoteJob, RemoteOutcome } from './contract.js'

/** A job as it lies in the queue; short names, since it travels. */
export interface Envelope {
  readonly v: 1
  /** codec and payload; `big` is the length of a payload that lies beside the record */
  readonly c: string
  readonly p?: string
  readonly big?: number
  /** deadline, epoch ms of the broker's clock */
  readonly d: number
  /** longest run, ms */
  readonly t: number
  /** instance that waits for the answer */
  readonly rt: string
  /** 1: answer before the end is booked */
  readonly f: 0 | 1
  /** 1: durable */
  readonly du: 0 | 1
  /** fingerprint of a keyed job's input */
  readonly k?: string
  /** owner */
  readonly o?: string
  readonly tp?: string
  readonly rq?: string
  /** created, epoch ms of the broker's clock */
  readonly at: number
  readonly s?: string
}

/** An outcome as it lies in the record and in a hint. */
export type Sealed =
  { readonly v: 1, readonly st: 'ok', readonly c: string, readonly p?: string, readonly big?: number, readonly s?: string } |
  { readonly v: 1, readonly st: 'failed' | 'expired' | 'cancelled', readonly e: string, readonly s?: string }

/** Why something read from the engine was not taken. */
export class EnvelopeError extends Error {}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64url')

function sign (key: string, fields: readonly unknown[]): string {
  return createHmac('sha256', key).update(JSON.stringify(fields)).digest('base64url')
}

function checkSignature (key: string | undefined, given: unknown, fields: readonly unknown[]): void {
  if (key === undefined) return
  const wanted = Buffer.from(sign(key, fields))
  const got = Buffer.from(typeof given === 'string' ? given : '')
  if (wanted.length !== got.length || !timingSafeEqual(wanted, got)) throw new EnvelopeError('its signature is wrong or absent')
}

const jobFields = (id: string, payload: string, { v, c, d, t, rt, f, du, k, o, tp, rq, at }: Envelope): unknown[] =>
  [id, v, c, hashOf(payload), d, t, rt, f, du, k ?? '', o ?? '', tp ?? '', rq ?? '', at]

/** Make the envelope; a payload over `inlineBytes` is left out, to be stored beside. */
export function pack (id: string, job: RemoteJob, instance: string, brokerNowMs: number, inlineBytes: number,
  key: string | undefined): Envelope {
  const bytes = Buffer.byteLength(job.payload)
  const envelope: Envelope = {
    v: 1,
    c: job.codec,
    ...(bytes > inlineBytes ? { big: bytes } : { p: job.payload }),
    d: Math.round(brokerNowMs + job.deadlineMs),
    t: job.timeoutMs,
    rt: instance,
    f: job.reply === 'fast' ? 1 : 0,
    du: job.durable ? 1 : 0,
    ...(job.key !== undefined && { k: job.key.fingerprint }),
    ...(job.owner !== undefined && { o: job.owner }),
    ...(job.traceparent !== undefined && { tp: job.traceparent }),
    ...(job.requestId !== undefined && { rq: job.requestId.slice(0, 200) }),
    at: Math.round(brokerNowMs)
  }
  return key === undefined ? envelope : { ...envelope, s: sign(key, jobFields(id, job.payload, envelope)) }
}

/** Longest text of an envelope: an inline payload whose every byte is escaped, and the other fields. */
export const maxEnvelopeText = (inlineBytes: number): number => inlineBytes * 8 + 8192

/** Parse a record's text, which anyone with access to the engine can write. Throws `EnvelopeError`. */
export function parseEnvelope (text: string, inlineBytes: number, maxBytes: number): Envelope {
  if (text.length > maxEnvelopeText(inlineBytes)) throw new EnvelopeError(`it has ${text.length} characters`)
  try {
    return readEnvelope(parseSafely(text), maxBytes)
  } catch (error) {
    throw error instanceof EnvelopeError ? error : new EnvelopeError('it is no JSON')
  }
}

/** Is it an envelope of ours? Looks at form and sizes only. Throws `EnvelopeError`. */
export function readEnvelope (data: unknown, maxBytes: number): Envelope {
  if (data === null || typeof data !== 'object') throw new EnvelopeError('it is no object')
  const { v, c, p, big, d, t, rt, at, f, du, k, o, tp, rq } = data as Partial<Record<keyof Envelope, unknown>>
  if (v !== 1) throw new EnvelopeError(`its version is ${JSON.stringify(v)?.slice(0, 20)}, this worker reads 1`)
  const isText = (value: unknown): boolean => typeof value === 'string' && value.length <= 512
  const isTime = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  if (!isText(c) || !isTime(d) || !isTime(t) || !isTime(at) || !isText(rt)) throw new EnvelopeError('a field is absent')
  for (const text of [k, o, tp, rq]) if (text !== undefined && !isText(text)) throw new EnvelopeError('a field is no text')
  for (const flag of [f, du]) if (flag !== 0 && flag !== 1) throw new EnvelopeError('a flag is neither 0 nor 1')
  if (typeof p === 'string' ? Buffer.byteLength(p) > maxBytes : !isTime(big) || (big as number) > maxBytes) {
    throw new EnvelopeError(`its payload is absent or over ${maxBytes} bytes`)
  }
  return data as Envelope
}

/** Tells one job of a key from the next, where one was cancelled: deadline, creation and owner. */
export const markOf = ({ d, at, o }: Envelope): string => JSON.stringify([d, at, o ?? null])

/** Is it signed by one of us? Throws `EnvelopeError`. */
export function checkEnvelope (id: string, envelope: Envelope, payload: string, key: string | undefined): void {
  checkSignature(key, envelope.s, jobFields(id, payload, envelope))
}

/** Seal an outcome; a payload over `inlineBytes` is left out, to be stored beside. */
export function seal (id: string, outcome: RemoteOutcome, inlineBytes: number, key: string | undefined): Sealed {
  if (outcome.status === 'ok') {
    const { codec: c, payload } = outcome
    const bytes = Buffer.byteLength(payload)
    const s = key === undefined ? undefined : sign(key, [id, 'ok', c, hashOf(payload)])
    return { v: 1, st: 'ok', c, ...(bytes > inlineBytes ? { big: bytes } : { p: payload }), ...(s !== undefined && { s }) }
  }
  const { status: st, error: e } = outcome
  return { v: 1, st, e, ...(key !== undefined && { s: sign(key, [id, st, '', hashOf(e)]) }) }
}

/** Open a sealed outcome; `big` fetches a payload that lies beside. Throws `EnvelopeError`. */
export async function unseal (id: string, sealed: unknown, maxBytes: number, key: string | undefined,
  big: () => Promise<string | null>): Promise<RemoteOutcome> {
  if (sealed === null || typeof sealed !== 'object') throw new EnvelopeError('the outcome is no object')
  const { v, st, c, p, big: bytes, e, s } = sealed as Record<string, unknown>
  if (v !== 1) throw new EnvelopeError(`the outcome's version is ${JSON.stringify(v)?.slice(0, 20)}`)
  if (st === 'ok' && typeof c === 'string') {
    const payload = typeof p === 'string' ? p : typeof bytes === 'number' && bytes <= maxBytes ? await big() : null
    if (payload === null || Buffer.byteLength(payload) > maxBytes) throw new EnvelopeError('the result is gone or too large')
    checkSignature(key, s, [id, 'ok', c, hashOf(payload)])
    return { status: 'ok', codec: c, payload }
  }
  if ((st === 'failed' || st === 'expired' || st === 'cancelled') && typeof e === 'string' && e.length <= 65536) {
    checkSignature(key, s, [id, st, '', hashOf(e)])
    return { status: st, error: e }
  }
  throw new EnvelopeError('the outcome has no known form')
}

/** Text between the readable line and the sealed outcome in BullMQ's failedReason. */
const MARK = '\n#spillover '

export const failureText = (line: string, sealed: Sealed): string =>
  `${line.replaceAll('\n', ' ').slice(0, 200)}${MARK}${JSON.stringify(sealed)}`

/** The sealed outcome in a failedReason; undefined where the engine itself failed the job. */
export function failureIn (text: string): unknown {
  const at = text.indexOf(MARK)
  if (at < 0 || text.length > 131072) return undefined
  try {
    return parseSafely(text.slice(at + MARK.length))
  } catch {
    return undefined // not ours: told to the waiter as the engine's own reason
  }
}
