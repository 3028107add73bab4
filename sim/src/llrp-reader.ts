import {
  createLlrpFramer,
  decodeLlrpMessage,
  encodeLlrpMessage,
  type LlrpFramer,
  type LlrpMessage,
  type LlrpParameter,
  parameter,
} from '@biotrakr/firmware-profiles'
import type { Random } from '@biotrakr/shared'

import {
  capabilities,
  changedConfig,
  configuration,
  DEFAULT_IDENTITY,
  FACTORY_CONFIG,
  type LlrpReaderConfig,
  type LlrpReaderIdentity,
  statusParameter,
} from './llrp-reader-answers.ts'
import { createReportBuffer, type LlrpFieldTag, type ReportBuffer } from './llrp-reader-reports.ts'
import {
  createRoSpecStore,
  powerFor,
  type Refusal,
  type RoSpec,
  type RoSpecStore,
  readRoSpec,
} from './llrp-reader-specs.ts'
import { answersAt } from './reach.ts'

export interface LlrpReaderOptions {
  /** The tags in the field now. */
  tags(): readonly LlrpFieldTag[]
  /** Tag reads per second while the radio is on, 0 to 2000. */
  readonly readsPerSecond: number
  readonly random: Random
  readonly identity?: Partial<LlrpReaderIdentity>
}

interface ReaderTime {
  readonly monoMs: number
  readonly wallMs: number
}

/** For the connection of that name: bytes to send, or the order to end it once all bytes have left. */
export type LlrpReaderOutput =
  | { readonly client: string; readonly bytes: Uint8Array }
  | { readonly client: string; readonly close: true }

/** A fixed reader that speaks LLRP 1.0.1 and 1.1 to one host at a time. It opens nothing and reads no clock. */
export interface LlrpReader {
  /** A host connected. The first one gets the reader, any other is told so and sent away. */
  connect(client: string, now: ReaderTime): readonly LlrpReaderOutput[]
  receive(client: string, bytes: Uint8Array, now: ReaderTime): readonly LlrpReaderOutput[]
  /** The connection ended. ROSpecs go on, as the standard has it. */
  disconnect(client: string): void
  /** Lets time pass: reads, reports, ends of inventories, keepalives. */
  advance(now: ReaderTime): readonly LlrpReaderOutput[]
  /** Something happened at the reader, such as an AntennaEvent or a ReaderExceptionEvent. */
  happen(event: LlrpParameter, now: ReaderTime): readonly LlrpReaderOutput[]
  /** Power cut: ROSpecs, configuration and connection are gone. */
  reboot(): readonly LlrpReaderOutput[]
  readonly radiating: boolean
}

const UNSUPPORTED_MESSAGE = 109
const UNSUPPORTED_VERSION = 110
const PARAMETER_ERROR = 100
const OCCUPIED = 2
const ATTEMPTED_AGAIN = 4
const EVENT_ROSPEC = 2
const EVENT_BUFFER = 3
const LAST_VERSION = 2
/** Reads caught up with at most after a pause of the caller. */
const MAX_READS_AT_ONCE = 5_000

type Children = readonly LlrpParameter[]

interface Answer {
  readonly refusal?: Refusal | undefined
  readonly children?: Children
}

export function createLlrpReader(options: LlrpReaderOptions): LlrpReader {
  return new Reader(options)
}

class Reader implements LlrpReader {
  private readonly options: LlrpReaderOptions
  private readonly identity: LlrpReaderIdentity
  private readonly buffer: ReportBuffer
  private readonly specs: RoSpecStore = createRoSpecStore()
  private config: LlrpReaderConfig = FACTORY_CONFIG
  private host: { readonly client: string; readonly framer: LlrpFramer } | undefined
  private version = 1
  private held = false
  private lastId = 0
  private now: ReaderTime = { monoMs: 0, wallMs: 0 }
  private keepaliveAtMs = 0
  private readCount = 0
  private overflowed = false
  private out: LlrpReaderOutput[] = []

