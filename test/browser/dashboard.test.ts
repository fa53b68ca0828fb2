// The dashboard in a browser: states, tiers under load, restart, network, sizes, keyboard, contrast.
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { makePlan, readTopology, Scheduler } from '#lib/index'
import { checkOptions } from '#lib/options'
import { registerDashboard } from '#plugin/dashboard'
import { readMachine } from '../fixtures/machines/index'
import { closeBrowser, holdJobs, jobs, openPage, pictures, seen, skip, startNetwork, startServer } from './harness'
import type { Page } from 'playwright-core'

t.jobs = 1
t.setTimeout(600_000)
t.teardown(closeBrowser)
if (skip) t.comment(`skipped: ${skip}`)

const root = join(__dirname, '..', '..')
const pageOf = (port: number): string => `http://127.0.0.1:${port}/spillover`
const live = (page: Page) => page.locator('#link[data-state=live]').waitFor()
const openTiers = (page: Page, tiers: number[]) => seen(page, `
  [...document.querySelectorAll('.tier.is-open')].map((tier) => tier.dataset.tier).join() === '${tiers.join()}'`)
const cells = (page: Page): Promise<string[]> =>
  page.locator('.loose .cell').evaluateAll((found) => found.map((cell) => (cell as any).dataset.state))

t.test('at rest: healthy, tier 1 open, one idle actor and two closed; nothing is refused or asked of other hosts', { skip }, async (t) => {
  const { port } = await startServer(t)
  const { page, complaints } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await openTiers(page, [1])
  t.equal(await page.locator('#health').textContent(), 'healthy')
  t.strictSame(await cells(page), ['idle', 'closed', 'closed'])
  t.match(await page.locator('#about').textContent(), `process ${process.pid}`)
  t.ok(await page.locator('.package .domain .core .cell').count() >= 1, 'the processors of this machine are drawn')
  t.equal(await page.locator('.chart canvas').count(), 2)
  t.equal(await page.locator('#errors').textContent(), 'None since the server started.')
  await seen(page, "/^\\d+%$/.test(document.querySelector('.package .cell small').textContent)")
  t.equal(await page.evaluate("document.querySelector('.scroll').hidden"), true, 'no stop of the Tab key without a table')
  t.strictSame(complaints, [])
})

t.test('3 jobs held: tiers 2 and 3 open, 3 actors are busy, and the page says so; after them all close', { skip }, async (t) => {
  const { app, port } = await startServer(t)
  const { page, complaints } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await openTiers(page, [1])
  const held = holdJobs(app, 3)
  await openTiers(page, [1, 2, 3])
  await seen(page, "document.querySelectorAll('.loose .cell[data-state=busy]').length === 3")
  t.strictSame(await cells(page), ['busy', 'busy', 'busy'])
  t.match(await page.locator('#news').textContent(), /: (tier [23]|tiers 2 and 3) opened, \d active, \d waiting\./)
  t.equal(await page.locator('#figures dd').first().textContent(), '3 of 3')
  t.equal(await page.locator('#figures dd').nth(1).textContent(), '3 of 3')
  t.equal(await page.locator('.tier p').first().textContent(), '1 of 1 actors active · 1 job in mailboxes')
  t.match(await page.locator('.loose .cell').last().getAttribute('aria-label'), /^Actor 2, tier 3, busy, 1 job/)
  await page.screenshot({ path: join(pictures, 'dashboard-tiers-open.png'), fullPage: true })
  await held.open()
  await openTiers(page, [1])
  t.match(await page.locator('#news').textContent(), /: (tier [23]|tiers 2 and 3) closed/)
  t.match(await page.locator('#jobs tbody tr').first().textContent(), /^latch3/)
  t.strictSame(complaints, [])
})

