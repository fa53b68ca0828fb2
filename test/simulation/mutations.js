'use strict'
// Broken copies of the rules: each must be found out by the simulation, so that it is known to be able to fail.
const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { Broadcasts } = require('../../dist/lib/broadcasts.js')
const { Estimate } = require('../../dist/lib/estimate.js')
const { VirtualClock } = require('../../dist/lib/simulator/clock.js')
const { SimulatedMailbox } = require('../../dist/lib/simulator/mailbox.js')
const { IdleSet } = require('../../dist/lib/idle.js')
const { KeyedJobs } = require('../../dist/lib/keys.js')
const { Load } = require('../../dist/lib/load.js')
const { Job, Kind } = require('../../dist/lib/pending.js')
const { Placing } = require('../../dist/lib/placing.js')
const { Quarantine } = require('../../dist/lib/quarantine.js')
const { Injector } = require('../../dist/lib/queue.js')
const { Restarts } = require('../../dist/lib/restarts.js')
const { Settling } = require('../../dist/lib/settling.js')
const { Slots } = require('../../dist/lib/slots.js')
const { watch } = require('./oracle.js')
const { runSeed } = require('./world.js')

/** States of a request in a simulated mailbox. */
const TAKEN = 1
const REVOKED = 2

/** Replaces a method or getter while seeds run; `make` is given the original. */
const method = (type, name, make) => ({
  start: () => {
    const { prototype } = type
    const original = Object.getOwnPropertyDescriptor(prototype, name)
    Object.defineProperty(prototype, name, original.get === undefined
      ? { ...original, value: make(original.value) }
      : { ...original, get: make(original.get) })
    return () => Object.defineProperty(prototype, name, original)
  }
})
/** Puts the classes of a broken copy of a built file in the place of its own; each text is there once. */
const copy = (name, ...changes) => {
  const file = require.resolve(`../../dist/lib/${name}.js`)
  const own = require(file)
  let broken
  const make = () => {
    let text = readFileSync(file, 'utf8')
    for (const [from, to] of changes) {
      if (text.split(from).length !== 2) throw new Error(`${name}.js is another one: ${from}`)
      text = text.replace(from, () => to)
    }
    const module = new Module(file)
    module.filename = file
    module._compile(text, file)
    watch(module.exports)
    return module.exports
  }
  return {
    start: () => {
      const before = { ...own }
      Object.assign(own, broken ??= make())
      return () => Object.assign(own, before)
    }
  }
}
/** Where little else happens than what it takes. */
const inMood = (mood, change) => ({ ...change, broken: { mood } })
const part = (broken) => ({ start: () => () => {}, broken })

