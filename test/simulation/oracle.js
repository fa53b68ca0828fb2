'use strict'
// What must hold of where jobs go, worked out anew from the README: which tiers are open, who is served next and by
// whom, who may hold another job, how long one may wait and run.
const { Estimate } = require('../../dist/lib/estimate.js')
const { Gate } = require('../../dist/lib/gate.js')
const { IdleSet } = require('../../dist/lib/idle.js')
const { Injector } = require('../../dist/lib/queue.js')
const { Placing } = require('../../dist/lib/placing.js')
const { Settling } = require('../../dist/lib/settling.js')
const { SimulatedMailbox } = require('../../dist/lib/simulator/mailbox.js')

const EPS = 1e-6
const NONE = []
const isQueued = ({ job, key }) => key === undefined && job?.isQueued === true
let current

/** Look on at what the scheduler keeps to itself. */
function tap (type, name, note) {
  const original = type.prototype[name]
  type.prototype[name] = function (...args) {
    const result = original.apply(this, args)
    current?.world.aside(() => note(this, args, result))
    return result
  }
}
tap(Gate, 'update', ({ openTier }, [active, backlog, nowMs]) => current.gate(active, backlog, nowMs, openTier))
tap(Estimate, 'pace', (_estimate, [ms, jobs]) => current.paced(ms, jobs))
tap(Gate, 'replan', (_gate, [tiers]) => current.replanned(tiers))
for (const name of ['push', 'putBack']) {
  tap(Injector, name, (_queue, [job]) => {
    const record = job.input
    record.job = job
    record.wasQueued = true
    if (record.isLive) return
    record.isLive = true
    current.world.live.push(record)
  })
}

const { add, remove } = IdleSet.prototype
IdleSet.prototype.add = function (slot) {
  current?.known.add(slot)
  add.call(this, slot)
}
IdleSet.prototype.remove = function (slot) {
  current?.known.delete(slot)
  remove.call(this, slot)
}

/** Called around a method, with what it was called on and with. */
function around (type, name, before, after) {
  const original = type.prototype[name]
  type.prototype[name] = function (...args) {
    if (current === undefined) return original.apply(this, args)
    const { world } = current
    world.aside(() => before(this, args))
    const result = original.apply(this, args)
    if (after !== undefined) world.aside(() => after(this, args))
    return result
  }
}

function watchPlacing (type) {
  const { look } = type.prototype
  type.prototype.look = function (nowMs) {
    if (current === undefined) return look.call(this, nowMs)
    const { lives, oracle } = current.world
    oracle.placing = this
    oracle.shown = undefined
    lives.isLooking = true
    look.call(this, nowMs)
    lives.isLooking = false
    if (oracle.shown !== undefined) oracle.world.aside(() => lives.areAhead(...oracle.shown))
  }
  around(type, 'dispatch', () => current?.dispatches(), (placing) => current?.dispatched(placing))
  around(type, 'isFreed', () => current.freeing++, () => current.freeing--)
  around(type, 'takeBackAll', (_placing, [actor]) => current.takesBack(actor), (_placing, [actor]) => current.tookBack(actor))
}

function watchSettling (type) {
  around(type, 'expire', () => current.expiring++, () => current.expiring--)
}

function watchMailbox (type) {
  around(type, 'takeBackMany', (mailbox, [limit]) => {
    if (current.taking === 0 && limit !== Infinity) current.moves(mailbox, limit)
  })
}

/** Look on at classes of these names, be they the built ones or broken copies. */
function watch ({ Placing, Settling, SimulatedMailbox }) {
  if (Placing !== undefined) watchPlacing(Placing)
  if (Settling !== undefined) watchSettling(Settling)
  if (SimulatedMailbox !== undefined) watchMailbox(SimulatedMailbox)
}
watch({ Placing, Settling, SimulatedMailbox })

