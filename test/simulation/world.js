'use strict'
// One run under virtual time: the real scheduler on simulated actors, everything else decided by a seed; after each
// step the invariants are looked at. Same seed, same run. The guarantees are those of the README.
const { randomOf } = require('../../dist/lib/simulator/random.js')
const { VirtualClock } = require('../../dist/lib/simulator/clock.js')
const { SimulatedThreads } = require('../../dist/lib/simulator/threads.js')
const { Slots } = require('../../dist/lib/slots.js')
const { Scheduler } = require('../../dist/lib/scheduler.js')
const { KeyedJobs } = require('../../dist/lib/keys.js')
const { checkOptions } = require('../../dist/lib/options.js')
const { channels } = require('../../dist/lib/trace.js')
const { Oracle } = require('./oracle.js')

/** What is offered, as the input of a job, and what became of it. */
class Record {
  name = ''
  runMs = 0
  ends = 'ok'
  isAsync = false
  obeys = false
  isUncloneable = false
  order = -1
  key = undefined
  hasTransfer = false
  isIdempotent = false
  timeoutMs = 0
  queueTimeoutMs = 0
  acceptedAtMs = 0
  settledAtMs = Infinity
  /** once it waited in the injector */
  job = undefined
  isAccepted = false
  isRefused = false
  isCancelled = false
  settled = 0
  outcome = ''
  claims = 0
  startedAtMs = 0
  hasReplied = false
  /** the slot it was given to last */
  slot = -1
  isClaimed = false
}

/** A broken invariant. */
class Violation extends Error {}

const base = checkOptions({ jobs: __filename, callerStack: false, retireMs: 0, ageMs: 20 })
let current
channels.gate.subscribe(({ pool, openTier }) => {
  if (pool === current?.identity) current.openTier = openTier
})

/** Runs a seed. Resolves with its figures; rejects with a Violation. `broken` changes a part, to see it found out. */
async function runSeed (seed, broken = {}) {
  const world = current = new World(seed, broken)
  try {
    return await world.run()
  } catch (error) {
    if (error instanceof Violation) throw error
    throw new Violation(`seed ${seed}: threw ${error?.stack ?? error}`)
  } finally {
    world.oracle?.end()
    current = undefined
  }
}

const STEP_LIMIT = 20_000
/** The longest time in which a pool of these sizes settles all jobs, ms. */
const REST_MS = 2000

class World {
  constructor (seed, broken) {
    this.seed = seed
    this.broken = broken
    const random = this.random = randomOf(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995)
    const chance = this.chance = (share) => random() < share
    const upTo = this.upTo = (most) => Math.floor(random() * (most + 1))
    const late = chance(0.5) ? 0.003 : 1
    this.clock = new VirtualClock({ timerMs: () => random() * late, soonMs: () => 0.01 + random() * 0.02 })
    this.identity = { name: 'simulated' }
    // faults are armed for some of the runs only
    this.exits = chance(0.35) ? 0.08 : 0
    const bootDies = chance(0.15) ? 0.3 : 0
    this.plan = planOf([1 + upTo(2), upTo(2), upTo(2)], () => upTo(2))
    this.options = {
      ...base,
      identity: this.identity,
      metric: chance(0.8) ? 'demand' : 'running',
      asyncPerActor: chance(0.8) ? 1 : 2,
      // with 0 the gate flaps by design
      closeDelayMs: 1 + upTo(6),
      ageMs: chance(0.5) ? 20 : 1,
      maxQueued: chance(0.5) ? 100 : upTo(4),
      maxQueueWaitMs: chance(0.8) ? 0 : 5,
      timeoutMs: chance(0.6) ? 40 : 0,
      graceMs: upTo(8),
      drainMs: 1 + upTo(60),
      retireMs: chance(0.3) ? 1 + upTo(10) : 0,
      maxRestarts: chance(0.3) ? upTo(2) : 50,
      withinMs: 200,
      backoffMs: upTo(5),
      terminateMs: 1 + upTo(10),
      quarantineDeaths: chance(0.3) ? 1 + upTo(2) : 0,
      quarantineMs: 1 + upTo(20),
      recycle: chance(0.3)
        ? { maxJobs: 1 + upTo(5), ...(chance(0.5) && { maxAgeMs: 2 + upTo(20) }) }
        : undefined
    }
    /** when runs of a name ended their actors, and until when it is refused */
    this.fatal = new Map([['one', { atMs: [], untilMs: 0 }], ['two', { atMs: [], untilMs: 0 }]])
    /** slots whose thread is told to have ended and goes on for a moment */
    this.lingering = new Map()
    this.lingersSinceMs = new Map()
    this.openTier = 1
    this.records = []
    this.accepted = 0
    this.settled = 0
    this.steps = 0
    this.isReady = false
    this.isClosing = false
    this.hasClosed = false
    this.wasFull = false
    this.deaths = 0
    this.violation = undefined
    this.closedAtMs = Infinity
    this.opened = new WeakSet()
    const stepMs = chance(0.5) ? 0.002 : 0.3
    const bellMs = chance(0.1) ? 2 : 0.1
    const endMs = chance(0.2) ? 5 : 0.1
    const zombies = chance(0.1) ? 0.5 : 0
    this.parts = {
      clock: this.clock,
      jobs: ['one', 'two'],
      places: chance(0.7) ? 512 : 1 + upTo(3),
      bootMs: () => random() * 4,
      bootDies: () => this.isReady && chance(bootDies),
      stepMs: () => random() * stepMs,
      wakeMs: () => random() * 0.1,
      bellMs: () => random() * bellMs,
      endMs: () => random() * endMs,
      exitMs: () => chance(zombies) ? random() * 20 : random() * endMs,
      lingerMs: () => random() * Math.min(1, endMs),
      watch: this
    }
  }

