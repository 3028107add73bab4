import type { Driver, Fields, FieldValue, ReceivedCommand, TagReport } from '@biotrakr/firmware-profiles'
import type { Random } from '@biotrakr/shared'
import { answersAt } from './reach.ts'
import { createTagBuffer } from './reader-buffer.ts'
import { createSpeech } from './reader-speech.ts'

/** A tag in the field, with what the reader measures of it. */
export interface FieldTag extends TagReport {
  /** Power at which the reader begins to read it, dBm; read at any power when absent. */
  readonly needsDbm?: number
}

export interface ReaderOptions {
  /** The tags in the field now. */
  tags(): readonly FieldTag[]
  /** Tag reads per second while the radio is on, 0 to 2000. */
  readonly readsPerSecond: number
  /** Chance that 1 to 8 bytes of noise stand in front of a frame, 0 to 1. */
  readonly noise: number
  readonly random: Random
}

/** A reader on one line, run by its profile. It opens nothing and reads no clock; `nowMs` is monotonic. */
export interface SimulatedReader {
  /** Bytes from the host. @returns what the reader says at once */
  receive(bytes: Uint8Array, nowMs: number): readonly Uint8Array[]
  /** Lets time pass. @returns reads, ends of rounds and signs of life */
  advance(nowMs: number): readonly Uint8Array[]
  /** Power cut and return: settings and inventory are gone. */
  reboot(nowMs: number): readonly Uint8Array[]
  readonly radiating: boolean
}

/** How long a round lasts if the command does not say; a half-duplex reader hears nothing meanwhile. */
const ROUND_MS = 30
/** The parameter by which a command says it, ms. */
const ROUND_PARAMETER = 'timeoutMs'
/** A stream says at least this often that it runs. */
const KEEPALIVE_MS = 1_000
/** Reads made up for at most after a pause of the caller, or between two rounds. */
const MAX_READS_AT_ONCE = 2_000
const MAX_NOISE_BYTES = 8
/** 00 00 FF 00 FF 00, before each reply (PN532 user manual UM0701-02, 6.2.1.3). */
const PN532_ACK = Uint8Array.of(0, 0, 0xff, 0, 0xff, 0)

/** The reader's side of a profile, for any host software of its protocol. */
export function createReader(driver: Driver, options: ReaderOptions): SimulatedReader {
  return new Reader(driver, options)
}

class Reader implements SimulatedReader {
  private readonly driver: Driver
  private readonly options: ReaderOptions
  private readonly speech: ReturnType<typeof createSpeech>
  private readonly framer: ReturnType<Driver['reader']['createFramer']>
  private readonly halfDuplex: boolean
  private readonly acknowledges: boolean
  private readonly buffer = createTagBuffer()
  /** The last value of each parameter that commands have set. */
  private state: Record<string, FieldValue>
  private streaming: boolean
  private round: { readonly command: ReceivedCommand; readonly endsMs: number } | undefined
  private layout = 0
  private nowMs = Number.NaN
  private bootedMs = 0
  private readsDue = 0
  private keepaliveAtMs = 0
  private lastReply: readonly Uint8Array[] = []
  private out: Uint8Array[] = []

  constructor(driver: Driver, options: ReaderOptions) {
    this.driver = driver
    this.options = options
    this.speech = createSpeech(driver)
    this.framer = driver.reader.createFramer((command) => this.obey(command))
    this.state = delivered(driver)
    this.halfDuplex = driver.serial.turnaroundMs > 0
    this.acknowledges = driver.document.framing.kind === 'pn532'
    this.streaming = driver.lifecycle.inventory === 'passive'
  }

  get radiating(): boolean {
    return this.streaming || this.round !== undefined
  }

  receive(bytes: Uint8Array, nowMs: number): readonly Uint8Array[] {
    return this.within(nowMs, () => this.framer.push(bytes, nowMs))
  }

  advance(nowMs: number): readonly Uint8Array[] {
    return this.within(nowMs, () => undefined)
  }

  reboot(nowMs: number): readonly Uint8Array[] {
    return this.within(nowMs, () => {
      this.reset()
      const boot = this.speech.sign('boot', this.layout)
      if (boot !== undefined) this.say([boot])
    })
  }

  private within(nowMs: number, work: () => void): readonly Uint8Array[] {
    this.out = []
    this.pass(nowMs)
    work()
    return this.out
  }

  private reset(): void {
    this.framer.flush()
    this.state = delivered(this.driver)
    this.bootedMs = this.nowMs
    this.round = undefined
    this.buffer.clear()
    this.readsDue = 0
    this.streaming = this.driver.lifecycle.inventory === 'passive'
  }

  private pass(nowMs: number): void {
    const sinceMs = Number.isNaN(this.nowMs) ? 0 : Math.max(0, nowMs - this.nowMs)
    this.nowMs = nowMs
    const due = this.readsDue + (sinceMs * this.options.readsPerSecond) / 1_000
    this.readsDue = Math.min(due, Math.max(1, Math.min(this.options.readsPerSecond, MAX_READS_AT_ONCE)))
    if (this.round !== undefined && nowMs >= this.round.endsMs) this.endRound(this.round.command)
    if (this.streaming) this.stream()
  }

  private obey(received: ReceivedCommand): void {
    if (this.acknowledges && received.frame.length <= PN532_ACK.length) {
      this.handshake(received.frame)
      return
    }
    if (this.halfDuplex && this.round !== undefined) return
    this.layout = received.layout
    if (this.acknowledges) this.say([PN532_ACK])
    const refusal = this.speech.refusal(received, this.state)
    if (refusal.length > 0) {
      this.reply(refusal)
      return
    }
    this.carryOut(received)
  }

