import { createHmac } from 'node:crypto'

import type { Telemetry } from '@biotrakr/shared'

import type { BleReport, Whose } from '../sources.ts'

/** One device as the sniffer shows it. Whoever is not the site's is a class and a number of this run. */
export interface Heard {
  readonly who: string
  readonly own: boolean
  /** Format of the newest advert, or its class. */
  readonly format: string
  /** Adapter that heard it loudest in the last second, and its power there. */
  readonly receiver: string
  readonly rssiDbm: number | null
  /** Adverts a second over the last ten, on all adapters. */
  readonly perSecond: number
  /** Since it was heard last. */
  readonly silentMs: number
  readonly says?: Telemetry
}

export interface SniffBoard {
  heard(report: BleReport, whose: Whose): void
  /** Own tags by name, then the others by number. */
  devices(nowMs: number): readonly Heard[]
}

/** The longest silent makes room. */
const MAX_STRANGERS = 4_096
const STRANGER_MS = 60_000
const RATE_SECONDS = 10
const LOUDEST_MS = 1_000

interface Entry {
  readonly name: string | number
  kind: string
  receiver: string
  rssiDbm: number | undefined
  loudestMs: number
  atMs: number
  says: Telemetry | undefined
  /** Adverts of the last seconds, by second modulo their number, and the newest of them. */
  readonly counts: number[]
  second: number
}

/**
 * @param secret of this run: strangers are told apart by a keyed hash, so that their addresses are held nowhere
 */
export function createSniffBoard(secret: Uint8Array): SniffBoard {
  const own = new Map<string, Entry>()
  const strangers = new Map<string, Entry>()
  let strangersSeen = 0

  function strangerOf({ address }: BleReport): Entry {
    const mark = createHmac('sha256', secret).update(address).digest('base64url').slice(0, 12)
    let entry = strangers.get(mark)
    strangers.delete(mark)
    if (!entry) {
      strangersSeen += 1
      entry = emptyEntry(strangersSeen)
      for (const oldest of strangers.keys()) {
        if (strangers.size < MAX_STRANGERS) break
        strangers.delete(oldest)
      }
    }
    strangers.set(mark, entry)
    return entry
  }

  function ownOf(tag: string): Entry {
    const entry = own.get(tag) ?? emptyEntry(tag)
    own.set(tag, entry)
    return entry
  }

  return {
    heard(report, whose) {
      const isStranger = 'unknown' in whose
      const entry = isStranger ? strangerOf(report) : ownOf(whose.tag)
      entry.kind = isStranger ? whose.unknown : whose.format
      hearLoudest(entry, report)
      entry.atMs = report.atMs
      if (!isStranger && whose.telemetry) entry.says = { ...entry.says, ...whose.telemetry }
      passTo(entry, Math.floor(report.atMs / 1_000))
      const at = entry.second % RATE_SECONDS
      entry.counts[at] = (entry.counts[at] ?? 0) + 1
    },
    devices(nowMs) {
      for (const [mark, { atMs }] of strangers) if (nowMs - atMs > STRANGER_MS) strangers.delete(mark)
      const tags = [...own.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
      const others = [...strangers.values()].sort((a, b) => Number(a.name) - Number(b.name))
      return [...tags, ...others].map((entry) => shown(entry, nowMs))
    },
  }
}

function emptyEntry(name: string | number): Entry {
  const counts = Array.from({ length: RATE_SECONDS }, () => 0)
  return { name, kind: '', receiver: '', rssiDbm: undefined, loudestMs: 0, atMs: 0, says: undefined, counts, second: 0 }
}

function hearLoudest(entry: Entry, { receiver, rssiDbm, atMs }: BleReport): void {
  const isLouder = (rssiDbm ?? -128) >= (entry.rssiDbm ?? -128)
  if (!isLouder && Math.abs(atMs - entry.loudestMs) < LOUDEST_MS) return
  entry.receiver = receiver
  entry.rssiDbm = rssiDbm
  entry.loudestMs = atMs
}

/** Forgets the seconds that have passed. A clock that is set back begins anew. */
function passTo(entry: Entry, second: number): void {
  if (Math.abs(second - entry.second) >= RATE_SECONDS) entry.counts.fill(0)
  else for (let each = entry.second + 1; each <= second; each++) entry.counts[each % RATE_SECONDS] = 0
  entry.second = second
}

function shown(entry: Entry, nowMs: number): Heard {
  passTo(entry, Math.max(entry.second, Math.floor(nowMs / 1_000)))
  const { name, kind, receiver, rssiDbm, atMs, says, counts } = entry
  const own = typeof name === 'string'
  return {
    who: own ? name : `${kind} #${name}`,
    own,
    format: kind,
    receiver,
    rssiDbm: rssiDbm ?? null,
    perSecond: counts.reduce((sum, count) => sum + count, 0) / RATE_SECONDS,
    silentMs: Math.max(0, nowMs - atMs),
    ...(says && { says }),
  }
}
