'use strict'
// One run under virtual time: the real scheduler on simulated actors, everything else decided by a seed; after each
// step the invariants are looked at. Same seed, same run. The guarantees are those of the README.
const { getEventListeners } = require('node:events')
const { randomOf } = require('../../dist/lib/simulator/random.js')
const { VirtualClock } = require('../../dist/lib/simulator/clock.js')
const { SimulatedThreads } = require('../../dist/lib/simulator/threads.js')
const { KeyedJobs } = require('../../dist/lib/keys.js')
// called by their modules, where broken copies may stand
const scheduling = require('../../dist/lib/scheduler.js')
const slots = require('../../dist/lib/slots.js')
const { checkOptions } = require('../../dist/lib/options.js')
const { channels } = require('../../dist/lib/trace.js')
const { Lives } = require('./lives.js')
const { Machine } = require('./machine.js')
const { drawSettings } = require('./moods.js')
const { Record, drawOffer } = require('./offers.js')
const { Oracle } = require('./oracle.js')
const { Tidings } = require('./tidings.js')

/** A broken invariant. */
class Violation extends Error {}

const base = checkOptions({ jobs: __filename, callerStack: false, retireMs: 0, ageMs: 20 })
let current
// words that all threads share; nobody but the scheduler's own code is shown that they change meanwhile
for (const name of ['load', 'compareExchange']) {
  const original = Atomics[name]
  Atomics[name] = (...args) => {
    current?.glance()
    return original(...args)
  }
}
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

const STEP_LIMIT = 50_000
/** The longest time in which a pool of these sizes settles all jobs, ms. */
const REST_MS = 2000

/** Promises that are due go on: each pass takes some microtasks. */
function settle () {
  return new Promise((resolve) => {
    let left = 12
    const turn = () => { left-- > 0 ? DUE.then(turn) : resolve() }
    turn()
  })
}
const DUE = Promise.resolve()

/** With TRACE=1 what happens is told, for a look at one seed. */
const isTraced = process.env.TRACE === '1'

class World {
  constructor (seed, broken) {
    this.seed = seed
    this.broken = broken
    const random = this.random = randomOf(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995)
    const chance = this.chance = (share) => random() < share
    this.upTo = (most) => Math.floor(random() * (most + 1))
    const { mood, layout, options, times } = drawSettings(random, base, broken.mood)
    this.times = times
    this.clock = new VirtualClock(times)
    this.identity = { name: 'simulated' }
    this.mood = mood
    this.plan = layout
    this.options = { ...options, identity: this.identity }
    /** when runs of a name ended their actors, and until when it is refused: surely, and at the latest */
    this.fatal = new Map(['one', 'two'].map((name) => [name, { atMs: [], surelyMs: 0, untilMs: 0 }]))
    /** slots whose thread is told to have ended and goes on for a moment */
    this.lingering = new Map()
    this.lingersSinceMs = new Map()
    this.openTier = 1
    this.records = []
    /** those of them that may still be waited for: looking at all after each step would take long */
    this.live = []
    this.hasSettled = false
    /** signals of jobs, and whose each is */
    this.controllers = []
    this.quarantined = 0
    this.refused = 0
    this.lastSettledAtMs = 0
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
    /** mailboxes whose thread was told to end at once */
    this.killed = new WeakSet()
    this.threads = 0
    /** lateness of timers in a run, rounding to whole ms, and what the host was off its cpu */
    this.slackMs = 5
    /** time for which the host was off its cpu in this step */
    this.preemptedMs = 0
    /** reads of shared words until an actor goes on just before one */
    this.untilGlance = times.glances === 0 ? Infinity : 1
    /** an actor has gone on in this step between two of the host's reads, so that each was true in its time only */
    this.hasGlanced = false
    /** who reads is not the scheduler */
    this.isAside = false
    /** replacements are not always tried again at once */
    this.bootsMayFail = mood.bootDies > 0 || this.options.bootTimeoutMs < 4 || mood.tells > 0
    this.parts = {
      ...times,
      clock: this.clock,
      jobs: ['one', 'two'],
      bootMs: () => Math.min(times.bootMs(), this.isReady ? Infinity : 2),
      bootDies: () => this.isReady && chance(mood.bootDies),
      preempt: () => {
        const ms = times.preemptMs()
        if (ms === 0) return
        if (isTraced) this.log(`the host is off its cpu for ${ms}`)
        this.preemptedMs += ms
        this.slackMs += ms
        this.clock.preempt(ms)
      },
      glance: (mailbox) => this.glance(mailbox),
      watch: this
    }
  }

