'use strict'
// The jobs that are offered: what each is to do, and with which options.

/** What is offered, as the input of a job, and what became of it. */
class Record {
  name = ''
  runMs = 0
  ends = 'ok'
  isAsync = false
  obeys = false
  blocks = false
  stray = undefined
  isUncloneable = false
  order = -1
  key = undefined
  level = 1
  hasTransfer = false
  isIdempotent = false
  timeoutMs = 0
  queueTimeoutMs = 0
  acceptedAtMs = 0
  settledAtMs = Infinity
  /** once it waited or was given */
  job = undefined
  isAccepted = false
  /** among those that may still be waited for */
  isLive = true
  isRefused = false
  isCancelled = false
  settled = 0
  outcome = ''
  claims = 0
  startedAtMs = 0
  hasReplied = false
  repliedAtMs = 0
  /** in which step of the world */
  repliedIn = -1
  /** the slot it was given to last, and when */
  slot = -1
  givenAtMs = 0
  isClaimed = false
  /** what was broadcast before it was accepted */
  told = undefined
}

/** A record and the options of its call. */
function drawOffer (world) {
  const { random, chance, upTo, mood, options: defaults } = world
  const record = new Record()
  const name = record.name = chance(mood.short) ? 'one' : 'two'
  record.runMs = name === 'one' && !chance(mood.surprise) ? random() * mood.shortMs : random() * mood.longMs
  // but for some, they run for about as long as each other
  if (mood.alike && name === 'two' && !chance(mood.surprise)) record.runMs = mood.longMs * (0.8 + 0.4 * random())
  record.obeys = chance(mood.obeys)
  record.isAsync = chance(mood.async)
  const end = random()
  if (end < mood.never) record.ends = 'never'
  else if (end < mood.never + 0.03) record.ends = 'error'
  else if (end < mood.never + 0.04) record.ends = 'unsendable'
  else if (end < mood.never + 0.04 + mood.exits) record.ends = 'exit'
  record.isUncloneable = chance(mood.uncloneable)
  record.blocks = mood.blocks > 0 && record.ends === 'ok' && chance(mood.blocks)
  if (chance(mood.stray)) record.stray = { afterMs: chance(0.5) ? 0 : random() * 3, job: chance(0.8) ? name : null }
  const options = {}
  if (chance(mood.priority)) options.priority = chance(0.5) ? 'high' : 'low'
  record.level = ['high', undefined, 'low'].indexOf(options.priority)
  if (chance(mood.key)) record.key = options.key = `k${upTo(2)}`
  if (chance(mood.transfer)) {
    options.transfer = []
    record.hasTransfer = true
  }
  if (chance(mood.idempotent)) record.isIdempotent = options.idempotent = true
  if (world.broken.isIdempotent) options.idempotent = true
  record.timeoutMs = defaults.timeoutMs
  if (chance(mood.timeout)) record.timeoutMs = options.timeoutMs = 1 + upTo(4)
  else if (record.ends === 'never' && record.timeoutMs === 0) record.timeoutMs = options.timeoutMs = 20
  if (chance(mood.queueTimeout)) record.queueTimeoutMs = options.queueTimeoutMs = 1 + upTo(4)
  return { record, options }
}

module.exports = { Record, drawOffer }
