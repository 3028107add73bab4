import type { RoomId, SiteMap } from '@biotrakr/shared'

import { judgeRoom, type RoomVerdict, type SurveyedPlace } from '../calibrate.ts'
import { askLine } from './calibrate-keys.ts'
import { heardOf, type MeasureParts, measure, signalWords } from './calibrate-measure.ts'

export interface WalkParts extends MeasureParts {
  readonly map: SiteMap
  /** Rooms to walk, in this order. */
  readonly rooms: readonly RoomId[]
  /** The simulated walker follows the prompts. */
  readonly goTo?: (room: RoomId, number: number) => void
}

/** What ends a room: on to the next, to a room of the surveyor's choice, or the end. */
type Turn = { readonly kind: 'next' | 'stop' } | { readonly kind: 'room'; readonly room: RoomId }

const PLACE_NAMES = [
  'bed head',
  'bed foot',
  'window',
  'door',
  'bathroom door',
  'wash basin',
  'chair',
  'middle of the room',
]
const TRANSIT_NAMES = ['one end', 'other end', 'middle', 'first door', 'last door', 'left wall', 'right wall']
const PLACES_WANTED = 8
/** After a door somebody is still walking. */
const DOOR_SECONDS = 3
const HELP = [
  '  Enter  start measuring here; while measuring: that is enough',
  '  u      undo the last place (while measuring: drop this one)',
  '  n      next room          r  another room, by its name',
  '  s      skip this room     a  walk this room anew',
  '  l      list of rooms      q  stop; go on later where you stopped',
]

/** Walks the surveyor through the rooms until all are done or they stop. @returns whether all rooms are done */
export async function walkRooms(parts: WalkParts): Promise<boolean> {
  let room = nextRoom(parts)
  parts.terminal.say('Keys: Enter start, u undo, n next room, r other room, s skip, l list, q stop, ? help.')
  parts.terminal.say('Hold the tag at the height at which it is used, and turn around once at every place.')
  while (room !== undefined) {
    const turn = await walkRoom(parts, room)
    if (turn.kind === 'stop') return false
    room = turn.kind === 'room' ? turn.room : nextRoom(parts)
  }
  return true
}

function nextRoom({ rooms, journal }: WalkParts): RoomId | undefined {
  const { places, skipped } = journal.progress()
  return rooms.find((room) => !skipped.has(room) && verdictOf(places, room).state === 'more')
}

function placesIn(places: readonly SurveyedPlace[], room: RoomId): readonly SurveyedPlace[] {
  return places.filter((place) => place.room === room)
}

function verdictOf(places: readonly SurveyedPlace[], room: RoomId): RoomVerdict {
  return judgeRoom(placesIn(places, room).map(({ seconds }) => seconds))
}

async function walkRoom(parts: WalkParts, room: RoomId): Promise<Turn> {
  sayRoom(parts, room)
  let isAtDoor = true
  for (;;) {
    const name = sayPlaceToStand(parts, room)
    const key = await waitKey(parts)
    if (key !== 'enter') {
      const turn = await obey(parts, { room, key })
      if (turn) return turn
      continue
    }
    const measured = await measure(parts, { room, name, dropSeconds: isAtDoor ? DOOR_SECONDS : 0 })
    if (measured === 'stop') return { kind: 'stop' }
    if (measured === 'dropped') continue
    isAtDoor = false
    if (sayRoomVerdict(parts, room)) return { kind: 'next' }
  }
}

/** @returns the name of the place */
function sayPlaceToStand({ map, journal, terminal, goTo }: WalkParts, room: RoomId): string {
  const { places } = journal.progress()
  const number = placesIn(places, room).length
  const isTransit = map.rooms.find(({ id }) => id === room)?.transit
  const name = (isTransit ? TRANSIT_NAMES : PLACE_NAMES)[number] ?? `place ${number + 1}`
  goTo?.(room, number)
  const next = verdictOf(places, room).state === 'more' ? '' : '  [n] next room'
  terminal.say(`  Place ${number + 1}: ${terminal.bold(name)}. Stand there, then Enter.${next}`)
  return name
}

