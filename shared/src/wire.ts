import { bytesOfHex, type Fault, hexOf, Reader, Writer } from './bytes.ts'
import { crc32c } from './crc32c.ts'
import { type GatewayId, isGatewayId } from './ids.ts'
import { type Batch, type Epoch, type Fix, type LedgerRecord, seqSpan, type TagEvent } from './model.ts'
import { decodeBody } from './wire-decode.ts'
import { encodeBody, type KindRun, runsOf } from './wire-encode.ts'
import { KIND, MAX_KIND_CODE } from './wire-kinds.ts'

/**
 * Wire format, version 1; version 2 is a live message that holds events as well. Numbers are varints (bytes.ts).
 *
 * ```
 * 42 54                      magic "BT"
 * version                    1 byte; up to `last`, and in its checksum, every version is laid out as this one
 * flags                      1 byte: 1 = live, 2 = body deflated
 * gateway                    length, ASCII
 * epoch, first, last         ledger only: counter, 8 bytes nonce; sequence numbers of the first and last record
 * kinds                      number of runs, (kind code, run length)*, in sequence order
 * body length                of the body before deflate
 * body                       blocks of columns (wire-columns.ts), first the dictionaries, then one block per kind
 * CRC-32C                    4 bytes, little endian, over everything before it
 * ```
 */
const MAGIC_0 = 0x42
const MAGIC_1 = 0x54
const VERSION = 1
/** Only live messages with events are of this version: whoever knows version 1 alone still reads all positions. */
const LIVE_EVENTS_VERSION = 2
const FLAG_LIVE = 1
const FLAG_DEFLATED = 2
const PREFIX_BYTES = 4
const CRC_BYTES = 4
const NONCE_BYTES = 8
const MAX_EPOCH_COUNTER = 9_999_999_999

/** Largest message in bytes; the broker refuses larger ones. */
export const MAX_BATCH_BYTES = 262_144
/** Most records in a batch. */
export const MAX_BATCH_RECORDS = 32_768
const MAX_BODY_BYTES = 4 * 1024 * 1024

export interface Compression {
  /** Raw deflate (RFC 1951), level 1. */
  deflate(bytes: Uint8Array): Uint8Array
  /** @returns undefined when the bytes are not raw deflate or would inflate beyond `maxBytes`; never throws */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array | undefined
}

export type WireCode =
  | 'WIRE_TOO_LARGE'
  | 'WIRE_TRUNCATED'
  | 'WIRE_MAGIC'
  | 'WIRE_VERSION'
  | 'WIRE_CRC'
  | 'WIRE_INFLATE'
  | 'WIRE_CONTENT'
  | 'WIRE_RUN'

/** The run a rejected batch declared; only present when the checksum held, so that it can be believed. */
export interface Run {
  readonly gateway: GatewayId
  readonly epoch: Epoch
  readonly first: number
  readonly last: number
}

interface Refusal {
  readonly ok: false
  readonly code: WireCode
  readonly detail: string
}

export type BatchVerdict = { readonly ok: true; readonly batch: Batch } | (Refusal & { readonly run?: Run })

export type LiveVerdict = ({ readonly ok: true; readonly gateway: GatewayId } & LiveContent) | Refusal

/** What a message of the live lane says, each in the order in which it was given. */
export interface LiveContent {
  readonly fixes: readonly Fix[]
  /** Presses and the like; none in version 1. */
  readonly events: readonly TagEvent[]
}

/**
 * Encodes every batch of valid records, and never throws: times, counters and spans whole numbers from 0, `milli` and
 * places whole numbers, 1 to MAX_BATCH_RECORDS records that cover [first, last]. A value outside of the model is a
 * programming error; it is not clamped, the batch is then one that `decodeBatch` refuses.
 * @returns the message; longer than MAX_BATCH_BYTES when the batch must be split
 */
export function encodeBatch(batch: Batch, compression: Compression): Uint8Array {
  const head = startEnvelope(batch.gateway, { version: VERSION, flags: 0 })
  head.unsigned(batch.epoch.counter)
  head.raw(bytesOfHex(batch.epoch.nonce))
  head.unsigned(batch.first)
  head.unsigned(batch.last)
  return finishEnvelope(head, batch.records, compression)
}