  private carryOut(received: ReceivedCommand): void {
    const effect = this.effectOf(received)
    if (effect === 'boot') this.reset()
    this.remember(received)
    if (effect === 'round' || effect === 'collect') {
      const { [ROUND_PARAMETER]: lastsMs } = received.params
      this.round = { command: received, endsMs: this.nowMs + (typeof lastsMs === 'number' ? lastsMs : ROUND_MS) }
      return
    }
    if (effect === 'stop') this.stop()
    if (effect === 'clear') this.buffer.clear()
    if (effect === 'take' || effect === 'list') this.handOut(received, effect)
    else this.reply(this.speech.answer(received, this.known()))
    if (effect === 'start') this.start()
  }

  private effectOf({ command }: ReceivedCommand) {
    return command === null ? undefined : this.driver.commands.get(command)?.effect
  }

  /** What the reader can say of itself. */
  private known(collected = 0): Fields {
    const upSeconds = Math.floor((this.nowMs - this.bootedMs) / 1_000)
    return { upSeconds, ...this.state, collected, buffered: this.buffer.tags.length, lost: this.buffer.lost }
  }

  private handOut(received: ReceivedCommand, effect: 'take' | 'list'): void {
    const { tags } = this.buffer
    if (tags.length === 0) {
      this.reply(this.speech.answer(received, this.known()))
      return
    }
    if (effect === 'list') {
      this.reply(this.speech.round(received, tags, this.known()))
      return
    }
    const { frame, count } = this.speech.oneList(received, tags, this.known())
    this.buffer.drop(count)
    this.reply(frame)
  }

  /** The host's own acknowledge ends what is under way; its refusal asks for the last reply again. */
  private handshake(frame: Uint8Array): void {
    if (frame.at(-2) === 0xff) this.round = undefined
    else this.say(this.lastReply)
  }

  /** A region is kept as the protocol's number, in which a reader says it. */
  private remember({ params }: ReceivedCommand): void {
    const { regions } = this.driver.limits
    for (const [name, value] of Object.entries(params)) {
      if (typeof value !== 'object') this.state[name] = (name === 'region' && regions.get(String(value))) || value
    }
  }

  private start(): void {
    this.streaming = true
    this.readsDue = 0
    this.keepaliveAtMs = this.nowMs + KEEPALIVE_MS
  }

  private stop(): void {
    this.round = undefined
    this.streaming = this.driver.lifecycle.inventory === 'passive'
  }

  private endRound(command: ReceivedCommand): void {
    this.round = undefined
    const most = this.driver.lifecycle.inventory === 'hostPoll' ? 1 : Math.floor(this.readsDue)
    const tags = this.draw(Math.min(most, Math.floor(this.readsDue)))
    this.readsDue -= tags.length
    if (this.effectOf(command) === 'collect') {
      this.buffer.add(tags)
      this.reply(this.speech.answer(command, this.known(tags.length)))
      return
    }
    this.reply(this.speech.round(command, tags, this.known()))
  }

  /** Different tags of the field, in any order. */
  private draw(count: number): readonly TagReport[] {
    const field = this.field().filter((tag) => this.answers(tag))
    const drawn: TagReport[] = []
    while (drawn.length < count && field.length > 0) {
      drawn.push(...field.splice(Math.floor(this.options.random() * field.length), 1))
    }
    return drawn
  }

  private field(): FieldTag[] {
    return this.options.tags().filter((tag) => this.speech.reads(tag))
  }

  private answers({ needsDbm }: FieldTag): boolean {
    const { powerDbm } = this.state
    return answersAt(needsDbm, typeof powerDbm === 'number' ? powerDbm : undefined, this.options.random)
  }

  /** The reader's clock starts again with each sign of life, as a Mercury reader's does. */
  private timed(tag: TagReport): TagReport {
    return { readerTimeMs: Math.max(0, Math.floor(this.nowMs - this.keepaliveAtMs + KEEPALIVE_MS)), ...tag }
  }

  private stream(): void {
    const field = this.field()
    const reads = Math.floor(this.readsDue)
    this.readsDue -= reads
    for (let n = 0; n < reads; n++) {
      const tag = field[Math.floor(this.options.random() * field.length)]
      if (tag !== undefined && !this.answers(tag)) continue
      const frame = tag && this.speech.streamed(this.timed(tag), this.layout, this.state)
      if (frame !== undefined) this.say([frame])
    }
    if (this.driver.lifecycle.inventory === 'passive' || this.nowMs < this.keepaliveAtMs) return
    this.keepaliveAtMs = this.nowMs + KEEPALIVE_MS
    const sign = this.speech.sign('keepalive', this.layout)
    if (sign !== undefined) this.say([sign])
  }

  private reply(frames: readonly Uint8Array[]): void {
    this.lastReply = frames
    this.say(frames)
  }

  private say(frames: readonly Uint8Array[]): void {
    for (const frame of frames) {
      if (this.options.noise > 0 && this.options.random() < this.options.noise) this.out.push(this.crackle())
      this.out.push(frame)
    }
  }

  private crackle(): Uint8Array {
    const { random } = this.options
    return Uint8Array.from({ length: 1 + Math.floor(random() * MAX_NOISE_BYTES) }, () => Math.floor(random() * 256))
  }
}

/** What a reader knows before any command: its antenna ports, all with an antenna, for protocols that list them. */
function delivered({ limits }: Driver): Record<string, FieldValue> {
  return { ports: Array.from({ length: limits.antennas ?? 1 }, (_, n) => ({ port: n + 1, connected: 1 })) }
}
