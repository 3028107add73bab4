import type { Reader } from './bytes.ts'
import { isReceiverId, isRoomId, type ReceiverId, type RoomId, type TagId } from './ids.ts'
import type {
  ClockAnchor,
  Fix,
  Gap,
  LedgerRecord,
  OpaqueRecord,
  ReceiverHealth,
  SensorReading,
  TagEvent,
} from './model.ts'
import { isTagId } from './tag-identity.ts'
import { BlockReader, NATURAL, WHOLE } from './wire-columns.ts'
import type { KindRun } from './wire-encode.ts'
import {
  ANCHOR,
  BLOCK_DICTIONARIES,
  BOOT_ID_BYTES,
  CONFIDENCE,
  DICTIONARY,
  EVENT,
  FIX,
  GAP,
  GAP_REASONS,
  HEALTH,
  KIND,
  MAP_VERSION,
  MAX_EVIDENCE_BYTES,
  METHODS,
  REASONS,
  RECEIVER_STATES,
  ROW,
  SENSOR_READING,
  SENSORS,
  TAG_EVENTS,
} from './wire-kinds.ts'

interface Dictionaries {
  readonly tags: readonly TagId[]
  /** The first entry stands for no room. */
  readonly rooms: readonly (RoomId | null)[]
  readonly receivers: readonly ReceiverId[]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Reads the dictionaries and the blocks, and puts the records back into sequence order. Anything wrong goes to the
 * reader's fault, and the records are then of no account.
 * @param runs with lengths of at least 1 and at most `maxRecords` in total
 */
export function decodeBody(body: Reader, runs: readonly KindRun[], maxRecords: number): LedgerRecord[] {
  const totals = new Map<number, number>()
  for (const { code, length } of runs) totals.set(code, (totals.get(code) ?? 0) + length)
  const head = new BlockReader(body)
  if (head.code !== BLOCK_DICTIONARIES) body.fail('the dictionaries are missing')
  const dictionaries: Dictionaries = {
    tags: head.texts(DICTIONARY.tags, maxRecords, isTagId),
    rooms: [null, ...head.texts(DICTIONARY.rooms, maxRecords, isRoomId)],
    receivers: head.texts(DICTIONARY.receivers, maxRecords, isReceiverId),
  }
  const byKind = new Map<number, readonly LedgerRecord[]>()
  while (body.remaining > 0 && body.fault.detail === undefined) {
    const block = new BlockReader(body)
    const count = totals.get(block.code)
    totals.delete(block.code)
    if (count === undefined) body.fail(`block ${block.code} is not announced or stands twice`)
    else if (body.fault.detail === undefined) byKind.set(block.code, decodeKind(block, count, dictionaries))
  }
  for (const code of totals.keys()) body.fail(`block ${code} is missing`)
  return body.fault.detail === undefined ? inSequence(runs, byKind) : []
}

function inSequence(runs: readonly KindRun[], byKind: ReadonlyMap<number, readonly LedgerRecord[]>): LedgerRecord[] {
  const records: LedgerRecord[] = []
  const used = new Map<number, number>()
  for (const { code, length } of runs) {
    const from = used.get(code) ?? 0
    const source = byKind.get(code) ?? []
    for (let i = from; i < from + length; i++) records.push(source[i] as LedgerRecord)
    used.set(code, from + length)
  }
  return records
}

function decodeKind(block: BlockReader, count: number, dictionaries: Dictionaries): LedgerRecord[] {
  switch (block.code) {
    case KIND.fix:
      return decodeFixes(block, count, dictionaries)
    case KIND.sensor:
      return decodeSensors(block, count, dictionaries)
    case KIND.event:
      return decodeEvents(block, count, dictionaries)
    case KIND.health:
      return decodeHealth(block, count, dictionaries)
    case KIND.gap:
      return decodeGaps(block, count)
    case KIND.anchor:
      return decodeAnchors(block, count)
    default:
      return decodeRows(block, count)
  }
}

function decodeFixes(block: BlockReader, count: number, { tags, rooms }: Dictionaries): Fix[] {
  const tag = block.named(FIX.tag, count, tags)
  const room = block.named(FIX.room, count, rooms)
  const reason = block.enumerated(FIX.reason, count, REASONS)
  const method = block.enumerated(FIX.method, count, METHODS)
  const confidence = block.unsigned(FIX.confidence, count, CONFIDENCE)
  const atMs = block.delta(FIX.atMs, count, NATURAL)
  const spanMs = block.unsigned(FIX.spanMs, count, NATURAL)
  const mapVersion = block.delta(FIX.mapVersion, count, MAP_VERSION)
  const fixes: Mutable<Fix>[] = []
  for (let i = 0; i < count; i++) {
    fixes.push({
      kind: 'fix',
      tag: tag[i] as TagId,
      room: room[i] as RoomId | null,
      reason: reason[i] as Fix['reason'],
      method: method[i] as Fix['method'],
      confidence: confidence[i] as number,
      atMs: atMs[i] as number,
      spanMs: spanMs[i] as number,
      mapVersion: mapVersion[i] as number,
    })
  }
  decodePlaces(block, fixes)
  return fixes
}

function decodePlaces(block: BlockReader, fixes: readonly Mutable<Fix>[]): void {
  const set = <K extends 'xCm' | 'yCm' | 'accuracyCm' | 'evidence'>(
    name: K,
    values: readonly (Fix[K] | undefined)[] | undefined,
  ) => {
    values?.forEach((value, i) => {
      const fix = fixes[i]
      if (fix !== undefined && value !== undefined) fix[name] = value
    })
  }
  set('xCm', block.optionalSigned(FIX.xCm, fixes.length, WHOLE))
  set('yCm', block.optionalSigned(FIX.yCm, fixes.length, WHOLE))
  set('accuracyCm', block.optionalSigned(FIX.accuracyCm, fixes.length, NATURAL))
  set('evidence', block.optionalBytes(FIX.evidence, fixes.length, MAX_EVIDENCE_BYTES))
}

function decodeSensors(block: BlockReader, count: number, { tags, rooms }: Dictionaries): SensorReading[] {
  const tag = block.named(SENSOR_READING.tag, count, tags)
  const room = block.named(SENSOR_READING.room, count, rooms)
  const sensor = block.enumerated(SENSOR_READING.sensor, count, SENSORS)
  const milli = block.signed(SENSOR_READING.milli, count, WHOLE)
  const atMs = block.delta(SENSOR_READING.atMs, count, NATURAL)
  return rows(count, (i) => ({
    kind: 'sensor',
    tag: tag[i] as TagId,
    room: room[i] as RoomId | null,
    sensor: sensor[i] as SensorReading['sensor'],
    milli: milli[i] as number,
    atMs: atMs[i] as number,
  }))
}

function decodeEvents(block: BlockReader, count: number, { tags, rooms }: Dictionaries): TagEvent[] {
  const tag = block.named(EVENT.tag, count, tags)
  const room = block.named(EVENT.room, count, rooms)
  const event = block.enumerated(EVENT.event, count, TAG_EVENTS)
  const value = block.unsigned(EVENT.value, count, NATURAL)
  const atMs = block.delta(EVENT.atMs, count, NATURAL)
  return rows(count, (i) => ({
    kind: 'event',
    tag: tag[i] as TagId,
    room: room[i] as RoomId | null,
    event: event[i] as TagEvent['event'],
    value: value[i] as number,
    atMs: atMs[i] as number,
  }))
}

function decodeHealth(block: BlockReader, count: number, { receivers }: Dictionaries): ReceiverHealth[] {
  const receiver = block.named(HEALTH.receiver, count, receivers)
  const state = block.enumerated(HEALTH.state, count, RECEIVER_STATES)
  const readings = block.unsigned(HEALTH.readings, count, NATURAL)
  const errors = block.unsigned(HEALTH.errors, count, NATURAL)
  const atMs = block.delta(HEALTH.atMs, count, NATURAL)
  return rows(count, (i) => ({
    kind: 'health',
    receiver: receiver[i] as ReceiverId,
    state: state[i] as ReceiverHealth['state'],
    readings: readings[i] as number,
    errors: errors[i] as number,
    atMs: atMs[i] as number,
  }))
}

function decodeGaps(block: BlockReader, count: number): Gap[] {
  const size = block.unsigned(GAP.count, count, { ...NATURAL, min: 1 })
  const reason = block.enumerated(GAP.reason, count, GAP_REASONS)
  const fromMs = block.delta(GAP.fromMs, count, NATURAL)
  const toMs = block.delta(GAP.toMs, count, NATURAL)
  return rows(count, (i) => ({
    kind: 'gap',
    count: size[i] as number,
    reason: reason[i] as Gap['reason'],
    fromMs: fromMs[i] as number,
    toMs: toMs[i] as number,
  }))
}

function decodeAnchors(block: BlockReader, count: number): ClockAnchor[] {
  const bootId = block.hex(ANCHOR.bootId, count, BOOT_ID_BYTES)
  const monoMs = block.delta(ANCHOR.monoMs, count, NATURAL)
  const atMs = block.delta(ANCHOR.atMs, count, NATURAL)
  const errorMs = block.unsigned(ANCHOR.errorMs, count, NATURAL)
  const unsynced = block.optionalSigned(ANCHOR.unsynced, count, { min: 1, max: 1 })
  return rows(count, (i) => ({
    kind: 'anchor',
    bootId: bootId[i] as string,
    monoMs: monoMs[i] as number,
    atMs: atMs[i] as number,
    errorMs: errorMs[i] as number,
    ...(unsynced?.[i] === 1 && { unsynced: true }),
  }))
}

function decodeRows(block: BlockReader, count: number): OpaqueRecord[] {
  const lengths = block.unsigned(ROW.length, count, NATURAL)
  const bytes = block.slices(ROW.bytes, lengths)
  return rows(count, (i) => ({ kind: 'opaque', code: block.code, bytes: bytes[i] as Uint8Array }))
}

function rows<T>(count: number, row: (i: number) => T): T[] {
  const made: T[] = []
  for (let i = 0; i < count; i++) made.push(row(i))
  return made
}
