'use strict'
// Broken copies of the rules: each must be found out by the simulation, so that it is known to be able to fail.
const { SimulatedMailbox } = require('../../dist/lib/simulator/mailbox.js')
const { KeyedJobs } = require('../../dist/lib/keys.js')
const { Load } = require('../../dist/lib/load.js')
const { Placing } = require('../../dist/lib/placing.js')
const { Injector } = require('../../dist/lib/queue.js')
const { Settling } = require('../../dist/lib/settling.js')
const { runSeed } = require('./world.js')

/** States of a request in a simulated mailbox. */
const TAKEN = 1
const REVOKED = 2

/** Replaces a method while seeds run; `make` is given the original. */
const method = (type, name, make) => ({
  start: () => {
    const { prototype } = type
    const original = Object.getOwnPropertyDescriptor(prototype, name)
    prototype[name] = make(original.value)
    return () => Object.defineProperty(prototype, name, original)
  }
})
const part = (broken) => ({ start: () => () => {}, broken })

/** What is broken, and what is seen. */
const mutations = {
  'a job settles twice': [/settles twice|accepted, \d+ settled|held, with|backlog is/, method(Settling, 'fail', (fail) => function (job, ...args) {
    fail.call(this, job, ...args)
    if (args[0] === 'timeout') job.isSettled = false
  })],
  'a job of a dead actor is forgotten': [/hang|backlog|held|idles|waits although/, method(Placing, 'putBack', () => function () {})],
  'a closed tier keeps what it has not claimed': [/keeps job/, method(Placing, 'takeBackAll', () => function () {})],
  'nothing is given to an actor that has opened': [/idles|hang|backlog/, part({
    events: (events) => ({ ...events, opened () {} })
  })],
  'a job that was taken back runs': [/is settled as|runs on|starts 2 times/, method(SimulatedMailbox, 'swap', (swap) => function (entry, from, to) {
    return swap.call(this, entry, from, to) || to === TAKEN
  })],
  'a job that runs is taken back': [/starts \d times|is settled as|began|had replied|held/, method(SimulatedMailbox, 'swap', (swap) => function (entry, from, to) {
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
  'the bell is not asked for': [/hang|close\(\)|come to rest/, method(SimulatedMailbox, 'arm', () => function () {})],
  'the replies of a dead actor are not read': [/had replied/, method(Settling, 'onGone', (onGone) => function (actor, mailbox, reason) {
    mailbox.drain = () => 0
    onGone.call(this, actor, mailbox, reason)
  })],
  'a cancelled job goes on': [/goes on after its cancellation/, method(Settling, 'abandon', (abandon) => function (job, outcome, error) {
    if (outcome !== 'cancelled') abandon.call(this, job, outcome, error)
  })],
  'close() leaves jobs behind': [/has settled 0 times|ended|held/, method(Settling, 'abandon', (abandon) => function (job, outcome, error) {
    if (outcome !== 'closed') abandon.call(this, job, outcome, error)
  })],
  'a deadline counts what has begun': [/began and is told/, method(Settling, 'expire', (expire) => function (job, ms) {
    expire.call(this, job, ms)
    this.abandon(job, 'expired', () => Object.assign(new Error(`${ms}`), { code: 'FST_ERR_SPILLOVER_QUEUE_TIMEOUT' }))
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

module.exports = { names: Object.keys(mutations), refute }
