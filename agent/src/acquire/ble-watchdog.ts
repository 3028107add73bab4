/**
 * What to do about an adapter, now:
 * `open` it; `giveUp` an opening that got no answer; `restartScan`; `reopen` it with a new instance of the library;
 * `powerCycle` it.
 */
export type WatchdogAction = 'open' | 'giveUp' | 'restartScan' | 'reopen' | 'powerCycle'

export interface WatchdogStatus {
  readonly phase: 'closed' | 'opening' | 'listening'
  /** Adverts a second on average while it heard any; 0 before the first. */
  readonly ratePerSecond: number
  /** Since the last report, or since it began to listen; 0 while it was never open. */
  readonly silentMs: number
  /**
   * `ok`: it hears, or has not been silent for long. `quiet`: silent, which may be right on an empty floor.
   * `deaf`: silent although a reference beacon or the usual traffic should be heard.
   */
  readonly verdict: 'ok' | 'quiet' | 'deaf'
  /** A person should look: deaf for three times the patience, or not to be opened for 30 s. */
  readonly alarm: boolean
  /** `missing`: other adverts are heard, but the beacon installed for reference is not. */
  readonly reference: 'none' | 'heard' | 'missing'
  readonly attempts: Readonly<Record<Exclude<WatchdogAction, 'open'>, number>>
}

interface WatchdogOptions {
  /** A beacon stands by this adapter whose adverts are always to be heard, at least one in 2 s. */
  readonly hasReference: boolean
}

/** Silence that is suspect on a busy floor. */
const PATIENCE_MS = 10_000
/** Of an adapter that has not heard anything yet, with no beacon for reference. */
const UNKNOWN_PATIENCE_MS = 100_000
const LONGEST_PATIENCE_MS = 300_000
/** Adverts that should have come before silence on a calm floor is suspect: 1 in 22,000 by chance (e^-10). */
const MISSED_ADVERTS = 10
const BUSY_PER_SECOND = 1
/** Second and third rung of the ladder, in patiences: 10, 30 and 60 s on a busy floor. */
const REOPEN_AFTER = 3
const POWER_CYCLE_AFTER = 6
const RATE_WINDOW_MS = 10_000
const RATE_WEIGHT = 0.2
const ANSWER_MS = 5_000
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 300_000
const UNAVAILABLE_ALARM_MS = 30_000
const REFERENCE_MISSING_MS = 30_000

/** After a power cycle that did not help: 1, 2, 4 minutes, then every 5. */
const FIRST_CYCLE_MS = 60_000

/**
 * Judges one adapter by the reports it delivers, not by the state it claims: a controller that restarted says
 * `poweredOn` and hears nothing. A machine of numbers: time comes in, an action comes out, and the caller acts.
 */
export class Watchdog {
  readonly #hasReference: boolean
  readonly #attempts = { giveUp: 0, restartScan: 0, reopen: 0, powerCycle: 0 }
  #phase: WatchdogStatus['phase'] = 'closed'
  /** When the phase began. */
  #phaseMs = 0
  #retryMs = 0
  #failures = 0
  /** Since when it has not been listening, to sound the alarm. */
  #unavailableMs: number | undefined
  #silentSinceMs: number | undefined
  #referenceMs: number | undefined
  #rung = 0
  #nextCycleMs = 0
  #rate = 0
  #windowMs = 0
  #windowReports = 0

  constructor({ hasReference }: WatchdogOptions) {
    this.#hasReference = hasReference
  }

  /** Opening begins. */
  opening(nowMs: number): void {
    this.#enter('opening', nowMs)
    this.#unavailableMs ??= nowMs
  }

  /** The controller has confirmed that it scans. */
  listening(nowMs: number): void {
    this.#enter('listening', nowMs)
    this.#silentSinceMs ??= nowMs
    this.#referenceMs ??= nowMs
    this.#unavailableMs = undefined
    this.#startWindow(nowMs)
  }

  /** A report came. The back-off of failed openings ends here too: a scan that is confirmed is not yet one that hears. */
  heard(nowMs: number, isReference: boolean): void {
    this.#silentSinceMs = nowMs
    if (isReference) this.#referenceMs = nowMs
    this.#windowReports += 1
    this.#rung = 0
    this.#failures = 0
  }

  /**
   * It could not be opened, or is gone, or refused the scan.
   * @param longestMs bound of the back-off, short where looking again costs nothing
   */
  failed(nowMs: number, { longestMs = LONGEST_RETRY_MS }: { readonly longestMs?: number } = {}): void {
    this.#enter('closed', nowMs)
    this.#unavailableMs ??= nowMs
    this.#retryMs = nowMs + Math.min(longestMs, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 20))
    this.#failures += 1
    // Silence counts only while it could hear; a new opening starts with the first rung.
    this.#silentSinceMs = undefined
    this.#referenceMs = undefined
    this.#rung = 0
  }

