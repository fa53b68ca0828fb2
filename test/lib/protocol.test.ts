// The border's protocol, all interleavings of its atomic steps: no wake-up is lost, each job has one taker and settles
// once; and every rule of it is needed. The model is in test/fixtures/protocol; its labels name the functions of lib/.
import t from 'tap'
import { check } from '../fixtures/protocol/model'
import { lines, marksOf } from '../fixtures/protocol/lines'
import { rules } from '../fixtures/protocol/world'
import type { Rule, Shape } from '../fixtures/protocol/world'

// a million states: ten seconds on a free core
t.setTimeout(300_000)

const sync2 = { jobs: ['sync', 'sync'] } satisfies Partial<Shape>
const sync3 = { jobs: ['sync', 'sync', 'sync'] } satisfies Partial<Shape>

/** What is walked. Each is as small as its threads allow, since a step more for one thread multiplies all others. */
const shapes = {
  '4 jobs, 2 deaths, 2 cancels, a mailbox of 3':
    { jobs: ['sync', 'sync', 'sync', 'sync'], depth: 3, deaths: 2, cancels: 2, isWhole: false },
  'one: a job and nothing else':
    { jobs: ['sync'] },
  'wake: 2 jobs, parked between them':
    { ...sync2, isWhole: false },
  'load: 2 jobs and the count of active actors':
    sync2,
  'death: 2 jobs, a death, a cancel':
    { ...sync2, deaths: 1, cancels: 1, isWhole: false },
  'poll: the host looks with the bell off, then arms it, looks once more, and waits; 2 jobs, a death, a cancel':
    { ...sync2, polls: 2, deaths: 1, cancels: 1, isWhole: false },
  'loop: an async job and 2 others, waiting in the event loop or parked; a death, a cancel':
    { jobs: ['async', 'sync', 'sync'], waits: 'either', deaths: 1, cancels: 1, isWhole: false },
  'mates: a job that never settles shares its thread with another, until it is killed':
    { jobs: ['pending', 'sync'], asyncPerActor: 2, waits: 'loop', kills: true, isWhole: false },
  'kill: a job that never returns, 2 behind it, a death, a cancel':
    { jobs: ['endless', 'sync', 'sync'], depth: 3, deaths: 1, cancels: 1, kills: true, isWhole: false },
  'late: 3 jobs and 2 cancels, whose kill may come too late':
    { ...sync3, depth: 3, cancels: 2, kills: true, isWhole: false },
  'halt: 2 async jobs on one thread, one cancelled, and a third job':
    { jobs: ['async', 'async', 'sync'], asyncPerActor: 2, waits: 'loop', cancels: 1, kills: true, isWhole: false },
  'gate: 3 jobs, their tier closes twice':
    { ...sync3, closings: 2, isWhole: false },
  'move: 2 jobs, 2 actors, one take-back':
    { ...sync2, actors: 2, takeBacks: 1, isWhole: false },
  'full: 3 jobs and a ring of 2 records, which cancels leave full of what was taken back':
    { ...sync3, ring: 2, cancels: 2, isWhole: false },
  'news: 2 jobs and 2 messages to be read before the next job, asleep or in the event loop':
    { ...sync2, tells: 2, waits: 'either', isWhole: false },
  'stop: an actor with up to 2 jobs is told to stop':
    { ...sync2, stops: 1, waits: 'either', isWhole: false }
} satisfies Record<string, Partial<Shape>>

for (const [name, shape] of Object.entries(shapes)) {
  t.test(`${name}: each settles once, has one taker, and no wake-up is lost`, async (t) => {
    const { states, fault, trace } = check(shape)
    t.equal(fault, undefined, trace.join('\n'))
    t.ok(states > 50, 'there was something to walk')
    t.comment(`${states} states`)
  })
}

const asleep = /^everybody sleeps and job \d is not settled$/
const hurt = /^job \d is hurt by the kill of another$/

/** The shape in which each broken rule shows, and how. */
const refutations: Record<Rule, readonly [shape: string, fault: RegExp]> = {
  publishBeforeWake: ['wake', asleep],
  swapBeforeNotify: ['wake', asleep],
  notifyParked: ['wake', asleep],
  postToLoop: ['loop', asleep],
  lookAfterPark: ['wake', asleep],
  lookAtCommand: ['stop', /^everybody sleeps and actor 0, told to stop, is still there$/],
  lookAfterLoop: ['loop', asleep],
  claimBySwap: ['death', /^job \d is settled and runs$/],
  revokeBySwap: ['death', /^job \d is settled and runs$/],
  passRevoked: ['full', asleep],
  bellAfterReply: ['wake', asleep],
  lookAfterGive: ['one', asleep],
  lookAfterArm: ['poll', asleep],
  killedGetsNothing: ['mates', hurt],
  takeBackBeforeKill: ['mates', hurt],
  spareOthers: ['mates', hurt],
  unhaltAfterwards: ['halt', asleep],
  wakeAfterUnhalt: ['halt', asleep],
  wakeAfterStop: ['stop', /^everybody sleeps and actor 0, told to stop, is still there$/],
  postBeforeNews: ['news', /^everybody sleeps and actor 0 has not read its news$|^job \d begins before/],
  wakeAfterNews: ['news', /^everybody sleeps and actor 0 has not read its news$/],
  newsBeforeTake: ['news', /^job \d begins before its actor has read the news$/],
  clearBeforeRead: ['news', /^everybody sleeps and actor 0 has not read its news$|^job \d begins before/],
  lookAtNews: ['news', /^everybody sleeps and actor 0 has not read its news$/],
  retryAfterFull: ['full', asleep],
  takeBackAtClose: ['gate', asleep],
  drainBeforeBlame: ['death', /^job \d ended and is reported as failed$/],
  takeBackBeforeBlame: ['death', /^job \d was never claimed and is blamed$/],
  settleOnce: ['death', /^job \d is settled twice$/],
  leaveWhenEmpty: ['load', /^everybody sleeps and actor 0 is counted as active$/],
  enterBeforeRun: ['load', /^job \d runs on an actor that is not counted$/]
}

for (const [file, marks] of Object.entries(lines)) {
  t.test(`${Object.keys(marks).length} functions of lib/${file} are those that the model stands for`, async (t) => {
    t.strictSame(marksOf(file, Object.keys(marks)), marks, 'what differs has changed: does the model still say the same?')
  })
}

t.test('every rule is broken once', async (t) => {
  t.strictSame(Object.keys(refutations).sort(), Object.keys(rules).sort())
})

for (const [rule, [name, fault]] of Object.entries(refutations)) {
  t.test(`without ${rule}: ${fault.source.replace(/[\^$]/g, '').replaceAll('\\d', 'n')}`, async (t) => {
    const shape = Object.entries(shapes).find(([text]) => text.startsWith(`${name}: `))![1]
    const verdict = check(shape, rule as Rule)
    t.match(verdict.fault, fault)
    t.comment(`after ${verdict.trace.length} steps, of ${verdict.states} states`)
  })
}
