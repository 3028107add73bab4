import type { Conditions, CondSpec, Endian, FieldSpec, IntType, Num } from './profile-fields.ts'

export type * from './profile-fields.ts'

/** What a frame is, for whoever waits for it. */
export type Role = 'reply' | 'tag' | 'tags' | 'keepalive' | 'roundEnd' | 'error' | 'status' | 'boot'

/** How tags come: by themselves once started, in rounds the host repeats, on each poll, or without any command. */
export type InventoryMode = 'stream' | 'roundLoop' | 'hostPoll' | 'passive'

/** What a reader's protocol looks like, as data. `profile.schema.json` says the same for editors and for the loader. */
export interface ProfileDocument {
  readonly $schema?: string
  readonly id: string
  readonly version: string
  /** Id of the profile this one changes: objects merge, everything else replaces, null removes. */
  readonly extends?: string
  readonly name: string
  readonly description?: string
  readonly models?: readonly string[]
  readonly evidence: Evidence
  /** `epc`: UHF Gen2. `uid`: LF or HF, where the number is not an EPC. */
  readonly tagKind: 'epc' | 'uid'
  readonly match?: { readonly usb?: readonly { readonly vendorId: string; readonly productId?: string }[] }
  readonly serial: SerialSpec
  readonly tcpPort?: number
  readonly framing: FramingSpec
  readonly integrity: readonly IntegritySpec[]
  readonly header?: readonly FieldSpec[]
  readonly messages: readonly MessageSpec[]
  /** Values that templates use and a site may set, with the value taken when it does not. */
  readonly parameters?: Readonly<Record<string, ParameterSpec>>
  readonly commands: Readonly<Record<string, CommandSpec>>
  /** What a reader says to a command it does not know; only simulated readers use it. */
  readonly unknownCommand?: readonly AnswerSpec[]
  /** What it says to a command that it knows but cannot carry out as it is; only simulated readers use it. */
  readonly wrongParameter?: WrongParameterSpec
  readonly lifecycle: LifecycleSpec
  readonly limits?: LimitsSpec
  readonly errors?: Readonly<Record<string, ErrorSpec>>
  readonly golden: readonly GoldenSpec[]
  readonly reject: readonly RejectSpec[]
}

interface Evidence {
  readonly verifiedOn: 'hardware' | 'public-frames' | 'document'
  readonly sources: readonly string[]
  readonly firmware?: readonly string[]
}

interface SerialSpec {
  /** Tried in this order. */
  readonly baud: readonly number[]
  readonly dataBits?: 7 | 8
  readonly parity?: 'none' | 'even' | 'odd'
  readonly stopBits?: 1 | 2
  readonly flow?: 'none' | 'rtscts'
  readonly dtr?: boolean
  readonly rts?: boolean
  /** Silence inside a frame after which the rest will not come, ms. */
  readonly gapMs: number
  /** Least time between a reply and the next command, ms. */
  readonly turnaroundMs?: number
  /** Wait after opening the port, ms. */
  readonly openDelayMs?: number
}

/** A number read from a frame's start that tells its whole length. */
export interface LengthSpec {
  readonly at: number
  readonly size: 1 | 2
  readonly endian?: Endian
  readonly mask?: Num
  /** Whole frame = value + overhead. */
  readonly overhead: number
  /** The same for commands, where it differs. */
  readonly commandOverhead?: number
  /** Greatest value the field may have; a larger one is no frame. */
  readonly max?: Num
}

/** One shape of frame: the first layout whose `start` fits is taken. */
export interface LayoutSpec {
  readonly start?: string
  readonly end?: string
  readonly length?: LengthSpec
  /** Instead of `length`: every frame has this many bytes. */
  readonly fixed?: number
  /** Which bytes the fields are read from: from this offset, to this offset from the end (negative or 0). */
  readonly body: { readonly from: number; readonly to: number }
}

