import { isDeepStrictEqual } from 'node:util'

import { type LedgerRecord, seqSpan } from '@biotrakr/shared'
import { afterEach, describe, expect, it } from 'vitest'

import { bulkyFixAt, bulkyKeptAt, fixAt, GATEWAY, mixedAt, pressAt, range, START_MS } from './outbox.fixtures.ts'
import type { LostRun, Outbox, Position } from './outbox.ts'
import { NO_RANKS, type RankCounts } from './rank.ts'

/** What every outbox promises, whatever it keeps its records in. */
export interface Subject {
  readonly outbox: Outbox
  /** Every run that was reported as lost, in order. */
  readonly lost: readonly LostRun[]
  readonly clock: { nowMs: number }
  dispose(): void
}

export interface SubjectMaker {
  readonly name: string
  readonly graceMs: number
  readonly open: () => Subject
  /** So many groups of bulky fixes are more than twice what fits. */
  readonly tooManyGroups: number
}

export interface Read {
  /** Sequence number of the record, or of the first number a gap covers. */
  readonly seq: number
  readonly record: LedgerRecord
}

/** Everything that can be read behind `after`, and a check that each batch covers exactly what it says. */
export function readAll(
  outbox: Outbox,
  { after, records = 1000 }: { after?: Position; records?: number } = {},
): Read[] {
  const found: Read[] = []
  let place = after
  for (;;) {
    const batch = outbox.peek(place, { records })
    if (!batch) return found
    expect(batch.records.length).toBeGreaterThan(0)
    expect(batch.records.length).toBeLessThanOrEqual(records)
    let seq = batch.first
    for (const record of batch.records) {
      found.push({ seq, record })
      seq += seqSpan(record)
    }
    expect(seq).toBe(batch.last + 1)
    place = { epoch: `${batch.epoch.counter}-${batch.epoch.nonce}`, seq: batch.last }
  }
}

function appendAll(outbox: Outbox, records: readonly LedgerRecord[]): void {
  for (const record of records) outbox.append(record)
  outbox.flush()
}

export function outboxLaws({ name, open, graceMs, tooManyGroups }: SubjectMaker): void {
  describe(`the laws of the outbox, kept by the ${name} outbox`, () => {
    const subjects: Subject[] = []
    const begin = (): Subject => {
      const subject = open()
      subjects.push(subject)
      return subject
    }
    afterEach(() => {
      for (const subject of subjects.splice(0)) subject.dispose()
    })

    orderLaws(begin)
    acknowledgementLaws(begin)
    roomLaws(begin, { graceMs, tooManyGroups })
  })
}

