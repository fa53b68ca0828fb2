// Jobs of other machines, run on the pool of this one: what they must be, and what their end means for the engine.
import { unknownJob } from '../checks.js'
import { encodeError, errors } from '../errors.js'
import { SHUTDOWN } from './contract.js'
import type { OverflowPool } from '../jobs.js'
import type { Codec, RunResult, TakenJob } from './contract.js'
import type { Codecs } from './codecs.js'
import type { RemoteChecked } from './overflowing.js'

/** Run one. Never rejects. */
export async function runForeign (options: RemoteChecked, codecs: Codecs, pool: OverflowPool, taken: TakenJob):
Promise<RunResult> {
  const { job, version, signal, leftMs } = taken
  const own = options.jobs[job]
  const name = version === (own?.version ?? '1') ? job : own?.also?.[version]
  const codec = codecs.named(taken.codec)
  try {
    if (name === undefined) throw unknownJob(`${job}@${version}`, '', pool.jobs)
    if (codec === undefined) throw new errors.REMOTE_ENVELOPE(job, `codec ${taken.codec.slice(0, 20)} is not known here`)
    const input = decodeInput(job, codec, taken.payload)
    const verdict = own?.validate?.(input) ?? true
    if (verdict !== true) throw new errors.REMOTE_ENVELOPE(job, `its input is not valid${verdict === false ? '' : `: ${verdict}`}`)
    const timeoutMs = Math.max(1, Math.ceil(taken.timeoutMs === 0 ? leftMs : Math.min(leftMs, taken.timeoutMs)))
    const { traceparent, requestId, progress: onProgress } = taken
    const result = await pool.run(name, input, { signal, timeoutMs, traceparent, requestId, onProgress })
    const encoded = codecs.encode(result)
    if (encoded === undefined) throw new errors.RESULT_UNCLONEABLE(job, 'it cannot travel to another machine as it is')
    return { status: 'ok', ...encoded }
  } catch (error) {
    return resultOf(error, signal, codecs)
  }
}

function decodeInput (job: string, codec: Codec, payload: string): unknown {
  try {
    return codec.decode(payload)
  } catch (error) {
    throw new errors.REMOTE_ENVELOPE(job, `its payload is no ${codec.name}: ${(error as Error).message.slice(0, 100)}`)
  }
}

/** What an error of a run means for the engine. */
function resultOf (error: unknown, signal: AbortSignal, codecs: Codecs): RunResult {
  const failed = { status: 'failed', error: toText(error, codecs) } as const
  if (signal.aborted && signal.reason === SHUTDOWN) return { ...failed, putBack: true }
  const isOurs = (...keys: (keyof typeof errors)[]): boolean => keys.some((key) => error instanceof errors[key])
  // this pool could not run it, another one may
  if (isOurs('CLOSED', 'NOT_READY', 'OVERLOADED', 'QUEUE_TIMEOUT')) return { ...failed, putBack: true }
  if (signal.aborted && signal.reason instanceof errors.REMOTE_EXPIRED) return { status: 'expired', error: toText(signal.reason, codecs) }
  if (isOurs('CANCELLED')) return { ...failed, status: 'cancelled' }
  return { ...failed, mayRetry: !isOurs('REMOTE_ENVELOPE', 'UNKNOWN_JOB', 'RESULT_UNCLONEABLE', 'RESULT_PAYLOAD', 'INPUT_UNCLONEABLE') }
}

/** JSON of a thrown thing, with what JSON would change once more as it is, where that travels; the text is bounded. */
function toText (thrown: unknown, codecs: Codecs): string {
  const wire = codecs.exactly(encodeError(thrown))
  for (let depth = 0; depth < 2; depth++) {
    try {
      const text = JSON.stringify(wire, (_key, value: unknown) => typeof value === 'bigint' ? String(value) : value)
      if (text.length <= 16384) return text
    } catch {
      // a cycle among its own properties
    }
    delete wire.exact
    if ('own' in wire) {
      Object.assign(wire, {
        own: pick(wire.own),
        cause: undefined,
        errors: undefined,
        stack: wire.stack?.slice(0, 4096),
        message: wire.message.slice(0, 4096)
      })
    }
  }
  return JSON.stringify({ name: 'Error', message: 'own' in wire ? wire.message.slice(0, 1000) : 'not an error', own: {} })
}

const pick = ({ code, statusCode }: Record<string, unknown>): Record<string, unknown> => ({ code, statusCode })
