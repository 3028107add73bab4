import type { ClientBase } from 'pg'

import { type Row, textIn } from './column.ts'
import { type Findings, wrongFile } from './findings.ts'

interface Wanted {
  readonly facility: string
  readonly building: string
  readonly floor: string
  readonly level: number
  readonly row: number
}

/** Makes the buildings and floors that rooms name and that are not there. @returns how many of both */
export async function createFloors(
  client: ClientBase,
  rows: readonly Row[],
  { file, findings }: { readonly file: string; readonly findings: Findings },
): Promise<number> {
  const wanted = wantedFloors(rows, findings)
  const list = JSON.stringify([...wanted.values()])
  try {
    const buildings = await client.query(
      `insert into site.building (org_id, facility_id, code, name)
       select distinct f.org_id, f.id, x.building, x.building
       from jsonb_to_recordset($1) as x (facility text, building text) join site.facility f on f.code = x.facility
       on conflict (org_id, facility_id, code) do nothing`,
      [list],
    )
    const floors = await client.query(
      `insert into site.floor (org_id, facility_id, building_id, code, name, level)
       select f.org_id, f.id, b.id, x.floor, x.floor, x.level
       from jsonb_to_recordset($1) as x (facility text, building text, floor text, level integer)
       join site.facility f on f.code = x.facility
       join site.building b on b.org_id = f.org_id and b.facility_id = f.id and b.code = x.building
       on conflict (org_id, facility_id, code) do nothing`,
      [list],
    )
    await client.query('set constraints all immediate')
    return (buildings.rowCount ?? 0) + (floors.rowCount ?? 0)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === '23505')) throw error
    throw wrongFile(file, 'gives one level of a building to two floors', 'Give each floor a level of its own.')
  }
}

/** By the first room that names it; others must say the same. */
function wantedFloors(rows: readonly Row[], findings: Findings): ReadonlyMap<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  for (const row of rows) {
    const [facility, building, floor] = ['facility', 'building', 'floor'].map((name) => textIn(row, name))
    const level = row.values['floor_level']
    if (!facility || !floor || !building || typeof level !== 'number') continue
    const before = wanted.get(`${facility}\n${floor}`)
    if (before && (before.building !== building || before.level !== level)) {
      const message = `must be the same for all rooms of floor ${floor}: row ${before.row} says ${before.building}, level ${before.level}`
      findings.add({ row: row.row, column: 'floor_level', code: 'CONFLICT', message, value: String(level) })
    } else wanted.set(`${facility}\n${floor}`, { facility, building, floor, level, row: row.row })
  }
  return wanted
}
