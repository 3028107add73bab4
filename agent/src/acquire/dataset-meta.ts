import { readFileSync, statSync } from 'node:fs'

import { BioTrakrError, isReceiverId, isRoomId, parseWhole, type ReceiverId, type RoomId } from '@biotrakr/shared'
import { z } from 'zod'

const NAME_RULE = 'must be a name of 1-64 characters'
const MAX_META_BYTES = 16 * 1024 * 1024

const room = z.custom<RoomId>((value) => typeof value === 'string' && isRoomId(value), NAME_RULE)
const receiver = z.string().refine(isReceiverId, NAME_RULE)
const metres = z.number().min(-10_000).max(10_000)

/** `meta.json` of a data set. Other keys (a note, a licence) are welcome and not read. */
const metaSchema = z
  .object({
    rooms: z.array(room).min(1).max(10_000),
    /** Room of each receiver; an empty text where nobody wrote it down. */
    receiver_room: z.record(receiver, z.union([z.literal(''), room], NAME_RULE)).default({}),
    /** Places in metres. */
    receiver_xyz: z.record(receiver, z.tuple([metres, metres, metres])).default({}),
    adjacency: z
      .array(z.tuple([room, room]))
      .max(100_000)
      .default([]),
  })
  .superRefine((meta, context) => {
    const known = new Set<string>(meta.rooms)
    const report = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message })
    meta.rooms.forEach((name, i) => {
      if (meta.rooms.indexOf(name) < i) report(['rooms', i], `room "${name}" is named twice`)
    })
    for (const [name, at] of Object.entries(meta.receiver_room)) {
      if (at !== '' && !known.has(at)) report(['receiver_room', name], `room "${at}" is not in rooms`)
    }
    meta.adjacency.forEach((pair, i) => {
      for (const [end, name] of pair.entries()) {
        if (!known.has(name)) report(['adjacency', i, end], `room "${name}" is not in rooms`)
      }
    })
  })

export interface DatasetMeta {
  readonly rooms: readonly RoomId[]
  readonly receiverRooms: ReadonlyMap<ReceiverId, RoomId>
  /** Metres from the data set's own origin. */
  readonly receiverPlaces: ReadonlyMap<ReceiverId, readonly [x: number, y: number, z: number]>
  readonly adjacency: readonly (readonly [RoomId, RoomId])[]
}

/**
 * @throws BioTrakrError DATASET_UNREADABLE when the file cannot be read, DATASET_INVALID with every problem when it is
 *   not what a `meta.json` has to be
 */
export function readMeta(file: string): DatasetMeta {
  const meta = parseWhole(metaSchema, parseJson(file, readBounded(file)), {
    origin: file,
    code: 'DATASET_INVALID',
    next: 'Correct meta.json.',
  })
  const receiverRooms = new Map<ReceiverId, RoomId>()
  for (const [name, at] of Object.entries(meta.receiver_room)) {
    if (isReceiverId(name) && at !== '') receiverRooms.set(name, at)
  }
  const receiverPlaces = new Map<ReceiverId, readonly [number, number, number]>()
  for (const [name, place] of Object.entries(meta.receiver_xyz)) {
    if (isReceiverId(name)) receiverPlaces.set(name, place)
  }
  return { rooms: meta.rooms, receiverRooms, receiverPlaces, adjacency: meta.adjacency }
}

function readBounded(file: string): string {
  try {
    const { size } = statSync(file)
    if (size <= MAX_META_BYTES) return readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    throw new BioTrakrError(`cannot read ${file}`, {
      code: 'DATASET_UNREADABLE',
      next: 'Name a folder that holds meta.json, train.csv and test.csv.',
      cause,
    })
  }
  throw new BioTrakrError(`${file} is larger than ${MAX_META_BYTES} bytes`, {
    code: 'DATASET_INVALID',
    next: 'Check that it is the description of the data set and not the data.',
  })
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new BioTrakrError(`${file} is not JSON`, { code: 'DATASET_INVALID', next: 'Correct meta.json.', cause })
  }
}
