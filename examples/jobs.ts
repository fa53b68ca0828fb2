// Owns the three jobs of the example: a thumbnail, a password hash, a page of Markdown.

import { randomBytes } from 'node:crypto'
import { argon2id } from 'hash-wasm'
import hljs from 'highlight.js/lib/common'
import MarkdownIt = require('markdown-it')
import { decode, encode, shrink, typeOf, type ImageType } from './image.js'

/** What these jobs use of the context that each job gets. */
export interface Context {
  throwIfCancelled (): void
}

export interface ThumbnailInput {
  /** A whole PNG or JPEG file. */
  readonly image: Uint8Array
  /** Pixels; a narrower image keeps its width. */
  readonly width: number
}

export interface Thumbnail {
  readonly type: ImageType
  readonly width: number
  readonly height: number
  readonly bytes: Uint8Array
}

/** A smaller image of the same kind; its errors carry the status 400, 413 or 415. */
export const thumbnail = ({ image, width }: ThumbnailInput, ctx: Context): Thumbnail => {
  const type = typeOf(image)
  const small = shrink(decode(image, type), width, () => ctx.throwIfCancelled())
  ctx.throwIfCancelled()
  return { type, width: small.width, height: small.height, bytes: encode(small, type) }
}

/** An Argon2id hash in the PHC form `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`: OWASP's minimum for passwords. */
export const passwordHash = (password: string, ctx: Context): Promise<string> => {
  ctx.throwIfCancelled()
  return argon2id({
    password: password.normalize('NFKC'),
    salt: randomBytes(16),
    memorySize: 19_456,
    iterations: 2,
    parallelism: 1,
    hashLength: 32,
    outputType: 'encoded'
  })
}

// `html: false` shows tags of the source as text, and markdown-it refuses javascript: links.
const renderer = new MarkdownIt({
  html: false,
  linkify: true,
  highlight: (code, language) =>
    // An empty answer means: markdown-it escapes the code itself.
    hljs.getLanguage(language) ? hljs.highlight(code, { language, ignoreIllegals: true }).value : ''
})

/** HTML that is safe to show, with its code blocks highlighted (classes `hljs-…`). */
export const markdown = (source: string, ctx: Context): string => {
  ctx.throwIfCancelled()
  return renderer.render(source)
}
