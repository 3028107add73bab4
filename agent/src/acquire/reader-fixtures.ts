import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

import {
  checkProfile,
  type Driver,
  type Framer,
  type ReceivedCommand,
  type TagReport,
} from '@biotrakr/firmware-profiles'
import { isReceiverId, isTagId, type ReceiverId, type TagId } from '@biotrakr/shared'

import { planReader, type ReaderSettings } from './reader-plan.ts'
import { ReaderSession } from './reader-session.ts'
import type { SessionAction, SessionEvent } from './reader-session-types.ts'

const profiles = new URL('../../../firmware-profiles/', import.meta.url)

/** Every profile that loads (which all of them do is tested where they are); those of built-in drivers are left out. */
export function allDrivers(): Driver[] {
  const folders = readdirSync(profiles).filter((name) => existsSync(new URL(`${name}/profile.json`, profiles)))
  const sources = new Map<string, unknown>(
    folders.map((name) => [name, JSON.parse(readFileSync(new URL(`${name}/profile.json`, profiles), 'utf8'))]),
  )
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  return folders.flatMap((id) => checkProfile(id, sources, { sha256 }).driver ?? [])
}

export function driverOf(id: string): Driver {
  const driver = allDrivers().find((one) => one.id === id)
  if (driver === undefined) throw new Error(`profile ${id} does not load`)
  return driver
}

export const TAG: TagReport = {
  epc: '303400000000004000000001',
  pc: '3000',
  rssiDbm: -56,
  antenna: 1,
}

export function receiver(name: string): ReceiverId {
  if (!isReceiverId(name)) throw new Error('unreachable')
  return name
}

export function tagOf({ epc }: TagReport): TagId | undefined {
  const id = `epc:${epc.toLowerCase()}`
  return isTagId(id) ? id : undefined
}

/** A reader that obeys its profile: it answers every command, and tells when its radio is on. */
export class ObedientReader {
  readonly commands: string[] = []
  readonly driver: Driver
  isRunning = false
  /** Answers in place of the profile's. */
  answers = new Map<string, (received: ReceivedCommand) => readonly Uint8Array[]>()
  #replies: Uint8Array[] = []
  readonly #framer: Framer

  constructor(driver: Driver) {
    this.driver = driver
    this.#framer = driver.reader.createFramer((received) => this.#obey(received))
  }

  /** @returns what it says to these bytes */
  receive(bytes: Uint8Array, nowMs: number): readonly Uint8Array[] {
    this.#replies = []
    this.#framer.push(bytes, nowMs)
    this.#framer.flush()
    return this.#replies
  }

  tags(...tags: readonly TagReport[]): Uint8Array {
    return this.driver.reader.encodeTags(tags.length > 0 ? tags : [TAG])
  }

  #obey(received: ReceivedCommand): void {
    const { command } = received
    this.commands.push(command ?? 'unknown')
    const effect = this.driver.commands.get(command ?? '')?.effect
    if (effect === 'start' || effect === 'round') this.isRunning = true
    else if (effect === 'stop' || effect === 'boot') this.isRunning = false
    const answer = this.answers.get(command ?? '')
    try {
      this.#replies.push(...(answer ? answer(received) : this.driver.reader.answer(received)))
    } catch {
      // An answer with values that only a whole simulator has: this one then says nothing.
    }
  }
}

interface BenchOptions extends Partial<ReaderSettings> {
  readonly bauds?: readonly number[]
}

/** A session and a reader on one line, in a time of their own. */
export class Bench {
  readonly session: ReaderSession
  readonly reader: ObedientReader
  readonly actions: SessionAction[] = []
  nowMs = 0
  /** The only rate that the reader understands. */
  readerBaud: number | undefined
  isDead = false
  #arrivals: { readonly atMs: number; readonly bytes: Uint8Array }[] = []

  constructor(driver: Driver, { bauds = driver.serial.baud.slice(0, 1), ...settings }: BenchOptions = {}) {
    const plan = planReader(driver, { antennas: [1], ...settings })
    this.session = new ReaderSession({ driver, plan, bauds, minGapMs: 50 })
    this.reader = new ObedientReader(driver)
  }

  get kinds(): string[] {
    return this.actions.filter(({ kind }) => kind !== 'send').map(({ kind }) => kind)
  }

  get status() {
    return this.session.status(this.nowMs)
  }

  last<K extends SessionAction['kind']>(kind: K): Extract<SessionAction, { kind: K }> | undefined {
    return this.actions.findLast((action) => action.kind === kind) as Extract<SessionAction, { kind: K }> | undefined
  }

  open(): void {
    this.#tell({ kind: 'opened', monoMs: this.nowMs })
  }

  tell(kind: 'closed' | 'stop'): void {
    this.#tell({ kind, monoMs: this.nowMs })
  }

  hear(bytes: Uint8Array): void {
    this.#tell({ kind: 'bytes', monoMs: this.nowMs, bytes })
  }

  /** Lets time pass: answers arrive, timers fall due. `eachMs` is called once a simulated 100 ms. */
  advance(ms: number, each: () => void = () => undefined): void {
    const untilMs = this.nowMs + ms
    let tickMs = this.nowMs
    for (;;) {
      const wakeMs = this.session.wakeAtMs ?? Infinity
      const arrivalMs = this.#arrivals[0]?.atMs ?? Infinity
      const nextMs = Math.min(wakeMs, arrivalMs, tickMs + 100)
      if (nextMs > untilMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      if (nextMs === tickMs + 100) {
        tickMs = nextMs
        each()
      } else if (arrivalMs <= wakeMs) this.hear(this.#arrivals.shift()?.bytes ?? new Uint8Array())
      else this.#tell({ kind: 'timer', monoMs: this.nowMs })
    }
    this.nowMs = untilMs
  }

  #tell(event: SessionEvent): void {
    for (const action of this.session.handle(event)) {
      this.actions.push(action)
      if (action.kind === 'send') this.#transmit(action.bytes)
      if (action.kind === 'baud') this.#tell({ kind: 'opened', monoMs: this.nowMs })
    }
  }

  #transmit(bytes: Uint8Array): void {
    if (this.readerBaud !== undefined && this.session.line.baud !== this.readerBaud) return
    const replies = this.reader.receive(bytes, this.nowMs)
    if (this.isDead) return
    this.#arrivals.push(...replies.map((reply) => ({ atMs: this.nowMs + 5, bytes: reply })))
  }
}
