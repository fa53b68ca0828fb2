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
  { file: 'keys', code: 'order > job.order', what: '> => >=', why: 'orders differ' },
  { file: 'queue', code: '#places', what: '', why: 'when places are packed; test/lib/queue.test.ts bounds what is held' },
  { file: 'queue', code: '1024', what: '', why: 'the same' },
  { file: 'queue', code: 'lane.jobs = lane.jobs.', what: '', why: 'the same' },
  { file: 'queue', code: 'lane.head = 0', what: '', why: 'the same; test/lib/queue.test.ts has the order' },
  { file: 'queue', code: '#length === 0) return', what: 'return', why: 'without jobs no lane has a first' },
  { file: 'queue', code: 'acceptedAtMs < job.acceptedAtMs', what: '< => <=', why: 'two jobs of one moment, or one place more' },
  { file: 'queue', code: 'if (!job.isQueued) return', what: 'return', why: 'nobody removes twice; test/lib/queue.test.ts does' },
  { file: 'placing', code: 'this.backlog > 0) return 0', what: '', why: 'asked by the remote tier; test/lib has its tests' },
  { file: 'placing', code: "state === 'closed' || (state", what: '', why: 'the same' },
  { file: 'placing', code: 'actor.workMs = 0', what: '', why: 'takes off what rounding left' },
  { file: 'placing', code: 'job.actor = undefined', what: '', why: 'a job in no mailbox is found by its id' },
  { file: 'placing', code: 'tiers.length === 1) return', what: 'return', why: 'a gate with one tier changes nothing' },
  { file: 'placing', code: 'this.keyed.length > 0', what: '>', why: 'nothing is done where no key has jobs' },
  { file: 'placing', code: 'passes', what: '', why: 'bounds tries of a mailbox that has no room' },
  { file: 'placing', code: 'PASSES', what: '', why: 'the same' },
  { file: 'placing', code: 'given++', what: 'given', why: 'a timer more' },
  { file: 'placing', code: '#gateTimer === undefined', what: '', why: 'more timers that do what one does' },
  { file: 'placing', code: 'Math.ceil(closesAtMs', what: '1 =>', why: 'within lateness of timers' },
  { file: 'placing', code: 'takenBack++', what: '', why: 'a number for health; test/lib/scheduler.test.ts' },
  { file: 'placing', code: 'fullest?.workMs', what: '> => >=', why: 'two actors with the same work' },
  { file: 'placing', code: 'asyncPerActor > 1 &&', what: '> => >=', why: 'the depth is over 0 and under 1 in none' },
  { file: 'settling', code: '_MS = 0.0', what: '', why: 'how long is polled costs time and changes no result' },
  { file: 'settling', code: 'ollHits', what: '', why: 'the same' },
  { file: 'settling', code: 'pollUntilMs', what: '', why: 'the same' },
  { file: 'settling', code: 'turnUntilMs', what: '', why: 'the same' },
  { file: 'settling', code: 'pollMs', what: '', why: 'the same' },
  { file: 'settling', code: '#isPolling = true', what: '', why: 'the same' },
  { file: 'settling', code: "message.type !== 'log'", what: '', why: 'neither logs nor progress are simulated' },
  { file: 'settling', code: "message.type === 'progress'", what: '', why: 'the same' },
  { file: 'settling', code: 'runsToHint', what: '', why: 'hints; test/lib/metrics.test.ts' },
  { file: 'settling', code: 'const waitMs = ', what: '', why: 'times for listeners; test/lib has their tests' },
  { file: 'settling', code: 'const runMs = ', what: '', why: 'the same' },
  { file: 'settling', code: 'const borderMs = ', what: '', why: 'the same' },
  { file: 'settling', code: 'dueMs > nowMs + 0.5', what: '+ => -', why: 'within lateness of timers' },
  { file: 'settling', code: 'nextMs < this.#sweepAtMs', what: '< => <=', why: 'sets the same timer again' },
  { file: 'scheduler', code: 'allerStack', what: '', why: 'stacks of callers; test/lib/errors.test.ts' },
  { file: 'scheduler', code: 'hasCaller', what: '', why: 'the same' },
  { file: 'scheduler', code: 'CALLER_', what: '', why: 'the same' },
  { file: 'scheduler', code: 'availableParallelism()', what: '', why: 'the simulated pool polls in any case' },
  { file: 'scheduler', code: 'overflow', what: '', why: 'the remote tier; test/lib/overflow.test.ts' },
  { file: 'scheduler', code: 'gate.nextTier === undefined', what: '', why: 'the same' },
  { file: 'scheduler', code: 'TooLarge', what: '', why: 'payloads are not simulated; test/lib/size.test.ts' },
  { file: 'scheduler', code: "state === 'failed' || state === 'closed'", what: '===', why: 'looks more often' },
  { file: 'scheduler', code: 'backlog > 0 && this.#waitMs()', what: '> => >=', why: 'differs at one moment' },
  { file: 'slots', code: 'pinReason', what: '', why: 'words for health; test/lib/pinning.test.ts' },
  { file: 'slots', code: 'zombies', what: '', why: 'a number for health' },
  { file: 'slots', code: 'actor.thread =', what: '', why: 'the id of a thread, for health' },
  { file: 'slots', code: 'const CLOSE_MS', what: '', why: 'a thread inside native code that outlives the pool' },
  { file: 'deadlines', code: 'this.#lists', what: '', why: 'lists without deadlines; test/lib/deadlines.test.ts' },
  { file: 'quarantine', code: 'Math.ceil', what: '', why: 'Retry-After; test/lib/quarantine.test.ts' }
]

module.exports = { equivalents, unseen }