class Oracle {
  constructor (world) {
    this.world = world
    this.tiers = world.plan.tiers.map(({ tier, threshold, slots }) => ({ tier, threshold, size: slots.length }))
    this.open = 1
    this.unwantedSinceMs = undefined
    /** what the gate was shown last: active actors, jobs that wait */
    this.shown = undefined
    this.placing = undefined
    /** how long actors were busy for how many replies each */
    this.paces = []
    this.hasRun = new WeakSet()
    /** jobs that have waited for too long, since they were seen to do so */
    /** replies that were read and are not counted in there: of which mailbox, how many, since when it was busy */
    this.unpaced = undefined
    this.means = new Map()
    /** how far runs of a name are from their mean, in the mean */
    this.deviations = new Map()
    /** by mailbox: how long what was given to it last may wait behind what runs, ms */
    this.patienceMs = new WeakMap()
    /** mailbox -> between which times it was last given a job while empty, or a reply of it was read */
    this.progressAtMs = new WeakMap()
    /** key -> the slot its jobs went to last, and when */
    this.homes = new Map()
    /** dispatches under way, and whether a job was moved from mailbox to mailbox in them */
    this.dispatching = 0
    this.hasMoved = false
    this.freeing = 0
    this.expiring = 0
    this.taking = 0
    /** mailbox -> since when all that it has begun awaits something while jobs wait */
    this.awaitsSinceMs = new Map()
    this.aheadSinceMs = undefined
    /** mailbox -> when it was last seen to have much to pass that was taken back */
    this.behindAtMs = new WeakMap()
    this.hasBehind = false
    /** slots of which the pool knows that they idle */
    this.known = new Set()
    current = this
  }

  end () { current = undefined }

  wanted (index, active, backlog) {
    const lower = this.tiers.slice(0, index).reduce((sum, { size }) => sum + size, 0)
    return active > this.tiers[index].threshold || backlog > lower
  }

  /** The gate was shown this load: which tiers have to be open then? */
  gate (active, backlog, nowMs, openTier) {
    const { closeDelayMs } = this.world.options
    while (this.open < this.tiers.length && this.wanted(this.open, active, backlog)) this.open++
    const isUnwanted = () => this.open > 1 && !this.wanted(this.open - 1, active, backlog)
    if (!isUnwanted()) this.unwantedSinceMs = undefined
    else if (this.unwantedSinceMs === undefined) this.unwantedSinceMs = nowMs
    if (this.unwantedSinceMs !== undefined && nowMs >= this.unwantedSinceMs + closeDelayMs) {
      this.open--
      this.unwantedSinceMs = isUnwanted() ? nowMs : undefined
    }
    const expected = this.tiers[this.open - 1].tier
    if (openTier !== expected) this.world.note(`tier ${openTier} is open, and ${expected} has to be with ${active} active, ${backlog} waiting`)
    this.world.openTier = expected
    this.shown = [active, backlog]
  }

  /** The tiers are others; those that were open stay so. */
  replanned (tiers) {
    const { openTier } = this.world
    this.tiers = tiers.map(({ tier, threshold, size }) => ({ tier, threshold, size }))
    this.open = Math.max(1, tiers.filter(({ tier }) => tier <= openTier).length)
    this.unwantedSinceMs = undefined
    this.world.openTier = this.tiers[this.open - 1].tier
  }

  /** Has the tier that is next to open more active actors below it than it waits for? */
  isLate (next) {
    const { options, load, lingering } = this.world
    return next !== undefined && options.metric === 'demand' && load.active > next.threshold + lingering.size
  }

  mayTake ({ state, slot }) { return state === 'open' && slot.tier <= this.world.openTier }
  isIdle (actor) { return this.mayTake(actor) && actor.mailbox.depth === 0 && this.hasCaughtUp(actor.mailbox) }

  /** Has it passed what was taken back, or not much of it? The host is not told, and looks now and then. */
  hasCaughtUp (mailbox) {
    const nowMs = this.world.clock.now()
    if (mailbox.isBehind) {
      this.hasBehind = true
      this.behindAtMs.set(mailbox, nowMs)
      return false
    }
    return !this.hasBehind || !(nowMs <= this.behindAtMs.get(mailbox) + 4 + this.world.slackMs)
  }

  /** An actor goes on now, or has: which of them were behind when the host may have looked? */
  noteBehind () {
    for (const { mailbox } of this.world.crew.actors) if (mailbox?.isBehind) this.hasCaughtUp(mailbox)
  }

  isDone ({ mailbox }) { return mailbox.depth === 1 && mailbox.hasReply && !mailbox.isHalted }

