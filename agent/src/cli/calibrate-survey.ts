import { BioTrakrError, type RoomId, type TagId } from '@biotrakr/shared'
import type { Command } from 'commander'

import { journalFile, openJournal, type SurveyJournal } from '../survey-journal.ts'
import { lockSurvey } from '../survey-lock.ts'
import { readSurvey } from '../survey-replay.ts'
import { createSurveyEvents, type SurveyEvents } from './calibrate-events.ts'
import {
  type Listening,
  listenAsAgent,
  listenToWalk,
  type SimulationOptions,
  simulateWalk,
  withSimulation,
} from './calibrate-listen.ts'
import { openSite, type Site, type SiteOptions, whoami, withSite } from './calibrate-site.ts'
import { loudestTag, tagNamed } from './calibrate-tag.ts'
import { openTerminal, type Terminal } from './calibrate-terminal.ts'
import { walkRooms } from './calibrate-walk.ts'

interface SurveyOptions extends SiteOptions, SimulationOptions {
  readonly tag?: string
  readonly room: readonly string[]
  readonly anew: boolean
  readonly replay?: string
}

const AFTER = `
Stop whenever you like (q, Ctrl-C, a lost connection): every finished place is on disk, and the same command goes on.
One person at a time can survey into a folder. When done: biotrakr calibrate fit, then report.`

/** `biotrakr calibrate survey`: walks the user through the rooms. */
export function addSurveyCommand(calibrate: Command): void {
  const command = calibrate
    .command('survey')
    .description('walk through the rooms with a tag; stop at 8 places in each and wait until it says ok')
    .option('--tag <name>', 'the survey tag, or a part of its name; without it the loudest tag is asked for')
    .option('--room <room...>', 'only these rooms, also those that are surveyed already', [])
    .option('--anew', 'with --room: forget what was walked there since the last fit', false)
    .option('--replay <path>', 'take a recorded survey instead: a journal, or a folder with meta.json and train.csv')
    .addHelpText('after', AFTER)
    .action(survey)
  withSimulation(withSite(command))
}

async function survey(options: SurveyOptions): Promise<void> {
  const { simulate } = options
  const named = options.map !== undefined || options.config !== undefined ? openSite(options) : undefined
  const walk = simulate === undefined ? undefined : simulateWalk({ ...options, simulate }, named?.map)
  const site = named ?? openSite(options, walk?.siteMap)
  const rooms = roomsToWalk(site, options.room)
  const release = lockSurvey(site.store.dir, { by: whoami(), nowMs: Date.now() })
  try {
    const journal = openJournal(journalFile(site.store.dir))
    try {
      if (options.anew) for (const room of rooms) journal.anew(room)
      if (options.replay !== undefined) takeRecorded(site, journal, options.replay)
      else
        await walkLive(
          { site, journal, options, rooms },
          walk ? listenToWalk(walk, options) : await listenAsAgent(site.config),
        )
    } finally {
      journal.close()
    }
  } finally {
    release()
  }
}

/** Named rooms, or else those that neither the current version nor the journal knows. */
function roomsToWalk({ map, store }: Site, named: readonly string[]): RoomId[] {
  const known = map.rooms.map(({ id }) => id)
  const unknown = named.filter((name) => !known.includes(name as RoomId))
  if (unknown.length > 0) {
    throw new BioTrakrError(`the site map has no room ${unknown.join(', ')}`, {
      code: 'NOT_FOUND',
      next: `Its rooms are ${known.slice(0, 20).join(', ')}${known.length > 20 ? ' and others' : ''}.`,
    })
  }
  if (named.length > 0) return known.filter((id) => named.includes(id))
  const surveyed = new Set(store.current()?.places.map(({ room }) => room))
  return known.filter((id) => !surveyed.has(id))
}

interface LiveParts {
  readonly site: Site
  readonly journal: SurveyJournal
  readonly options: SurveyOptions
  readonly rooms: readonly RoomId[]
}

async function walkLive(parts: LiveParts, listening: Listening): Promise<void> {
  const { site, journal, rooms } = parts
  const events = createSurveyEvents()
  const terminal = openTerminal({ onKey: events.key })
  try {
    sayStart(terminal, { ...parts, ear: listening.ear.words })
    if (rooms.length === 0) return
    listening.walk?.holdToReceiver()
    await listening.ear.start(events.second, events.trouble)
    const tag = await chooseTag(parts, { events, terminal, listening })
    if (tag === undefined) return
    journal.begin({ atMs: Date.now(), by: whoami(), tag, mapVersion: site.map.version })
    const isDone = await walkRooms({
      map: site.map,
      tag,
      journal,
      events,
      terminal,
      rooms,
      ...(listening.walk && { goTo: listening.walk.goTo }),
    })
    terminal.say()
    terminal.say(
      isDone
        ? 'All rooms are done. Next: biotrakr calibrate fit'
        : 'Stopped. All finished places are on disk; the same command goes on.',
    )
  } finally {
    terminal.close()
    await listening.ear.stop()
  }
}

function sayStart(terminal: Terminal, { site, journal, rooms, ear }: LiveParts & { readonly ear: string }): void {
  const { map, store } = site
  const { places, broken, cutBytes } = journal.progress()
  const current = store.current()
  terminal.say(`Survey of ${map.rooms.length} rooms with ${map.receivers.length} receivers, heard by ${ear}.`)
  terminal.say(`Every finished place goes to ${journal.file}`)
  if (current)
    terminal.say(`Version ${current.version} of the calibration counts now; walk its rooms anew with --room.`)
  if (places.length > 0) terminal.say(`Going on: ${places.length} places are done.`)
  if (broken) terminal.say(`"${broken.name}" of room ${broken.room} was under way when it stopped: do it again.`)
  if (cutBytes > 0) terminal.say(`The journal ended in half a line (${cutBytes} bytes), which was cut off.`)
  if (rooms.length === 0) terminal.say('Every room of the map is surveyed. Name the rooms to walk anew with --room.')
}

interface Choosing {
  readonly events: SurveyEvents
  readonly terminal: Terminal
  readonly listening: Listening
}

async function chooseTag(
  { journal, options }: LiveParts,
  { events, terminal, listening }: Choosing,
): Promise<TagId | undefined> {
  const { tags } = listening
  const last = journal.progress().tag
  const given = options.tag === undefined ? undefined : tagNamed(options.tag, tags)
  const resumed = last !== undefined && tags.includes(last) ? last : undefined
  const tag = given ?? resumed ?? (await loudestTag({ events, terminal, tags }))
  if (tag !== undefined)
    terminal.say(`Survey tag: ${terminal.bold(tag)}${given ? '' : resumed ? ' (as before; --tag takes another)' : ''}`)
  return tag
}

function takeRecorded({ map }: Site, journal: SurveyJournal, path: string): void {
  const { tag, places } = readSurvey(path)
  const rooms = new Set(map.rooms.map(({ id }) => id))
  const used = places.filter(({ room, seconds }) => rooms.has(room) && seconds.length > 0)
  journal.begin({ atMs: Date.now(), by: whoami(), tag, mapVersion: map.version })
  for (const { room, name, seconds, at } of used) {
    const id = journal.place({ room, name, atMs: seconds[0]?.atMs ?? 0, ...(at && { at }) })
    journal.hearAll(seconds)
    journal.done(id)
  }
  const left = places.length - used.length
  const lost = left === 0 ? '' : `; ${left} left out: empty, or in rooms that the map lacks`
  process.stdout.write(`${used.length} places taken from ${path}${lost}\nNext: biotrakr calibrate fit\n`)
}