function sayRoom({ map, terminal, journal, rooms }: WalkParts, room: RoomId): void {
  const own = map.receivers.filter((receiver) => receiver.room === room).map(({ id }) => id)
  const { places } = journal.progress()
  const had = placesIn(places, room).length
  terminal.say()
  terminal.say(terminal.bold(`Room ${room} (${rooms.indexOf(room) + 1} of ${rooms.length})`))
  terminal.say(
    own.length === 0 ? '  No receiver hangs here, by the map.' : `  Receivers here, by the map: ${own.join(', ')}`,
  )
  if (had > 0) terminal.say(`  ${had} ${had === 1 ? 'place is' : 'places are'} done already.`)
}

/** @returns true when the room is done */
function sayRoomVerdict({ terminal, journal }: WalkParts, room: RoomId): boolean {
  const { state, why, places, receivers } = verdictOf(journal.progress().places, room)
  const heard = `${receivers} ${receivers === 1 ? 'receiver' : 'receivers'} hear it well`
  const isDone = state === 'enough' || (state === 'usable' && places >= PLACES_WANTED)
  const colour = state === 'more' ? 'yellow' : 'green'
  const words = { more: 'not enough yet', usable: 'usable', enough: 'enough' }[state]
  terminal.say(
    `  Room ${room}: ${terminal.colour(words, colour)} - ${places} ${places === 1 ? 'place' : 'places'}, ${heard}, ${why}.`,
  )
  return isDone
}

interface Order {
  readonly room: RoomId
  readonly key: string
}

async function obey(parts: WalkParts, { room, key }: Order): Promise<Turn | undefined> {
  const { terminal, journal } = parts
  switch (key) {
    case 'q':
    case 'end':
      return { kind: 'stop' }
    case 'n': {
      const { state } = verdictOf(journal.progress().places, room)
      if (state === 'more') journal.skip(room)
      return { kind: 'next' }
    }
    case 's':
      journal.skip(room)
      terminal.say(`  Room ${room} is skipped: its answers will rest on the map.`)
      return { kind: 'next' }
    case 'u': {
      const undone = journal.undo(room)
      terminal.say(
        undone ? `  Place "${undone.name}" of ${room} is undone.` : '  There is nothing to undo in this room.',
      )
      return undefined
    }
    case 'a':
      journal.anew(room)
      terminal.say(`  Room ${room} begins anew.`)
      return undefined
    case 'l':
      sayList(parts)
      return undefined
    case 'r':
      return chooseRoom(parts)
    default:
      for (const line of HELP) terminal.say(line)
      return undefined
  }
}

function sayList({ rooms, journal, terminal }: WalkParts): void {
  const { places, skipped } = journal.progress()
  for (const room of rooms) {
    const { state, why, places: count } = verdictOf(places, room)
    const words = skipped.has(room) ? 'skipped' : `${state === 'more' ? 'to do' : state}, ${count} places, ${why}`
    terminal.say(`  ${room.padEnd(16)} ${words}`)
  }
}

async function chooseRoom(parts: WalkParts): Promise<Turn | undefined> {
  const name = await askLine(parts, '  Which room? > ')
  if (name === undefined) return { kind: 'stop' }
  const rooms = parts.map.rooms.map(({ id }) => id)
  const room = rooms.find((id) => id === name) ?? rooms.find((id) => id.toLowerCase() === name.toLowerCase())
  if (room) return { kind: 'room', room }
  if (name !== '') parts.terminal.say(`  The map has no room "${name}". l lists them.`)
  return undefined
}

/** Shows the live signal until a key is pressed. */
async function waitKey({ events, terminal, tag }: WalkParts): Promise<string> {
  for (;;) {
    const event = await events.next()
    if (event.kind === 'key') return event.key
    if (event.kind === 'trouble') terminal.say(`  ${terminal.colour(event.words, 'red')}`)
    else terminal.live(`  now: ${signalWords(heardOf(event.now, tag))}`)
  }
}