  /** All that it has begun is async and waits, and it may begin another. */
  isAwaiting ({ mailbox }, isSurely = true) {
    if (mailbox.depth === 0 || mailbox.depth >= this.world.options.asyncPerActor || !mailbox.isInLoop) return false
    if (!mailbox.isWaking) return true
    // one that was woken and does not look has made no progress since
    const { clock, preemptedMs } = this.world
    const [sinceMs, atMostMs] = this.progressAtMs.get(mailbox)
    return isSurely ? clock.now() - sinceMs <= 1 : clock.now() - preemptedMs - atMostMs <= 1
  }

  /** Expected time of what is in a mailbox. */
  workOf ({ mailbox }) {
    let ms = 0
    for (const { input } of mailbox.held) ms += input.weight
    return ms
  }

  /** May this actor, which has jobs, hold another? Only behind short ones, and not where one turns out to be long. */
  hasRoom (actor, isSurely = true) {
    const { mailbox } = actor
    const { clock, preemptedMs } = this.world
    if (!this.mayTake(actor) || mailbox.isHalted || mailbox.depth === 0) return false
    // the host is not told when an actor's jobs all await something, and looks now and then
    if (!isSurely && this.isAwaiting(actor, false)) return true
    const [sinceMs, atMostMs] = this.progressAtMs.get(mailbox)
    if (isSurely ? clock.now() - sinceMs > 1 : clock.now() - preemptedMs - atMostMs > 1) return false
    const workMs = this.workOf(actor)
    const eps = isSurely ? -EPS : EPS
    return (mailbox.depth === 1 && workMs < 1 + eps) || (mailbox.depth < 256 && workMs <= 0.3 + eps)
  }

  /** Do runs of this name take about as long as each other, and not long? */
  isSteady (name) {
    const mean = this.means.get(name)
    return mean <= 10 && this.deviations.get(name) <= mean / 2 + EPS
  }

  /** May this job wait behind the long one that the actor runs? Where that ends soon, and no tier is closed. */
  mayFollow (actor, { name, key, hasTransfer }) {
    const { mailbox } = actor
    if (mailbox.depth !== 1 || mailbox.isHalted || key !== undefined || hasTransfer) return false
    if (!this.isSteady(name) || !this.isSteady(mailbox.running?.input.name)) return false
    const { clock, preemptedMs, live } = this.world
    const isHome = (key) => key !== undefined && this.homes.get(key)?.slot === actor.slot.id
    const isWanted = live.some(({ job, key }) => isHome(key) && job?.isQueued === true)
    const [, atMostMs] = this.progressAtMs.get(mailbox)
    return this.mayTake(actor) && this.open === this.tiers.length && !isWanted &&
      clock.now() - preemptedMs - atMostMs <= 2 * this.workOf(actor) + EPS
  }

  /** Now, or when the host looked at its clock; or not, where that is not known. */
  progresses (mailbox, isSurely = true) {
    const { clock, preemptedMs } = this.world
    const sinceMs = isSurely ? clock.now() - preemptedMs : this.progressAtMs.get(mailbox)[0]
    this.progressAtMs.set(mailbox, [sinceMs, clock.now()])
  }

  dispatches () {
    if (this.dispatching++ > 0) return
    this.hasMoved = false
    this.openBefore = this.open
  }

  /** Where nothing waits in the injector, an idle actor has taken over work from the one that has most. */
  dispatched ({ queue }) {
    const { world } = this
    if (--this.dispatching > 0 || this.hasMoved || queue.length > 0 || world.isClosing) return
    if (this.open !== this.openBefore) return // the gate may have looked after that
    const idle = world.crew.actors.find((actor) => this.isIdle(actor))
    if (idle === undefined || world.hasGlanced) return
    const deep = world.crew.actors.filter((actor) => this.mayTake(actor) && actor.mailbox.depth > 1)
      .sort((one, other) => this.workOf(other) - this.workOf(one))
    if (deep.length === 0 || this.workOf(deep[0]) < 0.1 + EPS) return
    if (deep.length > 1 && this.workOf(deep[0]) < this.workOf(deep[1]) + EPS) return
    const { mailbox, slot } = deep[0]
    const job = mailbox.held.find((job) => job.isMovable && !mailbox.isClaimed(job))
    if (job !== undefined) world.note(`job ${job.input.order} waits in the mailbox of actor ${slot.id} while ${idle.slot.id} idles`)
  }

