// Flags of a command: parsed strictly, with the nearest name where one is not known.
import { parseArgs } from 'node:util'
import { suggest } from '../index.js'
import type { ParseArgsConfig } from 'node:util'

/** Flags as given. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>
export type FlagOptions = NonNullable<ParseArgsConfig['options']>

/** A mistake in the arguments; its message is the one line on standard error. */
export class UsageError extends Error {
  /** 2 for a word that does not exist, 1 for a value that is wrong */
  readonly exitCode: 1 | 2

  constructor (message: string, exitCode: 1 | 2 = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Throws a UsageError for what is not a flag of the command. */
export function parseFlags (command: string, options: FlagOptions, args: readonly string[]): Flags {
  const known = Object.keys(options)
  for (const arg of args) {
    if (arg === '--') break
    const name = /^--([^=]+)/.exec(arg)?.[1]
    if (name === undefined || Object.hasOwn(options, name)) continue
    throw new UsageError(`unknown option --${name}: ${suggest(name, known, '--')}` +
      ` (fastify-spillover ${command} --help lists the options)`, 2)
  }
  try {
    const flags = parseArgs({ args: [...args], options, allowPositionals: false, strict: true }).values as Flags
    const empty = Object.keys(flags).find((name) => flags[name] === '')
    if (empty !== undefined) throw new UsageError(`option --${empty}: expected a value, got an empty one`)
    return flags
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const isValue = code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE'
    const name = /'(?:-\w, )?--([\w-]+)/.exec(message)?.[1]
    if (isValue && name !== undefined) {
      const isFlag = options[name]?.type === 'boolean'
      throw new UsageError(`option --${name}: ${isFlag ? 'expected no value' : `expected a value, as in --${name}=VALUE, got none`}`)
    }
    // Node goes on to explain; the first sentence says what is wrong
    const what = message.split('. ')[0]!.replaceAll("'", '').toLowerCase()
    throw new UsageError(`${what} (fastify-spillover ${command} --help lists the options)`, isValue ? 1 : 2)
  }
}

/** An integer of at least 0. */
export function toInteger (name: string, text: string | boolean): number {
  if (!/^\d{1,9}$/.test(String(text))) {
    throw new UsageError(`option --${name}: expected an integer of at least 0, got ${JSON.stringify(text)}`)
  }
  return Number(text)
}