  /** It was closed on purpose and is to be opened after `delayMs`. */
  pause(nowMs: number, delayMs: number): void {
    this.#enter('closed', nowMs)
    this.#unavailableMs ??= nowMs
    this.#retryMs = nowMs + delayMs
  }

  /** Asked about once a second. Each answer is to be acted on; a ladder's step is given once. */
  due(nowMs: number): WatchdogAction | undefined {
    if (this.#phase === 'closed') return nowMs >= this.#retryMs ? 'open' : undefined
    if (this.#phase === 'opening') return nowMs - this.#phaseMs >= ANSWER_MS ? this.#count('giveUp') : undefined
    this.#learn(nowMs)
    return this.#ladder(nowMs)
  }

  status(nowMs: number): WatchdogStatus {
    const silentMs = this.#silentMs(nowMs)
    const verdict = this.#verdict(silentMs)
    const unavailable = this.#unavailableMs !== undefined && nowMs - this.#unavailableMs >= UNAVAILABLE_ALARM_MS
    return {
      phase: this.#phase,
      ratePerSecond: this.#rate,
      silentMs,
      verdict,
      alarm: unavailable || (verdict === 'deaf' && silentMs >= REOPEN_AFTER * this.#patienceMs()),
      reference: this.#reference(nowMs, verdict),
      attempts: this.#attempts,
    }
  }

  #ladder(nowMs: number): WatchdogAction | undefined {
    const silentMs = this.#silentMs(nowMs)
    const patienceMs = this.#patienceMs()
    if (this.#rung === 0 && silentMs >= patienceMs) return this.#climb('restartScan')
    if (this.#rung === 1 && silentMs >= REOPEN_AFTER * patienceMs) return this.#climb('reopen')
    if (this.#rung < 2 || silentMs < POWER_CYCLE_AFTER * patienceMs) return undefined
    if (this.#rung > 2 && nowMs < this.#nextCycleMs) return undefined
    this.#nextCycleMs = nowMs + Math.min(LONGEST_RETRY_MS, FIRST_CYCLE_MS * 2 ** Math.min(this.#rung - 2, 10))
    return this.#climb('powerCycle')
  }

  #climb(action: Exclude<WatchdogAction, 'open'>): WatchdogAction {
    this.#rung += 1
    return this.#count(action)
  }

  #count(action: Exclude<WatchdogAction, 'open'>): WatchdogAction {
    this.#attempts[action] += 1
    return action
  }

  #enter(phase: WatchdogStatus['phase'], nowMs: number): void {
    this.#phase = phase
    this.#phaseMs = nowMs
  }

  #startWindow(nowMs: number): void {
    this.#windowMs = nowMs
    this.#windowReports = 0
  }

  /** Windows without a report teach nothing: deafness must not be learned as the floor's habit. */
  #learn(nowMs: number): void {
    const spanMs = nowMs - this.#windowMs
    if (spanMs < RATE_WINDOW_MS) return
    if (this.#windowReports > 0) {
      const rate = (this.#windowReports * 1_000) / spanMs
      this.#rate = this.#rate === 0 ? rate : this.#rate + RATE_WEIGHT * (rate - this.#rate)
    }
    this.#startWindow(nowMs)
  }

  #patienceMs(): number {
    if (this.#isWatched()) return PATIENCE_MS
    if (this.#rate === 0) return UNKNOWN_PATIENCE_MS
    return Math.min(LONGEST_PATIENCE_MS, Math.max(PATIENCE_MS, (MISSED_ADVERTS * 1_000) / this.#rate))
  }

  /** Silence is a fault here, and not perhaps an empty floor. */
  #isWatched(): boolean {
    return this.#hasReference || this.#rate > BUSY_PER_SECOND
  }

  #silentMs(nowMs: number): number {
    return this.#silentSinceMs === undefined ? 0 : Math.max(0, nowMs - this.#silentSinceMs)
  }

  #verdict(silentMs: number): WatchdogStatus['verdict'] {
    if (silentMs < this.#patienceMs()) return 'ok'
    return this.#isWatched() ? 'deaf' : 'quiet'
  }

  #reference(nowMs: number, verdict: WatchdogStatus['verdict']): WatchdogStatus['reference'] {
    if (!this.#hasReference) return 'none'
    const missing = this.#referenceMs !== undefined && nowMs - this.#referenceMs >= REFERENCE_MISSING_MS
    return missing && verdict === 'ok' ? 'missing' : 'heard'
  }
}