  /** An idle actor takes over half of what waits in the fullest mailbox, where that is worth it. */
  moves (mailbox, limit) {
    const { depth } = mailbox
    const workMs = this.workOf({ mailbox })
    if (limit !== Math.ceil((depth - 1) / 2)) this.world.note(`${limit} of ${depth - 1} jobs are moved`)
    if (workMs < 0.1 - EPS) this.world.note(`jobs of ${workMs} ms are moved`)
  }

  /** Only an actor that is slow, or is to end or halt, or whose tier closes, loses what it has not claimed. */
  takesBack (actor) {
    this.taking++
    const { clock } = this.world
    if (!this.isSlow(actor)) return
    const [sinceMs] = this.progressAtMs.get(actor.mailbox) ?? [-Infinity]
    if (actor.mailbox.hasReply && !this.world.hasGlanced) this.world.note(`jobs of actor ${actor.slot.id} are taken back, and a reply of it is not read`)
    if (clock.now() - sinceMs <= (this.patienceMs.get(actor.mailbox) ?? 1)) this.world.note(`jobs of actor ${actor.slot.id} are taken back ${clock.now() - sinceMs} ms after it settled one`)
  }

  /** A slow one that has begun nothing keeps a job, or it would be given all of them again. */
  tookBack (actor) {
    this.taking--
    if (this.isSlow(actor) && actor.mailbox.depth === 0) this.world.note(`actor ${actor.slot.id} is slow, and keeps nothing of what it was given`)
  }

  isSlow (actor) { return this.freeing === 0 && !this.world.isClosing && this.mayTake(actor) }

  /** Jobs in the injector. */
  queued () {
    const { live } = this.world
    return live.some(isQueued) ? live.filter(isQueued) : NONE
  }

  /** Is there an actor for this job, if it is offered now? */
  couldRun (record) {
    const { actors } = this.world.crew
    if (record.key !== undefined) return false
    if (this.queued().length > 0) return false
    return actors.some((actor) => this.isIdle(actor) || (this.mayTake(actor) && this.isDone(actor)) ||
      (!record.hasTransfer && actor.mailbox !== undefined && this.hasRoom(actor)))
  }

  /** A job is about to be put into this actor's mailbox, which has room. */
  given (job, actor) {
    const { world } = this
    const { input: record } = job
    const { mailbox, slot } = actor
    const { depth } = mailbox
    const mean = this.means.get(record.name)
    record.weight = mean ?? 1
    // one that is moved from a full mailbox to an idle actor comes with others
    const isMoved = record.slot >= 0 && !record.wasQueued
    record.wasQueued = false
    if (isMoved) this.hasMoved = true
    const waitedMs = world.clock.now() - world.preemptedMs - record.acceptedAtMs
    // what comes back from a slow actor may be given at once, and others while the first of several is dropped
    if (record.slot < 0 && this.expiring === 0 && waitedMs > this.longestMs(record) + EPS) {
      world.fail(`job ${record.order} is given after ${waitedMs} ms, ${this.longestMs(record)} are allowed`)
    }
    if (mailbox.isHalted) world.fail(`job ${record.order} is given to actor ${slot.id}, which is halted`)
    if (depth === 0 && mailbox.isBehind) world.fail(`job ${record.order} is given to actor ${slot.id}, which has not passed what was taken back`)
    const isDone = this.isDone(actor)
    // an actor that went on while the host looked was in another state when it did
    const hasGlanced = world.hasGlanced && depth > 0
    const hasRoom = depth === 0 || isDone || hasGlanced || this.hasRoom(actor, false) || this.mayFollow(actor, record)
    const aheadMs = depth !== 1 || hasGlanced || this.isAwaiting(actor, false) ? 0 : this.workOf(actor)
    this.patienceMs.set(mailbox, aheadMs < 1 + EPS ? 1 : 2 * aheadMs - EPS)
    if (hasGlanced) this.progresses(mailbox, false)
    else if (depth === 0 || (!mailbox.isWaking && this.isAwaiting(actor))) this.progresses(mailbox)
    if (record.hasTransfer && depth > 0 && !isDone) world.fail(`job ${record.order} has buffers to move and has to wait behind others`)
    if (!hasRoom && !isMoved) world.fail(`job ${record.order} is put behind ${this.workOf(actor)} ms of work in ${depth} jobs`)
    if (job.isKeyed) return this.atHome(record, actor)
    const next = this.tiers[this.open]
    if (!isMoved && this.isLate(next)) {
      world.fail(`job ${record.order} is given while ${world.load.active} are active and tier ${next.tier} is closed`)
    }
    for (const other of this.queued()) {
      if (other !== record && this.rank(other) < this.rank(record) - EPS && !isMoved) {
        world.fail(`job ${record.order} is given before job ${other.order}, whose turn it is`)
      }
    }
    if (world.hasGlanced) return
    const idle = world.crew.actors.find((other) => this.isIdle(other))
    if (idle !== undefined && idle.slot.id < slot.id) world.fail(`job ${record.order} is given to actor ${slot.id} while ${idle.slot.id} idles`)
    if (depth === 0 || isDone || isMoved) return
    if (idle !== undefined) world.fail(`job ${record.order} is given to a busy actor while ${idle.slot.id} idles`)
    const workMs = this.workOf(actor)
    const less = world.crew.actors.find((other) =>
      other.mailbox !== undefined && this.hasRoom(other) && this.workOf(other) < workMs - EPS)
    if (less !== undefined) world.fail(`job ${record.order} is put behind ${workMs} ms of work, actor ${less.slot.id} has less`)
  }

