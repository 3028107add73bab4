import type { CommandInfo, Decoded, ReplyMatch } from '@biotrakr/firmware-profiles'

/** What became of a command. `silent`: no reply after all retries. */
export type Outcome =
  | { readonly kind: 'ok'; readonly reply?: Decoded }
  | { readonly kind: 'failed'; readonly reply: Decoded }
  | { readonly kind: 'silent' }

interface ExchangeOptions {
  /** Puts the command on the line now. */
  send(command: CommandInfo): void
  matches(command: string, decoded: Decoded): ReplyMatch
  /** Least time between a reply and the next command. */
  readonly turnaroundMs: number
}

interface Current {
  readonly command: CommandInfo
  done: (outcome: Outcome) => void
  triesLeft: number
  step: 'toSend' | 'sent' | 'settling'
  atMs: number
  outcome: Outcome
}

/** One command at a time: the readers of these protocols hear nothing while they work or speak. */
export class Exchange {
  readonly #options: ExchangeOptions
  #current: Current | undefined
  #freeAtMs = 0

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  get isBusy(): boolean {
    return this.#current !== undefined
  }

  /** The command under way. */
  get command(): CommandInfo | undefined {
    return this.#current?.command
  }

  get wakeAtMs(): number | undefined {
    return this.#current?.atMs
  }

  /** Sends as soon as the line allows; `done` is told once, unless `drop` comes first. */
  ask(command: CommandInfo, nowMs: number, done: (outcome: Outcome) => void): void {
    const atMs = Math.max(nowMs, this.#freeAtMs)
    const triesLeft = command.answered ? command.retries : 0
    this.#current = { command, done, triesLeft, step: 'toSend', atMs, outcome: { kind: 'silent' } }
    this.due(nowMs)
  }

  /** Forgets the command under way. */
  drop(): void {
    this.#current = undefined
  }

  /** Lets the command under way end by `untilMs`, without retries, and then goes on with `next`; at once if none is. */
  conclude(untilMs: number, next: () => void): void {
    const current = this.#current
    if (current?.step !== 'sent') {
      this.drop()
      next()
      return
    }
    current.triesLeft = 0
    current.atMs = Math.min(current.atMs, untilMs)
    current.done = next
  }

  /** A sign that the reader is at work on the command: the wait for its reply begins anew. */
  extend(nowMs: number): void {
    const current = this.#current
    if (current?.step === 'sent') current.atMs = nowMs + current.command.timeoutMs
  }

  /** @returns true when the frame is the reply to the command under way */
  frame(decoded: Decoded, nowMs: number): boolean {
    const current = this.#current
    if (current?.step !== 'sent' || !current.command.answered) return false
    const match = this.#options.matches(current.command.name, decoded)
    if (match === 'other') return false
    this.#freeAtMs = nowMs + this.#options.turnaroundMs
    this.#settle(current, { kind: match, reply: decoded }, nowMs)
    return true
  }

  due(nowMs: number): void {
    const current = this.#current
    if (current === undefined || nowMs < current.atMs) return
    if (current.step === 'toSend') this.#send(current, nowMs)
    else if (current.step === 'settling') this.#finish(current)
    else if (current.triesLeft > 0) this.#retry(current, nowMs)
    else this.#finish(current)
  }

  #send(current: Current, nowMs: number): void {
    const { command } = current
    this.#options.send(command)
    this.#freeAtMs = nowMs + this.#options.turnaroundMs
    current.step = 'sent'
    current.atMs = nowMs + command.timeoutMs
    if (!command.answered) this.#settle(current, { kind: 'ok' }, nowMs)
  }

  #retry(current: Current, nowMs: number): void {
    current.triesLeft -= 1
    current.step = 'toSend'
    current.atMs = Math.max(nowMs, this.#freeAtMs)
    this.due(nowMs)
  }

  #settle(current: Current, outcome: Outcome, nowMs: number): void {
    current.outcome = outcome
    current.step = 'settling'
    current.atMs = nowMs + current.command.settleMs
    this.due(nowMs)
  }

  #finish(current: Current): void {
    this.#current = undefined
    current.done(current.outcome)
  }
}
