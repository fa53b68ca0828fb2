// Owns what the example reads from its environment: each variable checked once, with a text that says what is wrong.

export const RUNTIMES = ['spillover', 'piscina', 'inline'] as const
export type Runtime = typeof RUNTIMES[number]

/** One tier of an explicit plan, as the plugin's option `tiers` takes it. */
export interface TierSetting {
  /** Logical cpus, one actor each. */
  readonly cpus?: number[]
  /** In place of `cpus`: a number of actors that are tied to no cpu. */
  readonly actors?: number
  /** The tier is open while more actors than this are active. */
  readonly threshold?: number
}

export interface Settings {
  /** `@default 3000`; 0 takes a free port. */
  readonly port: number
  /** `@default '127.0.0.1'` */
  readonly host: string
  /** `@default 'info'` */
  readonly logLevel: string
  /** `@default 'spillover'`; the other two are there to be compared with it. */
  readonly runtime: Runtime
  /** `@default undefined`: the plan is read from the machine. */
  readonly tiers: TierSetting[] | undefined
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** A variable with a wrong value; the text names the variable, what was expected and what was got. */
export class SettingError extends Error {}

/**
 * Reads PORT, HOST, LOG_LEVEL, RUNTIME and SPILLOVER_TIERS.
 * @throws {SettingError}
 */
export const readSettings = (env: Readonly<Record<string, string | undefined>>): Settings => ({
  port: readWhole('PORT', env['PORT'] || '3000', 65_535),
  host: env['HOST'] || '127.0.0.1',
  logLevel: readOneOf('LOG_LEVEL', env['LOG_LEVEL'] || 'info', LOG_LEVELS),
  runtime: readOneOf('RUNTIME', env['RUNTIME'] || 'spillover', RUNTIMES),
  tiers: env['SPILLOVER_TIERS'] ? readTiers(env['SPILLOVER_TIERS']) : undefined
})

/** @throws {SettingError} */
export const readWhole = (name: string, text: string, maximum: number): number => {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= maximum) return value
  throw new SettingError(`${name}: expected a whole number from 0 to ${maximum}, got "${text}"`)
}

const readOneOf = <Value extends string>(name: string, text: string, values: readonly Value[]): Value => {
  const value = values.find((candidate) => candidate === text)
  if (value !== undefined) return value
  throw new SettingError(`${name}: expected one of ${values.join(', ')}, got "${text}"`)
}

const readTiers = (text: string): TierSetting[] => {
  const example = 'such as [{"actors":1,"threshold":0},{"actors":1,"threshold":0}]'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new SettingError(`SPILLOVER_TIERS: expected JSON ${example}: ${(error as Error).message}`)
  }
  if (!Array.isArray(value) || value.length < 1 || value.length > 3) {
    throw new SettingError(`SPILLOVER_TIERS: expected a list of 1 to 3 tiers ${example}, got ${text}`)
  }
  return value.map((tier: unknown, index) => {
    const wrong = faultOf(tier)
    if (wrong === undefined) return tier as TierSetting
    throw new SettingError(`SPILLOVER_TIERS: tier ${index + 1}: ${wrong}, got ${JSON.stringify(tier)}`)
  })
}

const isWhole = (value: unknown, minimum: number) => Number.isSafeInteger(value) && (value as number) >= minimum

const faultOf = (tier: unknown): string | undefined => {
  if (typeof tier !== 'object' || tier === null || Array.isArray(tier)) return 'expected an object'
  const { actors, cpus, threshold, ...unknown } = tier as Record<string, unknown>
  const [extra] = Object.keys(unknown)
  if (extra !== undefined) return `expected only "actors", "cpus" and "threshold", not "${extra}"`
  if ((actors === undefined) === (cpus === undefined)) return 'expected either "actors" or "cpus"'
  if (actors !== undefined && !isWhole(actors, 1)) return 'expected "actors" to be a whole number from 1'
  if (threshold !== undefined && !isWhole(threshold, 0)) return 'expected "threshold" to be a whole number from 0'
  if (cpus !== undefined && !(Array.isArray(cpus) && cpus.length > 0 && cpus.every((cpu) => isWhole(cpu, 0)))) {
    return 'expected "cpus" to be a list of whole numbers from 0'
  }
  return undefined
}
