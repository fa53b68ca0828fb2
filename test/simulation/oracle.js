'use strict'
// What must hold of the policy, worked out anew from the README: which tiers are open, who is served next and by whom,
// how long things last, when a thread may be killed or started.
const { Gate } = require('../../dist/lib/gate.js')
const { Injector } = require('../../dist/lib/queue.js')
const { Settling } = require('../../dist/lib/settling.js')

/** Lateness of timers in a run, and rounding to whole ms. */
const SLACK_MS = 3
const EPS = 1e-6
let current

/** Look on at what the scheduler keeps to itself. */
function tap (type, name, note) {
  const original = type.prototype[name]
  type.prototype[name] = function (...args) {
    const result = original.apply(this, args)
    if (current !== undefined) note(this, args, result)
    return result
  }
}
tap(Gate, 'update', ({ openTier }, [active, backlog, nowMs]) => current.gate(active, backlog, nowMs, openTier))
for (const name of ['push', 'putBack']) tap(Injector, name, (_queue, [job]) => { job.input.job = job })
for (const name of ['given', 'onGone', 'listen']) tap(Settling, name, (settling) => { current.settling = settling })

class Oracle {
  constructor (world) {
    this.world = world
    this.tiers = world.plan.tiers.map(({ tier, threshold, slots }) => ({ tier, threshold, size: slots.length }))
    this.open = 1
    this.unwantedSinceMs = undefined
    this.deaths = new Map()
    this.notBeforeMs = new Map()
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
  }

  /** A job is about to be put into this actor's mailbox, which has room. */
  given (job, actor) {
    const { world } = this
    const { input: record } = job
    const { mailbox, workMs } = actor
    const { depth } = mailbox
    const isDone = depth === 1 && mailbox.hasReply
    if (record.hasTransfer && depth > 0 && !isDone) world.fail(`job ${record.order} has buffers to move and has to wait behind others`)
    if (job.isKeyed) return
    for (const other of world.records) {
      if (other === record || other.job?.isQueued !== true || other.key !== undefined) continue
      if (this.rank(other.job) < this.rank(job) - EPS) world.fail(`job ${record.order} is given before job ${other.order}, whose turn it is`)
    }
    const idle = world.crew.actors.find((other) => other.state === 'open' && other.mailbox.depth === 0 && other.slot.tier <= world.openTier)
    if (idle !== undefined && idle.slot.id < actor.slot.id) world.fail(`job ${record.order} is given to actor ${actor.slot.id} while ${idle.slot.id} idles`)
    // one that is moved from a full mailbox to an idle actor comes with others
    if (depth === 0 || isDone || record.slot >= 0) return
    if (idle !== undefined) world.fail(`job ${record.order} is given to a busy actor while ${idle.slot.id} idles`)
    if (depth < world.options.asyncPerActor && mailbox.isInLoop) return // all that it has begun waits
    if (!((depth === 1 && workMs < 1) || (depth < 256 && workMs <= 0.3))) world.fail(`job ${record.order} is put behind ${workMs} ms of work`)
  }

  rank ({ acceptedAtMs, level }) { return acceptedAtMs + level * this.world.options.ageMs }

  /** May a job that found no actor wait, with so many waiting before it? */
  isTooLong (waiting) {
    const { maxQueueWaitMs } = this.world.options
    const open = this.world.crew.actors.filter(({ state, slot }) => state === 'open' && slot.tier <= this.world.openTier).length
    const { meanMs, deviationMs } = this.settling?.estimate ?? { meanMs: 1, deviationMs: 0 }
    const error = 2.5 * deviationMs * (waiting / Math.sqrt(512) + Math.sqrt(waiting))
    const waitMs = (waiting * meanMs + error) / Math.max(1, open)
    return maxQueueWaitMs > 0 && waiting > 0 && waitMs > maxQueueWaitMs
  }

  /** Before the scheduler is told. */
  gone ({ slot }, mailbox, reason) {
    const { world } = this
    if (!/did not end within/.test(reason?.message)) return
    const begun = [...mailbox.jobs()].filter((job) => mailbox.isClaimed(job) && !job.input.hasReplied)
    const innocent = begun.find(({ isSettled }) => !isSettled)
    if (innocent !== undefined) world.fail(`actor ${slot.id} is killed while job ${innocent.input.order} runs on it`)
    if (begun.length === 0) world.fail(`actor ${slot.id} is killed for a job that has ended`)
    const nowMs = world.clock.now()
    const first = Math.min(...begun.map(({ input }) => input.settledAtMs))
    if (nowMs < first + world.options.graceMs - EPS) world.fail(`actor ${slot.id} is killed ${nowMs - first} ms after a cancellation`)
  }