  /** The jobs of a key go to one actor of the lowest tier as long as that is there. */
  atHome ({ order, key }, { slot }) {
    const { world } = this
    const before = this.homes.get(key)
    const { absentAtMs } = world.lives
    if (slot.tier !== 1) world.fail(`job ${order} has a key and is given to tier ${slot.tier}`)
    if (before !== undefined && before.slot !== slot.id && !(absentAtMs.get(before.slot) >= before.atMs) &&
      !absentAtMs.has(slot.id)) {
      world.fail(`job ${order} of key ${key} is given to actor ${slot.id}, the one before went to ${before.slot}`)
    }
    this.homes.set(key, { slot: slot.id, atMs: world.clock.now() - world.preemptedMs })
  }

  rank ({ acceptedAtMs, level }) { return acceptedAtMs + level * this.world.options.ageMs }

  /** The host has read a reply. */
  read ({ input: { name } }, slot, runMs) {
    const mean = this.means.get(name) ?? runMs
    const deviation = this.deviations.get(name) ?? runMs
    this.means.set(name, mean + (runMs - mean) / 8)
    this.deviations.set(name, deviation + (Math.abs(runMs - mean) - deviation) / 8)
    const { mailbox } = this.world.crew.actors[slot]
    if (mailbox !== undefined) {
      if (this.unpaced !== undefined && this.unpaced.mailbox !== mailbox) this.isPaced()
      this.unpaced ??= { mailbox, jobs: 0, busy: this.progressAtMs.get(mailbox) }
      this.unpaced.jobs++
      this.progresses(mailbox)
    }
    this.world.lives.read(mailbox)
  }

  /** An actor is said to have been busy for so long with so many jobs. */
  paced (ms, jobs) {
    const { unpaced, world } = this
    this.unpaced = undefined
    if (jobs !== (unpaced?.jobs ?? 0)) world.note(`${jobs} jobs are counted in the pace, ${unpaced?.jobs} were read`)
    if (unpaced === undefined) return
    // the first of an actor do not count
    if (this.hasRun.has(unpaced.mailbox)) this.paces.push([ms, jobs])
    this.hasRun.add(unpaced.mailbox)
    const [sinceMs, atMostMs] = unpaced.busy
    const nowMs = world.clock.now()
    if (ms > nowMs - sinceMs + EPS || ms < nowMs - world.preemptedMs - atMostMs - EPS) {
      world.note(`an actor is said to have been busy for ${ms} ms, and was from ${sinceMs} to ${nowMs}`)
    }
  }

  isPaced () {
    if (this.unpaced !== undefined) this.world.fail(`${this.unpaced.jobs} replies are read and do not count in the pace`)
  }

