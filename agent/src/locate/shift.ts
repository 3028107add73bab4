import { depthOf, depthOfShare, excess, remaining, shareAbove } from './censored.ts'
import { CELL, emptyTable, type Listening, type RoomModel, sumSilence, type Table } from './model.ts'
import { at, clamp } from './numbers.ts'

/** Rooms and typical places as a tag of another power sounds in them. */
export interface ShiftedTables {
  readonly rooms: Table
  readonly spots: Table
}

/** Tables are made for powers this far apart; what lies between is a plain shift of the means. */
const STEP_DB = 3
const LEAST_HEARD = 0.004
/** A cut-off distribution of few survey seconds must not become certain. */
const LEAST_VARIANCE_SHARE = 0.5

/**
 * The tables for a tag that sends so much stronger (or weaker, negative) than the survey tag did: a weak tag is heard by
 * fewer receivers, and where it is only just heard its power falls by less than its own. Made when first asked for.
 */
export function tablesAt(model: RoomModel, db: number): ShiftedTables {
  const step = Math.round(db / STEP_DB)
  if (step === 0) return model
  const known = model.shifted.get(step)
  if (known) return known
  const made = {
    rooms: shifted(model, model.rooms, step * STEP_DB),
    spots: shifted(model, model.spots, step * STEP_DB),
  }
  for (const table of [made.rooms, made.spots]) sumSilence(model, table)
  model.shifted.set(step, made)
  return made
}

function shifted({ layout, listening }: Pick<RoomModel, 'layout' | 'listening'>, table: Table, db: number): Table {
  const receivers = layout.receivers.length
  const rows = table.cells.length / (receivers * CELL.size)
  const made = { ...emptyTable(rows, receivers), shiftDb: db }
  made.cells.set(table.cells)
  for (let cell = 0; cell < rows * receivers; cell++) {
    const base = cell * CELL.size
    // What makes a passive tag weaker also wakes it less often; its floor is that of the tag and not known.
    if (layout.medium[cell % receivers] === 0) shiftCell(made.cells, base, { db, listening })
    else made.cells[base + CELL.mean] = at(made.cells, base + CELL.mean) + db
  }
  return made
}

interface Shift {
  readonly db: number
  readonly listening: Listening
}

function shiftCell(cells: Float64Array, base: number, { db, listening }: Shift): void {
  const variance = 1 / at(cells, base + CELL.precision)
  const deviation = Math.sqrt(variance)
  const depth = depthOf(at(cells, base + CELL.mean), deviation)
  const deeper = depth + db / deviation
  const left = variance * clamp(remaining(deeper) / remaining(depth), LEAST_VARIANCE_SHARE, 2)
  cells[base + CELL.mean] = at(cells, base + CELL.mean) + db + deviation * (excess(deeper) - excess(depth))
  cells[base + CELL.precision] = 1 / left
  cells[base + CELL.halfLogVariance] = Math.log(left) / 2
  cells[base + CELL.follows] = remaining(deeper)
  const rate = Math.exp(at(cells, base + CELL.logHeard))
  const reached = depthOfShare(clamp(rate / listening.reception, 0.001, 0.999))
  const kept = shareAbove(reached + db / deviation) / shareAbove(reached)
  const heard = clamp(rate * kept, LEAST_HEARD, 0.98)
  cells[base + CELL.logHeard] = Math.log(heard)
  cells[base + CELL.logMissed] = Math.log1p(-heard)
}
