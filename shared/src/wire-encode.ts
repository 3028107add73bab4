import { bytesOfHex, type Writer } from './bytes.ts'
import {
  type ClockAnchor,
  type Fix,
  GAP_REASON,
  type Gap,
  type LedgerRecord,
  METHOD,
  type OpaqueRecord,
  REASON,
  RECEIVER_STATE,
  type ReceiverHealth,
  SENSOR,
  type SensorReading,
  TAG_EVENT,
  type TagEvent,
} from './model.ts'
import { BlockWriter } from './wire-columns.ts'
import {
  ANCHOR,
  BLOCK_DICTIONARIES,
  codeOf,
  DICTIONARY,
  EVENT,
  FIX,
  GAP,
  HEALTH,
  KIND,
  ROW,
  SENSOR_READING,
} from './wire-kinds.ts'

/** Consecutive records of one kind. */
export interface KindRun {
  readonly code: number
  length: number
}

/** Record kinds in sequence order. */
export function runsOf(records: readonly LedgerRecord[]): KindRun[] {
  const runs: KindRun[] = []
  let current: KindRun | undefined
  for (const record of records) {
    const code = codeOf(record)
    if (current?.code === code) current.length++
    else {
      current = { code, length: 1 }
      runs.push(current)
    }
  }
  return runs
}

type Dictionary = Map<string, number>

interface Encoding {
  readonly block: BlockWriter
  readonly tags: Dictionary
  readonly rooms: Dictionary
  readonly receivers: Dictionary
}

interface Sorted {
  readonly fix: Fix[]
  readonly sensor: SensorReading[]
  readonly event: TagEvent[]
  readonly health: ReceiverHealth[]
  readonly gap: Gap[]
  readonly anchor: ClockAnchor[]
  readonly opaque: Map<number, OpaqueRecord[]>
}

/** Writes the dictionaries and one block per kind. */
export function encodeBody(records: readonly LedgerRecord[], body: Writer, blocks: Writer): void {
  const sorted = sortOut(records)
  const to: Encoding = { block: new BlockWriter(blocks), tags: new Map(), rooms: new Map(), receivers: new Map() }
  if (sorted.fix.length > 0) encodeFixes(sorted.fix, to)
  if (sorted.sensor.length > 0) encodeSensors(sorted.sensor, to)
  if (sorted.event.length > 0) encodeEvents(sorted.event, to)
  if (sorted.health.length > 0) encodeHealth(sorted.health, to)
  if (sorted.gap.length > 0) encodeGaps(sorted.gap, to)
  if (sorted.anchor.length > 0) encodeAnchors(sorted.anchor, to)
  for (const [code, rows] of sorted.opaque) encodeRows(code, rows, to)
  encodeDictionaries(to, body)
  body.raw(blocks.view())
}

function sortOut(records: readonly LedgerRecord[]): Sorted {
  const sorted: Sorted = { fix: [], sensor: [], event: [], health: [], gap: [], anchor: [], opaque: new Map() }
  for (const record of records) {
    switch (record.kind) {
      case 'fix':
        sorted.fix.push(record)
        break
      case 'sensor':
        sorted.sensor.push(record)
        break
      case 'event':
        sorted.event.push(record)
        break
      case 'health':
        sorted.health.push(record)
        break
      case 'gap':
        sorted.gap.push(record)
        break
      case 'anchor':
        sorted.anchor.push(record)
        break
      case 'opaque': {
        const rows = sorted.opaque.get(record.code)
        if (rows) rows.push(record)
        else sorted.opaque.set(record.code, [record])
        break
      }
    }
  }
  return sorted
}

/** The text's place in the dictionary, where it is entered on first sight. */
function enter(dictionary: Dictionary, text: string): number {
  const known = dictionary.get(text)
  if (known !== undefined) return known
  const place = dictionary.size
  dictionary.set(text, place)
  return place
}

/** 0 stands for no room. */
function enterRoom(dictionary: Dictionary, room: string | null): number {
  return room === null ? 0 : enter(dictionary, room) + 1
}

function encodeDictionaries({ tags, rooms, receivers }: Encoding, body: Writer): void {
  const block = new BlockWriter(body)
  if (tags.size > 0) block.texts(DICTIONARY.tags, tags.keys(), tags.size)
  if (rooms.size > 0) block.texts(DICTIONARY.rooms, rooms.keys(), rooms.size)
  if (receivers.size > 0) block.texts(DICTIONARY.receivers, receivers.keys(), receivers.size)
  block.end(BLOCK_DICTIONARIES)
}