  /** The scheduler reads a word that this actor writes, or any: now and then one of them goes on just before. */
  glance (mailbox) {
    if (this.isAside || !this.clock.isHost || --this.untilGlance > 0) return
    const { clock, upTo, chance, times } = this
    this.untilGlance = 1 + upTo(2 * times.glances)
    this.isAside = true
    this.oracle?.noteBehind()
    do {
      if (clock.hurry(upTo, chance(0.8) ? mailbox : undefined)) this.hasGlanced = true
    } while (chance(0.5))
    this.isAside = false
  }

  /** What is done here the scheduler does not do. */
  aside (does) {
    const { isAside } = this
    this.isAside = true
    try {
      return does()
    } finally {
      this.isAside = isAside
    }
  }

  async run () {
    if (isTraced) this.log(JSON.stringify([this.mood, this.plan.tiers, { ...this.options, jobs: undefined }]))
    const { clock, broken } = this
    const scheduler = this.scheduler = new scheduling.Scheduler(this.plan, { ...this.options, ...broken.options }, {
      clock,
      hire: (plan, options, load, events, kept) => {
        this.load = load
        const told = broken.events?.(events) ?? events
        this.crew = new slots.Slots(plan, options, clock, load, {
          ...told,
          changed: (actor) => {
            if (isTraced) this.log(`actor ${actor.slot.id} is ${actor.state}: ${actor.reason}`)
            if (actor.state === 'open') this.opened.add(actor.mailbox)
            told.changed(actor)
            this.aside(() => this.lives.changed(actor))
          },
          message: (actor, mailbox, message) => {
            const isStray = message !== 0 && message.type === 'stray'
            const name = isStray && actor.state === 'open' ? message.job : null
            told.message(actor, mailbox, message)
            if (isStray) this.lives.counts.strays++
            if (name !== null) this.blame(name)
          },
          gone: (actor, mailbox, reason) => {
            const name = this.suspect(mailbox, reason)
            this.wasStopped = reason === undefined
            told.gone(actor, mailbox, reason)
            this.wasStopped = false
            this.lives.died(actor, reason, !this.opened.has(mailbox))
            if (name !== undefined) this.blame(name)
          }
        }, this.watched(new SimulatedThreads(options, load, this.parts, kept)))
        const close = this.crew.close.bind(this.crew)
        this.crew.close = (graceMs) => {
          this.crewClosedAtMs = clock.now()
          // what is told waits for its actors as a job does
          if (this.tidings.open === 0 && clock.now() > Math.max(this.closedAtMs, this.lastSettledAtMs) + this.slackMs) {
            this.note('close() waits, and nothing is pending')
          }
          return close(graceMs)
        }
        return this.crew
      }
    })
    this.oracle = new Oracle(this)
    this.lives = new Lives(this)
    this.machine = new Machine(this)
    this.tidings = new Tidings(this)
    const ready = scheduler.ready()
    while (this.crew.actors.some(({ state }) => state === 'opening')) clock.step()
    await ready
    this.isReady = true
    if (clock.isHeld) this.fail('an idle pool holds the process')
    this.plot()
    while (!this.isClosing && this.step(this.restAtMs + REST_MS + 6 * this.mood.restMs)) {
      if (this.tidings.open > 0) await settle()
    }
    if (this.tidings.open > 0 && !this.isClosing) this.fail(`${this.tidings.open} broadcasts hang`)
    await this.close()
    return { steps: this.steps, accepted: this.accepted, offered: this.records.length, deaths: this.deaths }
  }

