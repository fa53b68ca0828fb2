'use strict'
// What must hold of actors and their threads, worked out anew from the README: when one may be opened, killed,
// restarted, retired and recycled, and when it has to be.
const { EPS } = require('./oracle.js')

/** Longest pause before a restart, ms; in the README. */
const LONGEST_MS = 5000

class Lives {
  constructor (world) {
    this.world = world
    /** slot -> the deaths that count */
    this.deaths = new Map()
    /** slot -> when it may open again after a death */
    this.notBeforeMs = new Map()
    /** slot -> since when it is closed or failed */
    this.closedAtMs = new Map()
    /** slots that were vacated in a pause after a death -> its end */
    this.mayOpen = new Map()
    /** slot -> when it had failed or was vacant last */
    this.absentAtMs = new Map()
    this.replaced = new Set()
    /** mailbox -> replies read, the last of them, when it opened */
    this.jobs = new WeakMap()
    this.lastReadMs = new WeakMap()
    this.openedAtMs = new WeakMap()
    /** mailbox -> when a reply of it was read last, by the clock that the host looked at */
    this.usedAtMs = new WeakMap()
    /** mailbox -> when it was last seen with jobs */
    this.heldAtMs = new WeakMap()
    /** mailbox -> when jobs of others last ran there beside a cancelled one */
    this.othersAtMs = new WeakMap()
    /** slot -> since when its replacement is ready and nothing keeps it */
    this.readySinceMs = new Map()
    this.recycledAtMs = -Infinity
    /** when a thread that was to replace another did not open */
    this.failedAtMs = -Infinity
    /** the gate is looking, and what opens now opens for it */
    this.isLooking = false
    this.counts = { kills: 0, recycled: 0, strays: 0, restarts: 0 }
  }

  /** A thread of this slot is told to end at once. */
  kills (slot, mailbox, reason) {
    const { world } = this
    const nowMs = world.clock.now()
    const { message } = reason
    if (/did not end within/.test(message)) {
      this.counts.kills++
      const jobs = mailbox.held
      const innocent = jobs.find(({ isSettled, input }) => !isSettled && !input.hasReplied)
      if (innocent !== undefined) world.note(`actor ${slot.id} is killed while job ${innocent.input.order} is on it`)
      const stuck = jobs.filter(({ isSettled, input }) => isSettled && (!input.hasReplied || world.isNew(input)))
      const first = Math.min(...stuck.map(({ input }) => input.settledAtMs))
      if (first === Infinity) world.note(`actor ${slot.id} is killed for a job that has ended`)
      else if (nowMs < first + world.options.graceMs - EPS) world.note(`actor ${slot.id} is killed ${nowMs - first} ms after a cancellation`)
    } else if (/has blocked its event loop/.test(message)) {
      this.counts.kills++
      if (!mailbox.isDeaf && !world.hasGlanced) world.note(`actor ${slot.id} is killed as deaf, and is not`)
    } else if (/has begun nothing/.test(message)) {
      if (!mailbox.isBlocked) world.note(`actor ${slot.id} is killed as blocked, and is not`)
    } else if (/pool is closing/.test(message)) {
      const isRunning = mailbox.held.some((job) => mailbox.isClaimed(job) && !job.input.hasReplied)
      if (isRunning && nowMs < world.crewClosedAtMs + world.options.graceMs - EPS) {
        world.note(`actor ${slot.id} is killed ${nowMs - world.crewClosedAtMs} ms after the drain`)
      }
    }
  }

  /** A thread starts that is to replace this slot's. */
  recycles ({ id }) {
    const { world } = this
    const { maxJobs = Infinity, maxAgeMs = Infinity } = world.options.recycle ?? {}
    const { mailbox } = world.crew.actors[id]
    const ageMs = world.clock.now() - this.openedAtMs.get(mailbox)
    const jobs = this.jobs.get(mailbox) ?? 0
    const sinceMs = world.clock.now() - this.failedAtMs
    if (sinceMs < LONGEST_MS - EPS) world.note(`actor ${id} is recycled ${sinceMs} ms after another could not be`)
    if (jobs < maxJobs && ageMs < maxAgeMs - EPS) world.note(`actor ${id} is recycled after ${jobs} jobs and ${ageMs} ms`)
  }

