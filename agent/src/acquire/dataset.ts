import { basename, join, resolve } from 'node:path'

import { BioTrakrError, type ReceiverId, type RoomId, type SiteMap, type TagId } from '@biotrakr/shared'

import { type DatasetMeta, readMeta } from './dataset-meta.ts'
import { type DatasetRow, type ParsedRows, type RowCounts, readRows } from './dataset-rows.ts'
import { layEndToEnd, type SessionSpan } from './dataset-timeline.ts'
import type { Problems } from './problems.ts'

const MAX_ROWS = 2_000_000

/** Columns that only RFID readers report. */
const RFID_COLUMNS = ['phase', 'freq']
const RFID_RECEIVER = /^(?:rfid|ant(?:enna)?[-_ ]?\d)/i

/** A recorded survey or test drive with known truth, on one timeline. */
export interface Dataset extends DatasetMeta {
  /** Name of its folder. */
  readonly name: string
  readonly medium: 'RFID' | 'BLE'
  /** In the order of the timeline. */
  readonly rows: readonly DatasetRow[]
  /** Every tag that a readable row names, and every receiver likewise, in order of first appearance. */
  readonly tags: readonly TagId[]
  readonly receivers: readonly ReceiverId[]
  readonly sessions: readonly SessionSpan[]
  /** Offset of the last row, milliseconds. */
  readonly durationMs: number
  readonly counts: RowCounts & { readonly stepsBack: number; readonly clockSets: number }
  readonly problems: Problems
}

export interface DatasetOptions {
  /** `test`, the default, is the drive to score; `train` is the survey. */
  readonly part?: 'train' | 'test'
  /** Another file of rows in place of `train.csv` or `test.csv`. */
  readonly file?: string
  /** Rows above which the set is refused, default 2,000,000 (about 0.3 GB of memory). */
  readonly maxRows?: number
}

/**
 * Reads a data set folder: `meta.json` and `train.csv` or `test.csv` with the columns
 * `session,t_ms,receiver,tag,rssi,room`; others may follow. Sessions are laid end to end, 60 s apart. Repeated rows
 * stay, as a radio repeats itself too.
 * @throws BioTrakrError DATASET_UNREADABLE (folder or file) or DATASET_INVALID (meta.json, header, size, no usable row)
 */
export function readDataset(
  dir: string,
  { part = 'test', file = join(dir, `${part}.csv`), maxRows = MAX_ROWS }: DatasetOptions = {},
): Dataset {
  const meta = readMeta(join(dir, 'meta.json'))
  const parsed = readFileRows(file, new Set(meta.rooms), maxRows)
  if (parsed.counts.used === 0) {
    throw new BioTrakrError(`${file} has no usable row (${parsed.problems.first[0] ?? 'none but the header'})`, {
      code: 'DATASET_INVALID',
      next: 'Check that the file is the one meant.',
    })
  }
  const { sessions, stepsBack, clockSets } = layEndToEnd(parsed.sessions)
  return {
    ...meta,
    name: basename(resolve(dir)),
    medium: mediumOf(parsed),
    rows: [...parsed.sessions.values()].flat(),
    tags: parsed.tags,
    receivers: parsed.receivers,
    sessions,
    durationMs: sessions.at(-1)?.endMs ?? 0,
    counts: { ...parsed.counts, stepsBack, clockSets },
    problems: parsed.problems,
  }
}

function readFileRows(file: string, rooms: ReadonlySet<RoomId>, maxRows: number): ParsedRows {
  try {
    return readRows(file, rooms, { maxRows })
  } catch (cause) {
    if (cause instanceof BioTrakrError) throw cause
    throw new BioTrakrError(`cannot read ${file}`, {
      code: 'DATASET_UNREADABLE',
      next: 'Check that the file is there and who may read it.',
      cause,
    })
  }
}

function mediumOf({ extraColumns, receivers }: ParsedRows): 'RFID' | 'BLE' {
  const rfid =
    RFID_COLUMNS.some((column) => extraColumns.includes(column)) || receivers.every((name) => RFID_RECEIVER.test(name))
  return rfid ? 'RFID' : 'BLE'
}

/** The building as the data set describes it, with the receivers that only its rows name; version 1. */
export function datasetSiteMap(dataset: Dataset): SiteMap {
  const { rooms, receiverRooms, receiverPlaces, receivers, medium } = dataset
  const names = new Set([...receiverRooms.keys(), ...receiverPlaces.keys(), ...receivers])
  return {
    version: 1,
    rooms: rooms.map((id) => ({ id, transit: false })),
    receivers: [...names].map((id) => {
      const room = receiverRooms.get(id)
      const place = receiverPlaces.get(id)
      return { id, medium, ...(room !== undefined && { room }), ...(place && { at: [...place] }) }
    }),
    adjacency: dataset.adjacency.map(([a, b]) => [a, b]),
  }
}

/** Where a tag truly was at one moment of the timeline. */
export interface TruthRow {
  readonly tag: TagId
  readonly offsetMs: number
  readonly room: RoomId
}

/** Truth of every labelled row, in the order of the timeline: for scoring, never for locating. */
export function datasetTruth(dataset: Dataset): readonly TruthRow[] {
  return dataset.rows.flatMap(({ tag, offsetMs, room }) => (room === undefined ? [] : [{ tag, offsetMs, room }]))
}