  /** Threads as they are, and what is told of them looked at. */
  watched (threads) {
    const { start } = threads
    threads.start = (slot, names, waits, told) => {
      this.threads++
      if (waits) this.lives.recycles(slot)
      const started = start.call(threads, slot, names, waits, {
        ...told,
        ended: (reason) => {
          const actor = this.crew.actors[slot.id]
          const isWaitedFor = actor.state === 'closed' && actor.successor?.isDismissed === false &&
            actor.successor.started.mailbox === started.mailbox
          const isRefused = actor.successor?.isDismissed === false &&
            actor.successor.started.mailbox === started.mailbox
          told.ended(reason)
          if (isRefused) this.lives.failedAtMs = this.clock.now()
          if (isWaitedFor) this.lives.failedToReplace(actor)
        },
        exited: () => {
          this.threads--
          told.exited()
        }
      })
      return {
        ...started,
        kill: (reason) => {
          if (isTraced) this.log(`actor ${slot.id} is told to end: ${reason.message}`)
          this.aside(() => this.lives.kills(slot, started.mailbox, reason))
          this.killed.add(started.mailbox)
          started.kill(reason)
        }
      }
    }
    return threads
  }

  /** Decide when what is done to the pool. */
  plot () {
    const { clock, random, chance, upTo, mood } = this
    const gapMs = chance(mood.gapless) ? 0 : random() * mood.gapMs
    let atMs = 0
    for (let left = 1 + upTo(chance(mood.many) ? 40 : mood.jobs); left > 0; left--) {
      if (chance(0.5)) atMs += random() * gapMs
      clock.host(atMs, () => this.offer())
    }
    this.restAtMs = clock.now() + atMs + 1 + random() * mood.restMs
    const overMs = () => random() * (atMs + 5)
    if (chance(mood.replans)) for (let left = 1 + upTo(3); left > 0; left--) clock.host(overMs(), () => this.change())
    if (chance(mood.tells)) {
      for (let left = 1 + upTo(4); left > 0; left--) clock.host(overMs(), () => this.tidings.send())
    }
    if (mood.exits > 0) for (let left = upTo(3); left > 0; left--) clock.actor(overMs(), () => this.kill())
    if (chance(0.25)) clock.host(random() * (atMs + 10), () => { this.isClosing = true })
  }

  offer () {
    if (this.isClosing) return
    const { clock, random, chance } = this
    const { record, options } = drawOffer(this)
    const { name } = record
    record.told = this.tidings.open + this.tidings.sent.length > 0 ? [...this.tidings.known] : undefined
    record.acceptedAtMs = clock.now()
    const cancel = chance(this.mood.cancel) ? this.cancelOf(record) : undefined
    if (cancel !== undefined) options.signal = cancel.controller.signal
    const waitingBefore = this.waiting()
    const isTooLong = this.oracle.isTooLong(waitingBefore, record)
    const couldRun = this.aside(() => this.oracle.couldRun(record))
    this.wasFull = false
    record.order = this.records.length
    this.records.push(record)
    this.live.push(record)
    if (isTraced) this.log(`job ${record.order} is offered: ${JSON.stringify(record)}`)
    // a job that is accepted may settle before submit returns
    record.isAccepted = true
    this.accepted++
    try {
      this.scheduler.submit(name, record, options, () => this.settle(record, 'ok'),
        (error) => this.settle(record, error))
    } catch (error) {
      const isRefused = error.code === 'FST_ERR_SPILLOVER_QUARANTINED'
      const isBroken = error.code === 'FST_ERR_SPILLOVER_UNAVAILABLE'
      if (!isRefused && !isBroken && error.code !== 'FST_ERR_SPILLOVER_OVERLOADED') throw error
      record.isAccepted = false
      record.isRefused = true
      this.hasSettled = true
      this.accepted--
      if (record.settled > 0) this.fail(`job ${record.order} is refused and settles`)
      if (isRefused) this.quarantined++
      else if (!isBroken) this.refused++
      if (isRefused) this.isQuarantined(record)
      else if (couldRun && !this.hasGlanced) this.fail(`job ${record.order} is refused while an actor may have it`)
      else if (isBroken) {
        if (!this.isBroken()) this.fail(`job ${record.order} is told that no actor is left`)
      } else if (waitingBefore < this.options.maxQueued && !isTooLong) {
        this.fail(`job ${record.order} is refused with ${waitingBefore} of ${this.options.maxQueued} waiting`)
      }
      return this.aside(() => this.look())
    }
    if (clock.now() < this.fatal.get(name).surelyMs) this.fail(`job ${record.order} is accepted in quarantine`)
    if (record.settled === 0 && record.slot < 0 && waitingBefore >= this.options.maxQueued && !this.wasFull) {
      this.fail(`job ${record.order} waits although ${waitingBefore} of ${this.options.maxQueued} did`)
    }
    if (record.settled === 0 && record.slot < 0 && isTooLong && !this.wasFull) this.fail(`job ${record.order} waits too long`)
    if (cancel === undefined || cancel.records.length > 1) return
    clock.host(random() * 4, () => {
      for (const each of cancel.records) each.isCancelled = true
      cancel.controller.abort('left')
      const other = cancel.records.find(({ isAccepted, settled }) => isAccepted && settled === 0)
      if (other !== undefined) this.fail(`job ${other.order} goes on after its cancellation`)
    })
  }

