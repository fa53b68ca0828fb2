// The code blocks of a Markdown file, with the heading each stands under and what a comment before it says.

/** One fenced block. */
export interface Block {
  readonly heading: string
  /** 1 for the first line of the file */
  readonly line: number
  readonly language: string
  readonly code: string
  /** name of the file that the block is, from a comment in its first line */
  readonly file: string | undefined
  /** why it is compiled and not run, from `<!-- compiled: why -->` in the line before it */
  readonly compiledOnly: string | undefined
}

/** All blocks in order. Throws for one that is not closed. */
export function blocksOf (markdown: string): Block[] {
  const blocks: Block[] = []
  const lines = markdown.split('\n')
  let heading = ''
  for (let at = 0; at < lines.length; at++) {
    heading = /^#{1,4} (.*)/.exec(lines[at]!)?.[1] ?? heading
    const fence = /^```(\S*)$/.exec(lines[at]!)
    if (fence === null) continue
    const end = lines.indexOf('```', at + 1)
    if (end < 0) throw new Error(`line ${at + 1}: a block that is not closed`)
    const code = lines.slice(at + 1, end)
    const before = lines.slice(0, at).reverse().find((line) => line !== '')
    blocks.push({
      heading,
      line: at + 1,
      language: fence[1]!,
      code: code.join('\n') + '\n',
      file: /^(?:\/\/|#) ([\w./-]+\.\w+)(?::.*)?$/.exec(code[0] ?? '')?.[1],
      compiledOnly: /^<!-- compiled: (.+) -->$/.exec(before ?? '')?.[1]
    })
    at = end
  }
  return blocks
}
