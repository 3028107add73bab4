import type { CommandInfo, Driver } from '@biotrakr/firmware-profiles'

import type { Outcome } from './reader-exchange.ts'
import type { ReaderIdentity } from './reader-facts.ts'
import type { PlannedCommand } from './reader-plan.ts'

interface StoredOptions {
  readonly driver: Driver
  readonly facts: { readonly identity: ReaderIdentity }
  readonly talk: {
    readonly nowMs: number
    /** The command's frame; undefined when it cannot be written. */
    encode(command: PlannedCommand): Uint8Array | undefined
    ask(command: CommandInfo, nowMs: number, done: (outcome: Outcome) => void): void
  }
}

/** What was written counts as being there for so long; after it the reader is written to once more. */
const REMEMBERED_MS = 12 * 3_600_000
/** More settings, over all readers that take turns at one line, than any site has. */
const MAX_REMEMBERED = 64

/**
 * Spares the memory of readers that keep their settings in EEPROM or flash, which endures some 100,000 writes: a port that
 * comes and goes every few seconds would use that up within a week. A setting is written only when the reader says that
 * it has another; where it cannot be asked, not again when this process wrote the same to the same reader. Only a serial
 * number tells that it is the same: after an exchange the other may have another region.
 */
export class StoredSettings {
  /** Commands that were not sent because the reader had the setting. */
  spared = 0
  readonly #options: StoredOptions
  readonly #confirmed = new Set<string>()
  readonly #replies = new Map<string, Uint8Array>()
  readonly #written = new Map<string, { readonly frame: string; readonly atMs: number }>()

  constructor(options: StoredOptions) {
    this.#options = options
  }

  /** A set-up begins: nothing is known of what the reader has. */
  begin(): void {
    this.#confirmed.clear()
    this.#replies.clear()
  }

  /** True when the reader was found to have it, or was given it, since the set-up began. */
  isConfirmed(command: PlannedCommand): boolean {
    return command.stored !== undefined && this.#confirmed.has(this.#frameOf(command))
  }

  /** Finds out, asking the reader where that is possible, whether this command is to be sent. */
  check(command: PlannedCommand, then: (isNeeded: boolean) => void): void {
    if (command.stored === undefined) {
      then(true)
      return
    }
    const conclude = (isThere: boolean) => {
      if (isThere) {
        this.spared += 1
        this.#confirmed.add(this.#frameOf(command))
      }
      then(!isThere)
    }
    if (this.isConfirmed(command)) conclude(true)
    else this.#ask(command, (reply) => conclude(reply ? this.#isIn(reply, command) : this.#isRemembered(command)))
  }

  /** The reader carried it out. */
  written(command: PlannedCommand): void {
    if (command.stored === undefined) return
    const frame = this.#frameOf(command)
    this.#confirmed.add(frame)
    const key = this.#keyOf(command)
    if (key === undefined) return
    this.#written.delete(key)
    this.#written.set(key, { frame, atMs: this.#options.talk.nowMs })
    const [oldest] = this.#written.keys()
    if (this.#written.size > MAX_REMEMBERED && oldest !== undefined) this.#written.delete(oldest)
  }

  #ask({ stored }: PlannedCommand, then: (reply: Uint8Array | undefined) => void): void {
    const { driver, talk } = this.#options
    const name = stored?.query?.command ?? ''
    const query = driver.commands.get(name)
    const known = this.#replies.get(name)
    if (query === undefined || known !== undefined) {
      then(known)
      return
    }
    talk.ask(query, talk.nowMs, (outcome) => {
      const reply = outcome.kind === 'ok' ? outcome.reply?.frame : undefined
      if (reply) this.#replies.set(name, reply)
      then(reply)
    })
  }

  #isIn(frame: Uint8Array, command: PlannedCommand): boolean {
    const wanted = this.#options.talk.encode(command)
    const { query } = command.stored ?? {}
    if (wanted === undefined || query === undefined) return false
    const { reply, sent, bytes } = query
    if (frame.length < reply + bytes || wanted.length < sent + bytes) return false
    return wanted.subarray(sent, sent + bytes).every((byte, n) => byte === frame[reply + n])
  }

  #isRemembered(command: PlannedCommand): boolean {
    const before = this.#written.get(this.#keyOf(command) ?? '')
    if (before === undefined || this.#options.talk.nowMs - before.atMs >= REMEMBERED_MS) return false
    return before.frame === this.#frameOf(command)
  }

  /** Reader and setting; undefined for a reader without a serial number. */
  #keyOf({ name, antenna }: PlannedCommand): string | undefined {
    const { identity } = this.#options.facts
    return identity.serialNo === undefined ? undefined : JSON.stringify([identity, name, antenna])
  }

  #frameOf(command: PlannedCommand): string {
    return this.#options.talk.encode(command)?.join(' ') ?? ''
  }
}