t.test('a job that fails is among the recent errors with code, tier and request; text of the user stays text', { skip }, async (t) => {
  const { app, port } = await startServer(t)
  const { page, complaints } = await openPage(t)
  await app.offload('fail', { message: '<img src=x onerror=alert(1)>', code: 'E_ODD' }, { requestId: 'request-7' }).catch(() => {})
  await page.goto(pageOf(port))
  await page.locator('#errors code').waitFor()
  t.match(await page.locator('#errors li').textContent(), /fail E_ODD <img src=x onerror=alert\(1\)> \(tier 1\) · request-7/)
  t.equal(await page.locator('#errors img').count(), 0)
  t.strictSame(complaints, [])
})

t.test('a server that is restarted on the same port is found again, and the page says that it is another', { skip }, async (t) => {
  const first = await startServer(t)
  const { page } = await openPage(t)
  await page.goto(pageOf(first.port))
  await live(page)
  await first.app.close()
  await page.locator('#link[data-state=waiting]').waitFor()
  t.equal(await page.locator('#link').textContent(), 'no connection, trying again')
  const { app } = await startServer(t, first.port)
  await live(page)
  t.equal(await page.locator('#news').textContent(), 'The server was restarted: all counts begin again.')
  const held = holdJobs(app, 3)
  await page.locator('#news', { hasText: 'opened' }).waitFor()
  t.match(await page.locator('#about').textContent(), / · restarted after \d\d:\d\d:\d\d · /, 'what follows does not hide it')
  await held.open()
})

t.test('a network that is cut is told, and used again when it is back; so is one that goes silent', { skip }, async (t) => {
  const { port } = await startServer(t)
  const network = await startNetwork(t, () => port)
  const { page } = await openPage(t)
  await page.goto(pageOf(network.port))
  await live(page)
  await page.locator('#health[data-state=ok]').waitFor()
  network.cut()
  await page.locator('#link[data-state=waiting]').waitFor()
  t.match(await page.locator('#health').textContent(), /^as of \d\d:\d\d:\d\d$/, 'nothing is called healthy that is not heard of')
  await page.screenshot({ path: join(pictures, 'dashboard-cut.png') })
  network.restore()
  await live(page)
  await page.locator('#health[data-state=ok]').waitFor()
  network.silence(true)
  await page.locator('#link[data-state=waiting]').waitFor()
  network.silence(false)
  await live(page)
})

t.test('a server that sends every 5.5 s is never called lost', { skip }, async (t) => {
  const { app, port } = await startServer(t, 0, { dashboard: { url: '/spillover', intervalMs: 5500 } })
  const { page } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await page.evaluate(`
    globalThis.states = []
    new MutationObserver(() => states.push(document.getElementById('link').dataset.state))
      .observe(document.getElementById('link'), { attributes: true })`)
  await page.locator('#errors .empty').waitFor() // the first state
  await app.offload('echo', 1)
  await page.locator('#jobs tbody tr').waitFor() // the second
  t.strictSame(await page.evaluate('states'), [])
})

