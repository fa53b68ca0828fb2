'use strict'
// Broadcasts in a run: what was sent, which actors have it, and what a job may count on.

class Tidings {
  constructor (world) {
    this.world = world
    this.sent = []
    /** mailbox -> the last value that its actor's functions took, by index of the job */
    this.heardBy = new WeakMap()
    /** by index of the job: the last value that all actors have */
    this.known = [0, 0]
    this.open = 0
  }

  send () {
    const { world } = this
    if (world.isClosing) return
    const { chance, scheduler } = world
    const job = world.upTo(1)
    const value = { n: this.sent.length + 1, fails: chance(0.15) }
    // threads that wait to replace others are not waited for: they hear it before their next job
    const waiting = new Set(world.crew.actors.map(({ successor }) => successor?.started.mailbox))
    const broadcast = { job, value, waiting, hasFailed: false, isSettled: false }
    this.sent.push(broadcast)
    this.open++
    const settled = () => {
      broadcast.isSettled = true
      this.open--
      world.lastSettledAtMs = world.clock.now()
    }
    scheduler.broadcast(['one', 'two'][job], value).then(() => {
      settled()
      this.resolved(broadcast)
    }, (error) => {
      settled()
      if (!broadcast.hasFailed) world.note(`broadcast ${value.n} is rejected: ${error}`)
    })
  }

  resolved ({ job, value, waiting, hasFailed }) {
    const { world } = this
    if (hasFailed) world.note(`broadcast ${value.n} has failed in an actor and is resolved`)
    if (value.fails || world.isClosing) return
    this.known[job] = Math.max(this.known[job], value.n)
    for (const { slot, state, mailbox } of world.crew.actors) {
      if (state !== 'open' || waiting.has(mailbox) || this.heard(mailbox, job) >= value.n) continue
      world.note(`broadcast ${value.n} is resolved, and actor ${slot.id} has not heard it`)
    }
  }

  heard (mailbox, job) { return this.heardBy.get(mailbox)?.[job] ?? 0 }

  hear (mailbox, { seq, job, value: { n, fails } }) {
    // nobody lived who could say that it fails, so it is kept: then it does not, or no thread could open any more
    if (fails && (seq !== undefined || !this.sent[n - 1].isSettled)) {
      // what one says that waits to replace another, or is known to have ended, is said to nobody
      const isAsked = seq !== undefined && this.world.crew.actors.some((actor) => actor.mailbox === mailbox)
      if (isAsked) this.sent[n - 1].hasFailed = true
      return false
    }
    const heard = this.heardBy.get(mailbox) ?? [0, 0]
    if (n < heard[job]) this.world.note(`broadcast ${n} is heard after ${heard[job]}`)
    heard[job] = n
    this.heardBy.set(mailbox, heard)
    return true
  }

  /** A job begins that was accepted when this was known. */
  begins (order, told, mailbox) {
    for (const [job, n] of told.entries()) {
      if (this.heard(mailbox, job) < n) this.world.fail(`job ${order} begins where broadcast ${n} was not heard`)
    }
  }
}

module.exports = { Tidings }