  /** A signal for this job, now and then that of another. */
  cancelOf (record) {
    const last = this.controllers.at(-1)
    const isShared = last?.controller.signal.aborted === false && this.chance(0.3)
    const cancel = isShared ? last : { controller: new AbortController(), records: [] }
    if (!isShared) this.controllers.push(cancel)
    cancel.records.push(record)
    return cancel
  }

  /** The job whose run ended this actor, where that is known. */
  suspect (mailbox, reason) {
    if (reason === undefined || this.hasExpired || /did not end within|has blocked its event/.test(reason.message)) return undefined
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
    // the host looked at its clock first, and may have been off its cpu while it took back what waits
    fatal.surelyMs = fatal.untilMs - this.preemptedMs
    for (const record of this.live) {
      // what had begun and is held by nobody is to run a second time
      const mayGoOn = record.isClaimed && this.isHeld(record)
      if (record.name === name && record.isAccepted && record.settled === 0 && !mayGoOn) {
        this.fail(`job ${record.order} waits in quarantine`)
      }
    }
  }

  isQuarantined ({ order, name }) {
    if (this.clock.now() >= this.fatal.get(name).untilMs && !this.isClosing) {
      this.fail(`job ${order} is refused for deaths that were not`)
    }
  }

  change () {
    if (!this.isClosing) this.machine.change()
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
    if (isTraced) this.log(`job ${order} settles: ${outcome?.code ?? outcome}`)
    const nowMs = this.clock.now()
    record.settled++
    record.settledAtMs = nowMs
    this.settled++
    this.hasSettled = true
    this.lastSettledAtMs = nowMs
    if (record.settled > 1) this.fail(`job ${order} settles twice`)
    if (this.hasClosed) this.fail(`job ${order} settles after close()`)
    const code = record.outcome = outcome === 'ok' ? 'ok' : outcome?.code?.slice(18) ?? 'error'
    if ((code === 'ok' || code === 'error') && (!record.hasReplied || (record.ends !== code && !record.obeys))) {
      this.fail(`job ${order} is to end by ${record.ends} and ends by ${code}`)
    }
    if (!['ok', 'error', 'RESULT_UNCLONEABLE'].includes(code) && record.hasReplied && !this.isNew(record)) this.fail(`job ${order} had replied and is told of ${code}`)
    if (code === 'ACTOR_EXIT' && !this.isClosing) {
      if (record.claims === 0 && (!record.hasTransfer || this.wasStopped)) {
        this.fail(`job ${order} had not begun and is told that its actor died`)
      }
      if (record.isClaimed && record.isIdempotent && !record.hasTransfer && record.claims === 1 &&
        this.options.quarantineDeaths === 0) {
        this.fail(`job ${order} is idempotent and had one run`)
      }
      if (outcome.started !== (record.claims > 0)) this.fail(`job ${order} is told wrongly whether it began`)
    }
    if (code === 'TIMEOUT' && (record.startedAtMs === 0 || nowMs - record.startedAtMs < record.timeoutMs - 0.6)) {
      this.fail(`job ${order} is told that it ran for ${record.timeoutMs} ms after ${nowMs - record.startedAtMs}`)
    }
    if (code === 'QUEUE_TIMEOUT' && record.claims > 0) this.fail(`job ${order} began and is told that it waited too long`)
    if (code === 'CANCELLED' && !record.isCancelled) this.fail(`job ${order} is cancelled by nobody`)
    if (code === 'CLOSED' && nowMs < this.closedAtMs + this.options.drainMs - 1e-6) {
      this.fail(`job ${order} is told of the close() ${nowMs - this.closedAtMs} ms after it`)
    }
    const longestMs = Math.min(record.queueTimeoutMs || Infinity, this.oracle.longestMs(record))
    if (code === 'QUEUE_TIMEOUT' && nowMs < record.acceptedAtMs + longestMs - 1) {
      this.fail(`job ${order} waited ${nowMs - record.acceptedAtMs} ms and is told of ${longestMs}`)
    }
    if (code === 'CLOSED' && !this.isClosing) this.fail(`job ${order} is told of a close() that was not`)
    if (code === 'QUARANTINED') {
      this.quarantined++
      if (outcome.started !== (record.claims > 0)) this.fail(`job ${order} is told wrongly whether it began`)
    }
    if (code === 'UNAVAILABLE' && !this.isBroken() && (record.key === undefined ||
      this.crew.actors.some(({ slot, state }) => slot.tier === 1 && state !== 'failed' && state !== 'vacant'))) {
      this.fail(`job ${order} is told that no actor is left`)
    }
  }