function orderLaws(begin: () => Subject): void {
  it('numbers records 1, 2, 3 without a hole and gives them back in order', () => {
    const { outbox } = begin()
    const fixes = range(0, 1234).map(fixAt)
    appendAll(outbox, fixes)
    const read = readAll(outbox, { records: 300 })
    expect(read.map(({ seq }) => seq)).toEqual(range(1, 1234))
    expect(read.map(({ record }) => record)).toEqual(fixes)
  })

  it('shows nothing that is not committed', () => {
    const { outbox } = begin()
    for (const i of range(0, 3)) outbox.append(fixAt(i))
    expect(outbox.peek(undefined, { records: 10 })).toBeUndefined()
    expect(outbox.held()).toEqual([])
    expect(outbox.status()).toMatchObject({ open: 3, unacknowledged: 0, committedFixes: 0 })
    outbox.flush()
    expect(readAll(outbox)).toHaveLength(3)
    expect(outbox.status()).toMatchObject({ open: 0, unacknowledged: 3, committedFixes: 3, oldestMs: START_MS })
  })

  it('commits a group of 200 by itself', () => {
    const { outbox } = begin()
    for (const i of range(0, 201)) outbox.append(fixAt(i))
    expect(readAll(outbox)).toHaveLength(200)
    expect(outbox.status().open).toBe(1)
  })

  it('joins groups into one batch and begins inside a group', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    for (const i of range(0, 10)) appendAll(outbox, range(i * 7, 7).map(fixAt))
    expect(outbox.peek(undefined, { records: 70 })).toMatchObject({ first: 1, last: 70, gateway: GATEWAY })
    expect(outbox.peek({ epoch, seq: 3 }, { records: 2 })).toMatchObject({ first: 4, last: 5 })
    expect(outbox.peek({ epoch, seq: 10 }, { records: 1000 })).toMatchObject({ first: 11, last: 70 })
    expect(outbox.peek({ epoch, seq: 70 }, { records: 1000 })).toBeUndefined()
  })

  it('takes nothing away by showing it', () => {
    const { outbox } = begin()
    appendAll(outbox, range(0, 5).map(fixAt))
    expect(outbox.peek(undefined, { records: 3 })).toEqual(outbox.peek(undefined, { records: 3 }))
    expect(readAll(outbox)).toHaveLength(5)
  })

  it('gives back a record of every kind as it was', () => {
    const { outbox } = begin()
    const { tag } = fixAt(0)
    const records: LedgerRecord[] = [
      bulkyFixAt(1),
      { ...fixAt(2), xCm: -150, yCm: 4, accuracyCm: 120 },
      { kind: 'sensor', tag, room: null, sensor: 'temperature', milli: -18_500, atMs: START_MS },
      pressAt(3),
      { kind: 'health', receiver: 'r-1' as never, state: 'silent', readings: 7, errors: 2, atMs: START_MS },
      { kind: 'anchor', bootId: '0123456789abcdef', monoMs: 77, atMs: START_MS, errorMs: 12 },
      { kind: 'gap', count: 40, reason: 'restored', fromMs: START_MS, toMs: START_MS + 5 },
      { kind: 'opaque', code: 90, bytes: new Uint8Array([1, 2, 3]) },
    ]
    appendAll(outbox, records)
    expect(readAll(outbox).map(({ record }) => record)).toEqual(records)
    expect(outbox.held()).toMatchObject([{ first: 1, last: 47 }])
    const { epoch } = outbox.status()
    expect(outbox.peek({ epoch, seq: 30 }, { records: 1 })?.records).toMatchObject([{ kind: 'gap', count: 16 }])
  })
}

function acknowledgementLaws(begin: () => Subject): void {
  it('goes on behind what is acknowledged', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    appendAll(outbox, range(0, 10).map(fixAt))
    outbox.acknowledge(epoch, 4)
    expect(outbox.peek(undefined, { records: 100 })).toMatchObject({ first: 5, last: 10 })
    expect(outbox.held()).toEqual([{ epoch, first: 1, last: 10, acked: 4 }])
    outbox.acknowledge(epoch, 10)
    expect(outbox.peek(undefined, { records: 100 })).toBeUndefined()
    expect(outbox.status()).toMatchObject({ unacknowledged: 0, records: 10, oldestMs: undefined })
  })

  it('only ever raises the mark by an acknowledgement', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    appendAll(outbox, range(0, 10).map(fixAt))
    outbox.acknowledge(epoch, 6)
    outbox.acknowledge(epoch, 2)
    expect(outbox.peek(undefined, { records: 100 })?.first).toBe(7)
  })

  it('ignores and counts an acknowledgement of what it never stored', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    appendAll(outbox, range(0, 3).map(fixAt))
    outbox.append(fixAt(3))
    outbox.acknowledge(epoch, 4)
    outbox.acknowledge('7-0123456789abcdef', 1)
    expect(outbox.status()).toMatchObject({ strayAcks: 2, unacknowledged: 3 })
    expect(readAll(outbox)).toHaveLength(3)
  })

  it('keeps what is acknowledged, and sends it again when the centre has lost it', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    const fixes = range(0, 500).map(fixAt)
    appendAll(outbox, fixes)
    outbox.acknowledge(epoch, 500)
    outbox.flush()
    expect(readAll(outbox, { after: { epoch, seq: 0 } })).toHaveLength(500)
    outbox.rewind(epoch, 120)
    expect(readAll(outbox).map(({ record }) => record)).toEqual(fixes.slice(120))
    expect(outbox.held()).toEqual([{ epoch, first: 1, last: 500, acked: 120 }])
  })

  it('never raises the mark by a rewind', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    appendAll(outbox, range(0, 10).map(fixAt))
    outbox.acknowledge(epoch, 4)
    outbox.rewind(epoch, 9)
    expect(outbox.peek(undefined, { records: 100 })?.first).toBe(5)
  })
}

