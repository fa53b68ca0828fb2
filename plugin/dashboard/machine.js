// The machine as it is: packages, domains of a shared cache, cores, their threads; in each its actor.
import { element, setAttribute, setText } from './element.js'

/** More cells than this are drawn smaller. */
const DENSE = 48

const cellOf = (id, text, attributes) => element('button', {
  type: 'button', class: 'cell', tabindex: '-1', 'data-cell': id, 'data-state': 'none', ...attributes
}, element('span', { text }), element('small'), element('i', { class: 'bar' }))

/** Draw it once; `showActors` brings it up to date. */
export function drawMachine (root, { packages, slots }, detail) {
  const slotOf = new Map(slots.filter(({ cpu }) => cpu !== null).map((slot) => [slot.cpu, slot]))
  const cpus = packages.reduce((sum, { domains }) =>
    sum + domains.reduce((all, { cores }) => all + cores.reduce((some, core) => some + core.cpus.length, 0), 0), 0)
  root.className = cpus > DENSE ? 'is-dense' : ''
  root.setAttribute('role', 'group')
  root.setAttribute('aria-label', 'Processors and actors; move with the arrow keys')

  const drawn = packages.map(({ name, domains }) => element('section', { class: 'package' },
    element('h3', { text: name }),
    element('div', { class: 'domains' }, ...domains.map((domain) => drawDomain(domain, slotOf)))))

  const loose = slots.filter(({ cpu }) => cpu === null)
  if (loose.length > 0) {
    drawn.push(element('section', { class: 'loose' },
      element('h3', { text: packages.length === 0 ? 'Actors' : 'Actors that are tied to no CPU' }),
      element('div', { class: 'cores' }, ...loose.map(({ slot, tier }) => cellOf(`slot-${slot}`, String(slot), {
        'data-slot': slot, 'data-tier': tier, 'data-about': `Actor ${slot}`
      })))))
  }
  root.replaceChildren(...drawn)
  const cells = [...root.querySelectorAll('.cell')]
  cells[0]?.setAttribute('tabindex', '0')
  const choose = (cell) => {
    for (const other of cells) {
      other.setAttribute('tabindex', other === cell ? '0' : '-1')
      other.removeAttribute('aria-current')
    }
    cell.setAttribute('aria-current', 'true')
    describe(cell, detail)
  }
  root.onclick = (event) => {
    const cell = event.target.closest?.('.cell')
    if (cell !== null) choose(cell)
  }
  root.onkeydown = (event) => {
    const at = cells.indexOf(document.activeElement)
    const to = {
      ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: cells.length - 1
    }[event.key]
    if (at < 0 || to === undefined || cells[to] === undefined) return
    event.preventDefault()
    choose(cells[to])
    cells[to].focus()
  }
}

const drawDomain = ({ name, cores }, slotOf) => element('section', { class: 'domain' },
  element('h3', { text: name }),
  element('div', { class: 'cores' }, ...cores.map((core) => element('div', {
    class: core.kind === 'efficiency' ? 'core is-efficient' : 'core', title: core.name
  }, ...core.cpus.map((cpu) => drawCpu(cpu, core, slotOf.get(cpu.cpu)))))))

const drawCpu = ({ cpu, isUsable, note }, core, slot) => cellOf(`cpu-${cpu}`, String(cpu), {
  'data-cpu': cpu,
  'data-about': [`CPU ${cpu}`, core.name, note].filter(Boolean).join(', '),
  ...(slot !== undefined && { 'data-slot': slot.slot, 'data-tier': slot.tier }),
  ...(!isUsable && { 'data-state': 'off' })
})

/** State of each actor and load of each processor. */
export function showActors (root, snapshot, cpuLoad, detail) {
  const actors = new Map(snapshot.tiers.flatMap(({ actors }) => actors).map((actor) => [String(actor.slot), actor]))
  const loads = new Map((cpuLoad ?? []).map(({ cpu, percent }) => [String(cpu), percent]))
  for (const cell of root.querySelectorAll('.cell')) {
    const { slot, cpu, tier } = cell.dataset
    const actor = actors.get(slot)
    const load = loads.get(cpu)
    const words = [cell.dataset.about]
    if (actor !== undefined) {
      const state = actor.state === 'open' ? (actor.depth > 0 ? 'busy' : 'idle') : actor.state
      setAttribute(cell, 'data-state', state)
      words.push(`${cpu === undefined ? '' : `actor ${slot}, `}tier ${tier}, ${state}`)
      if (actor.depth > 0) words.push(`${actor.depth} ${actor.depth === 1 ? 'job' : 'jobs'}`)
      if (actor.state === 'open') words.push(`event loop ${Math.round(actor.utilization * 100)} % busy`)
      if (actor.heapUsedBytes > 0) words.push(`heap ${Math.round(actor.heapUsedBytes / 2 ** 20)} MiB`)
      if (actor.restarts > 0) words.push(`${actor.restarts} restarts`)
      if (actor.reason !== null && actor.state !== 'open') words.push(actor.reason)
    } else if (cpu !== undefined) {
      words.push('no actor')
    }
    if (load !== undefined) {
      words.push(`load ${Math.round(load)} %`)
      cell.lastElementChild.style.width = `${Math.round(load)}%`
      setText(cell.children[1], `${Math.round(load)}%`)
    }
    setAttribute(cell, 'aria-label', words.join(', '))
    setAttribute(cell, 'title', words.join(', '))
    if (cell.getAttribute('aria-current') === 'true') describe(cell, detail)
  }
}

const describe = (cell, detail) => setText(detail, cell.getAttribute('aria-label') ?? cell.dataset.about)
