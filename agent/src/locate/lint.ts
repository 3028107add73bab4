import { clipToPolygon, type RoomId, type SiteMap, type Survey } from '@biotrakr/shared'

import { passagesIn } from './layout.ts'
import { lintFingerprints } from './lint-fingerprints.ts'
import { lintPortals } from './lint-portals.ts'

/** Stable names of what can be wrong with a site map that has the right form. */
type LintCode =
  | 'room_unreachable'
  | 'room_never_wins'
  | 'rooms_alike'
  | 'room_unheard'
  | 'room_unsurveyed'
  | 'survey_thin'
  | 'survey_stale'
  | 'receiver_unheard'
  | 'receiver_without_room'
  | 'receiver_outside_room'
  | 'portal_without_direction'
  | 'portal_reversed'
  | 'no_way_out'

/** One thing that keeps rooms from being found, or found for certain. */
export interface LintFinding {
  readonly code: LintCode
  /** `error`: some answer can never be right; `warning`: answers will be worse; `note`: as well to know. */
  readonly severity: 'error' | 'warning' | 'note'
  /** Where in the map, such as `rooms[3]`. */
  readonly path: string
  readonly what: string
  /** What to do about it. */
  readonly fix: string
}

/** Fewer seconds or visits than this say little of a room. */
const THIN = { ticks: 20, visits: 2 }
/** From so many survey seconds on, a receiver that heard none of them is deaf or out of reach. */
const TELLING_TICKS = 60
/** Receivers hang on walls: this far outside their room is no mistake, metres. */
const WALL_METRES = 1

const SEVERITIES = ['error', 'warning', 'note'] as const

/**
 * Says why rooms of a site map will not be found, or not for certain: worst first, then in the order of the map.
 * @param map one that `siteMapSchema` has taken
 */
export function lintSiteMap(map: SiteMap): LintFinding[] {
  const findings = [
    ...lintReach(map),
    ...lintReceivers(map),
    ...lintPortals(map),
    ...lintSurvey(map),
    ...lintFingerprints(map),
  ]
  return SEVERITIES.flatMap((severity) => findings.filter((finding) => finding.severity === severity))
}

/** Rooms joined to each other, as lists of their numbers, largest first. */
function islands(map: SiteMap): number[][] {
  const number = new Map(map.rooms.map(({ id }, k) => [id, k]))
  const owner = map.rooms.map((_, k) => k)
  const rootOf = (k: number): number => {
    let root = k
    while (owner[root] !== root) root = owner[root] ?? root
    owner[k] = root
    return root
  }
  for (const [a, b] of passagesIn(map)) {
    const [from, to] = [number.get(a), number.get(b)]
    if (from !== undefined && to !== undefined) owner[rootOf(from)] = rootOf(to)
  }
  const lists = new Map<number, number[]>()
  for (let k = 0; k < map.rooms.length; k++) lists.set(rootOf(k), [...(lists.get(rootOf(k)) ?? []), k])
  return [...lists.values()].sort((a, b) => b.length - a.length)
}

function lintReach(map: SiteMap): LintFinding[] {
  const findings: LintFinding[] = []
  if (passagesIn(map).length > 0) {
    const [, ...cutOff] = islands(map)
    for (const k of cutOff.flat().sort((a, b) => a - b)) {
      findings.push({
        code: 'room_unreachable',
        severity: 'error',
        path: `rooms[${k}]`,
        what: `no door or adjacency joins room "${map.rooms[k]?.id}" to the rest: a tag will be slow to be found in it`,
        fix: 'Name the rooms next to it under adjacency or doors.',
      })
    }
  }
  if (map.rooms.every(({ transit, exit }) => !(exit ?? transit))) {
    findings.push({
      code: 'no_way_out',
      severity: 'note',
      path: 'rooms',
      what: 'no room leads out of the building, so no tag is ever called outside',
      fix: 'Mark rooms with a way out as exit: true, and corridors as transit: true.',
    })
  }
  return findings
}