interface Bounds {
  readonly graceMs: number
  readonly tooManyGroups: number
}

function roomLaws(begin: () => Subject, { graceMs, tooManyGroups }: Bounds): void {
  const fill = (outbox: Outbox, groups: number): void => {
    for (const i of range(0, groups * 200)) outbox.append(bulkyFixAt(i))
  }

  it('puts gaps over exactly what it evicts, oldest first, and reports every number', () => {
    const { outbox, lost } = begin()
    fill(outbox, tooManyGroups)
    const [gap, ...rest] = readAll(outbox)
    const total = tooManyGroups * 200
    const { evicted } = outbox.status()
    expect(evicted).toBeGreaterThan(total / 2)
    expect(gap).toEqual({
      seq: 1,
      record: { kind: 'gap', count: evicted, reason: 'evicted', fromMs: START_MS, toMs: START_MS + evicted - 1 },
    })
    expect(
      isDeepStrictEqual(
        rest.map(({ seq }) => seq),
        range(evicted + 1, total - evicted),
      ),
    ).toBe(true)
    const kept = rest.map(({ record }) => record)
    expect(isDeepStrictEqual(kept, range(evicted, total - evicted).map(bulkyFixAt))).toBe(true)
    const reported = lost.flatMap(({ first, last }) => range(first, last - first + 1))
    expect(isDeepStrictEqual(reported, range(1, evicted))).toBe(true)
  })

  it('lets go of what is acknowledged before anything else, and says when that was before the grace time', () => {
    const { outbox, lost, clock } = begin()
    const { epoch } = outbox.status()
    for (const group of range(0, tooManyGroups)) {
      appendAll(outbox, range(group * 200, 200).map(bulkyFixAt))
      outbox.acknowledge(epoch, (group + 1) * 200)
      clock.nowMs += graceMs * 2
    }
    expect(lost).toEqual([])
    expect(outbox.status()).toMatchObject({ evicted: 0, releasedEarly: 0, unacknowledged: 0 })
    const { first, last } = outbox.held()[0] ?? { first: 0, last: 0 }
    expect(last).toBe(tooManyGroups * 200)
    expect(first).toBeGreaterThan(last / 2)
    const keptGroups = (last - first + 1) / 200
    for (const group of range(0, keptGroups + 3)) {
      appendAll(outbox, range(group * 200, 200).map(bulkyFixAt))
      outbox.acknowledge(epoch, last + (group + 1) * 200)
    }
    expect(outbox.status().releasedEarly).toBeGreaterThan(0)
    expect(lost).toEqual([])
  })

  it('covers with a gap what the centre lost and it no longer holds', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    for (const group of range(0, tooManyGroups)) {
      appendAll(outbox, range(group * 200, 200).map(bulkyFixAt))
      outbox.acknowledge(epoch, (group + 1) * 200)
    }
    const first = outbox.held()[0]?.first ?? 0
    outbox.rewind(epoch, 50)
    const [gap, next] = readAll(outbox)
    const record = { kind: 'gap', count: first - 51, reason: 'restored', fromMs: START_MS, toMs: START_MS + first - 2 }
    expect(gap).toEqual({ seq: 51, record })
    expect(next?.seq).toBe(first)
    expect(outbox.status()).toMatchObject({ restored: first - 51, evicted: 0 })
  })

  it('calls only the unconfirmed tail of a group lost', () => {
    const { outbox, lost } = begin()
    const { epoch } = outbox.status()
    appendAll(outbox, range(0, 200).map(bulkyFixAt))
    outbox.acknowledge(epoch, 150)
    fill(outbox, tooManyGroups)
    expect(lost[0]).toMatchObject({ epoch, first: 151, reason: 'evicted' })
    expect(readAll(outbox)[0]).toMatchObject({ seq: 151, record: { kind: 'gap', count: outbox.status().evicted } })
  })

  it('lets telemetry go first, then fixes in the same room, then room changes, and events never', () => {
    const { outbox, lost } = begin()
    const groups = tooManyGroups * 4
    const seen: RankCounts[] = []
    for (const group of range(0, groups)) {
      for (const i of range(0, 200)) outbox.append(mixedAt(group * 200 + i, kindAt(i)))
      flushAll(outbox)
      seen.push(outbox.status().evictedBy)
    }
    const { evicted, evictedBy, fault, unacknowledged } = outbox.status()
    expect(fault).toBeUndefined()
    // Nothing of a rank goes before all of the rank below it has gone, but for what the newest commits brought.
    for (const [i, { telemetry, sameRoom, roomChange }] of seen.entries()) {
      const before = seen[i - 1] ?? NO_RANKS
      if (sameRoom > before.sameRoom) expect(telemetry).toBeGreaterThanOrEqual(28 * i)
      if (roomChange > before.roomChange) expect(sameRoom).toBeGreaterThanOrEqual(140 * i - 40)
    }
    const total = { telemetry: groups * 28, fixes: groups * 170, events: groups * 2 }
    const read = readAll(outbox)
    const held = tally(read.map(({ record }) => record))
    expect(held.event).toBe(total.events)
    expect(held.gap).toBe(evicted)
    expect(evicted).toBe(evictedBy.telemetry + evictedBy.sameRoom + evictedBy.roomChange)
    expect(held.sensor).toBe(total.telemetry - evictedBy.telemetry)
    expect(held.fix).toBe(total.fixes - evictedBy.sameRoom - evictedBy.roomChange)
    expect(lost.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(evicted)
    expect(unacknowledged).toBe(groups * 200)
    expect(evictedBy.roomChange).toBeGreaterThan(0)
  })

  it('keeps every event when nothing else is left, says so, and goes on when there is room', () => {
    const { outbox } = begin()
    const { epoch } = outbox.status()
    for (const group of range(0, tooManyGroups * 2)) {
      appendAll(outbox, range(group * 200, 200).map(bulkyKeptAt))
      if (outbox.status().fault) break
    }
    expect(outbox.status().fault).toMatchObject({
      code: 'OUTBOX_FULL',
      detail: expect.stringContaining('nothing but events'),
    })
    const stored = outbox.status().unacknowledged
    expect(outbox.status()).toMatchObject({ evicted: 0, open: 200 })
    expect(readAll(outbox).every(({ record }) => record.kind === 'opaque')).toBe(true)
    outbox.acknowledge(epoch, stored - 200)
    outbox.flush()
    expect(outbox.status()).toMatchObject({ fault: undefined, open: 0, evicted: 0, unacknowledged: 400 })
  })
}

function kindAt(i: number) {
  if (i < 2) return 'events'
  if (i < 30) return 'telemetry'
  return i < 170 ? 'sameRoom' : 'roomChange'
}

/** Making room may take more than one flush; the agent has one every second. */
function flushAll(outbox: Outbox): void {
  for (let n = 0; n < 20 && (n === 0 || outbox.status().fault); n++) outbox.flush()
}

function tally(records: readonly LedgerRecord[]) {
  const counts = { fix: 0, sensor: 0, event: 0, gap: 0 }
  for (const record of records) {
    if (record.kind in counts) counts[record.kind as keyof typeof counts] += seqSpan(record)
  }
  return counts
}
