'use strict'
// The machine changes while the pool runs: plans made anew, and what must hold of the slots after each.

/** Replans a world's pool, and knows which slots have a cpu. */
class Machine {
  constructor (world) {
    this.world = world
    this.layout = world.plan
    this.pinning = undefined
    /** slot id -> cpu, of the plan as it is */
    this.cpus = new Map(world.plan.tiers.flatMap(({ slots }) => slots).map(({ id, cpu }) => [id, cpu]))
    this.changedAtMs = -Infinity
  }

  /** Another plan: cpus are gone, come back, or are others. */
  draw () {
    const { chance, upTo } = this.world
    const keeps = chance(0.4) ? 1 : 0.6
    let lower = 0
    let next = 50 + upTo(20)
    const tiers = []
    for (const { tier, cpus: all } of this.layout.tiers) {
      const cpus = all.filter(() => chance(keeps))
      while (chance(0.25)) cpus.push(next++)
      if (tier === 1 && cpus.length === 0) cpus.push(next++)
      if (chance(0.2)) cpus.reverse()
      if (cpus.length === 0) continue
      const slots = cpus.map((cpu, at) => ({ id: lower + at, cpu, tier }))
      tiers.push({ tier, cpus, threshold: lower === 0 ? 0 : Math.max(0, lower - upTo(2)), slots })
      lower += cpus.length
    }
    return { ...this.layout, tiers, maxActors: lower }
  }

  drawPinning () {
    const pinned = this.world.upTo(2)
    const isOf = { kept: undefined, isReleased: false }
    return {
      reason: null,
      claimed: [],
      reasonFor: ({ cpu }) => cpu % 3 <= pinned ? null : 'it is not to be pinned',
      keep: (cpus) => { isOf.kept = cpus },
      release: () => { isOf.isReleased = true },
      isOf
    }
  }

  change () {
    const { world, pinning: oldPinning } = this
    const { scheduler, crew, clock } = world
    const next = this.draw()
    const pinning = world.chance(0.3) ? this.drawPinning() : undefined
    const before = scheduler.plan
    const was = new Map(crew.actors.map(({ slot, life, state }) => [slot.id, { slot, life, state }]))
    const isPinned = (by, slot) => by !== undefined && by.reasonFor(slot) === null
    this.changedAtMs = clock.now()
    const expected = this.expected(before, next)
    const now = pinning ?? oldPinning
    this.cpus = new Map(expected.flatMap(({ slots }) => slots).map(({ id, cpu }) => [id, cpu]))
    const hasChanged = scheduler.replan(next, pinning)
    // an actor that leaves is not replaced for what it has done
    const stays = (slot) => slot.cpu === this.cpus.get(slot.id) && isPinned(oldPinning, slot) === isPinned(now, slot)
    for (const [id, { slot }] of was) if (!stays(slot)) world.lives.replaced.delete(id)
    if (world.isClosing) return
    const after = scheduler.plan
    const slotsOf = (plan) => JSON.stringify(plan.tiers.map(({ tier, threshold, slots }) => [tier, threshold, slots]))
    const mustChange = slotsOf({ tiers: expected }) !== slotsOf(before) ||
      [...was.values()].some(({ slot, state }) => state !== 'vacant' &&
        !stays(slot))
    if (hasChanged !== mustChange) world.fail(`the machine has ${mustChange ? '' : 'not '}changed, and replan() says ${hasChanged}`)
    if (!hasChanged) return
    if (slotsOf(after) !== slotsOf({ tiers: expected })) world.fail(`the plan is ${slotsOf(after)}, and has to be ${slotsOf({ tiers: expected })}`)
    if (after.maxActors !== this.cpus.size) world.fail(`${after.maxActors} actors are planned, ${this.cpus.size} slots have a cpu`)
    for (const { slot, life, state } of crew.actors) {
      const old = was.get(slot.id)
      if (stays(old.slot) && old.state !== 'draining' && (life !== old.life || state !== old.state) && state !== 'open' &&
        !(old.state === 'vacant' || old.state === 'closed')) {
        world.fail(`actor ${slot.id} keeps its cpu ${old.slot.cpu} and is ${state}`)
      }
      if (stays(old.slot) && old.life !== undefined && old.life !== life && old.state === 'open') world.fail(`actor ${slot.id} keeps its cpu and has another thread`)
    }
    if (pinning !== undefined) {
      const cpus = after.tiers.flatMap(({ cpus }) => cpus).join()
      if (pinning.isOf.kept?.join() !== cpus) world.fail(`claims of ${pinning.isOf.kept} are kept, the plan has ${cpus}`)
      if (oldPinning?.isOf.isReleased === false) world.fail('the claims of the plan before are not given back')
      this.pinning = pinning
    }
  }

  /** The next plan in the slots of the first: a cpu keeps its slot in its tier, others take free ones in order. */
  expected (before, next) {
    let lower = 0
    let isWhole = true
    return this.layout.tiers.map(({ tier, slots }) => {
      const of = (plan) => plan.tiers.find((each) => each.tier === tier)
      const all = of(next)?.cpus ?? []
      const cpus = all.slice(0, slots.length)
      const placed = (of(before)?.slots ?? []).filter(({ cpu }) => cpus.includes(cpu))
      const rest = cpus.filter((cpu) => !placed.some((slot) => slot.cpu === cpu))
      for (const { id } of slots) {
        if (rest.length > 0 && !placed.some((slot) => slot.id === id)) placed.push({ id, cpu: rest.shift(), tier })
      }
      placed.sort((one, other) => one.id - other.id)
      const threshold = isWhole && of(next) !== undefined
        ? of(next).threshold
        : lower <= 1 ? 0 : Math.max(1, Math.min(lower - 2, lower - 1))
      if (all.length > slots.length) isWhole = false
      lower += placed.length
      return { tier, threshold, slots: placed }
    })
  }

  /** At rest: what has no cpu is empty or about to be, what has one is not. */
  look (nowMs) {
    const { world } = this
    for (const { slot, state, mailbox } of world.crew.actors) {
      const cpu = this.cpus.get(slot.id)
      if (cpu !== undefined && cpu === slot.cpu && state !== 'vacant') continue
      const isBound = state === 'open' && mailbox.held.some(({ input, options }) =>
        options.transfer !== undefined && input.startedAtMs === 0)
      const isLeaving = isBound || state === 'draining' || world.killed.has(mailbox) ||
        nowMs < this.changedAtMs + 25 + world.slackMs || world.mood.blocks > 0
      if (cpu === undefined && state !== 'vacant' && !isLeaving) world.fail(`actor ${slot.id} has no cpu and is ${state}`)
      if (cpu !== undefined && state === 'vacant') world.fail(`actor ${slot.id} has cpu ${cpu} and is vacant`)
      if (cpu !== undefined && slot.cpu !== cpu && !isLeaving) world.fail(`actor ${slot.id} is on cpu ${slot.cpu}, and has ${cpu}`)
    }
  }
}

module.exports = { Machine }