  // what the actors see

  given (job, slot, isGiven) {
    if (isTraced) this.log(`actor ${slot} ${isGiven ? 'is given' : 'has no room for'} job ${job.input.order}`)
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
    if (this.killed.has(actor.mailbox)) this.fail(`job ${order} is given to an actor that is told to end at once`)
    this.aside(() => this.oracle.given(job, actor))
    record.job = job
    record.slot = slot
    record.givenAtMs = this.clock.now()
    record.isClaimed = record.hasReplied = false
    record.startedAtMs = 0
  }

  claimed ({ input: record }, slot) {
    if (isTraced) this.log(`actor ${slot} claims job ${record.order}`)
    const { order, key } = record
    if (record.settled > 0) this.fail(`job ${order} is settled as ${record.outcome} and runs`)
    if (record.slot !== slot) this.fail(`job ${order} was given to ${record.slot} and runs on ${slot}`)
    record.claims++
    record.isClaimed = true
    record.startedAtMs = 0
    if (record.told !== undefined) this.tidings.begins(order, record.told, this.crew.actors[slot].mailbox)
    if (record.claims > (record.isIdempotent ? 2 : 1)) this.fail(`job ${order} starts ${record.claims} times`)
    if (key === undefined) return
    for (const other of this.live) {
      if (other.order < order && other.key === key && other.isAccepted && other.settled === 0 && other.claims === 0) {
        this.fail(`job ${order} overtakes job ${other.order} of the same key`)
      }
    }
  }

  started ({ input: record }) { record.startedAtMs = this.clock.now() }
  replied ({ input: record }, slot) {
    if (isTraced) this.log(`actor ${slot} has replied to job ${record.order}`)
    record.hasReplied = true
    record.repliedAtMs = this.clock.now()
    record.repliedIn = this.steps
  }

  /** Has it replied just now, between two of the host's reads? */
  isNew ({ repliedIn }) { return this.hasGlanced && repliedIn === this.steps }

  read (job, slot, runMs) {
    if (isTraced) this.log(`the reply of job ${job.input.order} is read`)
    this.aside(() => this.oracle.read(job, slot, runMs))
  }

  heard (mailbox, message) { return this.tidings.hear(mailbox, message) }

  lingers (slot, isSo) {
    const count = (this.lingering.get(slot) ?? 0) + (isSo ? 1 : -1)
    if (isSo && count === 1) this.lingersSinceMs.set(slot, this.clock.now())
    if (count > 0) this.lingering.set(slot, count)
    else this.lingering.delete(slot)
  }

