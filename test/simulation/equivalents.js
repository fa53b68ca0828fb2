'use strict'
// What no seed can tell from the original, and why; and parts of the policy files that have no policy in them.

/** Left out: not the simulation's. */
const unseen = [
  { statement: /channels\.|\bspans\b/, why: 'what is told to listeners; test/lib has its tests' },
  ...['record', 'beginRecording', '#recorded', 'measures', 'snapshot', 'follow', 'offload', 'captureCaller', 'isSame', 'messageOf',
    '#keep', '#overflowCall', '#metaOf', 'overflow', '#retryAfterS', 'jobs', 'plan'].map((member) => ({ kind: 'member', file: 'scheduler', member, why: 'recording' })),
  ...['#considerHint', 'cancelled', 'isOutOfMemory'].map((member) => ({ kind: 'member', file: 'settling', member })),
  { kind: 'member', file: 'placing', member: 'tracedMeta' },
  { kind: 'member', file: 'gate', member: 'reason' },
]

/** Mutants that change nothing that is promised: a piece of the line, the mutation, and why. */
const equivalents = []

module.exports = { equivalents, unseen }
