import type { Decoded, Fields } from '@biotrakr/firmware-profiles'

/** What a reader says of itself. */
export interface ReaderIdentity {
  readonly vendor?: string
  readonly model?: string
  readonly hardware?: string
  readonly firmware?: string
  readonly serialNo?: string
}

/** The last thing a reader complained of. */
export interface ReaderAlarm {
  readonly code: string
  readonly text: string
  readonly severity: 'warning' | 'error' | 'fatal'
  /** What a person can do. */
  readonly action?: string
  /** Times in a row. */
  readonly count: number
  /** Monotonic time of the last. */
  readonly atMs: number
}

/** Names that profiles give such fields, the best first. */
const IDENTITY: Readonly<Record<keyof ReaderIdentity, readonly string[]>> = {
  vendor: ['vendor', 'maker'],
  model: ['model', 'type', 'ic'],
  hardware: ['hardware', 'hw'],
  firmware: ['firmware', 'fwVersion', 'fw', 'version'],
  serialNo: ['serialNo', 'serial'],
}
const MEASURED = /^(?:temperature|returnLoss|vswr|voltage|current)/
/** Names that measured values may have; more would be a profile gone wrong. */
const MAX_MEASURED = 16
const MAX_TEXT = 80
/** Whole seconds, and answers that come late. */
const UPTIME_SLACK_MS = 2_500
/** After this long without a repeat a complaint is over. */
const ALARM_MS = 60_000

/** Gathers what a reader tells of itself beside tags. */
export class ReaderFacts {
  #identity: { -readonly [name in keyof ReaderIdentity]: string } = {}
  readonly #measured = new Map<string, number>()
  #alarm: ReaderAlarm | undefined
  #bootedMs = -Infinity
  #bootMark: unknown

  get identity(): ReaderIdentity {
    return this.#identity
  }

  /** Newest values by the profile's own names, which carry the unit: `temperatureC`. */
  get measured(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#measured)
  }

  alarm(nowMs: number): ReaderAlarm | undefined {
    return this.#alarm !== undefined && nowMs - this.#alarm.atMs < ALARM_MS ? this.#alarm : undefined
  }

  /** Another device may be at the line now. */
  forget(): void {
    this.#identity = {}
    this.#measured.clear()
    this.#alarm = undefined
    this.#bootedMs = -Infinity
    this.#bootMark = undefined
  }

  identify(fields: Fields): void {
    // Some readers name in one field what another field then says.
    const { kind, text } = fields
    const named: Fields = typeof kind === 'string' && text !== undefined ? { ...fields, [kind]: text } : fields
    const { major, minor } = fields
    const said: Fields = major === undefined || minor === undefined ? named : { version: `${major}.${minor}`, ...named }
    for (const [name, aliases] of Object.entries(IDENTITY) as [keyof ReaderIdentity, readonly string[]][]) {
      const value = aliases
        .map((alias) => said[alias])
        .find((one) => typeof one === 'string' || typeof one === 'number')
      if (value !== undefined) this.#identity[name] = plain(String(value))
    }
  }

  /**
   * Whether the reader has started since it last spoke, by how long it says it has been on, or by a setting that it loses
   * with the power and that is no longer what it was (`bootMark`).
   */
  isYounger(fields: Fields, nowMs: number): boolean {
    return this.#hasLostMark(fields) || this.#startedLater(fields, nowMs)
  }

  #hasLostMark({ bootMark }: Fields): boolean {
    if (bootMark === undefined) return false
    const isLost = this.#bootMark !== undefined && this.#bootMark !== bootMark
    // After the set-up that follows it is as before.
    this.#bootMark = isLost ? undefined : bootMark
    return isLost
  }

  #startedLater({ upSeconds }: Fields, nowMs: number): boolean {
    if (typeof upSeconds !== 'number') return false
    const before = this.#bootedMs
    this.#bootedMs = nowMs - upSeconds * 1_000
    return this.#bootedMs - before > UPTIME_SLACK_MS && before > -Infinity
  }

  measure(fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value !== 'number' || !MEASURED.test(name)) continue
      if (this.#measured.has(name) || this.#measured.size < MAX_MEASURED) this.#measured.set(name, value)
    }
  }

  /** @returns the complaint when it is a new one; nothing for mere information, such as a round without tags */
  complain({ code, severity = 'warning', text, action }: NonNullable<Decoded['error']>, nowMs: number) {
    if (severity === 'info') return undefined
    const before = this.alarm(nowMs)
    const isNew = before?.code !== code
    const count = isNew ? 1 : before.count + 1
    const words = text ?? `error ${code}`
    this.#alarm = { code, text: words, severity, ...(action !== undefined && { action }), count, atMs: nowMs }
    return isNew ? this.#alarm : undefined
  }
}

/** A reader's text without padding, and without what would upset a terminal. */
function plain(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, MAX_TEXT)
}
