import type { RoomId, TagId } from '@biotrakr/shared'

import { type HeardSecond, judgePlace, type PlaceVerdict } from '../calibrate.ts'
import type { HeardNow } from '../survey-ear.ts'
import type { SurveyJournal } from '../survey-journal.ts'
import type { SurveyEvent, SurveyEvents } from './calibrate-events.ts'
import { askLine } from './calibrate-keys.ts'
import type { Terminal } from './calibrate-terminal.ts'

export interface MeasureParts {
  readonly tag: TagId
  readonly journal: SurveyJournal
  readonly events: SurveyEvents
  readonly terminal: Terminal
}

interface Place {
  readonly room: RoomId
  readonly name: string
  /** So many are left out first: somebody who has just come through the door is still walking. */
  readonly dropSeconds: number
}

export type Measured = 'kept' | 'dropped' | 'stop'

/** A place that is not enough after so long is for the surveyor to judge. */
const PATIENCE_SECONDS = 45
const SILENT_SECONDS = 8
const SHOWN_RECEIVERS = 4

/** Measures one place until its statistics are enough, the surveyor says so, or patience ends. */
export async function measure(parts: MeasureParts, place: Place): Promise<Measured> {
  const { events, terminal } = parts
  const course = createCourse(parts, place)
  events.dropSeconds()
  if (place.dropSeconds > 0) terminal.live(`  just through the door: ${place.dropSeconds} s are left out`)
  for (;;) {
    const event = await events.next(terminal.isKeyed)
    const how = course.take(event)
    if (how === 'ask') return course.end(await judgeByHand(parts, course.verdict()))
    if (how) return course.end(how)
  }
}

interface Course {
  /** @returns how the place ends, `ask` when the surveyor must say, undefined while it goes on */
  take(event: SurveyEvent): Measured | 'ask' | undefined
  verdict(): PlaceVerdict
  /** Writes down how it ended. */
  end(how: Measured): Measured
}

function createCourse({ terminal, journal, tag }: MeasureParts, { room, name, dropSeconds }: Place): Course {
  const seconds: HeardSecond[] = []
  let id: string | undefined
  let passed = -dropSeconds
  let verdict = judgePlace(seconds)

  const pressed = (key: string): Measured | undefined => {
    if (key === 'end' || key === 'q') return 'stop'
    if (key === 'u') return 'dropped'
    return key === 'enter' && seconds.length > 0 ? 'kept' : undefined
  }

  const hear = (now: HeardNow): Measured | 'ask' | undefined => {
    passed += 1
    if (passed <= 0) return undefined
    id ??= journal.place({ room, name, atMs: now.atMs })
    const heard = heardOf(now, tag)
    if (heard.sightings.length > 0) {
      seconds.push(heard)
      journal.heard(heard)
    }
    verdict = judgePlace(seconds)
    terminal.live(`  ${passed} s: ${verdict.missing || 'enough'} | ${signalWords(heard)}`)
    if (verdict.enough) return 'kept'
    if (passed % SILENT_SECONDS === 0 && seconds.length === 0) sayNoSignal(terminal, { tag, seconds: passed })
    return passed >= PATIENCE_SECONDS ? 'ask' : undefined
  }

  return {
    verdict: () => verdict,
    take(event) {
      if (event.kind === 'key') return pressed(event.key)
      if (event.kind === 'second') return hear(event.now)
      terminal.say(`  ${terminal.colour(event.words, 'red')}`)
      return undefined
    },
    end(how) {
      if (id === undefined) return how
      if (how !== 'kept') journal.drop(id)
      else {
        journal.done(id)
        sayPlace(terminal, { name, verdict })
      }
      return how
    },
  }
}

/** What was heard of one tag in one second; no sightings when it was silent. */
export function heardOf({ atMs, windows }: HeardNow, tag: TagId): HeardSecond {
  return { atMs, sightings: windows.find((window) => window.tag === tag)?.sightings ?? [] }
}

export function signalWords({ sightings }: HeardSecond): string {
  if (sightings.length === 0) return 'no signal'
  return [...sightings]
    .sort((a, b) => (b.rssiDbm ?? -127) - (a.rssiDbm ?? -127))
    .slice(0, SHOWN_RECEIVERS)
    .map(({ receiver, rssiDbm, count }) => `${receiver} ${rssiDbm === undefined ? '' : Math.round(rssiDbm)} (${count})`)
    .join('  ')
}

function sayPlace(
  terminal: Terminal,
  { name, verdict }: { readonly name: string; readonly verdict: PlaceVerdict },
): void {
  const [loudest] = verdict.heard
  const how = loudest ? `, loudest ${loudest.receiver} at ${Math.round(loudest.dbm)} dBm` : ''
  const mark = verdict.enough ? terminal.colour('ok', 'green') : terminal.colour('kept', 'yellow')
  const { length } = verdict.heard
  terminal.say(
    `    ${mark}  "${name}": ${verdict.seconds} s heard by ${length} ${length === 1 ? 'receiver' : 'receivers'}${how}`,
  )
}

function sayNoSignal(terminal: Terminal, { tag, seconds }: { readonly tag: TagId; readonly seconds: number }): void {
  const why = `no signal of ${tag} for ${seconds} s. Is it awake, and is a receiver near? u drops this place.`
  terminal.say(`  ${terminal.colour(why, 'red')}`)
}

async function judgeByHand(parts: MeasureParts, verdict: PlaceVerdict): Promise<Measured> {
  const { terminal } = parts
  terminal.say(`  Not enough after ${PATIENCE_SECONDS} s: ${verdict.missing}.`)
  if (verdict.seconds === 0) {
    terminal.say(
      '  Nothing was heard here: the place is dropped. A room that no receiver hears cannot be told from others.',
    )
    return 'dropped'
  }
  const answer = await askLine(parts, `  Keep these ${verdict.seconds} seconds? [Enter] keep  [u] drop > `)
  if (answer === undefined) return 'stop'
  return answer === '' || answer.startsWith('k') ? 'kept' : 'dropped'
}
