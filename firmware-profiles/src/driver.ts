import type { CommandSpec, ErrorSpec, InventoryMode, ProfileDocument, Role } from './profile.ts'

/** What one tag report says. Absent means the protocol, or this frame, does not say it. */
export interface TagReport {
  /** EPC as upper-case hex; for profiles of kind `uid` the tag's own number. */
  readonly epc: string
  /** LF (125, 134 kHz) or HF (13.56 MHz); only of profiles of kind `uid`, and always of those. */
  readonly band?: 'lf' | 'hf'
  /** Protocol control word, 4 hex digits. */
  readonly pc?: string
  readonly rssiDbm?: number
  /** The reader's own number, where its unit is unknown or not calibrated. */
  readonly rssiRaw?: number
  /** From 1. */
  readonly antenna?: number
  readonly phaseDeg?: number
  readonly freqKHz?: number
  /** The reader's own clock, ms; only differences mean something. */
  readonly readerTimeMs?: number
  /** CRC as the tag sent it, 4 hex digits. */
  readonly tagCrc?: string
}

export type Verdict = Role | 'garbage'

export type FieldValue = number | string | readonly Fields[]
export type Fields = { readonly [name: string]: FieldValue }

/** One frame, or one run of bytes that are no frame. */
export interface Decoded {
  readonly verdict: Verdict
  /** Name of the message in the profile; empty for garbage and for an intact frame that no message describes. */
  readonly message: string
  readonly tags: readonly TagReport[]
  /** Which of the framing's layouts the frame has (0 for other framings). */
  readonly layout: number
  /** Named values; computed when first asked for. */
  readonly fields: Fields
  /** A copy of the frame's bytes. */
  readonly frame: Uint8Array
  readonly error?: { readonly code: string } & Partial<ErrorSpec>
  readonly why?: string
}

/** A command as a reader receives it. */
export interface ReceivedCommand {
  /** Null: an intact frame that is none of the profile's commands. */
  readonly command: string | null
  readonly params: Params
  readonly layout: number
  readonly frame: Uint8Array
}

export type Params = { readonly [name: string]: number | string | readonly number[] }

export interface FramerCounters {
  readonly frames: number
  /** Bytes that belong to no accepted frame. */
  readonly bytesDropped: number
  readonly badChecksum: number
  /** Times an intact frame followed dropped bytes. */
  readonly resyncs: number
}

/** Bytes in, decoded frames out to the sink. Holds at most one frame and one run of garbage; never throws. */
export interface Framer {
  /** `nowMs`: monotonic time of arrival. A silence longer than the profile's gap ends an unfinished frame first. */
  push(bytes: Uint8Array, nowMs: number): void
  /** Nothing more will come for what is held: finds the frames behind a false start and reports the rest as garbage. */
  flush(): void
  /** True when bytes of an unfinished frame are held: flush after `serial.gapMs` of silence. */
  readonly pending: boolean
  readonly counters: FramerCounters
}

export interface SerialSettings {
  readonly baud: readonly number[]
  readonly dataBits: 7 | 8
  readonly parity: 'none' | 'even' | 'odd'
  readonly stopBits: 1 | 2
  readonly flow: 'none' | 'rtscts'
  readonly dtr?: boolean
  readonly rts?: boolean
  readonly gapMs: number
  readonly turnaroundMs: number
  readonly openDelayMs: number
}

export interface Lifecycle {
  readonly inventory: InventoryMode
  readonly identify: readonly string[]
  readonly open: readonly string[]
  readonly start: readonly string[]
  readonly poll: readonly string[]
  readonly onBoot: readonly string[]
  readonly health: readonly string[]
  readonly close: readonly string[]
  readonly silenceMs?: number
  readonly pollMs?: number
  readonly roundMs?: number
  readonly healthEveryMs?: number
  readonly presenceMs?: number
}

export interface Limits {
  readonly powerDbm?: { readonly min: number; readonly max: number; readonly step: number }
  readonly antennas?: number
  readonly regions: ReadonlyMap<string, number>
}

export interface CommandInfo {
  readonly name: string
  readonly radiates: boolean
  /** Parameters without which it cannot be encoded (those with a default in the profile are not among them). */
  readonly needs: readonly string[]
  /** False: nothing answers it. */
  readonly answered: boolean
  readonly timeoutMs: number
  readonly retries: number
  readonly settleMs: number
  /** True: go on when it is refused or not answered. */
  readonly optional: boolean
  /** True: takes the parameter `antenna`, and so is for one of the site's antennas at a time. */
  readonly perAntenna: boolean
  readonly effect?: CommandSpec['effect']
  /** Present where the command writes memory that wears out. */
  readonly stored?: NonNullable<CommandSpec['stored']>
}

/** How a decoded frame stands to a command that waits for its reply. */
export type ReplyMatch = 'ok' | 'failed' | 'other'

/** One profile, compiled. Holds no state of a port: framers do. */
export interface Driver {
  readonly id: string
  readonly version: string
  readonly name: string
  /** Of the whole resolved document, by the function the loader was given. */
  readonly fingerprint: string
  readonly document: ProfileDocument
  readonly tagKind: 'epc' | 'uid'
  readonly rssi: { readonly unit: 'dBm' | 'raw' | 'none'; readonly calibrated: boolean }
  readonly serial: SerialSettings
  readonly tcpPort?: number
  readonly lifecycle: Lifecycle
  readonly limits: Limits
  readonly commands: ReadonlyMap<string, CommandInfo>
  /** Longest frame, bytes. */
  readonly maxFrame: number
  /** How many layouts a frame can have; a host that gets no answer with one tries the next. */
  readonly layouts: number

  createFramer(sink: (decoded: Decoded) => void): Framer
  /** One whole frame and nothing else; anything else is garbage. */
  decode(frame: Uint8Array): Decoded
  /** Throws PROFILE_PARAMETER when a parameter is missing or does not fit. */
  encode(command: string, params?: Params, options?: { readonly layout?: number }): Uint8Array
  matches(command: string, decoded: Decoded): ReplyMatch

  /** The reader's side, for simulators. */
  readonly reader: ReaderSide
}

export interface ReaderSide {
  createFramer(sink: (command: ReceivedCommand) => void): Framer
  decodeCommand(frame: Uint8Array): ReceivedCommand | undefined
  /** The frames a reader answers with; `state` (last set parameters and the like) goes before the profile's values. */
  answer(received: ReceivedCommand, state?: Fields): readonly Uint8Array[]
  /** What a reader says to a command that it cannot carry out as it is: none if it can. */
  refusal(received: ReceivedCommand, state?: Fields): readonly Uint8Array[]
  /** Any message by name. Throws PROFILE_PARAMETER when a value is missing or does not fit. */
  encodeMessage(name: string, values?: Fields, options?: { readonly layout?: number }): Uint8Array
  /** The profile's first tag message (or the named one) with these reports; `values` for its other fields. */
  encodeTags(tags: readonly TagReport[], options?: EncodeTagsOptions): Uint8Array
}

export interface EncodeTagsOptions {
  readonly message?: string
  readonly values?: Fields
  readonly layout?: number
}
