import type { LedgerRecord } from '@biotrakr/shared'

import { bulkyFixAt, fixAt, pressAt, START_MS } from './outbox.fixtures.ts'

/** What the program told the world that it had stored, up to some moment. */
export interface Marker {
  /** Last committed sequence number, by epoch. */
  readonly committed: Record<string, number>
  readonly acked: Record<string, number>
  /** Sequence numbers evicted in all. */
  evicted: number
}

interface Life {
  readonly openings: number
  readonly rounds: number
  readonly largest: number
  readonly ackEvery: number
  readonly recordAt: (seq: number) => LedgerRecord
  /** Begins with a store of version 1. */
  readonly isOld: boolean
}

/** Telemetry, positions and events mixed. */
function mixed(seq: number): LedgerRecord {
  if (seq % 100 === 99) return pressAt(seq)
  if (seq % 10 !== 5) return fixAt(seq)
  const { tag } = fixAt(seq)
  return { kind: 'sensor', tag, room: null, sensor: 'temperature', milli: seq, atMs: START_MS + seq }
}

const LIVES: Readonly<Record<string, Life>> = {
  /** Small commits, confirmations, three openings. */
  plain: { openings: 3, rounds: 60, largest: 60, ackEvery: 3, recordAt: mixed, isOld: false },
  /** The store is full, groups are joined and thinned in every commit. */
  full: {
    openings: 2,
    rounds: 55,
    largest: 400,
    ackEvery: 29,
    recordAt: (seq) => (seq % 20 === 0 ? mixed(seq) : bulkyFixAt(seq)),
    isOld: false,
  },
  /** The schema is migrated at the first opening. */
  migration: { openings: 2, rounds: 3, largest: 40, ackEvery: 5, recordAt: mixed, isOld: true },
}

export function lifeOf(name: string): Life {
  const life = LIVES[name]
  if (life) return life
  throw new Error(`no such life: ${name}`)
}

/** Record number `seq` of every epoch of fixtures/version-1.sqlite, which version 1 of the store wrote. */
export function versionOneAt(seq: number): LedgerRecord {
  return mixed(seq - 1)
}
export const VERSION_ONE_RECORDS = 700
