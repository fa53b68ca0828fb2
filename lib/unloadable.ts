// Why a job module cannot be loaded: what is wrong, where, and what to do about it.
import { execFile } from 'node:child_process'
import { extname } from 'node:path'
import { types } from 'node:util'
import { describe } from './errors.js'
import type { JobModule } from './jobs.js'

/** Time to find the line of a syntax error, ms; chosen: some 50 ms on an idle machine. */
const LOCATE_MS = 5000

/** A class can only be made an object of. */
export function isCallable (value: unknown): boolean {
  return typeof value === 'function' && !/^class\b/.test(Function.prototype.toString.call(value))
}

/** What a module without a job exports. */
export function whyNoJobs (exported: Readonly<Record<string, unknown>>, whole: unknown): string {
  const has = typeof whole === 'function'
    ? 'its only function is the default export, which is no job'
    : Object.values(exported).some((value) => typeof value === 'function' && !isCallable(value))
      ? 'it exports classes, which cannot be called, and no function'
      : 'it exports no function'
  return `${has}: each job is an export with a name, as in \`export function hash (input) {}\``
}

/** What to do about TypeScript that this Node does not load; else what Node said. */
export function whyNotLoaded (href: string, error: unknown): string {
  const { code } = Object(error) as { code?: unknown }
  const said = withPlace(error)
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return `${said}. Node only strips types: for enums, namespaces and parameter properties give the threads ` +
      "execArgv: ['--experimental-transform-types'], or a loader"
  }
  // a file with the suffix, or one that it imports
  const isUnknownType = code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts\b/.test(said)
  const isUnread = /\.[cm]?ts$/.test(extname(href)) && error instanceof SyntaxError && !stripsTypes()
  if (!isUnknownType && !isUnread) return said
  return `this Node (${process.versions.node}) does not load TypeScript. Node 22.18 and later do; else give the threads ` +
    'a loader by the option execArgv (docs/recipes.md, "Jobs in TypeScript"), or name the compiled file as jobs ' +
    `(${said})`
}

/** Is this text of a module that was not loaded one of a syntax error, without its place? */
export const isUnplaced = (text: string): boolean => /^job module \S+: SyntaxError: /.test(text) && !/:\d+\)/.test(text)

/**
 * Where a syntax error is, as `file:line`: Node does not tell it of an ES module that is imported. Asked of a process
 * that links the modules and ends before any of them runs. Undefined where that finds nothing.
 */
export async function locateSyntaxError (modules: readonly JobModule[], execArgv: readonly string[] = process.execArgv):
Promise<string | undefined> {
  const code = ['data:text/javascript,process.exit()', ...modules.map(({ href }) => href)]
    .map((href) => `import ${JSON.stringify(href)}`).join('\n')
  return await new Promise((resolve) => {
    try {
      execFile(process.execPath, [...execArgv, '--input-type=module', '-e', code], { timeout: LOCATE_MS },
        (_error, _stdout, stderr) => resolve(/^((?:file:|\/|[A-Z]:\\).*:\d+)$/mi.exec(stderr)?.[1]))
    } catch {
      resolve(undefined) // the process may start none
    }
  })
}

/**
 * `process.exit` of a thread while its modules load: the error of the thread says so, and where. Returns what makes it
 * end the thread again.
 */
export function trapExit (): () => void {
  const { exit } = process
  let isLoading = true
  const trapped = (code?: number | string | null): never => {
    if (!isLoading) return exit(code)
    const error = new Error()
    Error.captureStackTrace(error, trapped)
    const [, where] = /\n\s+at (?:.* \()?([^()\n]+:\d+:\d+)\)?/.exec(error.stack ?? '') ?? []
    if (where?.startsWith('node:')) return exit(code) // Node ends the thread after an error that nobody caught
    error.message = `process.exit(${String(code ?? '')}) was called while the job modules were loading or warming up` +
      (where === undefined ? '' : `, at ${where}`)
    throw error
  }
  process.exit = trapped
  return () => { isLoading = false }
}

function stripsTypes (): boolean {
  return Boolean((process.features as { typescript?: unknown }).typescript)
}

/** A syntax error with the place that Node put before its stack. */
function withPlace (error: unknown): string {
  const said = describe(error)
  if (!types.isNativeError(error) || error.name !== 'SyntaxError') return said
  const [, where] = /^(\S.*:\d+)\n/.exec(error.stack ?? '') ?? []
  return where === undefined ? said : `${said} (${where})`
}