  /** May a job that found no actor wait, with so many waiting before it? */
  isTooLong (all, { key }) {
    const { options: { maxQueueWaitMs }, crew } = this.world
    if (maxQueueWaitMs === 0) return false
    const waiting = key === undefined ? all : this.atHomeOf(key)
    if (waiting === 0 || this.paces.length === 0) return false
    const open = key === undefined ? crew.actors.filter((actor) => this.mayTake(actor)).length : 1
    let [settled, paceMs, variance] = [0, 1, 0]
    const spread = () => paceMs === 0 ? 0 : Math.sqrt(variance) / paceMs
    const window = () => Math.min(256, Math.max(32, 256 * spread() ** 2))
    for (const [at, [ms, jobs]] of this.paces.entries()) {
      const mostMs = at === 0 ? Infinity : 10 * (paceMs + Math.sqrt(variance))
      const off = Math.min(mostMs, ms / jobs) - paceMs
      settled = Math.min(window(), settled + jobs)
      paceMs += off * Math.min(1, jobs / settled)
      if (at > 0) variance += (off ** 2 * jobs - variance) * Math.min(1, jobs / settled)
    }
    const error = 2 * spread() * (waiting / Math.sqrt(2 * window()) + Math.sqrt(waiting))
    return paceMs * ((waiting + error) / Math.max(1, open) + 1 + spread() ** 2 / 2) > 0.99 * maxQueueWaitMs
  }

  /** Jobs that wait for the home of this key. */
  atHomeOf (key) {
    const { world, placing } = this
    return world.live.filter((record) => record.key !== undefined && record.isAccepted && record.settled === 0 &&
      !world.isHeld(record) && placing.keyed.homeOf(record.key) === placing.keyed.homeOf(key)).length
  }

  /** How long a job may wait, ms: one of low priority is overtaken by those of `ageMs`. */
  longestMs ({ key, level }) {
    const { maxQueueWaitMs, ageMs } = this.world.options
    if (maxQueueWaitMs === 0) return Infinity
    return maxQueueWaitMs + (key === undefined && level === 2 ? ageMs : 0)
  }

  /** After each step of host or actor. */
  always () {
    const { world } = this
    this.noteBehind()
    for (const actor of world.crew.actors) {
      const { mailbox } = actor
      const workMs = mailbox === undefined || mailbox.depth === 0 ? 0 : this.workOf(actor)
      if (Math.abs(actor.workMs - workMs) > 1e-4) world.fail(`actor ${actor.slot.id} is said to have ${actor.workMs} ms of work, and has ${workMs}`)
    }
    const next = this.tiers[this.open]
    if (this.isLate(next)) {
      world.fail(`${world.load.active} are active, and tier ${next.tier} is closed`)
    }
  }

