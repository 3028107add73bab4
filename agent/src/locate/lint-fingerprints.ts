import type { RoomId, SiteMap } from '@biotrakr/shared'

import { logLikelihood } from './emission.ts'
import { emptyHeard, type Heard, mediumOf } from './heard.ts'
import type { LintFinding } from './lint.ts'
import { CELL, listenTo, modelOf, type RoomModel } from './model.ts'
import { at, indexAt } from './numbers.ts'

/** Rooms whose typical sound is told apart by less than this each way, in nats a second, take minutes to tell apart. */
const ALIKE_NATS = 0.15
/** Another room must sound likelier by this much before a room is said never to win: less is noise of the survey. */
const BEATEN_NATS = 0.3
/** In larger maps a room is compared with its neighbours and with those that the same receivers hear well. */
const SMALL_MAP = 400
const OFFSET = { db: 0, variance: 0.49 }

/**
 * Lets every room sound as it typically does and asks the engine's own model which room that is: rooms that another
 * one beats at its own sound, rooms that sound alike, and rooms that nobody hears.
 */
export function lintFingerprints(map: SiteMap): LintFinding[] {
  const model = modelOf(map)
  listenTo(model, new Uint8Array(model.layout.receivers.length))
  const sounds = model.layout.rooms.map((_, k) => typicalSound(model, k))
  /** Rooms that stand in a finding about rooms that sound alike. */
  const told = new Set<number>()
  return model.layout.rooms.flatMap((room, k) => {
    const sound = sounds[k]
    if (!sound || sound.trusted === 0) return [unheard(room, k)]
    const compared = rivalsOf(model, k, sound).map((rival) => compare(model, sounds, { room: k, rival }))
    const same = compared.filter(({ lead, back }) => Math.abs(lead) < ALIKE_NATS && Math.abs(back) < ALIKE_NATS)
    const others = told.has(k) ? [] : same.map(({ rival }) => rival)
    for (const own of others) told.add(own)
    const [winner] = compared.filter(({ lead }) => lead > BEATEN_NATS).sort((a, b) => b.lead - a.lead)
    return [...(others.length > 0 ? [alike(model, k, others)] : []), ...(winner ? [beaten(model, winner)] : [])]
  })
}

interface Compared {
  readonly room: number
  readonly rival: number
  /** How much better the rival fits the room's sound, and the room the rival's; nats a second. */
  readonly lead: number
  readonly back: number
}

function compare(
  model: RoomModel,
  sounds: readonly Heard[],
  { room, rival }: Pick<Compared, 'room' | 'rival'>,
): Compared {
  const lead = (challenger: number, owner: number): number => {
    const sound = sounds[owner]
    if (!sound?.trusted) return Number.NEGATIVE_INFINITY
    return judged(model, challenger, sound) - judged(model, owner, sound)
  }
  return { room, rival, lead: lead(rival, room), back: lead(room, rival) }
}

/** What a tag in a room is typically heard as: receivers that hear it more often than not, else the likeliest one. */
function typicalSound(model: RoomModel, room: number): Heard {
  const heard = emptyHeard()
  const receivers = model.layout.receivers.length
  const rates = model.layout.receivers.flatMap((_, i) => {
    const cell = (room * receivers + i) * CELL.size
    const rate = model.useful[i] === 1 ? Math.exp(at(model.rooms.cells, cell + CELL.logHeard)) : 0
    return rate > 0.05 ? [{ i, rate, dbm: at(model.rooms.cells, cell + CELL.mean) }] : []
  })
  const sorted = rates.sort((a, b) => b.rate - a.rate || a.i - b.i)
  for (const { i, rate, dbm } of sorted.slice(0, heard.receivers.length)) {
    if (rate < 0.5 && heard.all > 0) break
    heard.receivers[heard.all] = i
    heard.dbm[heard.all] = dbm
    heard.counts[heard.all] = 1
    heard.all += 1
    heard.strongestDbm = Math.max(heard.strongestDbm, dbm)
  }
  heard.trusted = heard.all
  heard.medium = mediumOf(model.layout, heard.receivers)
  return heard
}

function judged(model: RoomModel, room: number, heard: Heard): number {
  const receivers = model.layout.receivers.length
  return logLikelihood(model, room, { heard, offset: OFFSET, receivers, heardWeight: model.trust.heard })
}

function rivalsOf(model: RoomModel, room: number, sound: Heard): number[] {
  const { rooms, neighbours } = model.layout
  if (rooms.length <= SMALL_MAP) return rooms.map((_, j) => j).filter((j) => j !== room)
  const near = new Set(neighbours[room])
  for (let n = 0; n < sound.trusted; n++) {
    for (const j of model.strongRooms[indexAt(sound.receivers, n)] ?? []) near.add(j)
  }
  near.delete(room)
  return [...near].sort((a, b) => a - b)
}

function unheard(room: RoomId, k: number): LintFinding {
  return {
    code: 'room_unheard',
    severity: 'error',
    path: `rooms[${k}]`,
    what: `no receiver is known to hear room "${room}": it can never win`,
    fix: 'Put a receiver into it or next to it, or survey it.',
  }
}

function alike(model: RoomModel, k: number, others: readonly number[]): LintFinding {
  const names = [k, ...others.slice(0, 3)].map((own) => `"${model.layout.rooms[own]}"`)
  const more = others.length > 3 ? ` and ${others.length - 3} more` : ''
  return {
    code: 'rooms_alike',
    severity: 'error',
    path: `rooms[${k}]`,
    what: `rooms ${names.join(', ')}${more} sound the same (${weaknesses(model, k).join(', ') || 'by their surveys'}): which of them is answered is left to chance`,
    fix: 'Put a receiver into each, or survey them, or make them one room.',
  }
}

function beaten(model: RoomModel, { room, rival, lead }: Compared): LintFinding {
  const weak = weaknesses(model, room)
  const why = weak.length > 0 ? weak.join(', ') : 'its surveyed places do not resemble each other'
  return {
    code: 'room_never_wins',
    severity: 'error',
    path: `rooms[${room}]`,
    what: `what is typically heard from room "${model.layout.rooms[room]}" fits room "${model.layout.rooms[rival]}" better, by ${lead.toFixed(1)} nats a second: ${why}`,
    fix: weak.includes('it was not surveyed')
      ? 'Survey it: 8-12 places, 8 s each.'
      : 'Check that the rooms of its survey and of its receivers are right; then survey more places in it.',
  }
}

function weaknesses({ layout, surveyed }: RoomModel, room: number): string[] {
  return [
    ...(surveyed[room] === true ? [] : ['it was not surveyed']),
    ...(layout.receiverRoom.includes(room) ? [] : ['no receiver stands in it']),
  ]
}