  /** When the host looked at its clock. */
  uses (mailbox) { this.usedAtMs.set(mailbox, this.world.clock.now() - this.world.preemptedMs) }

  read (mailbox) {
    if (mailbox === undefined) return
    this.uses(mailbox)
    this.jobs.set(mailbox, (this.jobs.get(mailbox) ?? 0) + 1)
    this.lastReadMs.set(mailbox, this.world.clock.now())
  }

  /** After the pool was told of an actor's end. */
  died ({ slot: { id }, state, successor }, reason, wasOpening) {
    const { world } = this
    const wasReplaced = this.replaced.delete(id)
    if (reason !== undefined) this.counts.restarts++
    if ((reason === undefined && !wasReplaced) || world.crewClosedAtMs !== undefined || state === 'vacant') return
    const isTaken = successor !== undefined || state === 'open' || state === 'opening'
    // told to end by the pool, for a job that went on: no death of the budget, and no pause
    if (/was cancelled and did not end|a cancelled job has blocked/.test(reason?.message)) {
      if (state === 'failed') world.fail(`actor ${id} has failed by a kill after a cancellation`)
      if (!isTaken) this.notBeforeMs.set(id, world.clock.now() - world.preemptedMs)
      return
    }
    this.dies(id, state, wasOpening, isTaken)
  }

  /** The thread that was to take a slot whose actor is gone has ended while it opened: that is a death too. */
  failedToReplace ({ slot: { id }, state }) {
    if (this.world.crewClosedAtMs === undefined) this.dies(id, state, true, false)
  }

  dies (id, state, wasOpening, isTaken) {
    const { world } = this
    const { maxRestarts, withinMs, backoffMs } = world.options
    const nowMs = world.clock.now() - world.preemptedMs
    const atMs = [...(this.deaths.get(id) ?? []).filter((atMs) => nowMs - atMs < withinMs), nowMs]
    this.deaths.set(id, atMs)
    const hasFailed = atMs.length > maxRestarts
    if (isTaken) return // by the thread that was to replace it
    if (hasFailed !== (state === 'failed')) world.fail(`actor ${id} is ${state} after ${atMs.length} deaths, ${maxRestarts} are allowed`)
    const isFree = atMs.length === 1 && !wasOpening
    const pauseMs = isFree ? 0 : Math.min(LONGEST_MS, backoffMs * 2 ** Math.max(0, atMs.length - 2))
    this.notBeforeMs.set(id, nowMs + (hasFailed ? withinMs : pauseMs))
  }

  changed (actor) {
    const { slot: { id, tier }, state, reason, mailbox } = actor
    const { world } = this
    const nowMs = world.clock.now()
    if (state === 'closed' || state === 'failed') this.closedAtMs.set(id, nowMs)
    else if (state !== 'closed') this.closedAtMs.delete(id)
    if (state === 'failed' || state === 'vacant') this.absentAtMs.set(id, nowMs)
    // a pause that began before goes on, and may end when the slot has a cpu again
    if (state === 'vacant' && this.notBeforeMs.has(id)) this.mayOpen.set(id, this.notBeforeMs.get(id))
    if (state === 'vacant') this.notBeforeMs.delete(id)
    if (state === 'open') this.openedAtMs.set(mailbox, nowMs)
    if (state === 'open' && !world.machine.cpus.has(id)) world.fail(`actor ${id} is open and has no cpu`)
    if (state === 'opening') this.opens(actor, nowMs)
    if (state === 'draining' && /a late error/.test(reason)) this.replaced.add(id)
    if (state === 'draining' && /^recycled/.test(reason)) this.counts.recycled++
    if (state !== 'draining' || reason !== 'retired' || world.isClosing) return
    const hasCpu = world.machine.cpus.get(id) === actor.slot.cpu
    const isLeaving = !hasCpu || nowMs < world.machine.changedAtMs + 60
    if (tier === 1 && !isLeaving) world.fail(`actor ${id} of tier 1 is retired`)
    if (mailbox.depth > 0 && !isLeaving) world.fail(`actor ${id} is retired with ${mailbox.depth} jobs`)
    const idleMs = nowMs - Math.max(this.openedAtMs.get(mailbox), this.usedAtMs.get(mailbox) ?? 0)
    if (!isLeaving && idleMs < world.options.retireMs - EPS) world.fail(`actor ${id} is retired ${idleMs} ms after its last job`)
  }

