// What workers tell this process: hints, which anyone with access to Redis could send; the records are the truth.
import { EnvelopeError, unseal } from './envelope.js'
import { parseId } from './id.js'
import { parseSafely } from './json.js'
import type { Records } from './records.js'
import type { Shard } from './shard.js'

/** Take one message of this process's channel. */
export function onHint ({ settings, counters, waiters }: Shard, records: Records, text: string): void {
  const { maxResultBytes, inlineBytes, signingKey } = settings
  counters.hints++
  let id: unknown
  let sealed: unknown
  try {
    if (text.length > inlineBytes * 8 + 2048) throw new EnvelopeError('too long')
    ;({ i: id, o: sealed } = parseSafely(text) as { i: unknown, o: unknown })
    if (typeof id !== 'string' || parseId(id) === undefined) throw new EnvelopeError('no id')
  } catch {
    counters.badHints++ // whoever sent it: the sweep reads the record
    return
  }
  if (!waiters.has(id)) {
    counters.lateHints++
    return
  }
  const known = id
  // without an outcome: the record has it, and is read at once
  if (sealed === undefined || sealed === null) {
    records.look([{ id: known, isAccepted: true }]).catch(() => {}) // the sweep looks again
    return
  }
  unseal(known, sealed, maxResultBytes, signingKey, () => records.big(known))
    .then((outcome) => waiters.settle(known, outcome), () => { counters.badHints++ })
}
