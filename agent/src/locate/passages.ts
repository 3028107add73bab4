import type { Layout } from './layout.ts'
import { add, at, clamp } from './numbers.ts'
import type { Sums } from './sums.ts'

/**
 * How things pass from room to room. The last number stands for "outside". A row is one even share for every other
 * room plus what its neighbours get beyond it, so a step costs neighbours, not rooms.
 */
export interface Passages {
  /** Share of the leaving mass that each other room gets. */
  readonly even: Float64Array
  /** Where the row of a room begins in `to` and `extra`; one more at the end. */
  readonly start: Int32Array
  readonly to: Int32Array
  readonly extra: Float64Array
  /** Chance per second that a walking thing leaves the room, and log of the share of it that is left to a resting one. */
  readonly walkingLeave: Float64Array
  readonly logRestingShare: Float64Array
}

const OTHER = 0.1
const PRIOR_CHANGES = 2
/** So much of what leaves goes anywhere, so that no mistake is for ever. */
const ANYWHERE = 0.02
/** Chances per second. Rooms off a corridor are not walked through: what enters one stays longer. */
const LEAVE = { room: 0.2, offCorridor: 0.1, transit: 0.3 }
const RESTING_LEAVE = { room: 0.003, transit: 0.3 }
/** Surveys of single rooms would teach that nobody ever moves. */
const ENOUGH_CHANGES = 3
const PRIOR_SECONDS = 20

export function passagesOf(layout: Layout, sums: Sums): Passages {
  const rooms = layout.rooms.length
  const rows = Array.from({ length: rooms + 1 }, (_, k) => rowOf(layout, sums, k))
  const to: number[] = []
  const extra: number[] = []
  const start = Int32Array.from({ length: rooms + 2 }, (_, k) => {
    const begin = to.length
    for (const [room, share] of rows[k]?.extra ?? []) {
      to.push(room)
      extra.push(share)
    }
    return begin
  })
  return {
    even: Float64Array.from(rows, (row) => row.even),
    start,
    to: Int32Array.from(to),
    extra: Float64Array.from(extra),
    ...leaveRates(layout, sums),
  }
}

interface Row {
  readonly even: number
  readonly extra: ReadonlyMap<number, number>
}

/** Outside is next to the exits and to nothing else: with a way from every room it would steal from all of them. */
function rowOf(layout: Layout, sums: Sums, k: number): Row {
  const rooms = layout.rooms.length
  const isOutside = k === rooms
  const near = isOutside ? layout.exit.flatMap((exit, j) => (exit ? [j] : [])) : [...(layout.neighbours[k] ?? [])]
  const others = Math.max(1, rooms - (isOutside ? 0 : 1))
  const leadsOut = !isOutside && layout.exit[k] === true ? 1 : 0
  const total = near.length + leadsOut + OTHER * (others - near.length)
  const counted = isOutside ? [] : countedFrom(sums, { k, rooms })
  const changes = counted.reduce((sum, [, count]) => sum + count, 0)
  const unit = ((1 - ANYWHERE) * PRIOR_CHANGES) / (PRIOR_CHANGES + changes)
  const extra = new Map(near.map((j) => [j, (unit * (1 - OTHER)) / total]))
  for (const [j, count] of counted) {
    extra.set(j, (extra.get(j) ?? 0) + ((1 - ANYWHERE) * count) / (PRIOR_CHANGES + changes))
  }
  const even = (unit * OTHER) / total + ANYWHERE / (rooms + 1)
  // Outside gets the even share as well, unless it is taken back here.
  if (!isOutside) extra.set(rooms, leadsOut * (unit / total) - (unit * OTHER) / total)
  return { even, extra }
}

function countedFrom({ changes }: Sums, { k, rooms }: { k: number; rooms: number }): [number, number][] {
  return Array.from({ length: rooms }, (_, j): [number, number] => [j, changes.get(k * rooms + j) ?? 0]).filter(
    ([, count]) => count > 0,
  )
}

function leaveRates(layout: Layout, sums: Sums): Pick<Passages, 'walkingLeave' | 'logRestingShare'> {
  const rooms = layout.rooms.length
  const out = new Float64Array(rooms)
  for (const [cell, count] of sums.changes) add(out, Math.floor(cell / rooms), count)
  const taught = out.reduce((sum, own) => sum + own, 0) >= ENOUGH_CHANGES
  const usual = layout.corridors ? LEAVE.offCorridor : LEAVE.room
  const walkingLeave = new Float64Array(rooms + 1).fill(LEAVE.room)
  const restingLeave = new Float64Array(rooms + 1).fill(RESTING_LEAVE.room)
  for (let k = 0; k < rooms; k++) {
    const transit = layout.transit[k] === true
    const walking = transit ? LEAVE.transit : usual
    walkingLeave[k] = taught ? (usual * PRIOR_SECONDS + at(out, k)) / (PRIOR_SECONDS + at(sums.seconds, k)) : walking
    restingLeave[k] = Math.min(at(walkingLeave, k), transit ? RESTING_LEAVE.transit : RESTING_LEAVE.room)
  }
  const logRestingShare = restingLeave.map((own, k) => Math.log(own / at(walkingLeave, k)))
  return { walkingLeave, logRestingShare }
}

/** Chance to have left a room within a time, between walking and resting. */
export function leaveChance(passages: Passages, room: number, pace: Pace): number {
  const { rest, seconds } = pace
  const walking = at(passages.walkingLeave, room)
  const rate = rest <= 0 ? walking : walking * Math.exp(rest * at(passages.logRestingShare, room))
  // Most tags are heard every second.
  return seconds === 1 ? rate : clamp(1 - (1 - rate) ** seconds, 0, 1)
}

interface Pace {
  /** 0 walks, 1 rests. */
  readonly rest: number
  readonly seconds: number
}
