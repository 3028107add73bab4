import type { CommandInfo, Decoded, Driver } from '@biotrakr/firmware-profiles'

import { ReaderAntennas, refusalWords } from './reader-antennas.ts'
import type { Outcome } from './reader-exchange.ts'
import { ReaderFacts } from './reader-facts.ts'
import { ReaderInventory } from './reader-inventory.ts'
import type { PlannedCommand, ReaderPlan } from './reader-plan.ts'
import type { LineSettings } from './reader-port.ts'
import { LineProbe } from './reader-probe.ts'
import type {
  SessionAction,
  SessionEvent,
  SessionFailure,
  SessionPhase,
  SessionStatus,
} from './reader-session-types.ts'
import { StoredSettings } from './reader-stored.ts'
import { ReaderTalk } from './reader-talk.ts'

interface SessionOptions {
  readonly driver: Driver
  readonly plan: ReaderPlan
  /** Rates to try, at least one. */
  readonly bauds: readonly number[]
  /** Least silence taken for a gap within a frame. */
  readonly minGapMs: number
}

/** A reader that may not be started is looked after at this interval. */
const HELD_CHECK_MS = 30_000
const STRAY_STOP_MS = 10_000
/** Time for the whole way out, and for the command that was under way. */
const STOP_MS = 3_000
const CONCLUDE_MS = 1_000
/** More starts than this in a minute are a fault of the supply rather than a hiccup. */
const MAX_RESTARTS = 5
const RESTARTS_MS = 60_000
/** Bytes without a frame that make the rate of a reader doubtful that speaks without being asked. */
const NOISE_BYTES = 256

/**
 * The host's side of one reader: from an open line by way of probing, identification and set-up to a running inventory, and
 * back to a silent radio. It opens nothing and reads no clock: events go in, actions come out, and `wakeAtMs` says when
 * to come back. After `fail` or `stopped` the next `opened` starts from the beginning.
 */
export class ReaderSession {
  readonly #driver: Driver
  readonly #plan: ReaderPlan
  readonly #probe: LineProbe
  readonly #talk: ReaderTalk
  readonly #inventory: ReaderInventory
  readonly #facts = new ReaderFacts()
  readonly #antennas: ReaderAntennas
  readonly #stored: StoredSettings
  #actions: SessionAction[] = []
  #nowMs = 0
  #phase: SessionPhase = 'closed'
  /** When the phase goes on, where it waits for a time. */
  #stepAtMs: number | undefined
  #stopByMs: number | undefined
  #lastFrameMs: number | undefined
  #noiseBytes = 0
  /** Whether the set-up was begun, so that there is something to undo. */
  #isTouched = false
  #hasTriedStop = false
  #isRestart = false
  #restartTimes: number[] = []
  #restarts = 0
  #complaints = 0
  #strayStopMs = 0