  /** After it. */
  died ({ slot, state }, reason, wasOpening) {
    const { world } = this
    const { maxRestarts, withinMs, backoffMs, recycle } = world.options
    if (reason === undefined || world.isClosing || recycle !== undefined) return
    const nowMs = world.clock.now()
    const atMs = [...(this.deaths.get(slot.id) ?? []).filter((atMs) => nowMs - atMs < withinMs), nowMs]
    this.deaths.set(slot.id, atMs)
    const hasFailed = atMs.length > maxRestarts
    if (hasFailed !== (state === 'failed')) world.fail(`actor ${slot.id} is ${state} after ${atMs.length} deaths, ${maxRestarts} are allowed`)
    const pauseMs = atMs.length === 1 && !wasOpening ? 0 : backoffMs * 2 ** Math.max(0, atMs.length - 2)
    this.notBeforeMs.set(slot.id, nowMs + (hasFailed ? withinMs : pauseMs))
  }

  changed ({ slot: { id, tier }, state, reason, mailbox }) {
    const { world } = this
    const nowMs = world.clock.now()
    if (state === 'opening') {
      if (nowMs < this.notBeforeMs.get(id) - EPS) world.fail(`actor ${id} opens ${this.notBeforeMs.get(id) - nowMs} ms too early`)
      // with recycling it may be a replacement that was not needed
      if (world.lingering.has(id) && world.options.recycle === undefined &&
        nowMs < world.lingersSinceMs.get(id) + world.options.terminateMs - EPS) {
        world.fail(`actor ${id} opens beside its thread that still ends`)
      }
    }
    if (state !== 'draining' || reason !== 'retired' || world.isClosing) return
    if (tier === 1) world.fail(`actor ${id} of tier 1 is retired`)
    if (mailbox.depth > 0) world.fail(`actor ${id} is retired with ${mailbox.depth} jobs`)
  }

  /** At rest: no turn of the event loop is under way. */
  look (nowMs) {
    const { world } = this
    const { load, options, crew } = world
    const next = this.tiers[this.open]
    if (next !== undefined && options.metric === 'demand' && load.active > next.threshold + world.lingering.size) {
      world.fail(`${load.active} are active, and tier ${next.tier} is closed`)
    }
    if (this.unwantedSinceMs !== undefined && nowMs > this.unwantedSinceMs + options.closeDelayMs + SLACK_MS) {
      world.fail(`tier ${world.openTier} is open, and was not needed since ${this.unwantedSinceMs}`)
    }
    for (const { state, slot, mailbox, usedAtMs } of crew.actors) {
      if (mailbox === undefined) continue
      const isStuck = mailbox.hasReply || [...mailbox.jobs()].some(({ isSettled }) => isSettled)
      if (mailbox.isHalted && !isStuck) world.fail(`actor ${slot.id} is halted for nobody`)
      if (state === 'open' && slot.tier > 1 && options.retireMs > 0 && mailbox.depth === 0 &&
        nowMs > usedAtMs + 2 * options.retireMs + SLACK_MS) {
        world.fail(`actor ${slot.id} idles for ${nowMs - usedAtMs} ms and is not retired`)
      }
    }
    for (const record of world.records) {
      const { order, isAccepted, settled, claims, queueTimeoutMs, acceptedAtMs, isClaimed } = record
      const { startedAtMs, timeoutMs } = record
      if (!isAccepted || settled > 0) continue
      if (queueTimeoutMs > 0 && claims === 0 && nowMs > acceptedAtMs + queueTimeoutMs + SLACK_MS) {
        world.fail(`job ${order} waits longer than ${queueTimeoutMs} ms`)
      }
      if (timeoutMs > 0 && isClaimed && !record.hasReplied && startedAtMs > 0 &&
        nowMs > startedAtMs + timeoutMs + SLACK_MS && world.isHeld(record)) {
        world.fail(`job ${order} runs longer than ${timeoutMs} ms`)
      }
    }
  }

  /** While the pool closes. */
  closing (nowMs, pending) {
    const { world } = this
    if (pending > 0 && nowMs > world.closedAtMs + world.options.drainMs + SLACK_MS) {
      world.fail(`${pending} jobs are left ${nowMs - world.closedAtMs} ms after close()`)
    }
  }
}

module.exports = { Oracle }