/** What is broken, and what is seen. */
const mutations = {
  'a job settles twice': [/settles twice|accepted, \d+ settled|held, with|backlog is/, method(Settling, 'fail', (fail) => function (job, ...args) {
    fail.call(this, job, ...args)
    if (args[0] === 'timeout') job.isSettled = false
  })],
  'a job of a dead actor is forgotten': [/hang|backlog|held|idles|waits although/, method(Placing, 'putBack', () => function () {})],
  'a closed tier keeps what it has not claimed': [/keeps job/, method(Placing, 'takeBackAll', () => function () {})],
  'nothing is given to an actor that has opened': [/idles|hang|backlog|is not iterable/, part({
    events: (events) => ({ ...events, opened () {} })
  })],
  'a job that was taken back runs': [/is settled as|runs on|starts 2 times/, method(SimulatedMailbox, 'swap', (swap) => function (entry, from, to) {
    return swap.call(this, entry, from, to) || to === TAKEN
  })],
  'a job that runs is taken back': [/active is|starts \d times|is settled as|began|had replied|held/, method(SimulatedMailbox, 'swap', (swap) => function (entry, from, to) {
    return swap.call(this, entry, from, to) || (to === REVOKED && !entry.isDone)
  })],
  'the bound of the queue is not looked at': [/waits although/, part({ options: { maxQueued: 1e6 } })],
  'a job leaves the queue and stays in it': [/is settled and is given|backlog|accepted, |settles twice/, method(Injector, 'remove', () => function () {})],
  'jobs of a key are put before those accepted earlier': [/overtakes/, method(KeyedJobs, 'push', (push) => function (job) {
    const { order } = job
    Object.defineProperty(job, 'order', { value: -order, configurable: true })
    return push.call(this, job)
  })],
  'every job runs again after a death': [/starts 2 times/, part({ isIdempotent: true })],
  'a dead actor stays active': [/active is/, method(Load, 'leave', () => function () {})],
  'the bell is not asked for': [/hang|close\(\)|come to rest|is not read/, method(SimulatedMailbox, 'arm', () => function () {})],
  'the replies of a dead actor are not read': [/had replied/, method(Settling, 'onGone', (onGone) => function (actor, mailbox, reason) {
    mailbox.drain = () => 0
    onGone.call(this, actor, mailbox, reason)
  })],
  'a cancelled job goes on': [/goes on after its cancellation/, method(Settling, 'abandon', (abandon) => function (job, outcome, error) {
    if (outcome !== 'cancelled') abandon.call(this, job, outcome, error)
  })],
  'close() leaves jobs behind': [/has settled 0 times|ended|held|are left|close\(\) waits/, method(Settling, 'abandon', (abandon) => function (job, outcome, error) {
    if (outcome !== 'closed') abandon.call(this, job, outcome, error)
  })],
  'a job is given to a closed tier': [/is given to tier/, method(IdleSet, 'first', (first) => function () {
    return first.call(this, Infinity)
  })],
  'a tier closes without its delay': [/has to be with/, part({ options: { closeDelayMs: 0 } })],
  'the wait is not bounded': [/waits too long|maxQueueWaitMs allows|is given after/, part({ options: { maxQueueWaitMs: 0 } })],
  'what waits for too long is not dropped': [/maxQueueWaitMs allows|is given after/, method(Settling, 'expire', (expire) => function (job, error) {
    if (!error().message.includes('maxQueueWaitMs')) expire.call(this, job, error)
  })],
  'the wait is estimated without what runs': [/waits too long/, method(Estimate, 'waitMs', (waitMs) => function (backlog, actors) {
    return waitMs.call(this, backlog, actors) - waitMs.call(this, 0, actors)
  })],
  'the pace is not measured': [/count in the pace/, method(Estimate, 'pace', () => function () {})],
  'the pace is that of another time': [/said to have been busy/, method(Estimate, 'pace', (pace) => function (ms, jobs, isCold) {
    pace.call(this, ms + 50, jobs, isCold)
  })],
  'the first of an actor counts in the pace': [/waits too long|is refused with/, method(Estimate, 'pace', (pace) => function (ms, jobs) {
    pace.call(this, ms, jobs)
  })],
  'priorities do not age': [/whose turn it is/, part({ options: { ageMs: 1e9 } })],
  'priorities do not count': [/whose turn it is/, part({ options: { ageMs: 0 } })],
  'close() does not drain': [/is told of the close\(\)/, part({ options: { drainMs: 0 } })],
  'close() drains for too long': [/are left/, part({ options: { drainMs: 1000 } })],
  'the deadline of a waiting job is not applied': [/waits longer than/, method(Settling, 'expire', () => function () {})],
  'a timeout is not applied': [/runs longer than|hang/, method(Settling, 'abandon', (abandon) => function (job, outcome, error) {
    if (outcome !== 'timeout') abandon.call(this, job, outcome, error)
  })],
  'a cancelled job is killed without its grace': [/is killed/, part({ options: { graceMs: 0 } })],
  'the restart budget is ignored': [/deaths, \d+ are allowed|too early/, part({ options: { maxRestarts: 1e6 } })],
  'there is no pause before a restart': [/too early/, part({ options: { backoffMs: 0 } })],
  'a slot opens beside its ending thread': [/opens beside/, part({ options: { terminateMs: 0 } })],
  'the quarantine is not kept': [/in quarantine/, method(Quarantine, 'note', () => function () { return false })],
  'actors are never retired': [/is not retired/, part({ options: { retireMs: 0 } })],
  'a key does not stay where it has jobs': [/overtakes|one before went to|waits while the actor/, method(KeyedJobs, 'hold', () => function () {
    this.release = () => {}
  })],
  'what moved to another actor still counts as work of the first': [/ms of work/, method(Placing, 'untie', () => function (job) {
    job.actor = undefined
  })],
  'an actor that is killed may be given jobs': [/told to end at once/, inMood('shared', method(Slots, 'kill', (kill) => function (actor, ...args) {
    const { state } = actor
    kill.call(this, actor, ...args)
    actor.state = state
  }))],
  'an actor that is recycled keeps what it has not claimed': [/keeps job|had not begun/, method(Placing, 'isFreed', () => function () {
    return true
  })],
  'a failed slot is not tried again': [/has to be open again|hang/, method(Restarts, 'note', (note) => function (...args) {
    const verdict = note.apply(this, args)
    return verdict.hasFailed ? { ...verdict, pauseMs: 1e6 } : verdict
  })],
  'deaths are counted for ever': [/deaths, \d+ are allowed|has to be open again|too early/, part({ options: { withinMs: 1e6 } })],
  'an actor that leaves with its cpu is given jobs': [/has no cpu|is on cpu|keeps its cpu|opens without/, method(Slots, 'vacate', () => function () {})],
  'a broadcast does not wait for all actors': [/has not heard it|was not heard/, method(Broadcasts, 'send', () => async function (name, job, value, actors) {
    for (const { mailbox, state } of actors) if (state === 'open') mailbox.tell({ type: 'tell', seq: 0, job, value })
  })],
  'late errors change nothing': [/the snapshot says|hang|idles|waits/, part({
    events: (events) => ({
      ...events,
      message: (actor, mailbox, message) => {
        if (message === 0 || message.type !== 'stray') events.message(actor, mailbox, message)
      }
    })
  })],
  'what a dead actor had not begun is blamed': [/had not begun|whether it began/, method(SimulatedMailbox, 'takeBackMany', (takeBackMany) => function (limit, all) {
    return this.hasEnded ? [] : takeBackMany.call(this, limit, all)
  })],
  'a kill does not look who else is on the actor': [/is killed while job/, method(SimulatedMailbox, 'halt', (halt) => function () {
    halt.call(this)
    this.jobs = () => []
  })],
  'a job whose buffers were moved goes to another actor': [/has moved its buffers and is given again/, method(Job, 'isMovable', () => function () {
    return this.options.key === undefined
  })],
  'a signal is listened to for ever': [/still listened to/, method(EventTarget, 'removeEventListener', () => function () {})],
  'jobs stay behind one that runs long': [/waits behind job|awaits something/, method(Placing, 'takeBackAll', (takeBackAll) => function (actor, limit) {
    if (limit === undefined) takeBackAll.call(this, actor)
  })],
  'the process is not held': [/the process is not held/, method(VirtualClock, 'hold', () => function () {})],
  'a slow actor keeps nothing': [/keeps nothing/, method(Placing, 'takeBackAll', (takeBackAll) => function (actor) {
    takeBackAll.call(this, actor)
  })],
  'it is looked twice whether an actor is behind': [/the pool does not know|a job waits while/, inMood('left', copy('placing', [
    'if (mayIdle && !isBehind)', 'if (mayIdle && !actor.mailbox.isBehind)'
  ], [
    'if (isBehind)\n            this.#waitFor', 'if (mayIdle && actor.mailbox.isBehind)\n            this.#waitFor'
  ]))],
  'the bell is asked for with a job, and no look follows': [/hang|come to rest|is not read/, copy('settling', [
    'if (actor.mailbox.hasReply)\n            this.#clock.soon', 'if (false)\n            this.#clock.soon'
  ])],
  'a job is taken back by a look and a write': [/starts \d times|is settled as|runs on|held|active is|began/, copy('simulator/mailbox', [
    '|| !this.swap(entry, QUEUED, REVOKED))', '|| entry.state !== QUEUED || (this.#world.glance?.(this), entry.state = REVOKED, false))'
  ])],
  'an actor is counted by a look and a write': [/active is/, copy('load', [
    'Atomics.compareExchange(this.#words, at, 0, 1) === 0', '(Atomics.load(this.#words, at), Atomics.store(this.#words, at, 1), true)'
  ])],
  'an actor is taken off by a look and a write': [/active is/, copy('load', [
    'Atomics.compareExchange(this.#words, at, 1, 0) === 1', '(Atomics.load(this.#words, at), Atomics.store(this.#words, at, 0), true)'
  ])],
  'a refused job waits nevertheless': [/threw TypeError|is refused and settles|was refused and ran|held, with|accepted, |backlog is|waits/, copy('scheduler', [
    'throw this.#overloaded(job.kind, openActors, backlog, job)',
    'this.#placing.enqueue(job); throw this.#overloaded(job.kind, openActors, backlog, job)'
  ])],
  'jobs wait on where no actor is left': [/no actor is left/, copy('scheduler', [
    'const left = this.#isBroken() ?', 'const left = false ?'
  ])],
  'what is idempotent does not run again': [/is idempotent and had one run/, copy('settling', [
    'job.options.idempotent === true', 'false'
  ])],
  'a job is told of its timeout too early': [/is told that it ran for/, copy('settling', [
    'if (dueMs > nowMs + 0.5)', 'if (dueMs > nowMs + 20)'
  ])],
  'an actor that is halted is given jobs': [/is halted/, copy('placing', [
    'if (isHalted || depth === 0)', 'if (depth === 0)'
  ])],
  'an actor that has much to pass idles': [/has not passed what was taken back/, copy('placing', [
    'if (mayIdle && !isBehind)', 'if (mayIdle)'
  ])],
  'a job whose buffers are moved is put behind others': [/has buffers to move/, copy('placing', [
    'if (job.options.transfer !== undefined)\n            return this.#doneActor();', ''
  ])],
  'actors are not told which tiers are open': [/actors are told that tier/, copy('placing', [
    'this.#load.openTier = ahead?.slot.tier ?? openTier', 'this.#load.openTier = 3'
  ])],
  'two actors are recycled at once': [/two actors are recycled|is recycled/, copy('slots', [
    'this.#recycled !== undefined ||', ''
  ])],
  'a key keeps its home when its jobs have settled': [/keeps its home/, method(KeyedJobs, 'release', () => function () {})],
  'a job waits behind one of which nobody knows when it ends': [/is put behind/, method(Kind, 'isSteady', () => () => true)],
  'a deadline counts what has begun': [/began and is told/, method(Settling, 'expire', (expire) => function (job, error) {
    expire.call(this, job, error)
    this.abandon(job, 'expired', () => Object.assign(new Error(), { code: 'FST_ERR_SPILLOVER_QUEUE_TIMEOUT' }))
  })]
}

/** Runs up to `most` seeds with a broken rule; returns the first seed that fails and what it says. */
async function refute (name, most) {
  const [expected, { start, broken = {} }] = mutations[name]
  for (let seed = 1; seed <= most; seed++) {
    const end = start()
    try {
      await runSeed(seed, broken)
    } catch (error) {
      return { seed, text: error.message, isExpected: expected.test(error.message) }
    } finally {
      end()
    }
  }
  return undefined
}

module.exports = { names: Object.keys(mutations), refute, mutations }