  constructor({ driver, plan, bauds, minGapMs }: SessionOptions) {
    this.#driver = driver
    this.#plan = plan
    this.#probe = new LineProbe(bauds, driver.layouts)
    this.#antennas = new ReaderAntennas(plan.antennas)
    this.#talk = new ReaderTalk({
      driver,
      plan,
      antennas: this.#antennas,
      minGapMs,
      probe: this.#probe,
      send: (bytes) => this.#actions.push({ kind: 'send', bytes }),
      frame: (decoded) => this.#frame(decoded),
      unfit: (why) => this.#fail('refused', why),
    })
    const parts = { driver, talk: this.#talk, facts: this.#facts }
    this.#stored = new StoredSettings(parts)
    this.#inventory = new ReaderInventory({ ...parts, plan, antennas: this.#antennas })
  }

  /** How the line is to be opened. */
  get line(): LineSettings {
    const { dataBits, parity, stopBits, flow, dtr, rts } = this.#driver.serial
    const lines = { ...(dtr !== undefined && { dtr }), ...(rts !== undefined && { rts }) }
    return { baud: this.#probe.baud, dataBits, parity, stopBits, flow, ...lines }
  }

  /** Monotonic time at which a `timer` event is due; ask again after every event. */
  get wakeAtMs(): number | undefined {
    if (this.#phase === 'closed') return undefined
    const own = [this.#stepAtMs, this.#stopByMs, this.#silentAtMs(), this.#inventory.wakeAtMs]
    const earliest = Math.min(...[...own, ...this.#talk.wakeTimes].map((time) => time ?? Infinity))
    return Number.isFinite(earliest) ? earliest : undefined
  }

  status(nowMs: number): SessionStatus {
    return {
      phase: this.#phase,
      baud: this.#probe.baud,
      identity: this.#facts.identity,
      measured: this.#facts.measured,
      alarm: this.#facts.alarm(nowMs),
      framer: this.#talk.counters,
      lastFrameMs: this.#lastFrameMs,
      watchesSilence: this.#phase === 'running' && Number.isFinite(this.#inventory.silenceMs),
      noiseBytes: this.#noiseBytes,
      restarts: this.#restarts,
      complaints: this.#complaints,
      withheld: this.#talk.withheld,
      antennaTroubles: this.#antennas.troubles,
      spared: this.#stored.spared,
    }
  }

  /** @returns what to do now, in this order */
  handle(event: SessionEvent): readonly SessionAction[] {
    this.#actions = []
    this.#nowMs = event.monoMs
    if (event.kind === 'opened') this.#opened()
    else if (event.kind === 'stop') this.#stop()
    else if (this.#phase === 'closed') return []
    else if (event.kind === 'bytes') this.#hear(event.bytes)
    else if (event.kind === 'timer') this.#due()
    else this.#leave()
    return this.#actions
  }

  #opened(): void {
    // After a change of rate the probe's turn goes on; with a new opening it starts.
    if (this.#phase === 'closed') {
      this.#probe.begin()
      this.#facts.forget()
      this.#noiseBytes = 0
      this.#isTouched = false
      this.#hasTriedStop = false
      this.#isRestart = false
    }
    this.#talk.renew()
    this.#lastFrameMs = undefined
    this.#enter('opening', this.#driver.serial.openDelayMs)
  }

  #enter(phase: SessionPhase, delayMs?: number): void {
    this.#phase = phase
    this.#stepAtMs = delayMs === undefined ? undefined : this.#nowMs + delayMs
    this.#inventory.end()
    this.#talk.drop()
  }

  #leave(): void {
    this.#enter('closed')
    this.#stopByMs = undefined
  }

  #fail(failure: SessionFailure, why: string): void {
    if (this.#phase === 'closed' || this.#phase === 'stopping') return
    const isTouched = this.#isTouched
    this.#leave()
    // Whatever the reader does by now, nobody will listen: it must not transmit meanwhile.
    const stops = isTouched ? this.#plan.stop.filter((command) => !this.#stored.isConfirmed(command)) : []
    for (const command of stops) this.#talk.send(command)
    this.#actions.push({ kind: 'fail', failure, why })
  }

  #due(): void {
    this.#talk.due(this.#nowMs)
    if (this.#phase === 'running') this.#inventory.due(this.#nowMs)
    if (this.#stopByMs !== undefined && this.#nowMs >= this.#stopByMs) this.#finishStop()
    else if (this.#nowMs >= this.#silentAtMs()) this.#fail('silent', this.#silenceWords())
    else if (this.#stepAtMs !== undefined && this.#nowMs >= this.#stepAtMs) this.#step()
  }

  /** What the phase does when its time has come. */
  #step(): void {
    this.#stepAtMs = undefined
    if (this.#phase === 'opening') this.#begin()
    else if (this.#phase === 'held') this.#checkHeld()
  }

  #begin(): void {
    const [first, ...others] = this.#plan.identify
    if (first === undefined) {
      this.#setUp()
      return
    }
    this.#enter('probing')
    // Many candidates: a reader that is there answers the second time at the latest.
    const command = this.#probe.candidates > 1 ? { ...first, retries: Math.min(1, first.retries) } : first
    this.#talk.ask(command, this.#nowMs, (outcome) => {
      if (outcome.kind === 'silent') {
        this.#unanswered(command)
        return
      }
      if (outcome.reply) this.#facts.identify(outcome.reply.fields)
      this.#talk.run(others, this.#nowMs, {
        done: () => this.#setUp(),
        heard: (fields) => this.#facts.identify(fields),
      })
    })
  }

  #unanswered(command: CommandInfo): void {
    if (this.#lastFrameMs === undefined) {
      this.#tryNext()
    } else if (this.#plan.stop.length > 0 && !this.#hasTriedStop) {
      // It speaks, but does not listen: it was left running.
      this.#hasTriedStop = true
      this.#talk.run(this.#plan.stop, this.#nowMs, { done: () => this.#begin() })
    } else {
      this.#fail('silent', `the reader speaks but does not answer ${command.name}`)
    }
  }

  #tryNext(): void {
    const next = this.#probe.next()
    if (next === 'layout') {
      this.#begin()
    } else if (next === 'baud') {
      this.#enter('opening')
      this.#actions.push({ kind: 'baud', baud: this.#probe.baud })
    } else if (this.#noiseBytes > 0) {
      this.#fail('noise', this.#noiseWords())
    } else {
      this.#fail('silent', 'nothing comes from the reader')
    }
  }

  #setUp(): void {
    this.#actions.push({ kind: 'identified', identity: this.#facts.identity })
    const { mayTransmit, open, start, onBoot } = this.#plan
    if (!mayTransmit) {
      this.#actions.push({ kind: 'held' })
      this.#enter('held', HELD_CHECK_MS)
      return
    }
    this.#enter('setup')
    this.#isTouched = true
    this.#antennas.begin()
    this.#stored.begin()
    this.#talk.run(this.#isRestart ? onBoot : [...open, ...start], this.#nowMs, {
      stored: this.#stored,
      done: () => this.#runInventory(),
      refused: (command, outcome) => this.#refused(command, outcome),
    })
  }

  #runInventory(): void {
    this.#enter('running')
    this.#lastFrameMs ??= this.#nowMs
    this.#actions.push({ kind: 'running' })
    this.#inventory.begin(this.#nowMs)
  }

  #checkHeld(): void {
    this.#stepAtMs = this.#nowMs + HELD_CHECK_MS
    const [first] = this.#plan.identify
    if (first === undefined || this.#talk.isBusy) return
    this.#talk.ask(first, this.#nowMs, ({ kind }) => {
      if (kind === 'silent') this.#fail('silent', `no answer to ${first.name}`)
    })
  }

  /** @returns true when the set-up can go on without the antenna that the command was for */
  #refused({ name, antenna }: PlannedCommand, outcome: Exclude<Outcome, { kind: 'ok' }>): boolean {
    if (outcome.kind === 'silent') {
      this.#fail('silent', `no answer to ${name}`)
      return false
    }
    const reason = refusalWords(outcome)
    if (antenna !== undefined && this.#plan.canLeaveOutAntennas && this.#antennas.exclude(antenna, outcome)) {
      this.#actions.push({ kind: 'notice', text: `antenna ${antenna} is not used: it refused ${name}: ${reason}` })
      return true
    }
    const { error } = outcome.reply
    const action = error?.action === undefined ? '' : `. ${error.action}`
    this.#fail('refused', `the reader refused ${name}: ${reason}${action}`)
    return false
  }

  #hear(bytes: Uint8Array): void {
    this.#noiseBytes += bytes.length
    this.#talk.hear(bytes, this.#nowMs)
    // A reader that is asked nothing cannot be probed: its rate is doubted when only noise comes.
    const isDoubtful = this.#phase === 'running' && this.#plan.identify.length === 0 && this.#noiseBytes >= NOISE_BYTES
    if (!isDoubtful || this.#probe.candidates < 2) return
    this.#probe.next()
    this.#fail('noise', this.#noiseWords())
  }

  #noiseWords(): string {
    return `${this.#noiseBytes} bytes came, but none of them make a frame: perhaps it speaks at another rate`
  }

  #frame(decoded: Decoded): void {
    if (this.#phase === 'closed') return
    if (decoded.verdict === 'garbage') return
    this.#lastFrameMs = this.#nowMs
    this.#noiseBytes = 0
    if (this.#phase === 'opening' || this.#phase === 'probing') this.#probe.learn(decoded.layout)
    if (decoded.tags.length > 0) this.#tags(decoded)
    if (decoded.verdict === 'status') this.#facts.measure(decoded.fields)
    const isBoot = decoded.verdict === 'boot' && this.#talk.command?.effect !== 'boot'
    // One that does not announce its start may tell how long it has been on.
    const isYounger = decoded.verdict === 'reply' && this.#facts.isYounger(decoded.fields, this.#nowMs)
    if (isBoot || (isYounger && this.#phase === 'running')) this.#restarted()
    else this.#answer(decoded)
  }

  #answer(decoded: Decoded): void {
    const wasRunning = this.#phase === 'running'
    const isOptional = this.#talk.command?.optional === true
    const isReply = this.#talk.reply(decoded)
    // A reader may lack what it is asked for by way of trial.
    const isNews = isReply ? wasRunning && !isOptional : true
    if (decoded.error && isNews) this.#complaint(decoded.error)
    if (!isReply && this.#phase === 'running') this.#inventory.frame(decoded, this.#nowMs)
  }

  #tags({ tags }: Decoded): void {
    if (this.#plan.mayTransmit) {
      this.#actions.push({ kind: 'tags', tags })
      return
    }
    if (this.#phase !== 'held' || this.#talk.isBusy || this.#nowMs < this.#strayStopMs) return
    this.#strayStopMs = this.#nowMs + STRAY_STOP_MS
    this.#actions.push({ kind: 'notice', text: 'the reader transmits by itself although no region is set' })
    this.#talk.run(this.#plan.stop, this.#nowMs, { done: () => undefined })
  }

  #complaint(error: NonNullable<Decoded['error']>): void {
    if (error.severity === 'info') return
    this.#complaints += 1
    const alarm = this.#facts.complain(error, this.#nowMs)
    if (alarm) this.#actions.push({ kind: 'alarm', alarm })
    if (error.severity === 'fatal' && this.#phase === 'running') {
      this.#fail('fault', error.text ?? `error ${error.code}`)
    }
  }

  /** The reader started anew and has forgotten everything: the whole set-up again. */
  #restarted(): void {
    if (this.#phase !== 'running' && this.#phase !== 'setup' && this.#phase !== 'held') return
    this.#restarts += 1
    this.#restartTimes = [...this.#restartTimes.filter((time) => time > this.#nowMs - RESTARTS_MS), this.#nowMs]
    if (this.#restartTimes.length > MAX_RESTARTS) {
      this.#fail('restarts', 'the reader keeps starting anew: check its power supply and cable')
      return
    }
    this.#actions.push({ kind: 'notice', text: 'the reader started anew by itself' })
    this.#isRestart = true
    this.#probe.begin()
    this.#enter('opening', this.#driver.serial.openDelayMs)
  }

  #stop(): void {
    if (this.#phase === 'stopping') return
    this.#talk.nowMs = this.#nowMs
    if (this.#phase === 'closed' || !this.#isTouched) {
      this.#finishStop()
      return
    }
    this.#phase = 'stopping'
    this.#stepAtMs = undefined
    this.#inventory.end()
    this.#stopByMs = this.#nowMs + STOP_MS
    this.#talk.conclude(this.#nowMs + CONCLUDE_MS, () =>
      this.#talk.run(this.#plan.close, this.#talk.nowMs, { stored: this.#stored, done: () => this.#finishStop() }),
    )
  }

  #finishStop(): void {
    this.#actions.push({ kind: 'stopped' })
    this.#leave()
  }

  #silentAtMs(): number {
    if (this.#phase !== 'running' || this.#lastFrameMs === undefined) return Infinity
    return this.#lastFrameMs + this.#inventory.silenceMs
  }

  #silenceWords(): string {
    const seconds = Math.round(this.#inventory.silenceMs / 1_000)
    return this.#noiseBytes > 0
      ? `${this.#noiseBytes} bytes came in the last ${seconds} s, but none of them make a frame`
      : `nothing came from the reader for ${seconds} s`
  }
}
