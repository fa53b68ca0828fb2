// Secrets that are not to stand in the arguments, which every user of the machine can read.
import { readFileSync } from 'node:fs'
import { UsageError } from './flags.js'

/** The environment variable, or what the file holds that NAME_FILE names, as secrets of containers are mounted. */
export function readSecret (name: string): string | undefined {
  const file = process.env[`${name}_FILE`]
  if (file === undefined || process.env[name] !== undefined) return process.env[name]
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`${name}_FILE: ${(error as Error).message}`)
  }
}