  // the invariants

  /** Accepted jobs that no actor has. */
  waiting () {
    let held = 0
    for (const { mailbox } of this.crew.actors) {
      if (mailbox !== undefined) for (const { isSettled } of mailbox.held) if (!isSettled) held++
    }
    return this.accepted - this.settled - held
  }

  step (untilMs) {
    this.preemptedMs = 0
    this.hasGlanced = false
    if (!this.clock.step(untilMs)) return false
    if (++this.steps > STEP_LIMIT) this.fail('it does not come to rest')
    this.look()
    return this.accepted > this.settled || this.tidings.open > 0 || this.clock.now() < this.restAtMs || this.isStuck()
  }

  /** Is a job left that was cancelled and runs on? Its thread has to be ended. */
  isStuck () {
    return this.crew.actors.some(({ mailbox }) => mailbox !== undefined && mailbox.depth > 0 && !mailbox.hasEnded &&
      !mailbox.isBlocked)
  }

  look () {
    const { crew, load, clock } = this
    if (this.violation !== undefined) throw this.violation
    if (this.hasSettled) this.forget()
    let unfinished = 0
    let maybe = this.lingering.size
    let recycled = 0
    let held = 0
    let idle
    for (const { mailbox, state, slot, successor } of crew.actors) {
      if (successor !== undefined) recycled++
      if (mailbox === undefined) continue
      if (mailbox.depth > this.parts.places) this.fail(`actor ${slot.id} holds ${mailbox.depth} jobs`)
      if (mailbox.hasEnded || mailbox.isTainted) maybe++
      else if (mailbox.unfinished > 0) unfinished++
      else if (mailbox.depth > 0) maybe++
      for (const { isSettled } of mailbox.held) if (!isSettled) held++
      if (idle === undefined && state === 'open' && mailbox.depth === 0 && slot.tier <= this.openTier && this.oracle.hasCaughtUp(mailbox)) idle = slot
    }
    if (recycled > 0) this.lives.recycling()
    if (recycled > 1) this.fail('two actors are recycled at once')
    const pending = this.accepted - this.settled
    const waiting = pending - held
    if (waiting < 0) this.fail(`${this.accepted} accepted, ${this.settled} settled, ${held} given`)
    if (this.options.metric === 'demand' && (load.active < unfinished || load.active > unfinished + maybe)) {
      this.fail(`active is ${load.active}, with ${unfinished} to ${unfinished + maybe} actors that have unfinished jobs`)
    }
    // close() holds the process too, for the ends of its threads
    if (pending > 0 ? !clock.isHeld : clock.isHeld && !this.isClosing && this.tidings.open === 0) this.fail(`the process is ${clock.isHeld ? '' : 'not '}held, with ${pending} pending`)
    // a turn of the event loop that is under way may still place a job
    if (this.closedAtMs < Infinity) this.oracle.closing(clock.now(), pending)
    if (!this.isClosing) this.oracle.always()
    if (clock.soonCount > 0 || this.isClosing) return
    this.oracle.look(clock.now())
    this.lives.look(clock.now())
    this.machine.look(clock.now())
    for (const { mailbox, slot } of crew.actors) {
      if (slot.tier <= this.openTier || mailbox === undefined || mailbox.hasEnded) continue
      for (const job of mailbox.held) {
        if (job.isMovable && !mailbox.isClaimed(job)) this.fail(`tier ${slot.tier} is closed and keeps job ${job.input.order}`)
      }
    }
    let keyed = 0
    if (waiting > 0 && this.isBroken()) this.fail('jobs wait, and no actor is left')
    if (waiting > 0) {
      for (const record of this.live) {
        if (record.key === undefined || !record.isAccepted || record.settled > 0 || this.isHeld(record)) continue
        keyed++
        const home = this.oracle.placing.keyed.homeOf(record.key)
        if (home?.state === 'open' && home.mailbox.depth === 0 && this.oracle.hasCaughtUp(home.mailbox)) {
          this.fail(`job ${record.order} waits while the actor ${home.slot.id} of its key idles`)
        }
      }
      if (waiting > keyed && idle !== undefined) this.fail(`a job waits while actor ${idle.id} idles`)
    }
    if (load.backlog !== waiting - keyed) this.fail(`the backlog is ${load.backlog}, with ${waiting - keyed} waiting`)
    if (this.steps % 64 === 0) this.count(waiting, pending)
  }