  opens ({ slot: { id, tier } }, nowMs) {
    const { world } = this
    const { crew, oracle, options } = world
    if (world.isClosing && world.hasClosed) world.fail(`actor ${id} opens after close()`)
    if (!world.machine.cpus.has(id) && nowMs > world.machine.changedAtMs + 25 + world.slackMs) world.fail(`actor ${id} opens and has no cpu`)
    const dueMs = this.notBeforeMs.get(id)
    if (nowMs < dueMs - EPS) world.fail(`actor ${id} opens ${dueMs - nowMs} ms too early`)
    this.notBeforeMs.delete(id)
    // with recycling it may be a replacement that was not needed
    if (world.lingering.has(id) && options.recycle === undefined &&
      nowMs > world.machine.changedAtMs + 60 + world.slackMs &&
      nowMs < world.lingersSinceMs.get(id) + options.terminateMs - EPS) {
      world.fail(`actor ${id} opens beside its thread that still ends`)
    }
    if (!this.isLooking && tier > 1 && dueMs === undefined && !this.mayOpen.has(id) && options.recycle === undefined) world.fail(`actor ${id} opens without a death`)
    if (!this.isLooking) return
    const [active, backlog] = oracle.shown
    const next = oracle.tiers[oracle.open]
    const isNear = next?.tier === tier
    if (tier === 1 || (tier > world.openTier && !(isNear && active > 0 && active >= next.threshold))) {
      world.fail(`actor ${id} opens while tier ${world.openTier} is open and ${active} are active`)
    }
    const before = crew.actors.filter(({ slot }) => slot.id < id && slot.tier > 1 && (!isNear || slot.tier === tier))
    const ready = this.ready(before.filter(({ mailbox }) => mailbox === undefined || oracle.hasCaughtUp(mailbox)))
    if (ready >= (isNear ? 1 : Math.max(1, backlog))) world.fail(`actor ${id} opens while ${ready} others are ready for ${backlog} jobs`)
  }

  /** How many of these actors can take a job, or will. */
  ready (actors) {
    return actors.filter(({ state, mailbox }) =>
      state === 'opening' || (state === 'open' && mailbox.depth === 0)).length
  }

  /** After each step: one that is recycled keeps others waiting, also where nothing is at rest meanwhile. */
  recycling () { this.recycledAtMs = this.world.clock.now() }

  /** At rest: no turn of the event loop is under way. */
  look (nowMs) {
    const { world } = this
    const { options, crew } = world
    for (const actor of crew.actors) {
      const { state, slot, mailbox, usedAtMs } = actor
      const { id, tier } = slot
      if (state === 'closed' || state === 'failed') this.isDown(actor, nowMs)
      if (mailbox === undefined || mailbox.hasEnded) continue
      // it may have had one that was taken back
      if (mailbox.depth > 0) this.heldAtMs.set(mailbox, nowMs)
      const sinceMs = Math.max(usedAtMs, this.heldAtMs.get(mailbox) ?? 0)
      if (state === 'open' && tier > 1 && options.retireMs > 0 && nowMs > sinceMs + 2 * options.retireMs + world.slackMs) {
        world.fail(`actor ${id} idles for ${nowMs - sinceMs} ms and is not retired`)
      }
      this.isStuck(actor, nowMs)
      this.isReplaced(actor, nowMs)
      if (state === 'open' && options.recycle !== undefined) this.isOld(actor, nowMs)
    }
  }

  /** A slot without a thread is opened again after its pause, and not later. */
  isDown ({ slot: { id, tier }, state }, nowMs) {
    const { world } = this
    const { terminateMs, recycle } = world.options
    const dueMs = this.notBeforeMs.get(id) ?? (tier === 1 && state === 'closed'
      ? Math.max(this.closedAtMs.get(id), this.mayOpen.get(id) ?? 0)
      : undefined)
    if (dueMs === undefined || recycle !== undefined) return
    if (nowMs > Math.max(dueMs, this.closedAtMs.get(id) + terminateMs) + world.slackMs) {
      world.fail(`actor ${id} is ${state} since ${this.closedAtMs.get(id)} and has to be open again`)
    }
  }

