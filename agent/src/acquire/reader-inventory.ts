import type { Decoded, Driver, Fields } from '@biotrakr/firmware-profiles'

import type { ReaderAntennas } from './reader-antennas.ts'
import type { ReaderFacts } from './reader-facts.ts'
import type { ReaderPlan } from './reader-plan.ts'
import type { ReaderTalk } from './reader-talk.ts'

interface InventoryOptions {
  readonly driver: Driver
  readonly plan: ReaderPlan
  readonly talk: ReaderTalk
  readonly facts: ReaderFacts
  readonly antennas: ReaderAntennas
}

const SILENT_INTERVALS = 3

/** Keeps a started inventory going: rounds or polls where the protocol wants them, questions after the reader's health. */
export class ReaderInventory {
  /** How long a running reader may say nothing, ms; Infinity where silence says nothing. */
  readonly silenceMs: number
  readonly #options: InventoryOptions
  readonly #pauseMs: number
  readonly #roundMs: number
  readonly #healthEveryMs: number
  #roundAtMs: number | undefined
  #healthAtMs: number | undefined
  /** Within a round whose end no reply to the command announces. */
  #isInRound = false

  constructor(options: InventoryOptions) {
    const { lifecycle } = options.driver
    this.#options = options
    this.silenceMs = silenceOf(options)
    this.#pauseMs = lifecycle.pollMs ?? 0
    this.#roundMs = lifecycle.roundMs ?? options.plan.poll.at(-1)?.timeoutMs ?? 0
    this.#healthEveryMs = lifecycle.healthEveryMs ?? Infinity
  }

  /** When `due` has something to do, which is never while a command is under way; health waits for the end of a round. */
  get wakeAtMs(): number | undefined {
    return this.#options.talk.isBusy ? undefined : (this.#roundAtMs ?? this.#healthAtMs)
  }

  begin(nowMs: number): void {
    const { poll, health } = this.#options.plan
    if (poll.length > 0) this.#roundAtMs = nowMs
    if (health.length > 0) this.#healthAtMs = nowMs + this.#healthEveryMs
  }

  end(): void {
    this.#roundAtMs = undefined
    this.#healthAtMs = undefined
    this.#isInRound = false
  }

  due(nowMs: number): void {
    if (this.#options.talk.isBusy) return
    const isHealthDue = this.#healthAtMs !== undefined && nowMs >= this.#healthAtMs
    const isRoundDue = this.#roundAtMs !== undefined && nowMs >= this.#roundAtMs
    // Between rounds, where there are rounds.
    if (isHealthDue && (isRoundDue || this.#roundAtMs === undefined)) this.#askHealth(nowMs)
    else if (isRoundDue) this.#ask(nowMs)
  }

  /** A frame that is no reply: the round lives, or is over. */
  frame({ verdict }: Decoded, nowMs: number): void {
    this.#options.talk.extend()
    if (this.#isInRound && verdict === 'roundEnd') this.#roundAtMs = nowMs + this.#pauseMs
  }

  /** One turn: the whole list, where it is for one antenna then for the next of them. */
  #ask(nowMs: number): void {
    const { plan, talk, facts, driver, antennas } = this.#options
    this.#roundAtMs = undefined
    this.#isInRound = false
    const antenna = plan.pollsEachAntenna ? antennas.next(nowMs) : undefined
    const heard = (fields: Fields) => facts.measure(fields)
    if (antenna === undefined) {
      const done = () =>
        this.#turned(plan.poll.at(-1)?.answered === false && driver.lifecycle.inventory === 'roundLoop')
      talk.run(plan.poll, nowMs, { heard, done })
      return
    }
    const commands = plan.poll.map((command) => ({ ...command, antenna }))
    talk.run(commands, nowMs, {
      heard,
      done: () => {
        antennas.worked(antenna)
        this.#turned(plan.poll.at(-1)?.answered === false && driver.lifecycle.inventory === 'roundLoop')
      },
      // The rest of the list would be for the antenna before.
      refused: (_command, outcome) => {
        antennas.refused(antenna, outcome, talk.nowMs)
        this.#turned(false)
        return false
      },
    })
  }

  #turned(isInRound: boolean): void {
    this.#isInRound = isInRound
    this.#roundAtMs = this.#options.talk.nowMs + (isInRound ? this.#roundMs : this.#pauseMs)
  }

  #askHealth(nowMs: number): void {
    const { plan, talk, facts } = this.#options
    this.#healthAtMs = undefined
    talk.run(plan.health, nowMs, {
      heard: (fields) => facts.measure(fields),
      done: () => {
        this.#healthAtMs = nowMs + this.#healthEveryMs
      },
    })
  }
}

function silenceOf({ driver, plan }: InventoryOptions): number {
  const { silenceMs, pollMs = 0, healthEveryMs } = driver.lifecycle
  if (silenceMs !== undefined) return silenceMs
  const answered = plan.poll.filter((command) => command.answered)
  if (answered.length > 0) return SILENT_INTERVALS * (pollMs + Math.max(...answered.map(({ timeoutMs }) => timeoutMs)))
  return plan.health.length > 0 && healthEveryMs !== undefined ? SILENT_INTERVALS * healthEveryMs : Infinity
}
