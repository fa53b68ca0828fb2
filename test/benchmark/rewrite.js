// Parts of documents that scripts write: between `<!-- name:start -->` and `<!-- name:end -->`.
import { readFileSync, writeFileSync } from 'node:fs'

/** A table in Markdown: the first column is text, the others numbers. */
export function table (head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, index) => index === 0 ? '---' : '---:')), ...rows.map(line)].join('\n')
}

/** Put text between the markers of a file, which is named from this folder. */
export function rewrite (file, name, content) {
  const path = new URL(file, import.meta.url)
  const text = readFileSync(path, 'utf8')
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file}: expected the markers ${start} and ${end}`)
  writeFileSync(path, `${text.slice(0, from + start.length)}\n${content}\n${text.slice(to)}`)
}