export type FramingSpec =
  | {
      readonly kind: 'length'
      readonly layouts: readonly LayoutSpec[]
      readonly min: number
      readonly max: number
      /** `message`: a frame counts only if it also is one of the messages; for checks of 8 bits and less. */
      readonly confirm?: 'checksum' | 'message'
    }
  | {
      readonly kind: 'delimited'
      readonly start?: string
      readonly end: string
      readonly min: number
      readonly max: number
      readonly confirm?: 'checksum' | 'message'
    }
  | {
      readonly kind: 'line' | 'jsonLine'
      /** What a command ends with. A reply may end with CR, LF or both. */
      readonly end: string
      /** `hex`: the line spells bytes in hexadecimal, and the fields are read from those bytes. */
      readonly content?: 'text' | 'hex'
      /** Columns of a text line are cut at this character. */
      readonly separator?: string
      readonly min: number
      readonly max: number
      readonly confirm?: 'checksum' | 'message'
    }
  | { readonly kind: 'pn532'; readonly min: number; readonly max: number; readonly confirm?: 'checksum' | 'message' }

type IntegrityKind = 'crc16' | 'sum8' | 'negSum8' | 'xor8' | 'asciiHexXor' | 'asciiHexNegSum' | 'pn532'

/** Offsets: 0 and up from the frame's start, negative from its end. */
export interface IntegritySpec {
  readonly kind: IntegrityKind
  /** First byte the check covers. */
  readonly from?: number
  /** First byte it no longer covers. */
  readonly to?: number
  /** Where the check itself stands. */
  readonly at?: number
  readonly endian?: Endian
  readonly poly?: Num
  readonly init?: Num
  readonly refin?: boolean
  readonly refout?: boolean
  readonly xorout?: Num
  /** False: message bits are shifted in without 16 bits of padding (ThingMagic's form). */
  readonly augment?: boolean
}

/** Which fields make a tag report. */
export interface TagSpec {
  readonly epc: string
  /** Of profiles of kind `uid`, and only of those: which kind of tag this message reports. */
  readonly band?: 'lf' | 'hf'
  readonly pc?: string
  readonly tagCrc?: { readonly field: string; readonly verify: boolean }
  /** The EPC must have the length its PC word says. */
  readonly checkPcLength?: boolean
  readonly rssi?: RssiSpec
  readonly antenna?: { readonly field: string; readonly kind: 'number' | 'mask' }
  readonly freqKHz?: string
  readonly phaseDeg?: string
  readonly readerTimeMs?: string
}

export interface RssiSpec {
  readonly field: string
  /** `raw`: a number without a unit; it becomes dBm only by `dbm`, which must name its source. */
  readonly unit: 'dBm' | 'raw'
  readonly calibrated: boolean
  readonly dbm?: { readonly scale: number; readonly offset: number; readonly source: string }
}

export interface MessageSpec {
  readonly name: string
  readonly doc?: string
  readonly role: Role
  readonly when?: Conditions
  /** Bytes of the whole body, header fields included. */
  readonly bodyLength?: number | { readonly min?: number; readonly max?: number }
  /** Bytes of the body by their offset, for what stands behind the header. */
  readonly bytes?: Conditions
  readonly fields?: readonly FieldSpec[]
  /** Bytes after the last field are allowed (readers that add fields with newer firmware). */
  readonly trailing?: boolean
  readonly tag?: TagSpec
  /** Name of the repeat whose every turn is a tag. */
  readonly tagsIn?: string
  /** Field that holds the code to look up in `errors`. */
  readonly errorCode?: string
}

export interface ParameterSpec {
  readonly doc: string
  readonly default?: number | string | readonly number[]
  readonly min?: number
  readonly max?: number
}

/** A piece of a command: bytes as hex, or a parameter. */
export type PartSpec =
  | string
  | {
      readonly param: string
      readonly type: IntType | 'hex' | 'ascii'
      readonly endian?: Endian
      /** Written = value x scale + offset. */
      readonly scale?: number
      readonly offset?: number
      /** `regions`: the value is a region's name, written as its number in limits.regions. */
      readonly map?: 'regions' | Readonly<Record<string, Num>>
      /** For a list: each number in turn (`times` each), its bit mask (first = bit 0), or how many there are. */
      readonly list?: 'each' | 'mask' | 'count'
      readonly times?: number
    }
  | { readonly text: string }

