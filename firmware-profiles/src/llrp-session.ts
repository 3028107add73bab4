import { type LlrpReaderInfo, readCapabilities } from './llrp-capabilities.ts'
import {
  type AntennaPower,
  type LlrpRoSpecSettings,
  type LlrpSettings,
  planFor,
  readerConfig,
  roSpec,
  settingsProblem,
} from './llrp-commands.ts'
import { readEvents } from './llrp-events.ts'
import { createLlrpFramer, type LlrpFramer } from './llrp-framer.ts'
import { decodeLlrpMessage, encodeLlrpMessage, type LlrpMessage } from './llrp-messages.ts'
import { findParameter } from './llrp-parameters.ts'
import { tagsOfReport } from './llrp-report.ts'
import type { LlrpAction, LlrpEvent, LlrpFailure, LlrpSession } from './llrp-session-types.ts'
import { statusWords } from './llrp-words.ts'

/** A reader that resets its settings takes seconds for it. */
const REPLY_MS = 10_000
const GREETING_MS = 10_000
const STOP_REPLY_MS = 1_000
const KEEPALIVE_PERIODS = 2.5
/** A reader reports the end of an inventory at once; one that is later than this does not report it at all. */
const END_GRACE_MS = 5_000
const MAX_ID = 0x7fff_ffff
const VERSION = 1
const ALL = 0

const SETUP = [
  'GET_READER_CAPABILITIES',
  'SET_READER_CONFIG',
  'DELETE_ROSPEC',
  'ADD_ROSPEC',
  'ENABLE_ROSPEC',
  'START_ROSPEC',
] as const
const SHUTDOWN = ['STOP_ROSPEC', 'DISABLE_ROSPEC', 'DELETE_ROSPEC', 'CLOSE_CONNECTION'] as const

/** Commands that a reader answers with a message of the same name and `_RESPONSE`. */
type Command = (typeof SETUP)[number] | (typeof SHUTDOWN)[number]
type Phase = 'closed' | 'greeting' | 'setup' | 'running' | 'stopping'
type TimerName = 'reply' | 'alive' | 'inventoryEnd' | 'poll'

export function createLlrpSession(settings: LlrpSettings): LlrpSession {
  return new Session(settings)
}

class Session implements LlrpSession {
  readonly counters = {
    messages: 0,
    malformed: 0,
    unknownMessages: 0,
    unknownParameters: 0,
    customParameters: 0,
    strayReplies: 0,
    keepalives: 0,
    tags: 0,
    nameless: 0,
  }
  private readonly settings: LlrpSettings
  private readonly rospec: LlrpRoSpecSettings
  private readonly timers = new Map<TimerName, number>()
  private actions: LlrpAction[] = []
  private nowMs = 0
  private lastId = 0
  private framer: LlrpFramer = createLlrpFramer()
  private phase: Phase = 'closed'
  /** Commands still to be sent, the first of them next. */
  private queue: readonly Command[] = []
  private pending: { readonly id: number; readonly command: Command } | undefined
  private reader: LlrpReaderInfo | undefined
  private powers: readonly AntennaPower[] = []
  private roSpecAdded = false
  private stopConfirmed = true
  private polledMs: number | undefined

  constructor(settings: LlrpSettings) {
    this.settings = settings
    this.rospec = settings.rospec
  }

  get wakeAtMs(): number | undefined {
    return this.timers.size === 0 ? undefined : Math.min(...this.timers.values())
  }

  handle(event: LlrpEvent): readonly LlrpAction[] {
    this.actions = []
    this.nowMs = event.monoMs
    if (event.kind === 'connected') this.begin()
    else if (event.kind === 'stop') this.stop()
    else if (this.phase !== 'closed') this.handleOpen(event)
    return this.actions
  }

  private handleOpen(event: LlrpEvent): void {
    if (event.kind === 'bytes') this.receive(event.bytes)
    else if (event.kind === 'timer') this.due()
    else if (this.phase === 'stopping') this.finish(false)
    else this.fail('closed', 'the connection to the reader ended')
  }

  private begin(): void {
    this.leave()
    this.framer = createLlrpFramer()
    this.reader = undefined
    // Without a region the reader is asked what it is, and nothing else.
    const problem = this.settings.region === undefined ? undefined : settingsProblem(this.settings)
    if (problem !== undefined) {
      this.fail('settings', problem)
      return
    }
    this.phase = 'greeting'
    this.setTimer('reply', GREETING_MS)
  }

  private leave(): void {
    this.phase = 'closed'
    this.queue = []
    this.pending = undefined
    this.polledMs = undefined
    this.roSpecAdded = false
    this.timers.clear()
  }