/** As `encodeBatch`, for the newest fixes and for events on the live lane, which have no place in the ledger. */
export function encodeLive(
  gateway: GatewayId,
  records: readonly (Fix | TagEvent)[],
  compression: Compression,
): Uint8Array {
  const version = records.some(({ kind }) => kind === 'event') ? LIVE_EVENTS_VERSION : VERSION
  return finishEnvelope(startEnvelope(gateway, { version, flags: FLAG_LIVE }), records, compression)
}

interface Prefix {
  readonly version: number
  readonly flags: number
}

function startEnvelope(gateway: GatewayId, { version, flags }: Prefix): Writer {
  const head = new Writer(256)
  for (const byte of [MAGIC_0, MAGIC_1, version, flags, gateway.length]) head.byte(byte)
  for (let i = 0; i < gateway.length; i++) head.byte(gateway.charCodeAt(i))
  return head
}

function finishEnvelope(head: Writer, records: readonly LedgerRecord[], compression: Compression): Uint8Array {
  const runs = runsOf(records)
  head.unsigned(runs.length)
  for (const { code, length } of runs) {
    head.unsigned(code)
    head.unsigned(length)
  }
  const bodyWriter = new Writer(1 << 15)
  encodeBody(records, bodyWriter, new Writer(1 << 15))
  const body = bodyWriter.view()
  head.unsigned(body.length)
  // Too large to be inflated again: left as it is, which makes the message longer than MAX_BATCH_BYTES.
  const deflated = body.length <= MAX_BODY_BYTES ? compression.deflate(body) : body
  const smaller = deflated.length < body.length
  const stored = smaller ? deflated : body
  const message = new Uint8Array(head.length + stored.length + CRC_BYTES)
  message.set(head.view())
  if (smaller) message[3] = (message[3] as number) | FLAG_DEFLATED
  message.set(stored, head.length)
  const end = message.length - CRC_BYTES
  const crc = crc32c(message, end)
  for (let i = 0; i < CRC_BYTES; i++) message[end + i] = crc >>> (8 * i)
  return message
}

/** Reads a batch. Whatever the bytes are, it answers with a verdict, never throws, and holds little memory. */
export function decodeBatch(bytes: Uint8Array, compression: Compression): BatchVerdict {
  const opened = openEnvelope(bytes)
  if (!opened.ok) return opened
  const { head, flags, intact, version } = opened
  if (version === VERSION && !intact) return refuse('WIRE_CRC', 'the checksum does not match')
  const run = intact && (flags & FLAG_LIVE) === 0 ? readRun(head) : undefined
  if (version !== VERSION) return withRun(refuse('WIRE_VERSION', `version ${version} is not known here`), run)
  if (flags & FLAG_LIVE) return refuse('WIRE_CONTENT', 'a live message, not a batch')
  if (run === undefined) return refuse('WIRE_CONTENT', `header: ${head.fault.detail}`)
  const content = readContent(head, flags, { bytes, compression })
  if (!content.ok) return withRun(content, run)
  const covered = content.records.reduce((total, record) => total + seqSpan(record), 0)
  if (covered !== run.last - run.first + 1) {
    return withRun(refuse('WIRE_RUN', `${covered} records do not cover ${run.first}..${run.last}`), run)
  }
  return { ok: true, batch: { ...run, records: content.records } }
}

/** Reads a message of the live lane, of version 1 or 2; as `decodeBatch` otherwise. */
export function decodeLive(bytes: Uint8Array, compression: Compression): LiveVerdict {
  const opened = openEnvelope(bytes)
  if (!opened.ok) return opened
  const { head, flags, intact, version } = opened
  if (version !== VERSION && version !== LIVE_EVENTS_VERSION) {
    return refuse('WIRE_VERSION', `version ${version} is not known here`)
  }
  if (!intact) return refuse('WIRE_CRC', 'the checksum does not match')
  if ((flags & FLAG_LIVE) === 0) return refuse('WIRE_CONTENT', 'a batch, not a live message')
  const gateway = readGateway(head)
  if (gateway === undefined) return refuse('WIRE_CONTENT', `header: ${head.fault.detail}`)
  const content = readContent(head, flags, { bytes, compression })
  if (!content.ok) return content
  const fixes = content.records.filter((record) => record.kind === 'fix')
  const events = version === VERSION ? [] : content.records.filter((record) => record.kind === 'event')
  if (fixes.length + events.length < content.records.length) {
    return refuse('WIRE_CONTENT', `a live message of version ${version} holds records of another kind`)
  }
  return { ok: true, gateway, fixes, events }
}

