import type { TagId } from '@biotrakr/shared'

import type { Aes, BlockCipher } from './aes.ts'
import { tlmFields } from './beacons.ts'
import { hex } from './bytes.ts'
import { eaxOpen } from './eax.ts'
import type { Fields, Frame } from './frame.ts'

/** A beacon that was registered with its key when it was provisioned. */
export interface EphemeralBeacon {
  readonly tag: TagId
  /** Ephemeral identity key, 16 bytes. */
  readonly key: Uint8Array
  /** The identifier changes every 2^exponent seconds, 0-15. */
  readonly exponent: number
  /** Wall time at which the beacon's counter of seconds was 0, milliseconds. */
  readonly zeroMs: number
}

/** Beacon clocks drift by up to 150 ppm, 13 s a day: their neighbours' identifiers are known as well. */
const NEIGHBOURS = 1

interface Known {
  readonly beacon: EphemeralBeacon
  readonly cipher: BlockCipher
  /** Number of the period that its identifiers in the table surround. */
  period: number
  ids: readonly string[]
}

/** Resolves Eddystone-EID and opens Eddystone-ETLM (github.com/google/eddystone, eid-computation, tlm-encrypted). */
export interface EphemeralIds {
  /** @param eid 16 hex digits */
  tagOf(eid: string, nowMs: number): TagId | undefined
  /** @param frame an `eddystone-etlm` of that tag; @returns its telemetry, or undefined when it is not the tag's */
  open(tag: TagId, frame: Frame, nowMs: number): Frame | undefined
}

/** One entry per beacon and three identifiers each: bounded by the beacons that are registered. */
export function createEphemeralIds(aes: Aes, beacons: readonly EphemeralBeacon[]): EphemeralIds {
  const known = beacons.map((beacon): Known => ({ beacon, cipher: aes.ecb(beacon.key), period: Number.NaN, ids: [] }))
  const byTag = new Map(known.map((entry) => [entry.beacon.tag, entry]))
  const table = new Map<string, TagId>()
  /** The table holds from here to there, milliseconds. */
  let validMs = { from: 0, until: 0 }

  function refresh(nowMs: number): void {
    if (nowMs >= validMs.from && nowMs < validMs.until) return
    validMs = { from: nowMs, until: Number.POSITIVE_INFINITY }
    for (const entry of known) {
      const { zeroMs, exponent } = entry.beacon
      const period = periodOf(entry.beacon, nowMs)
      validMs.until = Math.min(validMs.until, zeroMs + (period + 1) * 2 ** exponent * 1000)
      if (period === entry.period) continue
      for (const id of entry.ids) table.delete(id)
      entry.period = period
      entry.ids = periodsAround(period).map((each) => ephemeralId(aes, entry, each))
      for (const id of entry.ids) table.set(id, entry.beacon.tag)
    }
  }

  return {
    tagOf(eid, nowMs) {
      refresh(nowMs)
      return table.get(eid)
    },
    open(tag, { fields }, nowMs) {
      const entry = byTag.get(tag)
      if (entry === undefined) return undefined
      for (const period of periodsAround(periodOf(entry.beacon, nowMs))) {
        const plain = openTelemetry(entry, fields, period)
        if (plain !== undefined) return { format: 'eddystone-tlm', fields: tlmFields(plain, 0) }
      }
      return undefined
    },
  }
}

function periodOf({ zeroMs, exponent }: EphemeralBeacon, nowMs: number): number {
  return Math.floor(Math.max(0, nowMs - zeroMs) / 1000 / 2 ** exponent)
}

function periodsAround(period: number): number[] {
  const periods: number[] = []
  for (let each = Math.max(0, period - NEIGHBOURS); each <= period + NEIGHBOURS; each++) periods.push(each)
  return periods
}

/** The beacon's counter with its low bits cleared, as the last four bytes of a block or nonce. */
function counterOf({ beacon }: Known, period: number): number {
  return (period * 2 ** beacon.exponent) % 0x1_0000_0000
}

function ephemeralId(aes: Aes, entry: Known, period: number): string {
  const counter = counterOf(entry, period)
  const temporary = new Uint8Array(16)
  temporary[11] = 0xff
  new DataView(temporary.buffer).setUint16(14, counter >>> 16)
  const input = new Uint8Array(16)
  input[11] = entry.beacon.exponent
  new DataView(input.buffer).setUint32(12, counter)
  return hex(aes.ecb(entry.cipher.encrypt(temporary)).encrypt(input), 0, 8)
}

function openTelemetry(entry: Known, { etlm, salt, mic }: Fields, period: number): Uint8Array | undefined {
  if (etlm === undefined || salt === undefined || mic === undefined) return undefined
  const nonce = new Uint8Array(6)
  const view = new DataView(nonce.buffer)
  view.setUint32(0, counterOf(entry, period))
  view.setUint16(4, salt)
  const cipher = Uint8Array.from({ length: 12 }, (_, index) =>
    Number.parseInt(etlm.slice(2 * index, 2 * index + 2), 16),
  )
  const tag = Uint8Array.of(mic >> 8, mic & 0xff)
  return eaxOpen(entry.cipher, { nonce, header: new Uint8Array(0), cipher, tag })
}