  /** A job that was cancelled and does not end is ended with its thread, where nobody else is hurt. */
  isStuck ({ slot, mailbox }, nowMs) {
    const { world } = this
    const { graceMs } = world.options
    if (mailbox.depth === 0 || world.killed.has(mailbox)) return
    if (!mailbox.held.some(({ isSettled }) => isSettled)) return
    const jobs = mailbox.held.filter(({ input }) => input.isClaimed && !input.hasReplied)
    const given = jobs.filter(({ isSettled }) => isSettled)
    if (given.length === 0) return
    if (jobs.length > given.length) this.othersAtMs.set(mailbox, nowMs)
    const firstMs = Math.min(...given.map(({ input }) => input.settledAtMs))
    const othersMs = (this.othersAtMs.get(mailbox) ?? -Infinity) + Math.max(10, graceMs)
    if (nowMs > Math.max(firstMs + graceMs, othersMs) + world.slackMs) {
      world.fail(`job ${given[0].input.order} was cancelled ${nowMs - firstMs} ms ago and runs on`)
    }
  }

  /** One that is old has a thread beside it that will replace it, one at a time. */
  isOld (actor, nowMs) {
    const { world } = this
    const { maxJobs = Infinity, maxAgeMs = Infinity } = world.options.recycle
    const { mailbox, slot: { id }, successor } = actor
    // one that could not open keeps others from trying for a while
    if (successor !== undefined || world.bootsMayFail) return
    const jobs = this.jobs.get(mailbox) ?? 0
    const openedAtMs = this.openedAtMs.get(mailbox)
    if (jobs >= maxJobs && this.lastReadMs.get(mailbox) > this.recycledAtMs + EPS) world.fail(`actor ${id} has ended ${jobs} jobs and is not recycled`)
    if (nowMs > Math.max(openedAtMs + maxAgeMs, this.recycledAtMs) + Math.min(1000, maxAgeMs) + world.slackMs) {
      world.fail(`actor ${id} is ${nowMs - openedAtMs} ms old and is not recycled`)
    }
  }

  /** Its replacement is ready: it goes, unless a job whose buffers were moved has still to begin on it. */
  isReplaced ({ slot: { id }, state, mailbox, successor }, nowMs) {
    const { world } = this
    const stays = state !== 'open' || successor?.isReady !== true ||
      mailbox.held.some(({ input }) => input.hasTransfer && input.startedAtMs === 0)
    if (stays) this.readySinceMs.delete(id)
    else if (!this.readySinceMs.has(id)) this.readySinceMs.set(id, nowMs)
    else if (nowMs > this.readySinceMs.get(id) + 20 + world.slackMs) world.fail(`actor ${id} has a replacement that is ready, and stays`)
  }

  /** The gate has looked: jobs that wait have threads opened for them, where their tier is open or nearly so. */
  areAhead (active, backlog) {
    const { world } = this
    const { crew, oracle } = world
    if (world.isClosing) return
    const canOpen = (actor) => actor.state === 'closed' && !crew.isRestarting(actor)
    const open = crew.actors.filter(({ slot }) => slot.tier > 1 && slot.tier <= world.openTier)
    const wanted = Math.max(1, backlog) - this.ready(open)
    const shut = open.find(canOpen)
    if (wanted > 0 && shut !== undefined) {
      world.note(`${backlog} jobs wait, ${this.ready(open)} actors will be there, and ${shut.slot.id} has no thread`)
    }
    const next = oracle.tiers[oracle.open]
    if (next === undefined || active === 0 || active < next.threshold || wanted <= 0) return
    const near = crew.actors.filter(({ slot }) => slot.tier === next.tier)
    if (near.some(canOpen) && this.ready(near) === 0) {
      world.note(`${active} are active, tier ${next.tier} opens above ${next.threshold}, and none of its threads is started`)
    }
  }

  /** What the snapshot says. */
  count (counters) {
    for (const [name, count] of Object.entries(this.counts)) {
      if (counters[name] !== count) this.world.fail(`the snapshot says ${counters[name]} ${name}, true are ${count}`)
    }
  }
}

module.exports = { Lives }
