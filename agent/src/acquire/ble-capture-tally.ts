import { createHmac, randomBytes } from 'node:crypto'

import type { TagId } from '@biotrakr/shared'

import { type CaptureFrame, hasAdvertiser, pduName } from './ble-capture-frame.ts'
import { createProblemLog, type Problems } from './problems.ts'

/** Advertisers told apart at most: about 10 MB, and twice what 1,000 phones with private addresses show in a day. */
const MAX_ADDRESSES = 100_000

/** What this stage needs to know of an advert's payload; the decode stage answers it. */
export type CaptureVerdict =
  | { readonly kind: 'identity'; readonly tag: TagId }
  | { readonly kind: 'class'; readonly class: string }
  | { readonly kind: 'malformed'; readonly why: string }

/** What a capture held. Devices that are not the site's appear in it as numbers only. */
export interface BleCaptureCounts {
  /** Lines that are not empty. */
  readonly lines: number
  readonly malformedLines: Problems
  /** Frames by PDU type, in the words of the Bluetooth specification. */
  readonly frames: Readonly<Record<string, number>>
  /** Adverts without a beacon identity, by class. */
  readonly classes: Readonly<Record<string, number>>
  /** Adverts whose payload is not what it claims to be, by reason. */
  readonly malformedAdverts: Readonly<Record<string, number>>
  /** Adverts with a beacon identity, on the allow-list or not. */
  readonly identified: { readonly allowed: number; readonly notAllowed: number }
  /** Frames taken because their address is on the allow-list. */
  readonly allowedByAddress: number
  /** Frames of allowed tags kept out for a power of 0 dBm or more, 127 (not available) or -128. */
  readonly rssiOutOfRange: number
  readonly readings: number
  /** Different advertisers; `capped` when there were more than the 100,000 that are told apart. */
  readonly addresses: { readonly count: number; readonly capped: boolean }
}

export interface CaptureTally {
  badLine(line: number, what: string): void
  frame(frame: CaptureFrame): void
  verdict(verdict: CaptureVerdict, allowed: boolean): void
  count(what: 'allowedByAddress' | 'rssiOutOfRange' | 'readings'): void
  counts(): BleCaptureCounts
}

/** Counts for one pass over one capture. */
export function createCaptureTally(path: string): CaptureTally {
  const malformedLines = createProblemLog(path)
  const addresses = createAddressCount()
  const frames: Record<string, number> = {}
  const classes: Record<string, number> = {}
  const malformedAdverts: Record<string, number> = {}
  const identified = { allowed: 0, notAllowed: 0 }
  const plain = { lines: 0, allowedByAddress: 0, rssiOutOfRange: 0, readings: 0 }
  return {
    badLine(line, what) {
      plain.lines += 1
      malformedLines.add(line, what)
    },
    frame(frame) {
      plain.lines += 1
      bump(frames, pduName(frame))
      if (hasAdvertiser(frame)) addresses.see(`${frame.addrType} ${frame.addr.toLowerCase()}`)
    },
    verdict(verdict, allowed) {
      if (verdict.kind === 'class') bump(classes, verdict.class)
      else if (verdict.kind === 'malformed') bump(malformedAdverts, verdict.why)
      else identified[allowed ? 'allowed' : 'notAllowed'] += 1
    },
    count(what) {
      plain[what] += 1
    },
    counts: () => ({
      ...plain,
      malformedLines: { total: malformedLines.total, first: malformedLines.first },
      frames,
      classes,
      malformedAdverts,
      identified,
      addresses: addresses.count(),
    }),
  }
}

function bump(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}

/**
 * Counts different addresses without keeping one: only a keyed hash of each is held, and its key lives and dies with
 * this count, so that nobody can ask later whether a known phone was there.
 */
function createAddressCount(): { see(address: string): void; count(): { count: number; capped: boolean } } {
  const key = randomBytes(32)
  const seen = new Set<string>()
  let capped = false
  return {
    see(address) {
      const hash = createHmac('sha256', key).update(address).digest('base64url').slice(0, 12)
      if (seen.size < MAX_ADDRESSES) seen.add(hash)
      else if (!seen.has(hash)) capped = true
    },
    count: () => ({ count: seen.size, capped }),
  }
}
