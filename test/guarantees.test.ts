// The guarantees of the README: each names tests that are there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(__dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const section = /^## Guarantees\n(.*?)^## /ms.exec(readme)?.[1] ?? ''
const rows = [...section.matchAll(/^\| (.+?) \| (`test\/.+) \|$/gm)]

t.test('22 guarantees, each with the names of tests that their files have', async (t) => {
  t.equal(rows.length, 22)
  t.equal(section.split('\n').filter((line) => line.startsWith('| ')).length, rows.length + 1, 'no row is overlooked')
  for (const [, guarantee, tests] of rows) {
    for (const test of tests!.split(/; (?=`test\/)/)) {
      const [, file, title] = /^`(test\/[\w./-]+)`: (.+)$/.exec(test)!
      t.ok(readFileSync(join(root, file!), 'utf8').includes(title!), `${guarantee} ${file}: ${title}`)
    }
  }
})
