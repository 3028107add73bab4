import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOMS = ['ward', 'hall', 'store'] as const
const STAY_S = 60

/** Writes a data set in the public recordings' form: a tag that stays a minute in each of three rooms, there and back. */
export function recordWalk(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const meta = {
    rooms: ROOMS,
    receiver_room: { r0: 'ward', r1: 'hall', r2: 'store' },
    receiver_xyz: {},
    adjacency: [
      ['ward', 'hall'],
      ['hall', 'store'],
    ],
  }
  writeFileSync(join(folder, 'meta.json'), JSON.stringify(meta))
  const rows = [...ROOMS, 'hall', 'ward'].flatMap((room, stay) =>
    Array.from({ length: STAY_S }, (_, second) =>
      ROOMS.map((other, i) => {
        const rooms = Math.abs(ROOMS.indexOf(other) - ROOMS.indexOf(room as (typeof ROOMS)[number]))
        return `walk,${(stay * STAY_S + second) * 1000},r${i},tag1,${-55 - 14 * rooms - (second % 3)},${room}`
      }),
    ).flat(),
  )
  for (const part of ['train', 'test']) {
    writeFileSync(join(folder, `${part}.csv`), `session,t_ms,receiver,tag,rssi,room\n${rows.join('\n')}\n`)
  }
}