  /** At rest: no turn of the event loop is under way. */
  look (nowMs) {
    const { world } = this
    const { load, options, crew } = world
    const queued = this.queued()
    const next = this.tiers[this.open]
    if (next !== undefined && queued.length > this.tiers.slice(0, this.open).reduce((sum, { size }) => sum + size, 0)) {
      world.fail(`${queued.length} jobs wait, and tier ${next.tier} is closed`)
    }
    if (this.unwantedSinceMs !== undefined && nowMs > this.unwantedSinceMs + options.closeDelayMs + world.slackMs) {
      world.fail(`tier ${world.openTier} is open, and was not needed since ${this.unwantedSinceMs}`)
    }
    if (load.openTier < world.openTier) world.fail(`actors are told that tier ${load.openTier} is open, and ${world.openTier} is`)
    const idle = crew.actors.find((actor) => this.isIdle(actor))
    this.isPaced()
    if (queued.length === 0 || crew.actors.some(({ mailbox }) => mailbox?.depth >= world.parts.places)) {
      this.awaitsSinceMs.clear()
    } else {
      const first = queued.reduce((best, each) => this.rank(each) < this.rank(best) ? each : best)
      const room = crew.actors.find((actor) =>
        !first.hasTransfer && actor.mailbox !== undefined && this.hasRoom(actor) && this.hasCaughtUp(actor.mailbox))
      if (room !== undefined) world.fail(`job ${first.order} waits while actor ${room.slot.id} has room for it`)
      for (const actor of crew.actors) {
        const { mailbox } = actor
        const mayMore = !first.hasTransfer && this.mayTake(actor) && !mailbox.isHalted && this.isAwaiting(actor)
        if (!mayMore) this.awaitsSinceMs.delete(mailbox)
        else if (!this.awaitsSinceMs.has(mailbox)) this.awaitsSinceMs.set(mailbox, nowMs)
        else if (nowMs > this.awaitsSinceMs.get(mailbox) + 4 + world.slackMs) {
          world.fail(`job ${first.order} waits while all that actor ${actor.slot.id} has begun awaits something`)
        }
      }
    }
    // one that has a job left whose buffers were moved may begin it
    const isAhead = load.openTier > world.openTier && !crew.actors.some(({ mailbox, slot }) =>
      slot.tier === load.openTier && mailbox !== undefined &&
      mailbox.held.some(({ input }) => input.startedAtMs === 0))
    if (!isAhead) this.aheadSinceMs = undefined
    else if (nowMs > (this.aheadSinceMs ??= nowMs) + 4 + world.slackMs) {
      world.fail(`actors are told that tier ${load.openTier} is open, and ${world.openTier} is since ${this.aheadSinceMs}`)
    }
    for (const actor of crew.actors) {
      const { state, slot, mailbox } = actor
      // the host looks each 2 ms whether one of an open tier has caught up
      const mayWait = slot.tier > 1 || mailbox?.isBehind !== false ||
        nowMs <= (this.behindAtMs.get(mailbox) ?? -Infinity) + world.slackMs - 1
      if (state === 'open' && mailbox.depth === 0 && !this.known.has(slot.id) && !mayWait) {
        world.fail(`actor ${slot.id} idles, and the pool does not know`)
      }
      if (mailbox === undefined || mailbox.hasEnded || mailbox.depth === 0) continue
      const jobs = mailbox.held
      const isStuck = () => mailbox.hasReply || jobs.some(({ isSettled }) => isSettled)
      if (mailbox.isHalted && !isStuck()) world.fail(`actor ${slot.id} is halted for nobody`)
      const unread = jobs.find(({ input }) => input.hasReplied && nowMs > input.repliedAtMs + 8 + world.slackMs)
      if (unread !== undefined) world.fail(`the reply of job ${unread.input.order} is not read since ${unread.input.repliedAtMs}`)
      const waiting = jobs.find((job) => job.isMovable && !mailbox.isClaimed(job))
      if (waiting === undefined) continue
      if (state === 'draining' && !world.killed.has(mailbox)) world.fail(`actor ${slot.id} is to end and keeps job ${waiting.input.order}`)
      const runs = jobs.find(({ input }) => input.isClaimed && input.startedAtMs > 0 && !input.hasReplied)
      const slowMs = Math.max(runs?.input.startedAtMs, waiting.input.givenAtMs, this.progressAtMs.get(mailbox)[1])
      if (idle !== undefined && runs !== undefined && nowMs > slowMs + 7 + world.slackMs) {
        world.fail(`job ${waiting.input.order} waits behind job ${runs.input.order} since ${runs.input.startedAtMs} while actor ${idle.slot.id} idles`)
      }
      if (nowMs > waiting.input.givenAtMs + 10_000 + world.slackMs) world.fail(`job ${waiting.input.order} waits in a mailbox for more than 10 s`)
    }
    for (const record of world.live) {
      const { order, isAccepted, settled, claims, queueTimeoutMs, acceptedAtMs, isClaimed } = record
      const { startedAtMs, timeoutMs } = record
      if (!isAccepted || settled > 0) continue
      if (queueTimeoutMs > 0 && claims === 0 && nowMs > acceptedAtMs + queueTimeoutMs + world.slackMs) {
        world.fail(`job ${order} waits longer than ${queueTimeoutMs} ms`)
      }
      const longestMs = this.longestMs(record)
      if (claims === 0 && nowMs > acceptedAtMs + longestMs + 1 + world.slackMs) {
        world.fail(`job ${order} waits longer than maxQueueWaitMs allows, ${longestMs} ms`)
      }
      if (timeoutMs > 0 && isClaimed && !record.hasReplied && startedAtMs > 0 &&
        nowMs > startedAtMs + timeoutMs + world.slackMs && world.isHeld(record)) {
        world.fail(`job ${order} runs longer than ${timeoutMs} ms`)
      }
    }
  }

  /** While the pool closes. */
  closing (nowMs, pending) {
    const { world } = this
    if (pending > 0 && nowMs > world.closedAtMs + world.options.drainMs + world.slackMs) {
      world.fail(`${pending} jobs are left ${nowMs - world.closedAtMs} ms after close()`)
    }
  }
}

module.exports = { Oracle, EPS, watch }
