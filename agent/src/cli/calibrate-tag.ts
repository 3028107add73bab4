import { BioTrakrError, type TagId } from '@biotrakr/shared'

import type { HeardNow } from '../survey-ear.ts'
import type { SurveyEvent, SurveyEvents } from './calibrate-events.ts'
import { askLine } from './calibrate-keys.ts'
import type { Terminal } from './calibrate-terminal.ts'

interface Looking {
  readonly events: SurveyEvents
  readonly terminal: Terminal
  readonly tags: readonly TagId[]
}

interface Loudness {
  readonly tag: TagId
  readonly dbm: number
  readonly receiver: string
}

/** Long enough for a tag that speaks every 4 s to be heard once or twice. */
const LISTEN_SECONDS = 6
const PATIENCE_SECONDS = 60
/** Held to a receiver, a tag is this much louder than any on the ward. */
const LEAD_DB = 10
const SHOWN = 9

/**
 * The tag that a part of a name means.
 * @throws BioTrakrError NOT_FOUND when none of the site's tags, or more than one, has it
 */
export function tagNamed(name: string, tags: readonly TagId[]): TagId {
  const wanted = name.toLowerCase()
  const exact = tags.find((tag) => tag.toLowerCase() === wanted)
  const found = exact ? [exact] : tags.filter((tag) => tag.toLowerCase().includes(wanted))
  const [only] = found
  if (only && found.length === 1) return only
  const next =
    found.length > 1
      ? `It could be ${found.slice(0, 5).join(', ')}${found.length > 5 ? ' and others' : ''}: write more of it.`
      : 'Only tags in the configuration are listened to: add it under tags, or leave --tag out and hold it to a receiver.'
  const message = found.length > 1 ? `${found.length} tags have "${name}" in their name` : `no tag is called "${name}"`
  throw new BioTrakrError(message, { code: 'NOT_FOUND', next })
}

/**
 * Finds the survey tag as the loudest of all.
 * @returns undefined when the surveyor stopped
 * @throws BioTrakrError SURVEY_NO_SIGNAL
 */
export async function loudestTag({ events, terminal, tags }: Looking): Promise<TagId | undefined> {
  for (;;) {
    terminal.say('Hold the survey tag close to any receiver, for a few seconds.')
    const heard = await listen({ events, terminal, tags })
    if (heard === undefined) return undefined
    const [first, second] = heard
    if (first === undefined) throw noSignal(tags)
    const isClear = second === undefined || first.dbm - second.dbm >= LEAD_DB
    const chosen = isClear
      ? await confirm({ events, terminal, tags }, first)
      : await choose({ events, terminal, tags }, heard)
    if (chosen !== 'again') return chosen
  }
}

async function listen({ events, terminal }: Looking): Promise<readonly Loudness[] | undefined> {
  const heard = new Map<TagId, Loudness>()
  events.dropSeconds()
  for (let seconds = 0; seconds < PATIENCE_SECONDS; ) {
    const event = await events.next(terminal.isKeyed)
    if (isQuit(event)) return undefined
    if (event.kind === 'trouble') terminal.say(event.words)
    if (event.kind !== 'second') continue
    seconds += 1
    for (const window of event.now.windows) keepLoudest(heard, window)
    const sorted = [...heard.values()].sort((a, b) => b.dbm - a.dbm)
    terminal.live(sorted[0] ? `loudest: ${words(sorted[0])}` : `nothing heard for ${seconds} s`)
    if (seconds >= LISTEN_SECONDS && sorted.length > 0) return sorted
  }
  return []
}

const isQuit = (event: SurveyEvent): boolean => event.kind === 'key' && (event.key === 'q' || event.key === 'end')

function keepLoudest(heard: Map<TagId, Loudness>, { tag, sightings }: HeardNow['windows'][number]): void {
  for (const { receiver, rssiDbm = -127 } of sightings) {
    if (rssiDbm > (heard.get(tag)?.dbm ?? -128)) heard.set(tag, { tag, dbm: rssiDbm, receiver })
  }
}

const words = ({ tag, dbm, receiver }: Loudness): string => `${tag}, ${Math.round(dbm)} dBm at ${receiver}`

async function confirm({ events, terminal }: Looking, first: Loudness): Promise<TagId | 'again' | undefined> {
  terminal.say(`The loudest tag is ${terminal.bold(words(first))}.`)
  const answer = await askLine(
    { events, terminal },
    'Is this the survey tag? [Enter] yes  [n] listen again  [q] stop > ',
  )
  if (answer === undefined || answer === 'q') return undefined
  return answer === '' || answer.startsWith('y') ? first.tag : 'again'
}

async function choose({ events, terminal }: Looking, heard: readonly Loudness[]): Promise<TagId | 'again' | undefined> {
  terminal.say('Several tags are about equally loud:')
  const shown = heard.slice(0, SHOWN)
  for (const [n, one] of shown.entries()) terminal.say(`  ${n + 1}  ${words(one)}`)
  const question = 'Which one is it? Its number, or [Enter] to listen again, closer to a receiver  [q] stop > '
  const answer = await askLine({ events, terminal }, question)
  if (answer === undefined || answer === 'q') return undefined
  return shown[Number(answer) - 1]?.tag ?? 'again'
}

function noSignal(tags: readonly TagId[]): BioTrakrError {
  return new BioTrakrError(`none of the ${tags.length} configured tags was heard for ${PATIENCE_SECONDS} s`, {
    code: 'SURVEY_NO_SIGNAL',
    next: 'Check that the tag is awake and in the configuration under tags; biotrakr sniff shows what the adapters hear.',
  })
}