  private readonly handlers: Handlers = {
    GET_READER_CAPABILITIES: ({ id }) =>
      this.reply('GET_READER_CAPABILITIES_RESPONSE', id, { children: capabilities(this.identity) }),
    GET_READER_CONFIG: ({ id }) =>
      this.reply('GET_READER_CONFIG_RESPONSE', id, { children: configuration(this.identity, this.config) }),
    SET_READER_CONFIG: ({ id, fields, children }) => {
      this.configure(fields.factoryReset, children)
      this.reply('SET_READER_CONFIG_RESPONSE', id)
    },
    GET_SUPPORTED_VERSION: ({ id }) => this.tellVersions(id),
    SET_PROTOCOL_VERSION: ({ id, fields }) => this.setVersion(fields.version, id),
    CLOSE_CONNECTION: ({ id }) => {
      this.reply('CLOSE_CONNECTION_RESPONSE', id)
      this.hangUp()
    },
    KEEPALIVE_ACK: () => undefined,
    ADD_ROSPEC: (message) => this.addRoSpec(message),
    DELETE_ROSPEC: ({ id, fields }) =>
      this.reply('DELETE_ROSPEC_RESPONSE', id, { refusal: this.specs.remove(fields.id) }),
    ENABLE_ROSPEC: ({ id, fields }) => {
      this.reply('ENABLE_ROSPEC_RESPONSE', id, { refusal: this.specs.enable(fields.id) })
      this.startDue()
    },
    DISABLE_ROSPEC: ({ id, fields }) =>
      this.reply('DISABLE_ROSPEC_RESPONSE', id, { refusal: this.specs.disable(fields.id) }),
    START_ROSPEC: ({ id, fields }) => this.reply('START_ROSPEC_RESPONSE', id, { refusal: this.start(fields.id) }),
    STOP_ROSPEC: (message) => this.stopRoSpec(message),
    GET_ROSPECS: ({ id }) => this.reply('GET_ROSPECS_RESPONSE', id, { children: this.specs.shown() }),
    // There are no AccessSpecs: tags are only read here.
    GET_ACCESSSPECS: ({ id }) => this.reply('GET_ACCESSSPECS_RESPONSE', id),
    DELETE_ACCESSSPEC: ({ id }) => this.reply('DELETE_ACCESSSPEC_RESPONSE', id),
    GET_REPORT: ({ id }) => this.reportNow(id),
    ENABLE_EVENTS_AND_REPORTS: () => {
      this.held = false
    },
  }

  constructor(options: LlrpReaderOptions) {
    this.options = options
    this.identity = { ...DEFAULT_IDENTITY, ...options.identity }
    this.buffer = createReportBuffer(this.identity, options.random)
  }

  get radiating(): boolean {
    return this.specs.active !== undefined
  }

  private within(now: ReaderTime, work: () => void): readonly LlrpReaderOutput[] {
    this.out = []
    this.now = now
    work()
    return this.out
  }

  connect(client: string, now: ReaderTime): readonly LlrpReaderOutput[] {
    return this.within(now, () => {
      if (this.host !== undefined) {
        this.sendTo(client, this.notification([parameter('ConnectionAttemptEvent', { status: OCCUPIED })]))
        this.out.push({ client, close: true })
        this.notify(parameter('ConnectionAttemptEvent', { status: ATTEMPTED_AGAIN }))
        return
      }
      this.host = { client, framer: createLlrpFramer() }
      this.version = 1
      this.held = this.config.holdOnReconnect
      this.keepaliveAtMs = now.monoMs + this.config.keepaliveMs
      this.notify(parameter('ConnectionAttemptEvent', { status: 0 }))
    })
  }

  receive(client: string, bytes: Uint8Array, now: ReaderTime): readonly LlrpReaderOutput[] {
    return this.within(now, () => {
      const { host } = this
      if (host === undefined || host.client !== client) return
      const { frames, garbage } = host.framer.push(bytes)
      for (const frame of frames) if (this.host === host) this.takeFrame(frame)
      if (garbage === undefined || this.host !== host) return
      this.error(0, { code: UNSUPPORTED_VERSION, text: garbage })
      this.hangUp()
    })
  }

