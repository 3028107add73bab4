import {
  BioTrakrError,
  bleTag,
  type Clock,
  isReceiverId,
  type Reading,
  type ReceiverId,
  type TagId,
} from '@biotrakr/shared'

import { type CaptureFrame, carriesAdvert, hasAdvertiser, parseFrame } from './ble-capture-frame.ts'
import {
  type BleCaptureCounts,
  type CaptureTally,
  type CaptureVerdict,
  createCaptureTally,
} from './ble-capture-tally.ts'
import { createReplaySource, type ReplaySource } from './replay-source.ts'
import { type AllowList, isRssi } from './source.ts'
import { type TextLine, textLines } from './text-lines.ts'

interface CaptureOptions {
  /** A file of JSON lines `t_us, chan, rssi, pdu, addr, addrType, adv`. */
  readonly path: string
  /** The site's tags, by beacon identity or by address (`ble:...`). */
  readonly allow: AllowList
  /** Verdict on the bytes of one advert; must not throw. */
  readonly decode: (bytes: Uint8Array) => CaptureVerdict
  /** The adapter that the readings are said to come from, default `capture`. */
  readonly receiver?: ReceiverId
}

/**
 * Reads a capture from end to end, as fast as the disk gives it, and hands on a reading for every advert of an allowed
 * tag, with the capture's own time. Synchronous: for the command line.
 * @throws BioTrakrError CAPTURE_UNREADABLE
 */
export function replayBleCapture(
  options: CaptureOptions & { readonly onReading: (reading: Reading) => void },
): BleCaptureCounts {
  const tally = createCaptureTally(options.path)
  for (const reading of captureReadings(options, tally)) options.onReading(reading)
  return tally.counts()
}

/**
 * Plays a capture as if it were heard now, its first allowed advert at `startMs` of the clock. Time that steps back in
 * the capture stands still instead.
 */
export function createBleCaptureSource(
  options: CaptureOptions & { readonly name: string; readonly clock: Clock; readonly startMs: number },
): ReplaySource {
  const { name, clock, startMs } = options
  function* readings(): Generator<Reading, void, void> {
    let firstMs: number | undefined
    let newestMs = startMs
    for (const reading of captureReadings(options, createCaptureTally(options.path))) {
      firstMs ??= reading.atMs
      newestMs = Math.max(newestMs, startMs + reading.atMs - firstMs)
      yield { ...reading, atMs: newestMs }
    }
  }
  return createReplaySource({ name, clock, receivers: [receiverOf(options)], readings: readings() })
}

function* captureReadings(options: CaptureOptions, tally: CaptureTally): Generator<Reading, void, void> {
  const receiver = receiverOf(options)
  for (const { number, text } of openLines(options.path)) {
    if (text === '') continue
    const frame = parseFrame(text)
    if (typeof frame === 'string') {
      tally.badLine(number, frame)
      continue
    }
    tally.frame(frame)
    const tag = allowedTag(frame, options, tally)
    if (tag === undefined) continue
    if (isRssi(frame.rssi)) {
      tally.count('readings')
      yield { tag, receiver, rssiDbm: frame.rssi, atMs: Math.floor(frame.t_us / 1_000), medium: 'BLE' }
    } else tally.count('rssiOutOfRange')
  }
}

/** The site's tag that sent this frame, by what it says or by its address; nobody else gets a name. */
function allowedTag(frame: CaptureFrame, { allow, decode }: CaptureOptions, tally: CaptureTally): TagId | undefined {
  if (!hasAdvertiser(frame)) return undefined
  if (carriesAdvert(frame)) {
    const verdict = decode(Buffer.from(frame.adv, 'hex'))
    const beacon = verdict.kind === 'identity' ? verdict.tag : undefined
    const allowed = beacon !== undefined && allow.has(beacon)
    tally.verdict(verdict, allowed)
    if (allowed) return beacon
  }
  const tag = bleTag(frame.addr)
  if (tag === undefined || !allow.has(tag)) return undefined
  tally.count('allowedByAddress')
  return tag
}

function receiverOf({ receiver }: CaptureOptions): ReceiverId {
  const name = receiver ?? 'capture'
  if (isReceiverId(name)) return name
  throw new BioTrakrError(`"${name}" cannot be a receiver`, { code: 'USAGE', next: 'Give a name of 1-64 characters.' })
}

function* openLines(path: string): Generator<TextLine, void, void> {
  try {
    yield* textLines(path)
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${path}`, {
      code: 'CAPTURE_UNREADABLE',
      next: 'Check the path and who may read it.',
      cause,
    })
  }
}
