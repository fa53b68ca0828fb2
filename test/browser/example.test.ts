// The example's page in a browser: the tiers as they open while jobs run, and the result; on a desk and on a phone.
import { join } from 'node:path'
import t from 'tap'
import type { AddressInfo } from 'node:net'
import { closeBrowser, openPage, pictures, seen, skip } from './harness'
import { build } from '../../dist/examples/server.js'

t.jobs = 1
t.setTimeout(300_000)
t.teardown(closeBrowser)
if (skip) t.comment(`skipped: ${skip}`)

for (const [width, height, colorScheme] of [[1280, 900, 'light'], [320, 640, 'dark']] as const) {
  t.test(`${width} x ${height}: 40 passwords open tier 3 while they are hashed, and the page shows both`, { skip }, async (t) => {
    const app = await build({ tiers: [{ actors: 1 }, { actors: 1 }, { actors: 1, threshold: 1 }] })
    t.teardown(() => app.close())
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const { page, complaints } = await openPage(t, { viewport: { width, height }, colorScheme })
    await page.goto(`http://127.0.0.1:${port}/`)
    await seen(page, "document.querySelectorAll('#tiers .card').length === 3")
    await page.fill('#secret', 'correct horse')
    await page.fill('#times', '40')
    await page.click('#password button')
    await seen(page, "document.querySelectorAll('#tiers .card.open').length === 3")
    t.match(await page.locator('#news').textContent(), 'Open now: tier 1, 2, 3')
    await page.screenshot({ path: join(pictures, `example-${width}.png`), fullPage: true })
    await seen(page, "document.querySelector('#password output').textContent.includes('40 of 40 hashed')")
    t.match(await page.locator('#password output').textContent(), /^\$argon2id\$/)
    await seen(page, "document.querySelectorAll('#tiers .card.open').length === 1")
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), width)
    t.strictSame(complaints, [])
  })
}
