'use strict'
// What a seed decides before anything is offered: the pool's size and options, how long each step takes, which faults
// there are, and its mood: which of them come together. A mood is a set of changes to what is usual.

/** Shares of jobs, and of runs with a fault; times in ms. */
const usual = {
  jobs: 14,
  many: 0.1,
  gapMs: 3,
  gapless: 0.3,
  longMs: 6,
  alike: false,
  shortMs: 0.2,
  short: 0.5,
  surprise: 0.03,
  priority: 0.2,
  key: 0.2,
  transfer: 0.08,
  idempotent: 0.2,
  timeout: 0.15,
  queueTimeout: 0.15,
  cancel: 0.15,
  async: 0.2,
  obeys: 0.5,
  never: 0.03,
  exits: 0.08,
  exitRuns: 0.35,
  stray: 0.02,
  strayRuns: 0.2,
  blocks: 0,
  uncloneable: 0.02,
  bootDies: 0.15,
  zombies: 0.1,
  preempt: 0.3,
  glance: 0.3,
  glanceOften: 0.5,
  slow: 0.1,
  mostUnseen: 3,
  replans: 0.12,
  tells: 0.12,
  recycle: 0.3,
  retire: 0.3,
  restMs: 0
}

/** The others are as usual. Each is drawn as often as its share says. */
const moods = {
  mixed: { share: 6 },
  shared: {
    share: 2,
    asyncPerActor: 3,
    async: 0.7,
    never: 0.12,
    cancel: 0.4,
    obeys: 0.3,
    timeout: 0.3,
    graceMs: 4,
    preempt: 0.7
  },
  keyed: { share: 1, key: 0.7, uncloneable: 0.1, exitRuns: 0.8, replans: 0.3, recycle: 0.5, strayRuns: 0.4 },
  dying: {
    share: 1.5,
    exitRuns: 1,
    exits: 0.25,
    bootDies: 0.3,
    zombies: 0.4,
    restarts: 1,
    idempotent: 0.4,
    restMs: 150,
    recycle: 0.1
  },
  deep: {
    share: 1,
    short: 0.9,
    shortMs: 0.04,
    many: 0.8,
    gapMs: 0.3,
    priority: 0.4,
    key: 0.05,
    longMs: 30,
    surprise: 0.1,
    preempt: 0.5
  },
  moved: { share: 1, transfer: 0.5, replans: 0.4, recycle: 0.5, cancel: 0.3, strayRuns: 0.4 },
  alike: {
    share: 1,
    jobs: 40,
    gapMs: 2,
    short: 0.1,
    alike: true,
    longMs: 3,
    async: 0.05,
    never: 0.01,
    key: 0.1,
    transfer: 0.03,
    exitRuns: 0.2,
    preempt: 0.5
  },
  machine: { share: 1.5, replans: 1, bootDies: 0.25, restMs: 30 },
  told: { share: 1, tells: 1, recycle: 0.6, exitRuns: 0.6, replans: 0.3 },
  blocked: { share: 0.15, blocks: 0.1, recycle: 0, retire: 0, restMs: 12_000, never: 0, tells: 0.3 },
  // callers go, and actors wake up slowly: much of what was given is taken back before it is looked at
  left: {
    share: 1.5,
    jobs: 25,
    short: 0.8,
    gapMs: 4,
    cancel: 0.7,
    queueTimeout: 0.3,
    key: 0.1,
    slow: 0.8,
    mostUnseen: 1,
    glance: 1,
    glanceOften: 0.8
  },
  crowd: {
    share: 0.03,
    jobs: 700,
    many: 0,
    gapless: 1,
    short: 1,
    surprise: 0,
    shortMs: 0.0005,
    priority: 0.3,
    key: 0,
    transfer: 0,
    replans: 0,
    tells: 0,
    // with 700 jobs more deaths would keep its slots from opening for seconds
    exits: 0.004,
    bootDies: 0,
    strayRuns: 0,
    preempt: 0,
    glance: 0
  }
}
const shares = Object.entries(moods).map(([name, { share }]) => [name, share])
const sum = shares.reduce((all, [, share]) => all + share, 0)

function drawMood (random, wanted) {
  let left = random() * sum
  const [name] = wanted !== undefined ? [wanted] : shares.find(([, share]) => (left -= share) < 0) ?? shares[0]
  return { ...usual, ...moods[name], name }
}

