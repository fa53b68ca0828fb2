// Whether output has colour and how wide it is; and the colours.

/** Where text goes: a terminal of some width, or a pipe. */
export interface Page {
  readonly isColourful: boolean
  /** In characters. */
  readonly width: number
}

/** What is read of a stream and its surroundings. */
interface Surroundings {
  readonly stream: { readonly isTTY?: boolean | undefined, readonly columns?: number | undefined }
  readonly env: Readonly<Record<string, string | undefined>>
}

// Chosen: what a pipe gets, and the least that a drawing can do with.
const pipeWidth = 80
const minWidth = 40

/** FORCE_COLOR decides first, as in Node; then NO_COLOR; then whether a person is looking at a terminal. */
export function pageOf ({ stream, env }: Surroundings): Page {
  const { FORCE_COLOR: forced, NO_COLOR: not, TERM: terminal, COLUMNS: columns } = env
  const isTerminal = stream.isTTY === true && terminal !== 'dumb'
  const isColourful = forced === undefined ? isTerminal && (not ?? '') === '' : forced !== '0' && forced !== 'false'
  const width = stream.columns ?? (/^\d{1,4}$/.test(columns ?? '') ? Number(columns) : pipeWidth)
  return { isColourful, width: Math.max(minWidth, width) }
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 } as const
export type Colour = keyof typeof codes

/** Text in a colour, where there are colours. */
export function paint (page: Page, colour: Colour, text: string): string {
  return page.isColourful && text !== '' ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text
}

/** Words in as many lines as the width asks for, each but the first begun with `indent` blanks. */
export function wrap (page: Page, words: readonly string[], indent: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of words) {
    if (line !== '' && indent + line.length + 1 + word.length > page.width) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line].map((text, index) => index === 0 ? text : ' '.repeat(indent) + text)
}