t.test('a page that is opened in the background asks for nothing until it is looked at', { skip }, async (t) => {
  const { port } = await startServer(t)
  const { page } = await openPage(t)
  await page.addInitScript(`
    globalThis.isHidden = true
    Object.defineProperty(document, 'hidden', { get: () => globalThis.isHidden })`)
  await page.goto(pageOf(port))
  t.equal(await page.locator('#link').getAttribute('data-state'), 'paused')
  await page.evaluate("isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
  await live(page)
})

t.test('a job that throws what has no text is shown, and the server lives', { skip }, async (t) => {
  const { app, port } = await startServer(t)
  await app.offload('failWith', 'textless').catch(() => {})
  const { page } = await openPage(t)
  await page.goto(pageOf(port))
  await page.locator('#errors li', { hasText: 'failWith' }).waitFor()
  t.match(await page.locator('#errors li').textContent(), /failWith error no text/)
})

t.test('the threshold of each tier is inside its chart while nothing runs', { skip }, async (t) => {
  const { port } = await startServer(t, 0, {
    tiers: [{ actors: 1 }, { actors: 1, threshold: 1 }, { actors: 1, threshold: 2 }]
  })
  const { page } = await openPage(t)
  await page.addInitScript(`
    globalThis.labels = {}
    const { fillText } = CanvasRenderingContext2D.prototype
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
      labels[text] = y
      fillText.call(this, text, x, y)
    }`)
  await page.goto(pageOf(port))
  await live(page)
  await openTiers(page, [1])
  await seen(page, "'tier 3 opens above 2' in labels")
  t.ok(await page.evaluate("labels['tier 3 opens above 2'] > 8 && labels['tier 2 opens above 1'] > labels['tier 3 opens above 2']"))
})

for (const [width, height] of [[320, 640], [375, 812], [768, 1024], [1440, 900]] as const) {
  t.test(`${width} x ${height}: nothing below the header moves when the network is cut and when it is back`, { skip }, async (t) => {
    const { port } = await startServer(t)
    const network = await startNetwork(t, () => port)
    const { page } = await openPage(t, { viewport: { width, height } })
    await page.goto(pageOf(network.port))
    await live(page)
    await openTiers(page, [1])
    const top = (): Promise<number> => page.evaluate("document.getElementById('main').getBoundingClientRect().top")
    const before = await top()
    network.cut()
    await page.locator('#link[data-state=waiting]').waitFor()
    t.equal(await top(), before)
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
    network.restore()
    await live(page)
    await page.locator('#health[data-state=ok]').waitFor()
    t.equal(await top(), before)
  })
}

t.test('Pause ends the connection and Resume opens it', { skip }, async (t) => {
  const { app, port } = await startServer(t)
  const { page } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.locator('#link[data-state=paused]').waitFor()
  const held = holdJobs(app, 3)
  await page.getByRole('button', { name: 'Resume' }).click()
  await openTiers(page, [1, 2, 3])
  await held.open()
})

t.test('a browser that goes offline is told to be without connection, and is live at once when it is back', { skip }, async (t) => {
  const { port } = await startServer(t)
  const { page } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await page.context().setOffline(true)
  await page.locator('#link[data-state=waiting]').waitFor()
  t.match(await page.locator('#health').textContent(), /^as of /)
  await page.context().setOffline(false)
  await live(page)
  await page.locator('#health[data-state=ok]').waitFor()
})

for (const [width, height] of [[375, 812], [768, 1024], [1440, 900]] as const) {
  t.test(`${width} x ${height}: nothing on the page moves when the first numbers come`, { skip }, async (t) => {
    const { port } = await startServer(t)
    const { page } = await openPage(t, { viewport: { width, height } })
    await page.addInitScript(`
      globalThis.shift = 0
      new PerformanceObserver((list) => { for (const { value } of list.getEntries()) globalThis.shift += value })
        .observe({ type: 'layout-shift', buffered: true })`)
    await page.goto(pageOf(port))
    await live(page)
    await openTiers(page, [1])
    await page.screenshot() // all is painted
    const shift = await page.evaluate<number>('globalThis.shift')
    t.ok(shift < 0.1, `what web vitals call good is below 0.1, this is ${shift}`)
  })
}

t.test('the rows of jobs stand by name, so that none moves; refused jobs are told where no job has failed', { skip }, async (t) => {
  const { app, port } = await startServer(t, 0, { maxQueued: 1 })
  await app.offload('echo', 1)
  await app.offload('echo', 2)
  await app.offload('add', { a: 1, b: 2 })
  const { page } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await openTiers(page, [1])
  t.strictSame(await page.locator('#jobs tbody th').allTextContents(), ['add', 'echo'])
  const held = holdJobs(app, 12)
  await page.locator('#errors .empty', { hasText: 'refused' }).waitFor()
  const { refused } = app.spillover.snapshot().counters
  t.ok(refused > 1)
  t.equal(await page.locator('#errors').textContent(), `No job has failed since the server started; ${refused} were refused.`)
  await held.open()
})

for (const width of [320, 1440]) {
  t.test(`the table of jobs is one to screen readers, ${width} pixels wide`, { skip }, async (t) => {
    const { app, port } = await startServer(t)
    await app.offload('echo', 1)
    const { page } = await openPage(t, { viewport: { width, height: 900 } })
    await page.goto(pageOf(port))
    await page.getByRole('table', { name: 'Jobs' }).waitFor()
    t.equal(await page.getByRole('columnheader').count(), 7)
    t.equal(await page.getByRole('row').count(), 2)
    t.equal(await page.getByRole('rowheader', { name: 'echo' }).count(), 1)
    t.equal(await page.getByRole('cell').count(), 6)
  })
}

t.test('by keyboard: skip link, Pause, the machine by arrow keys, the table; each shows where the focus is', { skip }, async (t) => {
  const { app, port } = await startServer(t)
  await app.offload('echo', 1)
  const { page } = await openPage(t)
  await page.goto(pageOf(port))
  await live(page)
  await openTiers(page, [1])
  const focused = (): Promise<string> => page.evaluate(`(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement)
    const { textContent, id, className } = document.activeElement
    return [id || className, textContent.trim().slice(0, 20), outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2].join('|')
  })()`)
  const press = async (key: string): Promise<string> => {
    await page.keyboard.press(key)
    return await focused()
  }
  t.equal(await press('Tab'), 'skip|Skip to the numbers|true')
  t.equal(await press('Tab'), 'pause|Pause|true')
  t.match(await press('Tab'), /^cell\|0(\d+%)?\|true$/)
  t.match(await page.evaluate("document.activeElement.getAttribute('aria-label')"), /^CPU 0, core \d+/)
  t.equal(await press('End'), 'cell|2|true')
  t.match(await page.locator('#detail').textContent(), /^Actor 2, tier 3, closed/)
  await press('ArrowLeft')
  t.match(await page.locator('#detail').textContent(), /^Actor 1, tier 2, /)
  t.match(await press('Tab'), /^scroll\|.*\|true$/s)
  await press('Shift+Tab')
  await press('Shift+Tab')
  await page.keyboard.press('Space')
  t.equal(await page.locator('#pause').getAttribute('aria-pressed'), 'true')
})

/** Texts whose contrast is below WCAG AA: 4.5, or 3 for large ones. */
const poorContrast = `(() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0)
  const backOf = (node) => {
    for (; node !== null; node = node.parentElement) {
      const back = parse(getComputedStyle(node).backgroundColor)
      if (back.length === 3 || back[3] > 0.99) return back
    }
    return [255, 255, 255]
  }
  const poor = []
  for (const node of document.body.querySelectorAll('*')) {
    const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data.trim()).join('')
    const box = node.getBoundingClientRect()
    if (text === '' || box.width === 0 || box.right < 0 || node.closest('noscript, script')) continue
    const style = getComputedStyle(node)
    const [one, other] = [luminance(parse(style.color)), luminance(backOf(node))].sort((a, b) => b - a)
    const ratio = (one + 0.05) / (other + 0.05)
    const isLarge = parseFloat(style.fontSize) >= 24
    if (ratio < (isLarge ? 3 : 4.5)) poor.push(text.slice(0, 30) + ' ' + ratio.toFixed(2))
  }
  return poor
})()`

for (const [width, height] of [[320, 640], [390, 844], [820, 1180], [1600, 1000]] as const) {
  for (const colorScheme of ['light', 'dark'] as const) {
    t.test(`${width} x ${height}, ${colorScheme}: no sideways scrolling, nothing cut off, every text has contrast`, { skip }, async (t) => {
      const { app, port } = await startServer(t)
      const { page, complaints } = await openPage(t, { viewport: { width, height }, colorScheme })
      await app.offload('fail', { message: 'no such page', code: 'E_ODD' }, { requestId: 'request-7' }).catch(() => {})
      const held = holdJobs(app, 2)
      await page.goto(pageOf(port))
      await live(page)
      await openTiers(page, [1, 2, 3])
      await seen(page, "document.querySelectorAll('.loose .cell[data-state=busy]').length === 2")
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
      t.strictSame(await page.evaluate(`[...document.querySelectorAll('main *')].filter((node) => {
        const box = node.getBoundingClientRect()
        return box.width > 0 && box.right > innerWidth + 1 && box.left >= 0
      }).map((node) => node.className || node.tagName)`), [])
      t.strictSame(await page.evaluate(poorContrast), [])
      const small = await page.evaluate("[...document.querySelectorAll('button:not(.cell)')].filter((node) => node.offsetHeight < 32).length")
      t.equal(small, 0, 'buttons are high enough for a finger')
      await page.screenshot({ path: join(pictures, `dashboard-${width}-${colorScheme}.png`), fullPage: true })
      await held.open()
      t.strictSame(complaints, [])
    })
  }
}

t.test('a recorded machine of 16 cores and 32 threads: 2 domains, a core kept free, siblings beside each other', { skip }, async (t) => {
  const topology = readTopology({ reader: readMachine('vm-seed-16c32t').reader })
  const options = checkOptions({ jobs, execArgv: [], pin: false })
  const pool = new Scheduler(makePlan(topology, options), options)
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => {
    await app.close()
    await pool.close()
  })
  const isPicture = process.env.UPDATE_PICTURE !== undefined
  await registerDashboard(app, pool, { url: '/spillover', intervalMs: isPicture ? 500 : 100 }, () => topology)
  await pool.ready()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { page, complaints } = await openPage(t, { viewport: { width: 1280, height: 880 } })
  await page.goto(pageOf((app.server.address() as AddressInfo).port))
  await live(page)
  t.strictSame(await page.locator('.domain').evaluateAll((found) => found.map((domain) =>
    (domain as any).querySelectorAll('.core').length + ' ' + (domain as any).querySelectorAll('.cell').length)), ['8 16', '8 16'])
  await openTiers(page, [1])
  t.match(await page.locator('[data-cell=cpu-0]').getAttribute('aria-label'), /^CPU 0, core 0, kept free for the event loop/)
  t.strictSame(await page.locator('.core').nth(1).locator('.cell').evaluateAll((found) =>
    found.map((cell) => [(cell as any).dataset.cpu, (cell as any).dataset.tier])), [['2', '1'], ['3', '3']])
  // waves of load, as in life: 5, then 11, then 18 jobs at once
  const over = new AbortController()
  const caller = async (): Promise<void> => {
    while (!over.signal.aborted) await pool.offload('wait', 60 + Math.random() * 200)
  }
  const callers: Promise<void>[] = []
  for (const [wanted, tiers] of [[5, [1]], [11, [1, 2]], [18, [1, 2, 3]]] as const) {
    while (callers.length < wanted) callers.push(caller())
    await openTiers(page, [...tiers])
    await seen(page, `document.querySelectorAll('.cell[data-state=busy]').length >= ${wanted - 3}`)
    await page.waitForTimeout(isPicture ? 10_000 : 2000)
  }
  await page.screenshot({ path: join(pictures, 'dashboard-32-threads.png') })
  if (isPicture) {
    // the threads have started: all 18 run and the event loop is free, as in a server that has its jobs elsewhere
    await seen(page, `(() => {
      const figures = [...document.querySelectorAll('#figures dd')].map((figure) => parseInt(figure.textContent))
      return figures[0] >= 16 && figures[6] < 30 && document.querySelectorAll('.cell[data-state=busy]').length >= 16
    })()`)
    await page.screenshot({ path: join(root, 'docs', 'dashboard.png') })
  }
  over.abort()
  await Promise.all(callers)
  await openTiers(page, [1])
  t.strictSame(complaints, [])
})
