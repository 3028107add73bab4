import { join } from 'node:path'
import { deflateRawSync, inflateRawSync } from 'node:zlib'

import type { Compression, Fix, GatewayId, LedgerRecord, RoomId, TagEvent, TagId } from '@biotrakr/shared'

import type { SqliteOutboxOptions } from './sqlite-outbox.ts'

export const GATEWAY = 'ward-3' as GatewayId
export const START_MS = 1_760_000_000_000

export function fixAt(i: number): Fix {
  const room = i % 7 === 0 ? null : (`room-${i % 5}` as RoomId)
  return {
    kind: 'fix',
    tag: `ble:c300000000${(16 + (i % 40)).toString(16)}` as TagId,
    room,
    reason: room === null ? 'not_heard' : 'none',
    method: 'BLE',
    confidence: (i * 37) % 1001,
    atMs: START_MS + i,
    spanMs: i,
    mapVersion: 1,
  }
}

/** A room change of the largest size, with evidence that does not compress (an xorshift generator, seeded by `i`). */
export function bulkyFixAt(i: number): Fix {
  const evidence = new Uint8Array(256)
  let state = (i + 1) * 2_654_435_761
  for (let k = 0; k < evidence.length; k++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    evidence[k] = state & 0xff
  }
  const room = `room-${Math.floor(i / 40) % 7}` as RoomId
  return { ...fixAt(i), room, reason: 'none', evidence }
}

export function pressAt(i: number): TagEvent {
  return { kind: 'event', tag: fixAt(i).tag, room: null, event: 'button', value: i, atMs: START_MS + i }
}

/** A record of a kind that this version does not know, of the size of a bulky fix. */
export function bulkyKeptAt(i: number): LedgerRecord {
  return { kind: 'opaque', code: 90, bytes: bulkyFixAt(i).evidence ?? new Uint8Array() }
}

/** A record of the wished rank, provided that records of this maker are all that the outbox gets. */
export function mixedAt(i: number, kind: 'telemetry' | 'sameRoom' | 'roomChange' | 'events'): LedgerRecord {
  const tag = `ble:c3000000${kind === 'sameRoom' ? '02' : '01'}${(16 + (i % 40)).toString(16)}` as TagId
  if (kind === 'events') return pressAt(i)
  if (kind === 'telemetry') {
    return { kind: 'sensor', tag, room: null, sensor: 'temperature', milli: (i * 7919) % 40_000, atMs: START_MS + i }
  }
  return kind === 'sameRoom'
    ? { ...fixAt(i), tag, room: 'room-1' as RoomId, reason: 'none' }
    : { ...bulkyFixAt(i), tag: fixAt(i).tag }
}

export const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i)

export const compression: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: 1 }),
  inflate: (bytes, maxBytes) => {
    try {
      return inflateRawSync(bytes, { maxOutputLength: Math.max(1, maxBytes) })
    } catch {
      return undefined
    }
  },
}

/** Options of a SQLite outbox in `folder`, as small as it may be. */
export function optionsIn(folder: string): SqliteOutboxOptions {
  return {
    path: join(folder, 'outbox.db'),
    keyFile: join(folder, 'outbox.key'),
    gateway: GATEWAY,
    compression,
    clock: { wallMs: () => START_MS },
    maxBytes: 4 * 1024 * 1024,
  }
}