  disconnect(client: string): void {
    if (this.host?.client === client) this.host = undefined
  }

  advance(now: ReaderTime): readonly LlrpReaderOutput[] {
    return this.within(now, () => {
      this.startDue()
      const { active } = this.specs
      if (active !== undefined) this.work(active)
      const { keepaliveMs } = this.config
      if (this.host === undefined || keepaliveMs === 0 || now.monoMs < this.keepaliveAtMs) return
      this.keepaliveAtMs = now.monoMs + keepaliveMs
      this.send(encodeLlrpMessage({ name: 'KEEPALIVE', ...this.head(), fields: {}, children: [] }))
    })
  }

  happen(event: LlrpParameter, now: ReaderTime): readonly LlrpReaderOutput[] {
    return this.within(now, () => this.notify(event))
  }

  reboot(): readonly LlrpReaderOutput[] {
    return this.within(this.now, () => {
      this.specs.clear()
      this.buffer.clear()
      this.config = FACTORY_CONFIG
      this.hangUp()
    })
  }

  private head(id = this.nextId()): { readonly version: number; readonly id: number } {
    return { version: this.version, id }
  }

  private nextId(): number {
    this.lastId = (this.lastId + 1) >>> 0
    return this.lastId
  }

  private sendTo(client: string, bytes: Uint8Array): void {
    this.out.push({ client, bytes })
  }

  private send(bytes: Uint8Array): void {
    if (this.host !== undefined) this.sendTo(this.host.client, bytes)
  }

  private hangUp(): void {
    if (this.host !== undefined) this.out.push({ client: this.host.client, close: true })
    this.host = undefined
  }

  private notification(events: Children): Uint8Array {
    const us = Math.floor(this.now.wallMs * 1_000)
    const data = parameter('ReaderEventNotificationData', {}, [parameter('UTCTimestamp', { us }), ...events])
    return encodeLlrpMessage({ name: 'READER_EVENT_NOTIFICATION', ...this.head(), fields: {}, children: [data] })
  }

  private notify(event: LlrpParameter): void {
    this.send(this.notification([event]))
  }

  private error(id: number, { code, text }: Refusal): void {
    const children = [statusParameter(code, text)]
    this.send(encodeLlrpMessage({ name: 'ERROR_MESSAGE', ...this.head(id), fields: {}, children }))
  }

  private takeFrame(frame: Uint8Array): void {
    const verdict = decodeLlrpMessage(frame)
    if (verdict.kind === 'message') this.take(verdict.message)
    else if (verdict.kind === 'unknown') this.error(verdict.id, { code: UNSUPPORTED_MESSAGE, text: '' })
    else this.error(verdict.id, { code: PARAMETER_ERROR, text: verdict.why })
  }

  private take(message: LlrpMessage): void {
    const handler = this.handlers[message.name] as ((message: LlrpMessage) => void) | undefined
    if (handler === undefined) this.error(message.id, { code: UNSUPPORTED_MESSAGE, text: message.name })
    else handler(message)
  }

  private addRoSpec({ id, children }: LlrpMessage): void {
    const spec = readRoSpec(children[0], this.identity)
    this.reply('ADD_ROSPEC_RESPONSE', id, { refusal: 'code' in spec ? spec : this.specs.add(spec) })
  }

  private stopRoSpec({ id, fields }: Extract<LlrpMessage, { name: 'STOP_ROSPEC' }>): void {
    const { active } = this.specs
    const refusal = this.specs.stop(fields.id)
    if (refusal === undefined) this.report(active)
    this.reply('STOP_ROSPEC_RESPONSE', id, { refusal })
  }

  private reportNow(id: number): void {
    const parts = this.buffer.take(this.specs.active)
    for (const children of parts.length === 0 ? [[]] : parts) {
      this.send(encodeLlrpMessage({ name: 'RO_ACCESS_REPORT', ...this.head(id), fields: {}, children }))
    }
  }

  private tellVersions(id: number): void {
    const fields = { current: this.version, highest: LAST_VERSION }
    const head = { name: 'GET_SUPPORTED_VERSION_RESPONSE', version: LAST_VERSION, id } as const
    this.send(encodeLlrpMessage({ ...head, fields, children: [statusParameter(0)] }))
  }