  /** Ends the session; a reader that can still hear is told to stop transmitting first. */
  private fail(failure: LlrpFailure, why: string): void {
    if (failure !== 'closed') {
      if (this.roSpecAdded) {
        this.sendCommand('STOP_ROSPEC')
        this.sendCommand('DELETE_ROSPEC')
      }
      if (this.phase === 'setup' || this.phase === 'running') this.sendCommand('CLOSE_CONNECTION')
      this.actions.push({ kind: 'close' })
    }
    this.actions.push({ kind: 'fail', failure, why, retry: failure !== 'region' && failure !== 'settings' })
    this.leave()
  }

  private setTimer(name: TimerName, delayMs: number): void {
    this.timers.set(name, this.nowMs + delayMs)
  }

  private send(bytes: Uint8Array): void {
    this.actions.push({ kind: 'send', bytes })
  }

  private nextId(): number {
    this.lastId = (this.lastId % MAX_ID) + 1
    return this.lastId
  }

  private sendCommand(command: Command): void {
    this.send(this.encode(command, { version: VERSION, id: this.nextId() }))
  }

  private encode(name: Command, head: { readonly version: number; readonly id: number }): Uint8Array {
    const { rospec, reader, powers } = this
    if (name === 'GET_READER_CAPABILITIES') {
      return encodeLlrpMessage({ name, ...head, fields: { requested: ALL }, children: [] })
    }
    if (name === 'SET_READER_CONFIG') {
      const { factoryReset } = rospec
      return encodeLlrpMessage({ name, ...head, fields: { factoryReset }, children: readerConfig(rospec) })
    }
    if (name === 'ADD_ROSPEC') {
      const children = reader === undefined ? [] : [roSpec(rospec, reader, powers)]
      return encodeLlrpMessage({ name, ...head, fields: {}, children })
    }
    if (name === 'CLOSE_CONNECTION') return encodeLlrpMessage({ name, ...head, fields: {}, children: [] })
    // What others left behind goes too, before this driver's own ROSpec is added.
    const id = this.roSpecAdded ? rospec.roSpecId : ALL
    return encodeLlrpMessage({ name, ...head, fields: { id }, children: [] })
  }

  private ask(command: Command): void {
    if (command === 'ADD_ROSPEC') this.roSpecAdded = true
    this.sendCommand(command)
    this.pending = { id: this.lastId, command }
    this.setTimer('reply', this.phase === 'stopping' ? STOP_REPLY_MS : REPLY_MS)
  }

  private askNext(): void {
    const [next, ...rest] = this.queue
    this.queue = rest
    if (next !== undefined) this.ask(next)
    else if (this.phase === 'setup') this.run()
    else if (this.phase === 'stopping') this.finish(this.stopConfirmed)
  }

  private run(): void {
    const { report, keepaliveMs } = this.rospec
    this.phase = 'running'
    const name = 'ENABLE_EVENTS_AND_REPORTS'
    this.send(encodeLlrpMessage({ name, version: VERSION, id: this.nextId(), fields: {}, children: [] }))
    this.setTimer('alive', keepaliveMs * KEEPALIVE_PERIODS)
    if ('everyMs' in report) this.setTimer('poll', report.everyMs)
    this.actions.push({ kind: 'running', powers: this.powers })
  }

  private stop(): void {
    const { phase } = this
    if (phase === 'closed' || phase === 'stopping') return
    this.phase = 'stopping'
    this.timers.clear()
    this.pending = undefined
    this.stopConfirmed = true
    if (phase === 'greeting') {
      this.finish(true)
      return
    }
    this.queue = this.roSpecAdded ? SHUTDOWN : ['CLOSE_CONNECTION']
    this.askNext()
  }

  private finish(confirmed: boolean): void {
    this.actions.push({ kind: 'stopped', confirmed }, { kind: 'close' })
    this.leave()
  }

  private receive(bytes: Uint8Array): void {
    const { frames, garbage } = this.framer.push(bytes)
    for (const frame of frames) {
      if (this.phase === 'closed') return
      if (this.timers.has('alive')) this.setTimer('alive', this.rospec.keepaliveMs * KEEPALIVE_PERIODS)
      this.receiveFrame(frame)
    }
    if (garbage !== undefined && this.phase !== 'closed') this.fail('garbage', garbage)
  }

  private receiveFrame(frame: Uint8Array): void {
    const { counters } = this
    const verdict = decodeLlrpMessage(frame)
    if (verdict.kind === 'malformed') counters.malformed += 1
    else if (verdict.kind === 'unknown') counters.unknownMessages += 1
    else {
      counters.messages += 1
      counters.unknownParameters += verdict.skipped.unknown
      counters.customParameters += verdict.skipped.custom
      this.receiveMessage(verdict.message)
    }
  }