  async run () {
    const { clock, broken } = this
    const scheduler = this.scheduler = new Scheduler(this.plan, { ...this.options, ...broken.options }, {
      clock,
      hire: (plan, options, load, events) => {
        this.load = load
        const told = broken.events?.(events) ?? events
        this.crew = new Slots(plan, options, clock, load, {
          ...told,
          changed: (actor) => {
            if (actor.state === 'open') this.opened.add(actor.mailbox)
            told.changed(actor)
            this.oracle.changed(actor)
          },
          gone: (actor, mailbox, reason) => {
            const name = this.suspect(mailbox, reason)
            this.oracle.gone(actor, mailbox, reason)
            this.oracle.died(actor, reason, !this.opened.has(mailbox))
            told.gone(actor, mailbox, reason)
            if (name !== undefined) this.blame(name)
          }
        }, new SimulatedThreads(options, load, this.parts))
        this.keys = new KeyedJobs(this.crew.actors.slice(0, plan.tiers[0].slots.length))
        return this.crew
      }
    })
    this.oracle = new Oracle(this)
    const ready = scheduler.ready()
    while (this.crew.actors.some(({ state }) => state === 'opening')) clock.step()
    await ready
    this.isReady = true
    if (clock.isHeld) this.fail('an idle pool holds the process')
    this.plot()
    while (!this.isClosing && this.step(clock.now() + REST_MS));
    await this.close()
    return { steps: this.steps, accepted: this.accepted, offered: this.records.length, deaths: this.deaths }
  }

  /** Decide when what is done to the pool. */
  plot () {
    const { clock, random, chance, upTo } = this
    const gapMs = chance(0.3) ? 0 : random() * 3
    let atMs = 0
    for (let left = 1 + upTo(chance(0.1) ? 40 : 14); left > 0; left--) {
      if (chance(0.5)) atMs += random() * gapMs
      clock.host(atMs, () => this.offer())
    }
    this.restAtMs = clock.now() + atMs + 1
    if (this.exits > 0) for (let left = upTo(3); left > 0; left--) clock.actor(random() * (atMs + 5), () => this.kill())
    if (chance(0.25)) clock.host(random() * (atMs + 10), () => { this.isClosing = true })
  }

