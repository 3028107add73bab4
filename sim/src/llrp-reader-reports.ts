import { type LlrpParameter, parameter } from '@biotrakr/firmware-profiles'
import type { Random } from '@biotrakr/shared'

import type { LlrpReaderIdentity } from './llrp-reader-answers.ts'
import type { RoSpec } from './llrp-reader-specs.ts'

/** A tag in the field of one antenna. */
export interface LlrpFieldTag {
  /** EPC in hex, whole bytes. */
  readonly epc: string
  /** Port, from 1. */
  readonly antenna: number
  /** -128 to 127. */
  readonly rssiDbm: number
  /** Protocol control word, 4 hex digits; without it one is made from the EPC's length. */
  readonly pc?: string
  /** Power at which the antenna begins to read it, dBm; read at any power when absent. */
  readonly needsDbm?: number
}

interface Gathered {
  readonly tag: LlrpFieldTag
  rssiDbm: number
  readonly firstUs: number
  lastUs: number
  channel: number
  count: number
}

/** Reads gathered at most before a report; then the buffer has run over, as a real reader's does. */
const MAX_GATHERED = 4_000
/** Entries in one report message, so that no message grows beyond a few hundred kB. */
const MAX_IN_REPORT = 500
const BIT = {
  roSpec: 0x8000,
  antenna: 0x1000,
  channel: 0x0800,
  rssi: 0x0400,
  firstSeen: 0x0200,
  lastSeen: 0x0100,
  count: 0x0080,
} as const

/** What a simulated reader has read and not yet reported. */
export interface ReportBuffer {
  /** Reads one tag of those in the field. @returns false when the buffer is full and the read is lost */
  read(field: readonly LlrpFieldTag[], wallMs: number): boolean
  /** Tags gathered, an EPC at two antennas counted twice. */
  readonly size: number
  /** Takes everything, as the children of RO_ACCESS_REPORT messages. */
  take(spec: RoSpec | undefined): readonly (readonly LlrpParameter[])[]
  clear(): void
}

export function createReportBuffer(identity: LlrpReaderIdentity, random: Random): ReportBuffer {
  const gathered = new Map<string, Gathered>()
  return {
    get size() {
      return gathered.size
    },
    clear: () => gathered.clear(),
    read(field, wallMs) {
      const tag = field[Math.floor(random() * field.length)]
      if (tag === undefined) return true
      const key = `${tag.antenna} ${tag.epc}`
      const channel = 1 + Math.floor(random() * identity.khz.length)
      const us = Math.floor(wallMs * 1_000)
      const known = gathered.get(key)
      if (known === undefined) {
        if (gathered.size >= MAX_GATHERED) return false
        gathered.set(key, { tag, rssiDbm: tag.rssiDbm, firstUs: us, lastUs: us, channel, count: 1 })
        return true
      }
      known.rssiDbm = Math.max(known.rssiDbm, tag.rssiDbm)
      known.lastUs = us
      known.channel = channel
      known.count = Math.min(known.count + 1, 0xffff)
      return true
    },
    take(spec) {
      const all = [...gathered.values()].map((one) => tagReport(one, spec))
      gathered.clear()
      return Array.from({ length: Math.ceil(all.length / MAX_IN_REPORT) }, (_, part) =>
        all.slice(part * MAX_IN_REPORT, (part + 1) * MAX_IN_REPORT),
      )
    },
  }
}

function tagReport(one: Gathered, spec: RoSpec | undefined): LlrpParameter {
  const content = spec?.content ?? 0xffc0
  const { epc } = one.tag
  const parts: LlrpParameter[] = [
    epc.length === 24
      ? parameter('EPC96', { epc })
      : parameter('EPCData', { epc: { count: epc.length * 4, hex: epc } }),
  ]
  const add = (bit: number, make: () => LlrpParameter) => {
    if ((content & bit) !== 0) parts.push(make())
  }
  add(BIT.roSpec, () => parameter('ROSpecID', { id: spec?.id ?? 0 }))
  add(BIT.antenna, () => parameter('AntennaID', { antenna: one.tag.antenna }))
  add(BIT.rssi, () => parameter('PeakRSSI', { dbm: one.rssiDbm }))
  add(BIT.channel, () => parameter('ChannelIndex', { index: one.channel }))
  add(BIT.firstSeen, () => parameter('FirstSeenTimestampUTC', { us: one.firstUs }))
  add(BIT.lastSeen, () => parameter('LastSeenTimestampUTC', { us: one.lastUs }))
  add(BIT.count, () => parameter('TagSeenCount', { count: one.count }))
  if (spec?.pc === true) parts.push(parameter('C1G2PC', { pc: pcOf(one.tag) }))
  return parameter('TagReportData', {}, parts)
}

/** Gen2: the number of 16-bit words of the EPC stands in the top five bits. */
function pcOf({ pc, epc }: LlrpFieldTag): number {
  return pc === undefined ? (Math.ceil(epc.length / 4) & 0x1f) << 11 : Number.parseInt(pc, 16)
}