export interface CommandSpec {
  readonly doc?: string
  /** Everything between start and check, except the length, which is filled in. */
  readonly send: readonly PartSpec[]
  /** Bytes sent before the frame, as they are (wake preambles). */
  readonly preamble?: string
  /** Sent as it is, without framing. */
  readonly raw?: boolean
  /** Switches the radio on: never sent without a region. */
  readonly radiates?: boolean
  readonly expect?: ExpectSpec
  readonly timeoutMs?: number
  readonly retries?: number
  /** Wait after the reply (or after sending, without one), ms. */
  readonly settleMs?: number
  /** A refusal is no failure of the step it belongs to. */
  readonly optional?: boolean
  /** What a reader answers; only simulated readers use it. */
  readonly answer?: readonly AnswerSpec[]
  /** What the command does to a simulated reader. */
  readonly effect?: EffectSpec
  /** What it sets is kept in memory that wears out: it is sent only when needed. */
  readonly stored?: StoredSpec
}

/**
 * `collect` is a round whose tags stay in the reader; `take` hands out as many of them as one frame holds and forgets
 * those, `list` hands out all and keeps them, `clear` forgets all.
 */
type EffectSpec = 'start' | 'stop' | 'round' | 'boot' | 'collect' | 'take' | 'list' | 'clear'

interface StoredSpec {
  /** How to read what is stored. */
  readonly query?: StoredQuery
}

/** The reply to `command` holds what is stored as `bytes` bytes of its frame from `reply` on, as the frame sent does from `sent` on. */
interface StoredQuery {
  readonly command: string
  readonly reply: number
  readonly sent: number
  readonly bytes: number
}

interface ExpectSpec {
  /** The reply is one of these messages. */
  readonly messages: readonly string[]
  /** And these fields fit (which tell replies to different commands apart). */
  readonly when?: Conditions
  /** The reply means success only if these fit too. */
  readonly okWhen?: Conditions
}

export interface AnswerSpec {
  readonly message: string
  /** Only if these fit: parameters as commands have set them, `buffered` and `collected` tags, `upSeconds`. */
  readonly when?: Conditions
  /** Field values; `{ requestByte: n }` copies byte n of the command's frame. */
  readonly values?: Readonly<Record<string, number | string | { readonly requestByte: number }>>
}

interface WrongParameterSpec {
  /** Bytes of `send` that say which command it is. A known one that fits none of the profile's has a wrong length. */
  readonly code: { readonly at: number; readonly bytes: number }
  /** The first that fits is answered. */
  readonly rules: readonly WrongParameterRule[]
}

export interface WrongParameterRule {
  /** Which parameter is wrong; without it, the length is. */
  readonly param?: string
  /** Too great or too small (too long or too short); both if not said. */
  readonly is?: 'above' | 'below'
  /** Right numbers, as the command carries them; in place of the limits that the profile declares. */
  readonly unless?: readonly CondSpec[]
  /** A command that switches the radio on is wrong as long as the parameter has never been set. */
  readonly missing?: boolean
  readonly answer: readonly AnswerSpec[]
}

/** Lists of command names. */
interface LifecycleSpec {
  readonly inventory: InventoryMode
  readonly identify?: readonly string[]
  readonly open?: readonly string[]
  readonly start?: readonly string[]
  readonly poll?: readonly string[]
  readonly onBoot?: readonly string[]
  readonly health?: readonly string[]
  readonly close?: readonly string[]
  /** Without any frame for this long the reader counts as dead, ms. */
  readonly silenceMs?: number
  /** Time between polls or rounds, ms. */
  readonly pollMs?: number
  /** A round is over at the latest after this long, ms; for readers that do not say so. */
  readonly roundMs?: number
  readonly healthEveryMs?: number
  /** A tag not reported for this long has left (readers that only say what they see), ms. */
  readonly presenceMs?: number
}

interface LimitsSpec {
  readonly powerDbm?: { readonly min: number; readonly max: number; readonly step: number }
  readonly antennas?: number
  /** Region name to the reader's number. */
  readonly regions?: Readonly<Record<string, Num>>
}

export interface ErrorSpec {
  readonly text: string
  readonly severity: 'info' | 'warning' | 'error' | 'fatal'
  readonly action?: string
}

/** A frame from elsewhere that must decode, and to what. */
export interface GoldenSpec {
  readonly hex: string
  /** `command`: a frame from the host. */
  readonly direction?: 'reply' | 'command'
  readonly source: string
  readonly verdict?: Role
  readonly message?: string
  readonly command?: string
  readonly tags?: readonly Readonly<Record<string, string | number>>[]
  readonly fields?: Readonly<Record<string, unknown>>
}

export interface RejectSpec {
  readonly hex: string
  readonly direction?: 'reply' | 'command'
  readonly source: string
  readonly why: string
}