/** Everything that a seed decides beforehand, or all but its mood; `base` are the pool's defaults. */
function drawSettings (random, base, wanted) {
  const chance = (share) => random() < share
  const upTo = (most) => Math.floor(random() * (most + 1))
  const mood = drawMood(random, wanted)
  const layout = planOf([1 + upTo(2), upTo(2), upTo(2)], () => upTo(2))
  const options = {
    ...base,
    metric: chance(0.8) ? 'demand' : 'running',
    asyncPerActor: mood.asyncPerActor === undefined ? 1 + +chance(0.2) : 1 + upTo(mood.asyncPerActor - 1),
    closeDelayMs: 1 + upTo(6),
    ageMs: chance(0.5) ? 20 : 1,
    maxQueued: chance(0.5) || mood.name === 'crowd' ? 1000 : upTo(4),
    maxQueueWaitMs: chance(0.8) ? 0 : 5,
    timeoutMs: chance(0.6) ? 40 : 0,
    graceMs: upTo(mood.graceMs ?? 8),
    drainMs: 1 + upTo(60),
    retireMs: chance(mood.retire) ? 1 + upTo(10) : 0,
    maxRestarts: chance(mood.restarts ?? 0.3) ? upTo(2) : 50,
    withinMs: mood.restarts === undefined ? 200 : 5 + upTo(60),
    backoffMs: upTo(mood.restarts === undefined ? 5 : 40),
    terminateMs: 1 + upTo(10),
    bootTimeoutMs: chance(0.1) ? 3 : base.bootTimeoutMs,
    quarantineDeaths: chance(0.3) ? 1 + upTo(2) : 0,
    quarantineMs: 1 + upTo(20),
    recycle: chance(mood.recycle)
      ? { maxJobs: 1 + upTo(5), ...(chance(0.5) && { maxAgeMs: 2 + upTo(20) }) }
      : undefined
  }
  const late = chance(0.5) ? 0.003 : 1
  const stepMs = mood.name === 'crowd' ? 0.0005 : chance(0.5) ? 0.002 : 0.3
  const bellMs = chance(0.1) ? 2 : 0.1
  const endMs = chance(0.2) ? 5 : 0.1
  const toldMs = chance(0.2) ? 0.3 : 0.02
  const zombies = chance(mood.zombies) ? 0.5 : 0
  const preempts = chance(mood.preempt) ? 0.1 : 0
  const preemptMs = chance(0.7) ? 0.5 : 1.5
  const wakeMs = chance(mood.slow) ? 5 : 0.1
  const times = {
    timerMs: () => random() * late,
    soonMs: () => 0.01 + random() * 0.02,
    places: mood.name === 'crowd' || chance(0.7) ? 512 : 1 + upTo(3),
    bootMs: () => random() * 4,
    stepMs: () => random() * stepMs,
    wakeMs: () => random() * wakeMs,
    bellMs: () => random() * bellMs,
    endMs: () => random() * endMs,
    exitMs: () => chance(zombies) ? random() * 20 : random() * endMs,
    lingerMs: () => random() * Math.min(1, endMs),
    toldMs: () => random() * toldMs,
    preemptMs: () => preempts > 0 && chance(preempts) ? random() * preemptMs : 0
  }
  // faults are armed for some of the runs only
  mood.exits = chance(mood.exitRuns) ? mood.exits : 0
  mood.bootDies = chance(mood.bootDies) ? 0.3 : 0
  mood.stray = chance(mood.strayRuns) ? 0.1 : 0
  // every so many reads of the host an actor goes on just before
  times.glances = chance(mood.glance) ? 1 + upTo(chance(mood.glanceOften) ? 2 : 20) : 0
  times.unseen = mood.mostUnseen === 1 || chance(0.5) ? 1 + upTo(mood.mostUnseen - 1) : undefined
  return { mood, layout, options, times }
}

/** Every slot has a cpu of its own, so that a plan made later can take it away. */
function planOf (sizes, less) {
  let lower = 0
  const tiers = sizes.filter((size, at) => at === 0 || size > 0).map((size, at) => {
    const slots = Array.from({ length: size }, (_, index) => ({ id: lower + index, cpu: lower + index, tier: at + 1 }))
    const threshold = lower === 0 ? 0 : Math.max(0, lower - less())
    lower += size
    return { tier: at + 1, cpus: slots.map(({ cpu }) => cpu), threshold, slots }
  })
  return { strategy: 'tiered', tiers, reserved: [], quotaCpus: null, maxActors: lower, notes: [] }
}

module.exports = { drawSettings }