  private receiveMessage(message: LlrpMessage): void {
    const { name, id } = message
    if (name === 'KEEPALIVE') {
      this.counters.keepalives += 1
      this.send(encodeLlrpMessage({ name: 'KEEPALIVE_ACK', version: VERSION, id, fields: {}, children: [] }))
    } else if (name === 'RO_ACCESS_REPORT') this.reported(message)
    else if (name !== 'READER_EVENT_NOTIFICATION') this.answered(message)
    else if (this.phase === 'greeting') this.greeted(message)
    else this.notified(message)
  }

  private greeted({ children }: LlrpMessage): void {
    const { attempt } = readEvents(children, this.rospec.roSpecId)
    if (attempt === undefined) return
    if (attempt.status !== 0) {
      this.fail('occupied', attempt.why)
      return
    }
    this.phase = 'setup'
    this.queue = SETUP
    this.askNext()
  }

  private notified({ children }: LlrpMessage): void {
    const { attempt, closing, ended, seen } = readEvents(children, this.rospec.roSpecId)
    this.actions.push(...seen)
    if (attempt !== undefined && attempt.status !== 0) this.actions.push({ kind: 'warning', text: attempt.why })
    if (closing && this.phase === 'stopping') this.finish(this.stopConfirmed)
    else if (closing) this.fail('closed', 'the reader closes the connection')
    else if (ended && this.phase === 'running' && this.pending === undefined) this.ask('START_ROSPEC')
  }

  private reported({ children }: LlrpMessage): void {
    this.polledMs = undefined
    // Before its own ROSpec is there, a report belongs to somebody else.
    if (!this.roSpecAdded) return
    const { tags, nameless } = tagsOfReport(children, this.reader)
    this.counters.tags += tags.length
    this.counters.nameless += nameless
    if (tags.length > 0) this.actions.push({ kind: 'tags', tags })
  }

  private answered(reply: LlrpMessage): void {
    const { pending } = this
    const fits =
      pending?.id === reply.id && (reply.name === `${pending.command}_RESPONSE` || reply.name === 'ERROR_MESSAGE')
    if (pending === undefined || !fits) {
      this.counters.strayReplies += 1
      return
    }
    this.pending = undefined
    this.timers.delete('reply')
    const status = findParameter(reply.children, 'LLRPStatus')?.fields
    // On the way out a refusal stops nothing: the ROSpec may have ended or gone already.
    if (this.phase === 'stopping') this.askNext()
    else if (status?.code === 0) this.accepted(pending.command, reply)
    else {
      const words = status === undefined ? 'without a status' : statusWords(status.code, status.text)
      this.fail('refused', `the reader refused ${pending.command}: ${words}`)
    }
  }

  private accepted(command: Command, { children }: LlrpMessage): void {
    if (command === 'GET_READER_CAPABILITIES' && !this.identified(readCapabilities(children))) return
    const { aiSpecMs } = this.rospec
    if (command === 'START_ROSPEC' && aiSpecMs > 0) this.setTimer('inventoryEnd', aiSpecMs + END_GRACE_MS)
    this.askNext()
  }

  /** @returns whether this reader may and can do what is configured */
  private identified(found: LlrpReaderInfo | string): boolean {
    if (typeof found === 'string') {
      this.fail('region', `the reader ${found}`)
      return false
    }
    this.reader = found
    this.actions.push({ kind: 'identified', reader: found })
    const plan = planFor(found, this.settings)
    if (plan.kind === 'plan') this.powers = plan.powers
    else this.fail(plan.kind, plan.why)
    return plan.kind === 'plan'
  }

  private isDue(name: TimerName): boolean {
    const atMs = this.timers.get(name)
    return atMs !== undefined && this.nowMs >= atMs
  }

  private due(): void {
    if (this.isDue('reply')) this.unanswered()
    else if (this.isDue('alive')) {
      this.fail('silent', `no sign of life from the reader for ${KEEPALIVE_PERIODS} keepalive periods`)
    } else if (this.isDue('inventoryEnd')) {
      this.fail(
        'silent',
        'the reader did not report the end of an inventory; if it never does, set rospec.aiSpecMs to 0',
      )
    } else if (this.isDue('poll')) this.poll()
  }

  private unanswered(): void {
    const { pending } = this
    if (this.phase === 'stopping') {
      this.stopConfirmed = false
      this.pending = undefined
      this.timers.delete('reply')
      this.askNext()
    } else if (pending === undefined) this.fail('silent', 'the reader does not greet')
    else this.fail('silent', `the reader does not answer ${pending.command}`)
  }

  /** Asks for what was gathered, never twice at once unless the first question must be lost. */
  private poll(): void {
    const { report } = this.rospec
    if (!('everyMs' in report)) return
    this.setTimer('poll', report.everyMs)
    if (this.polledMs !== undefined && this.nowMs - this.polledMs < REPLY_MS) return
    this.polledMs = this.nowMs
    this.send(encodeLlrpMessage({ name: 'GET_REPORT', version: VERSION, id: this.nextId(), fields: {}, children: [] }))
  }
}