function refuse(code: WireCode, detail: string): Refusal {
  return { ok: false, code, detail }
}

function withRun(refusal: Refusal, run: Run | undefined): BatchVerdict {
  return run === undefined ? refusal : { ...refusal, run }
}

interface Opened {
  readonly ok: true
  readonly version: number
  readonly flags: number
  /** The checksum held. */
  readonly intact: boolean
  /** Stands at the gateway and ends before the checksum. */
  readonly head: Reader
}

function openEnvelope(bytes: Uint8Array): Opened | Refusal {
  if (bytes.length > MAX_BATCH_BYTES) return refuse('WIRE_TOO_LARGE', `${bytes.length} bytes`)
  if (bytes.length < PREFIX_BYTES + CRC_BYTES) return refuse('WIRE_TRUNCATED', `${bytes.length} bytes`)
  if (bytes[0] !== MAGIC_0 || bytes[1] !== MAGIC_1) return refuse('WIRE_MAGIC', 'not a message of this product')
  const end = bytes.length - CRC_BYTES
  let crc = 0
  for (let i = 3; i >= 0; i--) crc = ((crc << 8) | (bytes[end + i] as number)) >>> 0
  const fault: Fault = { detail: undefined }
  return {
    ok: true,
    version: bytes[2] as number,
    flags: bytes[3] as number,
    intact: crc === crc32c(bytes, end),
    head: new Reader(bytes, fault, { from: PREFIX_BYTES, to: end }),
  }
}

function readGateway(head: Reader): GatewayId | undefined {
  const text = String.fromCharCode(...head.raw(head.byte()))
  if (isGatewayId(text) && head.fault.detail === undefined) return text
  head.fail('the gateway id is not well-formed')
  return undefined
}

/** @returns undefined, with the head's fault set, when the run is not one that a gateway can have */
function readRun(head: Reader): Run | undefined {
  const gateway = readGateway(head)
  const counter = head.unsigned(MAX_EPOCH_COUNTER)
  const nonce = hexOf(head.raw(NONCE_BYTES))
  const first = head.unsigned(Number.MAX_SAFE_INTEGER)
  const last = head.unsigned(Number.MAX_SAFE_INTEGER)
  if (first < 1 || last < first) head.fail(`${first}..${last} is no run`)
  if (gateway === undefined || head.fault.detail !== undefined) return undefined
  return { gateway, epoch: { counter, nonce }, first, last }
}

type Content = { readonly ok: true; readonly records: LedgerRecord[] } | Refusal

interface Source {
  readonly bytes: Uint8Array
  readonly compression: Compression
}

function readContent(head: Reader, flags: number, { bytes, compression }: Source): Content {
  if (flags & ~(FLAG_LIVE | FLAG_DEFLATED)) return refuse('WIRE_CONTENT', `flags ${flags} are not known here`)
  const runs = readKinds(head)
  const length = head.unsigned(Number.MAX_SAFE_INTEGER)
  if (head.fault.detail !== undefined) return refuse('WIRE_CONTENT', `header: ${head.fault.detail}`)
  if (length > MAX_BODY_BYTES) return refuse('WIRE_TOO_LARGE', `a body of ${length} bytes`)
  const stored = bytes.subarray(head.position, bytes.length - CRC_BYTES)
  const body = flags & FLAG_DEFLATED ? compression.inflate(stored, length) : stored
  if (body?.length !== length) return refuse('WIRE_INFLATE', `the body is not deflate of ${length} bytes`)
  const reader = new Reader(body, { detail: undefined })
  const records = decodeBody(reader, runs, MAX_BATCH_RECORDS)
  return reader.fault.detail === undefined ? { ok: true, records } : refuse('WIRE_CONTENT', reader.fault.detail)
}

function readKinds(head: Reader): KindRun[] {
  const runs: KindRun[] = []
  let room = MAX_BATCH_RECORDS
  const count = head.unsigned(Math.min(MAX_BATCH_RECORDS, head.remaining))
  for (let i = 0; i < count && head.fault.detail === undefined; i++) {
    const code = head.unsigned(MAX_KIND_CODE)
    const length = head.unsigned(room)
    if (code < KIND.fix || length < 1) head.fail(`a run of ${length} records of kind ${code}`)
    room -= length
    runs.push({ code, length })
  }
  return runs
}
