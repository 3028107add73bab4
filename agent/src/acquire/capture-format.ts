import { isReceiverId, isTagId, type Reading, type ReceiverId, type TagId } from '@biotrakr/shared'
import { z } from 'zod'

/**
 * Capture file, version 1: what an agent heard, with all that its answers depend on.
 *
 * ```
 * 42 54 43 41 50              "BTCAP"
 * version                     1 byte
 * blocks, each:
 *   kind                      1 byte: 1 = header, 2 = steps, 3 = end
 *   length, raw length        4 bytes each, little endian: stored, and before deflate
 *   CRC-32                    4 bytes, little endian, over kind, lengths and the stored bytes
 *   stored bytes              raw deflate (RFC 1951) of JSON: one object, or for steps one array a line
 * ```
 *
 * The header comes first, the end last. A file without an end was cut off: everything up to the last whole block is good.
 * A step is `["r", now, tag, receiver, medium, at, rssi or null, rest?]`, a reading taken in at event time `now`, or
 * `["c", now, down?]`: the windows that had ended by then were closed, while these receivers were known to hear nothing.
 */
export const MAGIC = 'BTCAP'
export const VERSION = 1
export const BLOCK = { header: 1, steps: 2, end: 3 } as const
/** Kind, two lengths, checksum. */
export const BLOCK_HEAD_BYTES = 13
/** Of one block before deflate; a site map with a survey is the largest thing there is. */
export const MAX_BLOCK_BYTES = 64 * 1_024 * 1_024

export type CaptureStep =
  | { readonly kind: 'reading'; readonly nowMs: number; readonly reading: Reading }
  | { readonly kind: 'close'; readonly nowMs: number; readonly down?: readonly ReceiverId[] }

export function lineOfStep(step: CaptureStep): string {
  if (step.kind === 'close') return JSON.stringify(step.down ? ['c', step.nowMs, step.down] : ['c', step.nowMs])
  const { tag, receiver, medium, atMs, rssiDbm = null, ...rest } = step.reading
  const line = ['r', step.nowMs, tag, receiver, medium, atMs, rssiDbm]
  return JSON.stringify(Object.keys(rest).length === 0 ? line : [...line, rest])
}

const number = z.number()
/** What a tag may say grows with the decoders; the filter takes from it what it knows. */
const telemetry = z.record(z.string().max(64), z.json())
const rest = z.strictObject({
  telemetry: telemetry.optional(),
  rssiRaw: number.optional(),
  phaseDeg: number.optional(),
  freqKHz: number.optional(),
  readerTimeMs: number.optional(),
} satisfies Record<Exclude<keyof Reading, 'tag' | 'receiver' | 'medium' | 'atMs' | 'rssiDbm'>, z.ZodType>)
const tag = z.string().refine((text): text is TagId => isTagId(text))
const receiver = z.string().refine((text): text is ReceiverId => isReceiverId(text))
const stepSchema = z.union([
  z.tuple([z.literal('c'), number]),
  z.tuple([z.literal('c'), number, z.array(receiver).max(10_000)]),
  z.tuple([z.literal('r'), number, tag, receiver, z.enum(['BLE', 'RFID']), number, number.nullable()]),
  z.tuple([z.literal('r'), number, tag, receiver, z.enum(['BLE', 'RFID']), number, number.nullable(), rest]),
])

/** @returns undefined for a line that is none of this version */
export function stepOfLine(line: string): CaptureStep | undefined {
  const step = stepSchema.safeParse(parsed(line)).data
  if (step === undefined) return undefined
  if (step[0] === 'c') return { kind: 'close', nowMs: step[1], ...(step[2] && { down: step[2] }) }
  const [, nowMs, tag, receiver, medium, atMs, rssiDbm, more = {}] = step
  const reading = { tag, receiver, medium, atMs, ...(rssiDbm !== null && { rssiDbm }), ...more } as Reading
  return { kind: 'reading', nowMs, reading }
}

/** @returns undefined for what is no JSON */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
