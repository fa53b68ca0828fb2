// A recorded trace in a real viewer: the Performance panel of the DevTools that Chromium brings.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { faultsOf } from '../fixtures/traceformat'
import { closeBrowser, devtoolsPort, openPage, pictures, recordTrace, skip } from './harness'
import type { Page } from 'playwright-core'

t.jobs = 1
t.setTimeout(180_000)
t.teardown(closeBrowser)
if (skip) t.comment(`skipped: ${skip}`)

/** All text of the page, also below shadow roots. */
const deepText = `(() => {
  const found = []
  const walk = (node) => {
    if (node.nodeType === 3 && !/STYLE|SCRIPT/.test(node.parentNode.nodeName)) found.push(node.data.trim())
    if (node.shadowRoot) walk(node.shadowRoot)
    for (const child of node.childNodes) walk(child)
  }
  walk(document.body)
  return found.filter(Boolean).join(' | ')
})()`

/** Opens a file; what is not a trace is told of in the panel. */
async function openTrace (page: Page, file: string): Promise<void> {
  await page.goto(`http://127.0.0.1:${devtoolsPort}/devtools/devtools_app.html?panel=timeline`)
  await page.getByRole('heading', { name: 'Local metrics' }).waitFor()
  await page.locator('input[type=file]').first().setInputFiles(file)
}

t.test('a trace of 3 tiers of 2 actors: DevTools shows 3 groups with a lane for each actor', { skip }, async (t) => {
  const trace = await recordTrace(t)
  const file = join(pictures, 'trace.json')
  const text = JSON.stringify(trace)
  writeFileSync(file, text)
  t.strictSame(faultsOf(text), [])

  const { page } = await openPage(t, { viewport: { width: 1400, height: 900 } })
  await openTrace(page, file)
  // shown at the first trace of a browser, over a part of it
  await page.getByText('Keyboard shortcuts for flame chart').first().waitFor()
  await page.mouse.click(1371, 77)
  // the lanes are painted: what is clicked at is told to screen readers
  const found = new Set<string>()
  const wanted = [...Array(6).keys()].map((slot) => `actor ${slot}`).concat('tier 1', 'tier 2', 'tier 3')
  // once beside them, which closes what is left of the dialog; then from below, since a group that opens or closes
  // moves what is under it: open the three, then ask each lane
  // each frame is painted before the next click, and told of a little later
  const click = async (y: number): Promise<void> => {
    await page.mouse.click(250, y)
    await page.waitForTimeout(150)
  }
  for (const y of [500, 172, 151, 130]) await click(y)
  await page.screenshot({ path: join(pictures, 'trace.png') })
  // a click on a group's name closes or opens it, so a slow browser may need another round
  for (let round = 0; round < 6 && found.size < wanted.length; round++) {
    for (let y = 320; y > 120 && found.size < wanted.length; y -= 7) {
      await click(y)
      const text: string = await page.evaluate(deepText)
      for (const [, name] of text.matchAll(/((?:tier|actor) \d) \(\d+\) (?:selected|expanded|collapsed)/g)) found.add(name!)
    }
  }
  t.strictSame([...found].sort(), wanted)
})