function lintReceivers(map: SiteMap): LintFinding[] {
  const heard = new Set((map.survey?.cells ?? []).filter(({ ticks }) => ticks > 0).map(({ receiver }) => receiver))
  const surveyed = ticksIn(map.survey) >= TELLING_TICKS
  const polygons = new Map(map.rooms.map(({ id, polygon }) => [id, polygon]))
  return map.receivers.flatMap(({ id, room, at, exact, medium }, i): LintFinding[] => {
    const path = `receivers[${i}]`
    if (room === undefined && (exact === true || !heard.has(id))) {
      const what = `receiver "${id}" stands in no room and was not surveyed, so what it hears says nothing`
      return [{ code: 'receiver_without_room', severity: 'error', path, what, fix: 'Give it a room, or survey.' }]
    }
    // A reader of passive tags hears none of a survey with a beacon.
    if (surveyed && !heard.has(id) && medium === surveyMedium(map)) {
      const what = `receiver "${id}" heard nothing of a survey of ${ticksIn(map.survey)} seconds`
      const fix = 'Check that it runs and that its name is right; then survey the rooms near it anew.'
      return [{ code: 'receiver_unheard', severity: 'error', path, what, fix }]
    }
    const polygon = room === undefined ? undefined : polygons.get(room)
    if (!at || !polygon) return []
    const [x, y] = clipToPolygon(polygon, [at[0], at[1]])
    const metres = Math.hypot(x - at[0], y - at[1])
    if (metres <= WALL_METRES) return []
    const what = `receiver "${id}" is ${metres.toFixed(1)} m outside the polygon of its room "${room}"`
    return [{ code: 'receiver_outside_room', severity: 'warning', path, what, fix: 'Correct its place or its room.' }]
  })
}

/** Seconds of the survey, each counted once. */
function ticksIn(survey: Survey | undefined): number {
  return Math.round((survey?.rooms ?? []).reduce((sum, { room }) => sum + roomTicks(survey, room), 0))
}

/** A room's seconds are those of the receiver that heard most of them. */
function roomTicks(survey: Survey | undefined, room: RoomId): number {
  return (survey?.cells ?? []).reduce((most, cell) => (cell.room === room ? Math.max(most, cell.ticks) : most), 0)
}

function surveyMedium({ receivers, survey }: SiteMap): 'RFID' | 'BLE' | undefined {
  const cells = survey?.cells ?? []
  const media = new Set(cells.map(({ receiver }) => receivers.find(({ id }) => id === receiver)?.medium))
  return media.size === 1 ? [...media][0] : undefined
}

function lintSurvey(map: SiteMap): LintFinding[] {
  const { survey } = map
  if (!survey || survey.rooms.length === 0) return []
  const surveyed = new Map(survey.rooms.map((own) => [own.room, own]))
  const known = new Set<string>([...map.rooms.map(({ id }) => id), ...map.receivers.map(({ id }) => id)])
  const findings = map.rooms.flatMap(({ id }, k): LintFinding[] => {
    const own = surveyed.get(id)
    const path = `rooms[${k}]`
    if (!own) {
      const what = `room "${id}" was never surveyed: the map alone speaks for it`
      return [{ code: 'room_unsurveyed', severity: 'warning', path, what, fix: 'Survey it at 4 places at least.' }]
    }
    const ticks = roomTicks(survey, id)
    if (ticks >= THIN.ticks && own.visits >= THIN.visits) return []
    const what = `the survey of room "${id}" is thin: ${own.visits} visits, ${ticks} seconds`
    return [{ code: 'survey_thin', severity: 'warning', path, what, fix: 'Add places: 4 at least, 8 s each.' }]
  })
  const names = [...survey.cells.flatMap(({ room, receiver }) => [room, receiver])]
  const lost = [...new Set<string>(names.filter((own) => !known.has(own)))]
  if (lost.length > 0) {
    findings.push({
      code: 'survey_stale',
      severity: 'warning',
      path: 'survey',
      what: `the survey names what the map no longer has: ${lost.slice(0, 5).join(', ')}${lost.length > 5 ? '...' : ''}`,
      fix: 'If rooms or receivers were renamed, rename them in the survey; else survey what is new.',
    })
  }
  return findings
}
