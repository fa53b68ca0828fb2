// Jobs whose runs end their actors again and again are refused by name for a while; pure.
import { counted, errors } from './errors.js'

export interface QuarantineOptions {
  /** 0: none is refused */
  readonly quarantineDeaths: number
  readonly quarantineMs: number
  readonly withinMs: number
}

/** What is known of a job name; `refusedUntilMs` is written here and read for each call. */
export interface Suspect {
  readonly name: string
  refusedUntilMs: number
}

/** A job name that is refused, as the snapshot shows it. */
export interface QuarantineView {
  readonly job: string
  /** actors that its runs ended within the window */
  readonly deaths: number
  /** how the last of them ended */
  readonly reason: string
  /** time that is left */
  readonly forMs: number
}

interface Record { readonly suspect: Suspect, atMs: readonly number[], reason: string }

/** The deaths of actors by the job that ran alone on them. */
export class Quarantine {
  readonly #options: QuarantineOptions
  readonly #records = new Map<Suspect, Record>()

  constructor (options: QuarantineOptions) {
    this.#options = options
  }

  /** An actor ended now because of this job. True: the job is refused from now on. */
  note (suspect: Suspect, reason: string, nowMs: number): boolean {
    const { quarantineDeaths, quarantineMs, withinMs } = this.#options
    const before = this.#records.get(suspect)?.atMs ?? []
    const atMs = [...before.filter((atMs) => nowMs - atMs < withinMs), nowMs]
    this.#records.set(suspect, { suspect, atMs, reason })
    if (quarantineDeaths === 0 || atMs.length < quarantineDeaths) return false
    suspect.refusedUntilMs = nowMs + quarantineMs
    return true
  }

  /** Why a job is refused now. */
  error (suspect: Suspect, nowMs: number): Error {
    const { atMs, reason } = this.#records.get(suspect)!
    const deaths = counted(atMs.length, 'actor')
    const retryAfterS = Math.max(1, Math.ceil((suspect.refusedUntilMs - nowMs) / 1000))
    return Object.assign(new errors.QUARANTINED(suspect.name, retryAfterS, deaths, reason), { retryAfterS })
  }

  view (nowMs: number): QuarantineView[] {
    return [...this.#records.values()].filter(({ suspect }) => suspect.refusedUntilMs > nowMs)
      .map(({ suspect: { name, refusedUntilMs }, atMs, reason }) =>
        ({ job: name, deaths: atMs.length, reason, forMs: Math.ceil(refusedUntilMs - nowMs) }))
  }
}