  offer () {
    if (this.isClosing) return
    const { clock, random, chance, upTo } = this
    const record = new Record()
    const name = record.name = chance(0.5) ? 'one' : 'two'
    record.runMs = name === 'one' ? random() * 0.2 : random() * 6
    record.obeys = chance(0.5)
    record.isAsync = chance(0.2)
    const end = random()
    if (end > 0.97) record.ends = 'never'
    else if (end > 0.94) record.ends = 'error'
    else if (end > 0.93) record.ends = 'unsendable'
    else if (end > 0.93 - this.exits) record.ends = 'exit'
    record.isUncloneable = chance(0.02)
    const options = {}
    if (chance(0.2)) options.priority = chance(0.5) ? 'high' : 'low'
    if (chance(0.2)) record.key = options.key = `k${upTo(2)}`
    if (chance(0.08)) {
      options.transfer = []
      record.hasTransfer = true
    }
    if (chance(0.2)) record.isIdempotent = options.idempotent = true
    if (this.broken.isIdempotent) options.idempotent = true
    record.timeoutMs = this.options.timeoutMs
    if (chance(0.15)) record.timeoutMs = options.timeoutMs = 1 + upTo(4)
    else if (record.ends === 'never' && record.timeoutMs === 0) record.timeoutMs = options.timeoutMs = 20
    if (chance(0.15)) record.queueTimeoutMs = options.queueTimeoutMs = 1 + upTo(4)
    record.acceptedAtMs = clock.now()
    const controller = chance(0.15) ? new AbortController() : undefined
    if (controller !== undefined) options.signal = controller.signal
    const waitingBefore = this.waiting()
    const isTooLong = this.oracle.isTooLong(waitingBefore)
    this.wasFull = false
    record.order = this.records.length
    this.records.push(record)
    // a job that is accepted may settle before submit returns
    record.isAccepted = true
    this.accepted++
    try {
      this.scheduler.submit(name, record, options, () => this.settle(record, 'ok'), (error) => this.settle(record, error))
    } catch (error) {
      const isRefused = error.code === 'FST_ERR_SPILLOVER_QUARANTINED'
      const isBroken = error.code === 'FST_ERR_SPILLOVER_UNAVAILABLE'
      if (!isRefused && !isBroken && error.code !== 'FST_ERR_SPILLOVER_OVERLOADED') throw error
      record.isAccepted = false
      record.isRefused = true
      this.accepted--
      if (record.settled > 0) this.fail(`job ${record.order} is refused and settles`)
      if (isRefused) this.isQuarantined(record)
      else if (isBroken) {
        if (!this.isBroken()) this.fail(`job ${record.order} is told that no actor is left`)
      } else if (waitingBefore < this.options.maxQueued && !isTooLong) {
        this.fail(`job ${record.order} is refused with ${waitingBefore} of ${this.options.maxQueued} waiting`)
      }
      return this.look()
    }
    if (clock.now() < this.fatal.get(name).untilMs) this.fail(`job ${record.order} is accepted in quarantine`)
    if (record.settled === 0 && record.slot < 0 && waitingBefore >= this.options.maxQueued && !this.wasFull) {
      this.fail(`job ${record.order} waits although ${waitingBefore} of ${this.options.maxQueued} did`)
    }
    if (record.settled === 0 && record.slot < 0 && isTooLong && !this.wasFull) this.fail(`job ${record.order} waits too long`)
    if (controller === undefined) return
    clock.host(random() * 4, () => {
      record.isCancelled = true
      controller.abort()
      if (record.isAccepted && record.settled === 0) this.fail(`job ${record.order} goes on after its cancellation`)
    })
  }

  /** The job whose run ended this actor, where that is known. */
  suspect (mailbox, reason) {
    if (reason === undefined || this.hasExpired || /did not end within/.test(reason.message)) return undefined
    const begun = [...mailbox.jobs()].filter((job) => mailbox.isClaimed(job) && !job.input.hasReplied)
    return begun.length === 1 ? begun[0].input.name : undefined
  }

  blame (name) {
    const { quarantineDeaths, quarantineMs, withinMs } = this.options
    const nowMs = this.clock.now()
    const fatal = this.fatal.get(name)
    fatal.atMs = [...fatal.atMs.filter((atMs) => nowMs - atMs < withinMs), nowMs]
    if (quarantineDeaths === 0 || fatal.atMs.length < quarantineDeaths) return
    fatal.untilMs = nowMs + quarantineMs
    for (const record of this.records) {
      if (record.name === name && record.isAccepted && record.settled === 0 && !record.isClaimed) {
        this.fail(`job ${record.order} waits in quarantine`)
      }
    }
  }

  isQuarantined ({ order, name }) {
    if (this.clock.now() >= this.fatal.get(name).untilMs && !this.isClosing) {
      this.fail(`job ${order} is refused for deaths that were not`)
    }
  }

