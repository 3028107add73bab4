import type { Evident } from './explain.ts'

/** An explanation as it is kept with a fix in the ledger: what fits into 256 bytes. */
export interface KeptEvidence {
  /** Likeliest rooms with their probabilities, per mille; null = outside. */
  readonly rooms: readonly (readonly [room: string | null, perMille: number])[]
  /** Receivers that told most: power heard in dBm (null = not heard), and nats for the first room against the second. */
  readonly receivers: readonly (readonly [receiver: string, dbm: number | null, nats: number])[]
  /** Receivers left out. */
  readonly masked: readonly string[]
  /** Probability that the tag rests, per cent. */
  readonly resting: number
  /** How much stronger than the survey's tag it is thought to be, dB. */
  readonly offsetDb: number
}

/** What the wire and the centre take. */
const MAX_BYTES = 256
const VERSION = 1
/** More receivers than this never fit. */
export const MOST_KEPT = 24

/**
 * JSON, so that whoever reads the record needs no map and no program of this version: `v` version, `p` rooms, `h`
 * receivers, `m` masked, `r` resting, `o` offset. What does not fit is left out from the end: masked ones first, then
 * receivers that told least, then rooms.
 */
export function encodeEvidence({ rooms, evidence, masked, resting, offsetDb }: Evident): Uint8Array {
  const [r, o] = [Math.round(100 * resting), Math.round(10 * offsetDb) / 10 + 0]
  const parts: Parts = { v: VERSION, p: [], h: [], m: [], r, o }
  let left = MAX_BYTES - bytesOf(parts)
  /** @returns whether all of them fit */
  const fill = <Item>(list: unknown[], items: readonly Item[], told: (item: Item) => unknown): boolean =>
    items.every((item) => {
      const own = told(item)
      left -= bytesOf(own) + (list.length > 0 ? COMMA : 0)
      if (left >= 0) list.push(own)
      return left >= 0
    })
  const isWhole =
    fill(parts.p, rooms, ({ room, probability }) => [room, Math.round(1000 * probability)]) &&
    fill(parts.h, evidence, ({ receiver, heardDbm, nats }) => [
      receiver,
      heardDbm === null ? null : Math.round(heardDbm),
      Math.round(-10 * (nats[1] ?? 0)) / 10 + 0,
    ])
  if (isWhole) fill(parts.m, masked, ({ receiver }) => receiver)
  return UTF8.encode(JSON.stringify(parts))
}

interface Parts {
  readonly v: number
  readonly p: unknown[]
  readonly h: unknown[]
  readonly m: unknown[]
  readonly r: number
  readonly o: number
}

/** Bytes between two items of a list. */
const COMMA = 1

const UTF8 = new TextEncoder()

/** How many bytes it takes as JSON. Most names are plain letters, of one byte each. */
function bytesOf(value: unknown): number {
  const text = JSON.stringify(value)
  for (let n = 0; n < text.length; n++) if (text.charCodeAt(n) > LAST_OF_ONE_BYTE) return UTF8.encode(text).length
  return text.length
}

const LAST_OF_ONE_BYTE = 0x7f

/** @returns undefined for bytes that are no evidence of this version */
export function decodeEvidence(bytes: Uint8Array): KeptEvidence | undefined {
  try {
    const { v, p, h, m, r, o } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (v !== VERSION || ![p, h, m].every(Array.isArray)) return undefined
    return { rooms: p, receivers: h, masked: m, resting: Number(r), offsetDb: Number(o) }
  } catch {
    return undefined
  }
}
