'use strict'
// What no seed can tell from the original, and why; and parts of the policy files that have no policy in them.

const members = (file, why, ...names) => names.map((member) => ({ file, member, why }))

/** Left out: not the simulation's. */
const unseen = [
  { statement: /channels\.|\bspans\b/, why: 'what is told to listeners; test/lib has its tests' },
  ...members('scheduler', 'recording, numbers, texts and the overflow; test/lib and test/remote have their tests',
    'record', 'beginRecording', '#recorded', 'measures', 'snapshot', 'follow', 'offload', 'captureCaller', 'isSame',
    'messageOf', '#keep', '#overflowCall', '#metaOf', 'overflow', '#retryAfterS', 'jobs', 'plan', 'admit'),
  ...members('settling', 'texts and hints', '#considerHint', 'cancelled', 'isOutOfMemory'),
  ...members('placing', 'tracing', 'tracedMeta'),
  ...members('gate', 'the words for health', 'reason'),
  ...members('keys', 'any function that spreads keys is as good', 'hash')
]

/** Mutants that change nothing that is promised: a piece of the line, the mutation, and why. */
const equivalents = [
  { file: 'restarts', code: 'MAX_BACKOFF_MS = 5000', what: '5000', why: 'one more of 5000 ms is within lateness of timers' },
  { file: 'restarts', code: 'nowMs - atMs < withinMs', what: '< => <=', why: 'differs at one moment of a continuous time' },
  { file: 'gate', code: 'this.#reasons', what: '', why: 'the words for health; test/lib/gate.test.ts' },
  { file: 'gate', code: 'nowMs >= this.#closesAtMs', what: '>= => >', why: 'differs at one moment; the timer comes after it' },
  { file: 'gate', code: '#open = 1', what: '1 =>', why: 'replan() sets it before anything is asked' },
  { file: 'gate', code: 'this.openTier : 0', what: '0', why: 'at least the first tier is open, whatever came before' },
  { file: 'keys', code: 'rank > best', what: '> => >=', why: 'two slots have the same rank once in 2^32' },
  { file: 'keys', code: 'let best = -1', what: '1 => (1 + 1)', why: 'ranks are 0 or more' },
  { file: 'keys', code: 'order > job.order', what: '> => >=', why: 'orders differ' }
]

module.exports = { equivalents, unseen }