  kill () {
    const alive = this.crew.actors.filter(({ mailbox }) => mailbox !== undefined && !mailbox.hasEnded)
    if (alive.length === 0) return
    this.deaths++
    alive[this.upTo(alive.length - 1)].mailbox.end(new Error('killed'))
  }

  /** Called by the scheduler, in part from listeners of signals: what is wrong is thrown by the next look. */
  settle (record, outcome) {
    try {
      this.judge(record, outcome)
    } catch (error) {
      if (error !== this.violation) throw error
    }
  }

  judge (record, outcome) {
    const { order } = record
    const nowMs = this.clock.now()
    record.settled++
    record.settledAtMs = nowMs
    this.settled++
    if (record.settled > 1) this.fail(`job ${order} settles twice`)
    if (this.hasClosed) this.fail(`job ${order} settles after close()`)
    const code = record.outcome = outcome === 'ok' ? 'ok' : outcome?.code?.slice(18) ?? 'error'
    if ((code === 'ok' || code === 'error') && (!record.hasReplied || (record.ends !== code && !record.obeys))) {
      this.fail(`job ${order} is to end by ${record.ends} and ends by ${code}`)
    }
    if (code === 'ACTOR_EXIT') {
      if (record.hasReplied) this.fail(`job ${order} had replied and is told that its actor died`)
      if (!this.isClosing && record.claims === 0 && !record.hasTransfer) {
        this.fail(`job ${order} had not begun and is told that its actor died`)
      }
    }
    if (code === 'TIMEOUT' && (record.startedAtMs === 0 || nowMs - record.startedAtMs < record.timeoutMs - 0.6)) {
      this.fail(`job ${order} is told that it ran for ${record.timeoutMs} ms after ${nowMs - record.startedAtMs}`)
    }
    if (code === 'QUEUE_TIMEOUT' && record.isClaimed) this.fail(`job ${order} began and is told that it waited too long`)
    if (code === 'CANCELLED' && !record.isCancelled) this.fail(`job ${order} is cancelled by nobody`)
    if (code === 'CLOSED' && nowMs < this.closedAtMs + this.options.drainMs - 1e-6) {
      this.fail(`job ${order} is told of the close() ${nowMs - this.closedAtMs} ms after it`)
    }
    if (code === 'QUEUE_TIMEOUT' && nowMs < record.acceptedAtMs + record.queueTimeoutMs - 1) {
      this.fail(`job ${order} waited ${nowMs - record.acceptedAtMs} ms and is told of ${record.queueTimeoutMs}`)
    }
    if (code === 'CLOSED' && !this.isClosing) this.fail(`job ${order} is told of a close() that was not`)
    if (code === 'QUARANTINED') {
      if (outcome.started !== (record.claims > 0)) this.fail(`job ${order} is told wrongly whether it began`)
    }
    if (code === 'UNAVAILABLE' && !this.isBroken() && (record.key === undefined ||
      this.crew.actors.some(({ slot, state }) => slot.tier === 1 && state !== 'failed' && state !== 'vacant'))) {
      this.fail(`job ${order} is told that no actor is left`)
    }
  }

  // what the actors see

  given (job, slot, isGiven) {
    const { input: record } = job
    if (!isGiven) {
      this.wasFull = true
      return
    }
    const { order } = record
    const actor = this.crew.actors[slot]
    const { tier } = actor.slot
    if (tier > this.openTier) this.fail(`job ${order} is given to tier ${tier}, with ${this.openTier} open`)
    if (actor.state !== 'open') this.fail(`job ${order} is given to an actor that is ${actor.state}`)
    if (record.settled > 0) this.fail(`job ${order} is settled and is given`)
    if (this.hasClosed) this.fail(`job ${order} is given after close()`)
    if (record.hasTransfer && record.slot !== -1) this.fail(`job ${order} has moved its buffers and is given again`)
    this.oracle.given(job, actor)
    record.slot = slot
    record.isClaimed = false
  }

