// The guarantees of the README: each names a test that is there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(__dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const section = /^## Guarantees\n(.*?)^## /ms.exec(readme)?.[1] ?? ''
const rows = [...section.matchAll(/^\| (.+?) \| `(test\/[\w./-]+)`: (.+?) \|$/gm)]

t.test('23 guarantees, each with the name of a test that its file has', async (t) => {
  t.equal(rows.length, 23)
  t.equal(section.split('\n').filter((line) => line.startsWith('| ')).length, rows.length + 1, 'no row is overlooked')
  for (const [, guarantee, file, title] of rows) {
    t.ok(readFileSync(join(root, file!), 'utf8').includes(title!), `${guarantee} ${file}: ${title}`)
  }
})