  private reply(name: ReplyName, id: number, { refusal, children: rest = [] }: Answer = {}): void {
    const children = [statusParameter(refusal?.code ?? 0, refusal?.text), ...rest]
    this.send(encodeLlrpMessage({ name, ...this.head(id), fields: {}, children }))
  }

  private setVersion(version: number, id: number): void {
    const known = version >= 1 && version <= LAST_VERSION
    if (known) this.version = version
    const refusal = known ? undefined : { code: UNSUPPORTED_VERSION, text: '' }
    this.reply('SET_PROTOCOL_VERSION_RESPONSE', id, { refusal })
  }

  private configure(factoryReset: boolean, children: Children): void {
    if (factoryReset) {
      this.specs.clear()
      this.buffer.clear()
    }
    this.config = changedConfig(factoryReset ? FACTORY_CONFIG : this.config, children)
    this.keepaliveAtMs = this.now.monoMs + this.config.keepaliveMs
  }

  private start(id: number): Refusal | undefined {
    const refusal = this.specs.start(id, this.now.monoMs)
    if (refusal === undefined) {
      this.readCount = 0
      this.overflowed = false
    }
    return refusal
  }

  /** Starts what starts by itself and is due. */
  private startDue(): void {
    if (this.specs.active !== undefined) return
    const { monoMs } = this.now
    const due = this.specs.all().find(({ state, start, startedMs }) => {
      if (state !== 'inactive' || start === 'host') return false
      return start === 'immediate' || monoMs >= startedMs + start.periodMs
    })
    if (due !== undefined) this.start(due.id)
  }

  /** Reads for the time that has passed, then ends the inventory if its time is over. */
  private work(spec: RoSpec): void {
    const { tags, readsPerSecond, random } = this.options
    const ends = spec.durationMs > 0 ? spec.startedMs + spec.durationMs : Number.POSITIVE_INFINITY
    const untilMs = Math.min(this.now.monoMs, ends)
    const due = Math.floor(((untilMs - spec.startedMs) * readsPerSecond) / 1_000)
    const field = tags().filter(({ antenna }) => spec.antennas.size === 0 || spec.antennas.has(antenna))
    const reads = Math.min(due - this.readCount, MAX_READS_AT_ONCE)
    for (let i = 0; i < reads; i++) {
      const answering = field.filter((tag) => answersAt(tag.needsDbm, powerFor(spec, tag.antenna), random))
      if (!this.buffer.read(answering, this.now.wallMs)) this.overflow()
      const { reportEvery } = spec
      if (reportEvery !== undefined && reportEvery > 0 && this.buffer.size >= reportEvery) this.report(spec)
    }
    this.readCount = due
    if (this.now.monoMs >= ends) this.end(spec)
  }

  private end(spec: RoSpec): void {
    this.specs.stop(spec.id)
    if (spec.reportEvery !== undefined) this.report(spec)
    if (this.config.events.has(EVENT_ROSPEC)) {
      this.notify(parameter('ROSpecEvent', { event: 1, id: spec.id, preemptingId: 0 }))
    }
  }

  private overflow(): void {
    if (!this.overflowed && this.config.events.has(EVENT_BUFFER)) {
      this.notify(parameter('ReportBufferOverflowErrorEvent', {}))
    }
    this.overflowed = true
  }

  private report(spec: RoSpec | undefined): void {
    if (this.held || this.host === undefined) return
    for (const children of this.buffer.take(spec)) {
      this.send(encodeLlrpMessage({ name: 'RO_ACCESS_REPORT', ...this.head(), fields: {}, children }))
    }
  }
}

/** What the reader does with each message that it supports. */
type Handlers = { readonly [N in LlrpMessage['name']]?: (message: Extract<LlrpMessage, { name: N }>) => void }

type ReplyName = Exclude<Extract<LlrpMessage['name'], `${string}_RESPONSE`>, 'GET_SUPPORTED_VERSION_RESPONSE'>