  claimed ({ input: record }, slot) {
    const { order, key } = record
    if (record.settled > 0) this.fail(`job ${order} is settled as ${record.outcome} and runs`)
    if (record.slot !== slot) this.fail(`job ${order} was given to ${record.slot} and runs on ${slot}`)
    record.claims++
    record.isClaimed = true
    record.startedAtMs = 0
    if (record.claims > (record.isIdempotent ? 2 : 1)) this.fail(`job ${order} starts ${record.claims} times`)
    if (key === undefined) return
    for (const other of this.records) {
      if (other.order >= order) break
      if (other.key === key && other.isAccepted && other.settled === 0 && other.claims === 0) {
        this.fail(`job ${order} overtakes job ${other.order} of the same key`)
      }
    }
  }

  started ({ input: record }) { record.startedAtMs = this.clock.now() }
  replied ({ input: record }) { record.hasReplied = true }

  lingers (slot, isSo) {
    const count = (this.lingering.get(slot) ?? 0) + (isSo ? 1 : -1)
    if (isSo) this.lingersSinceMs.set(slot, this.clock.now())
    if (count > 0) this.lingering.set(slot, count)
    else this.lingering.delete(slot)
  }

  // the invariants

  /** Accepted jobs that no actor has. */
  waiting () {
    let held = 0
    for (const { mailbox } of this.crew.actors) {
      if (mailbox === undefined || mailbox.depth === 0) continue
      for (const { isSettled } of mailbox.jobs()) if (!isSettled) held++
    }
    return this.accepted - this.settled - held
  }

  step (untilMs) {
    if (!this.clock.step(untilMs)) return false
    if (++this.steps > STEP_LIMIT) this.fail('it does not come to rest')
    this.look()
    return this.accepted > this.settled || this.clock.now() < this.restAtMs
  }

  look () {
    const { crew, load, clock } = this
    if (this.violation !== undefined) throw this.violation
    let unfinished = 0
    let maybe = this.lingering.size
    if (crew.actors.filter(({ successor }) => successor !== undefined).length > 1) {
      this.fail('two actors are recycled at once')
    }
    let held = 0
    let idle
    for (const { mailbox, state, slot } of crew.actors) {
      if (mailbox === undefined) continue
      if (mailbox.depth > this.parts.places) this.fail(`actor ${slot.id} holds ${mailbox.depth} jobs`)
      if (mailbox.hasEnded) maybe++
      else if (mailbox.unfinished > 0) unfinished++
      else if (mailbox.depth > 0) maybe++
      for (const { isSettled } of mailbox.jobs()) if (!isSettled) held++
      if (idle === undefined && state === 'open' && mailbox.depth === 0 && slot.tier <= this.openTier) idle = slot
    }
    const pending = this.accepted - this.settled
    const waiting = pending - held
    if (waiting < 0) this.fail(`${this.accepted} accepted, ${this.settled} settled, ${held} given`)
    if (this.options.metric === 'demand' && (load.active < unfinished || load.active > unfinished + maybe)) {
      this.fail(`active is ${load.active}, with ${unfinished} to ${unfinished + maybe} actors that have unfinished jobs`)
    }
    // close() holds the process too, for the ends of its threads
    if (pending > 0 ? !clock.isHeld : clock.isHeld && !this.isClosing) this.fail(`the process is ${clock.isHeld ? '' : 'not '}held, with ${pending} pending`)
    // a turn of the event loop that is under way may still place a job
    if (this.closedAtMs < Infinity) this.oracle.closing(clock.now(), pending)
    if (clock.soonCount > 0 || this.isClosing) return
    this.oracle.look(clock.now())
    for (const { mailbox, slot } of crew.actors) {
      if (slot.tier <= this.openTier || mailbox === undefined || mailbox.depth === 0 || mailbox.hasEnded) continue
      for (const job of mailbox.jobs()) {
        if (job.isMovable && !mailbox.isClaimed(job)) this.fail(`tier ${slot.tier} is closed and keeps job ${job.input.order}`)
      }
    }
    let keyed = 0
    if (waiting > 0 && this.isBroken()) this.fail('jobs wait, and no actor is left')
    if (waiting > 0) {
      for (const record of this.records) {
        if (record.key === undefined || !record.isAccepted || record.settled > 0 || this.isHeld(record)) continue
        keyed++
        const home = this.keys.homeOf(record.key)
        if (home?.state === 'open' && home.mailbox.depth === 0) {
          this.fail(`job ${record.order} waits while the actor ${home.slot.id} of its key idles`)
        }
      }
      if (waiting > keyed && idle !== undefined) this.fail(`a job waits while actor ${idle.id} idles`)
    }
    if (load.backlog !== waiting - keyed) this.fail(`the backlog is ${load.backlog}, with ${waiting - keyed} waiting`)
    if (this.steps % 64 === 0) this.count(waiting, pending)
  }

