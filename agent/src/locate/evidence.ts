import type { Explanation } from './explain.ts'

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

/**
 * JSON, so that whoever reads the record needs no map and no program of this version: `v` version, `p` rooms, `h`
 * receivers, `m` masked, `r` resting, `o` offset. What does not fit is left out from the end: masked ones first, then
 * receivers that told least, then rooms.
 */
export function encodeEvidence({ rooms, evidence, masked, resting, offsetDb }: Explanation): Uint8Array {
  const p = rooms.map(({ room, probability }) => [room, Math.round(1000 * probability)])
  const h = evidence.map(({ receiver, heardDbm, nats }) => [
    receiver,
    heardDbm === null ? null : Math.round(heardDbm),
    Math.round(-10 * (nats[1] ?? 0)) / 10 + 0,
  ])
  const m = masked.map(({ receiver }) => receiver)
  const encoder = new TextEncoder()
  const rest = { r: Math.round(100 * resting), o: Math.round(10 * offsetDb) / 10 + 0 }
  for (;;) {
    const bytes = encoder.encode(JSON.stringify({ v: VERSION, p, h, m, ...rest }))
    if (bytes.length <= MAX_BYTES) return bytes
    if (m.length > 0) m.pop()
    else if (h.length > 0) h.pop()
    else p.pop()
  }
}

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
