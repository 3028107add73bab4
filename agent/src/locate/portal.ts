import type { SiteMap, TagWindow } from '@biotrakr/shared'

import type { Layout } from './layout.ts'
import { indexAt } from './numbers.ts'

/** Doorways with antennas on both sides, by numbers. Made once per map. */
export interface Portals {
  /** Portal of each receiver, -1 = none, and its side: -1 the first room's, 1 the second's, 0 in the middle. */
  readonly portal: Int32Array
  readonly side: Int8Array
  readonly rooms: readonly (readonly [first: number, second: number])[]
}

/** How a tag is passing a doorway just now. */
export interface Passage {
  /** -1 = in no doorway. */
  portal: number
  /** Side on which the tag stands for certain; 0 = not known yet. */
  side: -1 | 0 | 1
  /** Windows in a row on the other side. */
  streak: number
  windows: number
  /** Which way it went by the order of the antennas' peaks, if it is gone after this one window. */
  order: -1 | 0 | 1
  /** Wall milliseconds of the newest window in the doorway, and of the newest crossing. */
  atMs: number
  crossedMs: number
}

/** A way that a tag has gone, as numbers of rooms. */
export interface Crossing {
  readonly from: number
  readonly to: number
}

/** One side hears it so much better: below, it stands in the door. */
const LEAD_DB = 6
/** Windows needed on the other side, and after a crossing a moment ago: somebody who turns round in the door. */
const NEEDED = { crossing: 2, turning: 3 }
const TURNING_MS = 3000
/** A doorway in which a tag was not heard for this long has been left. */
const LEFT_MS = 5000
/** Peaks of two antennas closer to each other than this have no order. */
const PEAKS_APART_MS = 200
/** A reader that only reports presence reaches a metre. */
const PRESENCE_DBM = -55

/** @returns undefined when no doorway of the map can tell a direction */
export function portalsOf({ portals = [] }: SiteMap, layout: Layout): Portals | undefined {
  const portal = new Int32Array(layout.receivers.length).fill(-1)
  const side = new Int8Array(layout.receivers.length)
  const rooms: (readonly [number, number])[] = []
  for (const { antennas, between } of portals) {
    const [first, second] = (between ?? []).map((room) => layout.roomNumber.get(room))
    if (first === undefined || second === undefined || first === second || antennas.length < 2) continue
    antennas.forEach((antenna, n) => {
      const receiver = layout.receiverNumber.get(antenna)
      if (receiver === undefined) return
      portal[receiver] = rooms.length
      side[receiver] = Math.sign(2 * n - (antennas.length - 1))
    })
    rooms.push([first, second])
  }
  return rooms.length === 0 ? undefined : { portal, side, rooms }
}

export function emptyPassage(): Passage {
  return { portal: -1, side: 0, streak: 0, windows: 0, order: 0, atMs: Number.NaN, crossedMs: Number.NaN }
}

/** What both sides of one doorway heard in a window. */
interface Heard {
  readonly portal: number
  readonly dbm: [number, number]
  readonly peakMs: [number, number]
  readonly counts: [number, number]
}

/**
 * Tells which way a tag went through a doorway, from the order in which the antennas hear it and how their powers rise
 * and fall. Who lingers in the door, or turns back, has not crossed; where the order is not clear there is none.
 * @returns the crossing that this window completes
 */
export function feelPortal(passage: Passage, portals: Portals, { window, layout }: PortalStep): Crossing | undefined {
  const heard = hearDoor(portals, layout, window)
  if (heard === undefined) return leave(passage, portals, window.atMs)
  const isNew = passage.portal !== heard.portal || !(Math.abs(window.atMs - passage.atMs) <= LEFT_MS)
  const left = isNew ? leave(passage, portals, Number.POSITIVE_INFINITY) : undefined
  if (isNew) Object.assign(passage, emptyPassage(), { portal: heard.portal })
  passage.atMs = window.atMs
  passage.windows += 1
  passage.order = passage.windows === 1 ? peakOrder(heard) : 0
  const side = sideOf(heard)
  if (side === 0) passage.streak = 0
  else if (passage.side === 0 || passage.side === side) {
    passage.side = side
    passage.streak = 0
  } else if (hasCrossed(passage, heard, side)) {
    passage.side = side
    passage.streak = 0
    passage.crossedMs = window.atMs
    return crossing(portals, heard.portal, side)
  }
  return left
}