  /** No actor is there or will be soon. */
  isBroken () {
    return this.crew.actors.every((actor) => actor.state === 'failed' || actor.state === 'vacant' ||
      (actor.mailbox === undefined && !this.crew.isRestarting(actor)))
  }

  isHeld (record) {
    const mailbox = record.slot < 0 ? undefined : this.crew.actors[record.slot].mailbox
    if (mailbox !== undefined) for (const { input } of mailbox.jobs()) if (input === record) return true
    return false
  }

  /** The pool's own numbers are true. */
  count (waiting, pending) {
    const { counters, backlog, pending: told } = this.scheduler.snapshot()
    const settled = Object.values(counters.settled).reduce((sum, count) => sum + count, 0)
    if (counters.accepted !== this.accepted || settled !== this.settled || told !== pending || backlog !== waiting) {
      this.fail(`the snapshot says ${counters.accepted} accepted, ${settled} settled, ${told} pending, ${backlog} ` +
        `waiting; true are ${this.accepted}, ${this.settled}, ${pending}, ${waiting}`)
    }
  }

  async close () {
    const { clock, scheduler } = this
    if (!this.isClosing && this.accepted > this.settled) this.fail(`${this.accepted - this.settled} jobs hang`)
    this.isClosing = true
    const beganAtMs = clock.now()
    const close = { isDone: false }
    this.closedAtMs = beganAtMs
    scheduler.close().then(() => { close.isDone = true }, (error) => { close.error = error })
    let isRefused = false
    try {
      scheduler.submit('one', new Record(), {}, () => {}, () => {})
    } catch (error) {
      isRefused = error.code === 'FST_ERR_SPILLOVER_CLOSED'
    }
    if (!isRefused) this.fail('a job is accepted after the call of close()')
    const latestMs = beganAtMs + this.options.drainMs + this.options.graceMs + 100
    for (;;) {
      // each pass of the promises of close() takes some microtasks
      for (let turn = 0; turn < 12 && !close.isDone; turn++) await undefined
      if (close.error !== undefined) throw close.error
      if (close.isDone) break
      if (!clock.step(latestMs)) this.fail('close() does not end')
      if (++this.steps > STEP_LIMIT) this.fail('close() does not come to rest')
      this.look()
    }
    if (this.violation !== undefined) throw this.violation
    this.hasClosed = true
    for (const { order, isAccepted, settled, claims } of this.records) {
      if (isAccepted && settled !== 1) this.fail(`job ${order} has settled ${settled} times`)
      if (!isAccepted && claims > 0) this.fail(`job ${order} was refused and ran`)
    }
    if (this.crew.actors.some(({ mailbox }) => mailbox !== undefined)) this.fail('a thread is left')
    if (!clock.isClosed || clock.isHeld) this.fail('the clock is left running')
    this.count(0, 0)
    if (this.load.active !== 0) this.fail(`active is ${this.load.active} in the end`)
    for (let left = STEP_LIMIT; clock.step(); left--) if (left === 0) this.fail('the clock does not come to rest')
    if (this.violation !== undefined) throw this.violation
  }

  /** Broken, and told by the next look. */
  note (text) {
    this.violation ??= new Violation(`seed ${this.seed}, ${this.clock.now().toFixed(3)} ms: ${text}`)
  }

  fail (text) {
    this.violation ??= new Violation(`seed ${this.seed}, ${this.clock.now().toFixed(3)} ms: ${text}`)
    throw this.violation
  }
}

function planOf (sizes, less) {
  let lower = 0
  const tiers = sizes.filter((size, at) => at === 0 || size > 0).map((size, at) => {
    const slots = Array.from({ length: size }, (_, index) => ({ id: lower + index, cpu: null, tier: at + 1 }))
    const threshold = lower === 0 ? 0 : Math.max(0, lower - less())
    lower += size
    return { tier: at + 1, cpus: [], threshold, slots }
  })
  return { strategy: 'explicit', tiers, reserved: [], quotaCpus: null, maxActors: lower, notes: [] }
}

module.exports = { runSeed, Violation }
