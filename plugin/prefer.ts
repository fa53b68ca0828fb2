// What a client may ask of a durable route: Prefer (RFC 7240) and Idempotency-Key. Pure.
import { errors } from '../lib/index.js'

/** What of `Prefer` is understood here; `waitS` in whole seconds. */
export interface Preferences { readonly isAsync: boolean, readonly waitS: number | undefined }

/** Read `Prefer`. What is not understood is left alone, as the RFC asks. */
export function readPrefer (header: string | readonly string[] | undefined): Preferences {
  let isAsync = false
  let waitS: number | undefined
  const text = typeof header === 'string' ? header : header?.join(',') ?? ''
  for (const part of text.slice(0, 1024).split(',')) {
    const [, name = '', value = ''] = /^\s*([\w-]+)\s*(?:=\s*"?([^";]*)"?)?/.exec(part) ?? []
    if (name.toLowerCase() === 'respond-async') isAsync = true
    // the first one counts
    if (name.toLowerCase() === 'wait' && /^\d{1,9}$/.test(value.trim())) waitS ??= Number(value)
  }
  return { isAsync, waitS }
}

/** Read `Idempotency-Key`: a quoted string or a bare token. Throws `FST_ERR_SPILLOVER_KEY_INVALID`. */
export function readKey (header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  const text = typeof header === 'string' ? header : header.join(', ')
  const [, quoted, bare] = /^(?:"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([^\s",;]{1,255}))$/.exec(text.trim()) ?? []
  const key = quoted ?? bare
  if (key === undefined) throw new errors.KEY_INVALID('expected a text of 1 to 255 characters, best in double quotes')
  return key
}