function encodeFixes(fixes: readonly Fix[], { block, tags, rooms }: Encoding): void {
  const count = fixes.length
  const column = () => new Float64Array(count)
  const tag = column()
  const room = column()
  const reason = column()
  const method = column()
  const confidence = column()
  const atMs = column()
  const spanMs = column()
  const mapVersion = column()
  let placed = false
  let explained = false
  for (let i = 0; i < count; i++) {
    const fix = fixes[i] as Fix
    tag[i] = enter(tags, fix.tag)
    room[i] = enterRoom(rooms, fix.room)
    reason[i] = REASON[fix.reason]
    method[i] = METHOD[fix.method]
    confidence[i] = fix.confidence
    atMs[i] = fix.atMs
    spanMs[i] = fix.spanMs
    mapVersion[i] = fix.mapVersion
    placed ||= fix.xCm !== undefined || fix.yCm !== undefined || fix.accuracyCm !== undefined
    explained ||= fix.evidence !== undefined
  }
  block.unsigned(FIX.tag, tag)
  block.unsigned(FIX.room, room)
  block.unsigned(FIX.reason, reason)
  block.unsigned(FIX.method, method)
  block.unsigned(FIX.confidence, confidence)
  block.delta(FIX.atMs, atMs)
  block.unsigned(FIX.spanMs, spanMs)
  block.delta(FIX.mapVersion, mapVersion)
  if (placed) encodePlaces(fixes, block)
  if (explained) {
    block.optionalBytes(
      FIX.evidence,
      fixes.map((fix) => fix.evidence),
    )
  }
  block.end(KIND.fix)
}

function encodePlaces(fixes: readonly Fix[], block: BlockWriter): void {
  const column = (id: number, name: 'xCm' | 'yCm' | 'accuracyCm') =>
    block.optionalSigned(
      id,
      fixes.map((fix) => fix[name]),
    )
  column(FIX.xCm, 'xCm')
  column(FIX.yCm, 'yCm')
  column(FIX.accuracyCm, 'accuracyCm')
}

function encodeSensors(records: readonly SensorReading[], { block, tags, rooms }: Encoding): void {
  block.unsigned(
    SENSOR_READING.tag,
    numbers(records, (record) => enter(tags, record.tag)),
  )
  block.unsigned(
    SENSOR_READING.room,
    numbers(records, (record) => enterRoom(rooms, record.room)),
  )
  block.unsigned(
    SENSOR_READING.sensor,
    numbers(records, (record) => SENSOR[record.sensor]),
  )
  block.signed(
    SENSOR_READING.milli,
    numbers(records, (record) => record.milli),
  )
  block.delta(
    SENSOR_READING.atMs,
    numbers(records, (record) => record.atMs),
  )
  block.end(KIND.sensor)
}

function encodeEvents(records: readonly TagEvent[], { block, tags, rooms }: Encoding): void {
  block.unsigned(
    EVENT.tag,
    numbers(records, (record) => enter(tags, record.tag)),
  )
  block.unsigned(
    EVENT.room,
    numbers(records, (record) => enterRoom(rooms, record.room)),
  )
  block.unsigned(
    EVENT.event,
    numbers(records, (record) => TAG_EVENT[record.event]),
  )
  block.unsigned(
    EVENT.value,
    numbers(records, (record) => record.value),
  )
  block.delta(
    EVENT.atMs,
    numbers(records, (record) => record.atMs),
  )
  block.end(KIND.event)
}

function encodeHealth(records: readonly ReceiverHealth[], { block, receivers }: Encoding): void {
  block.unsigned(
    HEALTH.receiver,
    numbers(records, (record) => enter(receivers, record.receiver)),
  )
  block.unsigned(
    HEALTH.state,
    numbers(records, (record) => RECEIVER_STATE[record.state]),
  )
  block.unsigned(
    HEALTH.readings,
    numbers(records, (record) => record.readings),
  )
  block.unsigned(
    HEALTH.errors,
    numbers(records, (record) => record.errors),
  )
  block.delta(
    HEALTH.atMs,
    numbers(records, (record) => record.atMs),
  )
  block.end(KIND.health)
}

function encodeGaps(records: readonly Gap[], { block }: Encoding): void {
  block.unsigned(
    GAP.count,
    numbers(records, (record) => record.count),
  )
  block.unsigned(
    GAP.reason,
    numbers(records, (record) => GAP_REASON[record.reason]),
  )
  block.delta(
    GAP.fromMs,
    numbers(records, (record) => record.fromMs),
  )
  block.delta(
    GAP.toMs,
    numbers(records, (record) => record.toMs),
  )
  block.end(KIND.gap)
}

function encodeAnchors(records: readonly ClockAnchor[], { block }: Encoding): void {
  block.raw(
    ANCHOR.bootId,
    records.map((record) => bytesOfHex(record.bootId)),
  )
  block.delta(
    ANCHOR.monoMs,
    numbers(records, (record) => record.monoMs),
  )
  block.delta(
    ANCHOR.atMs,
    numbers(records, (record) => record.atMs),
  )
  block.unsigned(
    ANCHOR.errorMs,
    numbers(records, (record) => record.errorMs),
  )
  block.optionalSigned(
    ANCHOR.unsynced,
    records.map((record) => (record.unsynced ? 1 : undefined)),
  )
  block.end(KIND.anchor)
}

function encodeRows(code: number, records: readonly OpaqueRecord[], { block }: Encoding): void {
  block.unsigned(
    ROW.length,
    numbers(records, (record) => record.bytes.length),
  )
  block.raw(
    ROW.bytes,
    records.map((record) => record.bytes),
  )
  block.end(code)
}

function numbers<T>(records: readonly T[], value: (record: T) => number): Float64Array {
  const values = new Float64Array(records.length)
  for (let i = 0; i < values.length; i++) values[i] = value(records[i] as T)
  return values
}