export interface PortalStep {
  readonly window: TagWindow
  readonly layout: Layout
}

interface Report {
  readonly portal: number
  readonly end: 0 | 1
  readonly dbm: number
  readonly peakMs: number
  readonly count: number
}

function hearDoor(portals: Portals, layout: Layout, window: TagWindow): Heard | undefined {
  if (!isAtDoor(portals, layout, window)) return undefined
  const reports = window.sightings.flatMap((sighting) => reportOf(portals, layout, sighting) ?? [])
  // Two doorways at once: the one that hears it best.
  const [best] = reports.toSorted((a, b) => b.dbm - a.dbm)
  if (!best) return undefined
  const nobody = Number.NEGATIVE_INFINITY
  const heard: Heard = {
    portal: best.portal,
    dbm: [nobody, nobody],
    peakMs: [Number.NaN, Number.NaN],
    counts: [0, 0],
  }
  for (const { portal, end, dbm, peakMs, count } of reports) {
    if (portal !== best.portal) continue
    heard.counts[end] += count
    if (dbm <= heard.dbm[end]) continue
    heard.dbm[end] = dbm
    heard.peakMs[end] = peakMs
  }
  return heard
}

/** Most tags are nowhere near a doorway. */
function isAtDoor({ portal }: Portals, { receiverNumber }: Layout, { sightings }: TagWindow): boolean {
  for (let s = 0; s < sightings.length; s++) {
    const i = receiverNumber.get((sightings[s] as TagWindow['sightings'][number]).receiver)
    if (i !== undefined && indexAt(portal, i) >= 0) return true
  }
  return false
}

function reportOf(portals: Portals, layout: Layout, sighting: TagWindow['sightings'][number]): Report | undefined {
  const { rssiDbm, maxDbm, peakMs = Number.NaN, count } = sighting
  const i = layout.receiverNumber.get(sighting.receiver) ?? -1
  const portal = portals.portal[i] ?? -1
  const side = portals.side[i] ?? 0
  if (portal < 0 || side === 0) return undefined
  return { portal, end: side < 0 ? 0 : 1, dbm: maxDbm ?? rssiDbm ?? PRESENCE_DBM, peakMs, count }
}

function sideOf({ dbm: [first, second] }: Heard): -1 | 0 | 1 {
  if (first - second >= LEAD_DB) return -1
  return second - first >= LEAD_DB ? 1 : 0
}

/** One window is enough when the side it came from hears nothing of it any more; else it takes several in a row. */
function hasCrossed(passage: Passage, { counts }: Heard, side: -1 | 1): boolean {
  passage.streak += 1
  const isTurning = Math.abs(passage.atMs - passage.crossedMs) <= TURNING_MS
  if (isTurning) return passage.streak >= NEEDED.turning
  const [own, before] = side < 0 ? [0, 1] : [1, 0]
  const isClear = counts[own as 0 | 1] >= 2 && counts[before as 0 | 1] === 0
  return isClear || passage.streak >= NEEDED.crossing
}

function peakOrder({ peakMs: [first, second] }: Heard): -1 | 0 | 1 {
  const apart = second - first
  return Math.abs(apart) >= PEAKS_APART_MS ? (Math.sign(apart) as -1 | 1) : 0
}

/** Something quick is through within one window: the order of the peaks counts once it has not come back. */
function leave(passage: Passage, portals: Portals, atMs: number): Crossing | undefined {
  if (passage.portal < 0 || !(atMs > passage.atMs)) return undefined
  const { portal, order, windows } = passage
  if (windows === 1 && order !== 0) {
    Object.assign(passage, emptyPassage())
    return crossing(portals, portal, order)
  }
  if (atMs - passage.atMs > LEFT_MS) Object.assign(passage, emptyPassage())
  return undefined
}

function crossing({ rooms }: Portals, portal: number, side: -1 | 1): Crossing | undefined {
  const ends = rooms[portal]
  if (!ends) return undefined
  const [first, second] = ends
  return side < 0 ? { from: second, to: first } : { from: first, to: second }
}
