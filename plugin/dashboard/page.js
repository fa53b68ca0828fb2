// The dashboard's page: shows what its server tells, and finds the server again when it was gone.
import { listen } from './stream.js'
import { drawMachine, showActors } from './machine.js'
import { showErrors, showFigures, showHints, showJobs, showNotes, showTiers } from './parts.js'
import { makeCharts } from './charts.js'
import { setText, time } from './element.js'

const byId = (id) => document.getElementById(id)
const base = document.body.dataset.base
const charts = makeCharts()
let machine
let instance
let before
/** said as long as the page is open, once the server was another */
let restarted = ''
/** states of the last second, the oldest first: a rate over less jumps */
let past = []
let isPaused = false

const setPill = (id, state, text) => {
  const pill = byId(id)
  if (pill.dataset.state === state && pill.textContent === text) return
  pill.dataset.state = state
  pill.textContent = text
}

/** The first event of a connection: who the server is. A server that was restarted begins anew. */
const onHello = (hello) => {
  if (instance !== undefined && instance !== hello.instance) {
    charts.clear()
    const isOther = machine.pid !== hello.pid
    restarted = `restarted${before === undefined ? '' : ` after ${time(before.atMs)}`}${isOther ? `, before ${machine.pid}` : ''}`
    before = undefined
    byId('news').textContent = `The server was restarted${isOther ? ` (process ${hello.pid}, before ${machine.pid})` : ''}: all counts begin again.`
  } else if (before !== undefined) {
    charts.gap(before.atMs / 1000 + 0.001)
  }
  past = []
  onMachine(hello)
}

/** At the beginning, and when the machine has changed. */
const onMachine = (hello) => {
  instance = hello.instance
  machine = hello
  byId('about').textContent = [
    `version ${hello.version}`, `pool ${hello.pool}`, `strategy ${hello.strategy}`,
    hello.quotaCpus === null ? '' : `quota ${hello.quotaCpus} CPUs`, `process ${hello.pid}`, restarted, hello.node
  ].filter(Boolean).join(' · ')
  drawMachine(byId('machine'), hello, byId('detail'))
  showNotes(byId('notes'), hello.notes)
  charts.setTiers(hello.tiers)
}

const onState = (state) => {
  if (machine === undefined) return
  const { snapshot } = state
  while (past.length > 1 && state.atMs - past[1].atMs >= 1000) past.shift()
  const known = past.length === 0 ? null : ratesOf(past[0], state)
  const rates = known ?? { settled: 0, refused: 0 }
  const last = past.at(-1)
  past.push(state)
  const health = snapshot.state !== 'open' || !snapshot.tiers[0].actors.some((actor) => actor.state === 'open')
    ? 'down'
    : snapshot.tiers.some((tier) => tier.isDegraded) ? 'degraded' : 'ok'
  setPill('health', health, health === 'ok' ? 'healthy' : health)
  showFigures(byId('figures'), snapshot, rates, state.loop)
  showTiers(byId('tiers'), byId('news'), snapshot, last?.snapshot, state.atMs)
  showActors(byId('machine'), snapshot, state.cpuLoad, byId('detail'))
  showJobs(byId('jobs'), byId('others'), snapshot.jobs)
  showHints(byId('hints'), snapshot.hints ?? [])
  showErrors(byId('errors'), state.errors, snapshot.counters.refused)
  charts.add(state.atMs / 1000, snapshot, known)
  showLines('load-text', `${snapshot.active} active`, `${snapshot.backlog} waiting`)
  showLines('rate-text', `${rates.settled.toFixed(rates.settled < 10 ? 1 : 0)} settled`, `${rates.refused.toFixed(0)} refused`)
  before = state
  document.body.classList.remove('is-new')
}

/** The last values beside the colours of their lines. */
const showLines = (id, ...texts) => {
  for (const [index, text] of texts.entries()) setText(byId(id).children[index], text)
}

const ratesOf = (one, other) => {
  const seconds = Math.max(0.05, (other.atMs - one.atMs) / 1000)
  const sum = ({ snapshot }) => Object.values(snapshot.counters.settled).reduce((all, count) => all + count, 0)
  return {
    settled: Math.max(0, sum(other) - sum(one)) / seconds,
    refused: Math.max(0, other.snapshot.counters.refused - one.snapshot.counters.refused) / seconds
  }
}

const connection = listen(`${base}/events`, {
  hello: onHello,
  machine: onMachine,
  state: onState,
  link: (state, text) => {
    setPill('link', state, text)
    const isStale = state !== 'live'
    document.body.classList.toggle('is-stale', isStale)
    // what is shown is what was last heard
    if (isStale && before !== undefined) setPill('health', 'unknown', `as of ${time(before.atMs)}`)
  }
})

const pause = byId('pause')
pause.addEventListener('click', () => {
  isPaused = !isPaused
  pause.setAttribute('aria-pressed', String(isPaused))
  pause.textContent = isPaused ? 'Resume' : 'Pause'
  if (isPaused) connection.stop('paused')
  else connection.start()
})
// nobody looks at a hidden page: the server is not asked for anything
document.addEventListener('visibilitychange', () => {
  if (isPaused) return
  if (document.hidden) connection.stop('paused')
  else connection.start()
})
// a page that was opened in the background waits until it is looked at
if (document.hidden) connection.stop('paused')