  /** What has settled is not looked at any more, unless it waits nevertheless. */
  forget () {
    this.hasSettled = false
    this.live = this.live.filter((record) => {
      record.isLive = (record.isAccepted && record.settled === 0) || record.job?.isQueued === true
      return record.isLive
    })
  }

  /** No actor is there or will be soon. */
  isBroken () {
    return this.crew.actors.every((actor) => actor.state === 'failed' || actor.state === 'vacant' ||
      (actor.mailbox === undefined && !this.crew.isRestarting(actor)))
  }

  isHeld (record) {
    const mailbox = record.slot < 0 ? undefined : this.crew.actors[record.slot].mailbox
    if (mailbox !== undefined) for (const { input } of mailbox.held) if (input === record) return true
    return false
  }

  /** The pool's own numbers are true. */
  count (waiting, pending) {
    const { counters, backlog, pending: told } = this.scheduler.snapshot()
    const settled = Object.values(counters.settled).reduce((sum, count) => sum + count, 0)
    if (counters.quarantined !== this.quarantined || counters.refused !== this.refused) {
      this.fail(`the snapshot says ${counters.quarantined} in quarantine and ${counters.refused} refused, true are ` +
        `${this.quarantined} and ${this.refused}`)
    }
    if (counters.accepted !== this.accepted || settled !== this.settled || backlog !== waiting ||
      (told !== pending && this.tidings.open === 0)) {
      this.fail(`the snapshot says ${counters.accepted} accepted, ${settled} settled, ${told} pending, ${backlog} ` +
        `waiting; true are ${this.accepted}, ${this.settled}, ${pending}, ${waiting}`)
    }
    this.lives.count(counters)
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
    await settle()
    for (;;) {
      // until all jobs have settled or the time is over close() waits for nothing else
      const mayEnd = this.accepted === this.settled || clock.now() >= beganAtMs + this.options.drainMs
      if (mayEnd || this.tidings.open > 0) await settle()
      if (close.error !== undefined) throw close.error
      if (close.isDone) break
      this.preemptedMs = 0
      this.hasGlanced = false
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
    if (this.threads > 0 || this.crew.actors.some(({ mailbox }) => mailbox !== undefined)) this.fail('a thread is left')
    await settle()
    if (this.tidings.open > 0) this.fail(`${this.tidings.open} broadcasts hang`)
    if (!clock.isClosed || clock.isHeld) this.fail('the clock is left running')
    for (const { controller: { signal } } of this.controllers) {
      if (getEventListeners(signal, 'abort').length > 0) this.fail('a signal is still listened to')
    }
    const { keyed } = this.oracle.placing
    const fresh = new KeyedJobs(this.crew.actors.filter(({ slot }) => slot.tier === 1))
    for (const key of ['k0', 'k1', 'k2']) {
      if (keyed.homeOf(key) !== fresh.homeOf(key)) this.fail(`key ${key} has no jobs and keeps its home`)
    }
    this.count(0, 0)
    if (this.load.active !== 0) this.fail(`active is ${this.load.active} in the end`)
    for (let left = STEP_LIMIT; clock.step(); left--) if (left === 0) this.fail('the clock does not come to rest')
    if (this.violation !== undefined) throw this.violation
  }

  log (text) { console.log(`${this.clock.now().toFixed(3)} ms: ${text}`) }

  /** Broken, and told by the next look. */
  note (text) {
    this.violation ??= new Violation(`seed ${this.seed}, ${this.clock.now().toFixed(3)} ms: ${text}`)
  }

  fail (text) {
    this.violation ??= new Violation(`seed ${this.seed}, ${this.clock.now().toFixed(3)} ms: ${text}`)
    throw this.violation
  }
}

module.exports = { runSeed, Violation }
