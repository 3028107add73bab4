import type { CommandInfo, Decoded, Driver, Fields, Framer, FramerCounters } from '@biotrakr/firmware-profiles'
import { explainError } from '@biotrakr/shared'

import { Exchange, type Outcome } from './reader-exchange.ts'
import type { PlannedCommand, ReaderPlan } from './reader-plan.ts'
import type { LineProbe } from './reader-probe.ts'

interface TalkOptions {
  readonly driver: Driver
  readonly plan: ReaderPlan
  readonly probe: LineProbe
  readonly antennas: { readonly inUse: readonly number[] }
  /**
   * Least silence taken for a gap within a frame: what stands between the reader and this process (a USB adapter's
   * latency timer, a network) holds bytes back for longer than most profiles' gap.
   */
  readonly minGapMs: number
  /** Puts bytes on the line. */
  send(bytes: Uint8Array): void
  frame(decoded: Decoded): void
  /** A command of the plan that cannot be written. */
  unfit(why: string): void
}

export interface Run {
  done(): void
  /** Fields of each reply that means success. */
  heard?(fields: Fields): void
  /**
   * Called when the reader does not carry out a command that is not optional; goes on with the next only when this
   * returns true.
   */
  refused?(command: PlannedCommand, outcome: Exclude<Outcome, { kind: 'ok' }>): boolean
  /** Whether a command is to be sent at all, and who is told when it was carried out. */
  readonly stored?: {
    check(command: PlannedCommand, then: (isNeeded: boolean) => void): void
    written(command: PlannedCommand): void
  }
}

/** What goes over the line in both directions: frames in, commands out, and nothing out that needs a region not given. */
export class ReaderTalk {
  withheld = 0
  /** Monotonic time of what is being handled. */
  nowMs = 0
  readonly gapMs: number
  readonly #options: TalkOptions
  readonly #exchange: Exchange
  readonly #harmless: ReadonlySet<string>
  #framer: Framer
  /** Time as the framer sees it: stands still over gaps that are none. */
  #framerMs = 0
  #bytesMs = 0
  #earlier: FramerCounters = { frames: 0, bytesDropped: 0, badChecksum: 0, resyncs: 0 }

  constructor(options: TalkOptions) {
    const { driver, plan, minGapMs } = options
    this.#options = options
    this.gapMs = Math.max(minGapMs, driver.serial.gapMs)
    this.#harmless = new Set([...plan.identify, ...plan.stop].map(({ name }) => name))
    this.#framer = driver.createFramer((decoded) => options.frame(decoded))
    this.#exchange = new Exchange({
      send: (command) => this.send(command),
      matches: (command, decoded) => driver.matches(command, decoded),
      turnaroundMs: driver.serial.turnaroundMs,
    })
  }

  get isBusy(): boolean {
    return this.#exchange.isBusy
  }

  /** The command under way. */
  get command(): CommandInfo | undefined {
    return this.#exchange.command
  }

  /** Over all openings of the line. */
  get counters(): FramerCounters {
    const { frames, bytesDropped, badChecksum, resyncs } = this.#framer.counters
    const earlier = this.#earlier
    return {
      frames: earlier.frames + frames,
      bytesDropped: earlier.bytesDropped + bytesDropped,
      badChecksum: earlier.badChecksum + badChecksum,
      resyncs: earlier.resyncs + resyncs,
    }
  }

  /** Times at which `due` has something to do. */
  get wakeTimes(): readonly (number | undefined)[] {
    return [this.#framer.pending ? this.#bytesMs + this.gapMs : undefined, this.#exchange.wakeAtMs]
  }

  /** The line is opened anew: nothing of before belongs to what comes. */
  renew(): void {
    this.#earlier = this.counters
    this.#framer = this.#options.driver.createFramer((decoded) => this.#options.frame(decoded))
    this.#exchange.drop()
  }

  hear(bytes: Uint8Array, nowMs: number): void {
    this.nowMs = nowMs
    const silenceMs = nowMs - this.#bytesMs
    if (silenceMs > this.gapMs) this.#framerMs += silenceMs
    this.#bytesMs = nowMs
    this.#framer.push(bytes, this.#framerMs)
  }

  due(nowMs: number): void {
    this.nowMs = nowMs
    if (this.#framer.pending && nowMs >= this.#bytesMs + this.gapMs) this.#framer.flush()
    this.#exchange.due(nowMs)
  }

  /** @returns true when the frame is the reply to the command under way */
  reply(decoded: Decoded): boolean {
    return this.#exchange.frame(decoded, this.nowMs)
  }

  /** A sign that the reader is at work on the command under way. */
  extend(): void {
    this.#exchange.extend(this.nowMs)
  }

  drop(): void {
    this.#exchange.drop()
  }

  /** Lets the command under way end by this time, and then goes on with `next`. */
  conclude(untilMs: number, next: () => void): void {
    this.#exchange.conclude(untilMs, next)
  }

  ask(command: CommandInfo, nowMs: number, done: (outcome: Outcome) => void): void {
    this.nowMs = nowMs
    this.#exchange.ask(command, nowMs, done)
  }

  /** Asks one after the other. */
  run(commands: readonly PlannedCommand[], nowMs: number, run: Run): void {
    this.nowMs = nowMs
    const [command, ...rest] = commands
    if (command === undefined) {
      run.done()
      return
    }
    const goOn = (isNeeded: boolean) => {
      if (isNeeded) this.#step(command, run, () => this.run(rest, this.nowMs, run))
      else this.run(rest, this.nowMs, run)
    }
    if (run.stored) run.stored.check(command, goOn)
    else goOn(true)
  }

  #step(command: PlannedCommand, run: Run, next: () => void): void {
    this.ask(command, this.nowMs, (outcome) => {
      if (outcome.kind === 'ok') {
        run.stored?.written(command)
        if (outcome.reply) run.heard?.(outcome.reply.fields)
      } else if (run.refused && !command.optional && !run.refused(command, outcome)) {
        return
      }
      next()
    })
  }

  /** The one place from which anything is sent. */
  send(command: PlannedCommand): void {
    const { plan } = this.#options
    if (!plan.mayTransmit && (command.radiates || !this.#harmless.has(command.name))) {
      this.withheld += 1
      return
    }
    const bytes = this.encode(command)
    if (bytes) this.#options.send(bytes)
  }

  /** The command as it is sent; undefined, and told, when it cannot be written. */
  encode(command: PlannedCommand): Uint8Array | undefined {
    const { driver, plan, probe, antennas } = this.#options
    const { antenna } = command
    const inTurn = antenna === undefined ? {} : { antenna }
    try {
      const values = { ...plan.params, antennas: antennas.inUse, baud: probe.baud, ...inTurn }
      return driver.encode(command.name, values, { layout: probe.layout })
    } catch (error) {
      this.#options.unfit(explainError(error))
      return undefined
    }
  }
}
