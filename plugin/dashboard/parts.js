// The parts in words and tables: figures, tiers, jobs, hints and errors.
import { count, duration, element, keep, setAttribute, setText, time } from './element.js'

const seen = (actors, state) => actors.filter((actor) => actor.state === state).length

export function showFigures (root, snapshot, rates, loop) {
  const actors = snapshot.tiers.flatMap((tier) => tier.actors)
  const open = snapshot.tiers.filter((tier) => tier.isOpen).length
  const figures = [
    ['Active actors', snapshot.active, `of ${actors.length}`],
    ['Open tiers', open, `of ${snapshot.tiers.length}`],
    ['Backlog', count(snapshot.backlog), '', snapshot.backlog > actors.length],
    ['Pending jobs', count(snapshot.pending), ''],
    ['Jobs a second', rates.settled < 10 ? rates.settled.toFixed(1) : count(rates.settled), ''],
    ['Refused', count(snapshot.counters.refused), '', rates.refused > 0],
    ...elsewhere(snapshot.remote),
    ['Server\'s event loop', Math.round(loop * 100), '% busy', loop > 0.9]
  ]
  keep(root, figures,
    () => element('div', {}, element('dt'), element('dd', {}, element('span'), ' ', element('small'))),
    (node, [name, value, unit, isHigh]) => {
      node.classList.toggle('is-high', isHigh === true)
      setText(node.firstChild, name)
      setText(node.lastChild.firstChild, value)
      setText(node.lastChild.lastChild, unit)
    })
}

/** The remote tier, where there is one: jobs away, living workers, engines that are, and what was not taken and why. */
function elsewhere (remote) {
  if (!Array.isArray(remote?.shards)) return []
  const queues = remote.shards.flatMap((shard) => Object.values(shard.queues))
  const workers = Math.max(0, ...queues.map((queue) => queue.workers))
  const refusals = Object.entries(remote.refusals ?? {})
  const refused = refusals.reduce((sum, [, number]) => sum + number, 0)
  const [code, most] = refusals.reduce((one, other) => other[1] > one[1] ? other : one, ['', 0])
  const away = remote.shards.filter((shard) => shard.breaker !== 'closed').length
  return [
    ['On other machines', count(remote.inFlight), `of ${workers} ${workers === 1 ? 'worker' : 'workers'}`],
    ['Engines reached', remote.shards.length - away, `of ${remote.shards.length}`, away > 0],
    ['Not taken there', count(refused), refused === 0 ? '' : `${most < refused ? 'mostly ' : ''}${code}`]
  ]
}

export function showTiers (root, news, snapshot, before, atMs) {
  keep(root, snapshot.tiers,
    () => element('li', { class: 'tier' },
      element('header', {}, element('h3'), element('span', { class: 'word' })),
      element('div', { class: 'meter', 'aria-hidden': 'true' }, element('i')), element('p'), element('p')),
    (node, tier) => {
      const [header, meter, first, second] = node.children
      const opens = tier.threshold === 0 && tier.tier === snapshot.tiers[0].tier ? '' : `opens above ${tier.threshold} active`
      setAttribute(node, 'data-tier', tier.tier)
      node.classList.toggle('is-open', tier.isOpen)
      setText(header.firstChild, `Tier ${tier.tier}`)
      setText(header.lastChild, `${tier.isOpen ? 'open' : 'closed'}${tier.isDegraded ? ', degraded' : ''}`)
      meter.firstChild.style.width = `${Math.round(100 * tier.active / Math.max(1, tier.actors.length))}%`
      setText(first, `${tier.active} of ${tier.actors.length} actors active · ${count(tier.depth)} ${tier.depth === 1 ? 'job' : 'jobs'} in mailboxes`)
      const states = ['open', 'opening', 'draining', 'failed', 'closed'].map((state) => [seen(tier.actors, state), state])
        .filter(([number]) => number > 0).map(([number, state]) => `${number} ${state}`).join(', ')
      setText(second, [`threads: ${states}`, opens, tier.reason].filter(Boolean).join(' · '))
    })
  if (before === undefined || before.openTier === snapshot.openTier) return
  const [low, high] = [snapshot.openTier, before.openTier].sort((one, other) => one - other)
  const changed = snapshot.tiers.map(({ tier }) => tier).filter((tier) => tier > low && tier <= high)
  const word = snapshot.openTier > before.openTier ? 'opened' : 'closed'
  setText(news, `${time(atMs)}: ${changed.length === 1 ? 'tier' : 'tiers'} ${changed.join(' and ')} ${word}, ${snapshot.active} active, ${snapshot.backlog} waiting.`)
}

/** Those that ran as rows, by name so that no row moves under the eye; the others in a line. */
export function showJobs (table, others, jobs) {
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent)
  const all = Object.entries(jobs)
  const rows = all.filter(([, { run }]) => run.count > 0).sort(([one], [other]) => one < other ? -1 : 1)
    .map(([name, { wait, run, border }]) => [name, count(run.count),
      ...[wait.p50Ms, wait.p99Ms, run.p50Ms, run.p99Ms, border.p50Ms].map(duration)])
  keep(table.tBodies[0], rows,
    (row) => element('tr', { role: 'row' }, element('th', { scope: 'row', role: 'rowheader' }),
      ...row.slice(1).map((_, index) => element('td', { role: 'cell', 'data-label': labels[index + 1] }))),
    (node, row) => row.forEach((text, index) => setText(node.children[index], text)))
  table.parentElement.hidden = rows.length === 0
  const unused = all.filter(([, { run }]) => run.count === 0).map(([name]) => name)
  setText(others, unused.length === 0 ? '' : `Not run yet: ${unused.join(', ')}`)
}

export function showHints (root, hints) {
  keep(root, hints, () => element('li'), (node, { text }) => setText(node, text))
}

/** What the plan leaves out, and why. */
export function showNotes (root, notes) {
  keep(root, notes, () => element('li'), (node, note) => setText(node, note))
}

export function showErrors (root, errors, refused) {
  if (errors.length === 0) {
    keep(root, [0], () => element('li', { class: 'empty' }), (node) => {
      if (node.className !== 'empty') root.replaceChildren(element('li', { class: 'empty' }))
      setText(root.firstChild, refused === 0
        ? 'None since the server started.'
        : `No job has failed since the server started; ${count(refused)} ${refused === 1 ? 'was' : 'were'} refused.`)
    })
    return
  }
  if (root.firstChild?.className === 'empty') root.replaceChildren()
  keep(root, errors,
    () => element('li', {}, element('time'), element('p', {}, element('b'), ' ', element('code'), ' ', element('span'))),
    (node, { atMs, job, outcome, code, message, tier, requestId }) => {
      const [name, , id, , text] = node.lastChild.childNodes
      setAttribute(node.firstChild, 'datetime', new Date(atMs).toISOString())
      setText(node.firstChild, time(atMs))
      setText(name, job)
      setText(id, code ?? outcome)
      setText(text, [message, tier === null ? '' : `(tier ${tier})`, requestId === null ? '' : `· ${requestId}`]
        .filter(Boolean).join(' '))
    })
}
