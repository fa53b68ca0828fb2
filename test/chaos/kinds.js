'use strict'
// What is sent: each kind of job with its weight, and the ends that are right for it. `ok` is a value; the others are
// codes without their prefix, and `own` is the job's own error. Any job may be refused, cancelled or expire.

/**
 * Ends that any job may have: refused at the door, waited too long, its caller went away or cancelled it, every actor
 * has failed.
 */
exports.anyEnd = ['OVERLOADED', 'QUEUE_TIMEOUT', 'CANCELLED', 'UNAVAILABLE']

/** Jobs that do nothing wrong: only the kill of their thread may hurt them. */
exports.innocent = {
  good: { weight: 300, ends: ['ok'] },
  slow: { weight: 60, ends: ['ok'] },
  block: { weight: 60, ends: ['ok'] },
  echo: { weight: 80, ends: ['ok'] },
  moved: { weight: 20, ends: ['ok'] },
  keyed: { weight: 40, ends: ['ok'] },
  logs: { weight: 10, ends: ['ok'] }
}

exports.guilty = {
  throws: { weight: 60, ends: ['own'] },
  rejects: { weight: 30, ends: ['own'] },
  // a revoked proxy throws when it is asked whether it is a promise: the job's own error
  returns: { weight: 30, ends: ['RESULT_UNCLONEABLE', 'own'] },
  nests: { weight: 6, ends: ['ok', 'RESULT_UNCLONEABLE'] },
  unsendable: { weight: 10, ends: ['INPUT_UNCLONEABLE'] },
  exits: { weight: 3, ends: ['ACTOR_EXIT', 'own'] },
  exitsLater: { weight: 3, ends: ['ACTOR_EXIT', 'own'] },
  fillsHeap: { weight: 1, ends: ['OUT_OF_MEMORY'] },
  loops: { weight: 2, ends: ['TIMEOUT'], timeoutMs: 60 },
  loopsMicrotasks: { weight: 2, ends: ['TIMEOUT'], timeoutMs: 60 },
  sleeps: { weight: 2, ends: ['TIMEOUT'], timeoutMs: 60 },
  computesNatively: { weight: 1, ends: ['TIMEOUT', 'ok'], timeoutMs: 60 },
  neverEnds: { weight: 3, ends: ['TIMEOUT'], timeoutMs: 60 },
  heedsCancel: { weight: 6, ends: ['TIMEOUT', 'own', 'ok'], timeoutMs: 30 },
  throwsLate: { weight: 4, ends: ['ok'] },
  rejectsLate: { weight: 4, ends: ['ok'] },
  exitsLate: { weight: 3, ends: ['ok'] },
  leavesTimer: { weight: 10, ends: ['ok'] }
}

exports.kinds = { ...exports.innocent, ...exports.guilty }
exports.weights = Object.fromEntries(Object.entries(exports.kinds).map(([kind, { weight }]) => [kind, weight]))

/** Starts are counted in a ring of so many places; a place is looked at before it is used again. */
exports.PLACES = 2 ** 20
exports.KEYS = 32
/** So many of the newest threads have a place for the version of the jobs that they loaded. */
const THREADS = 2 ** 12
exports.versionPlace = (threadId) => exports.PLACES + exports.KEYS + 1 + threadId % THREADS
exports.CELLS = exports.PLACES + exports.KEYS + 1 + THREADS
