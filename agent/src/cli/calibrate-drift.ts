import { BioTrakrError, isTagId, type ReceiverId, type RoomId, type SiteMap, type TagId } from '@biotrakr/shared'
import { createWard } from '@biotrakr/sim'
import { type Command, InvalidArgumentError } from 'commander'

import { capturedSeconds, createDriftCheck, type DriftReport, driftOfReadings, type ReferenceTag } from '../drift.ts'
import { listenAsAgent } from './calibrate-listen.ts'
import { openSite, type Site, type SiteOptions, withSite } from './calibrate-site.ts'
import { askedToStop } from './stop-request.ts'

interface DriftOptions extends SiteOptions {
  readonly seconds: number
  readonly capture: readonly string[]
  readonly reference: readonly ReferenceTag[]
  readonly simulate?: number
  readonly moved: readonly { readonly receiver: ReceiverId; readonly db: number }[]
  readonly json: boolean
}

const NEEDS_ATTENTION = 3
const SIMULATED = { tags: 30, stepMs: 1000 } as const
const NOTES = `
Compared are tags that rest in a room of which the agent is more than 90 % sure, and reference tags, whose room you give.
A receiver, or a room, that differs by more than 6 dB nearly everywhere is told, and so is one that has gone deaf. Ten
minutes see a broken receiver; a day sees more. Rooms are never learned from this: survey them anew.`

/** `biotrakr calibrate drift`: does the building still sound as it did in the survey? */
export function addDriftCommand(calibrate: Command, exitWith: (code: number) => void): void {
  const command = calibrate
    .command('drift')
    .description(
      'compare what is heard now with the survey: receivers that were moved or fell deaf, rooms that changed',
    )
    .option('--seconds <n>', 'how long to listen, 60 to 86400', seconds, 600)
    .option('--capture <file...>', 'captures of biotrakr record instead of listening', [])
    .option('--reference <tag=room>', 'a tag that lies in this room and never moves; may be repeated', references, [])
    .option('--simulate <seed>', 'listen to a simulated ward', whole)
    .option(
      '--moved <receiver:dB>',
      'with --simulate: a receiver that hears so much more; may be repeated',
      movements,
      [],
    )
    .option('--json', 'one JSON document instead of plain lines', false)
    .addHelpText('after', NOTES)
    .action(async (options: DriftOptions) => {
      const report = await drift(options)
      process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : driftLines(report))
      if (report.findings.length > 0) exitWith(NEEDS_ATTENTION)
    })
  withSite(command)
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value >= 60 && value <= 86_400)) throw new InvalidArgumentError('must be 60 to 86400 seconds')
  return value
}

function whole(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('must be a whole number')
  return value
}

function references(text: string, before: readonly ReferenceTag[]): ReferenceTag[] {
  const at = text.lastIndexOf('=')
  const [tag, room] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)]
  if (!isTagId(tag) || room === '') throw new InvalidArgumentError('must be like ble:c30000123456=101')
  return [...before, { tag: tag as TagId, room: room as RoomId }]
}

function movements(text: string, before: DriftOptions['moved']): DriftOptions['moved'] {
  const [, receiver, db] = /^(.+):(-?\d{1,2})$/.exec(text) ?? []
  if (receiver === undefined) throw new InvalidArgumentError('must be like rx-101:-10')
  return [...before, { receiver: receiver as ReceiverId, db: Number(db) }]
}

async function drift(options: DriftOptions): Promise<DriftReport> {
  const site = openSite(options)
  const map = surveyed(site)
  const rooms = new Set(map.rooms.map(({ id }) => id))
  const unknown = options.reference.find(({ room }) => !rooms.has(room))
  if (unknown) {
    throw new BioTrakrError(`the site map has no room ${unknown.room}`, {
      code: 'NOT_FOUND',
      next: 'Correct --reference.',
    })
  }
  const { reference, capture, simulate } = options
  if (capture.length > 0) return driftOfReadings(map, capturedSeconds(capture), { references: reference })
  if (simulate !== undefined) {
    return driftOfReadings(map, simulatedSeconds({ ...options, simulate }), { references: reference })
  }
  return listen(site, { map, options })
}

function surveyed({ map, store }: Site): SiteMap {
  const survey = store.current()?.survey ?? map.survey
  if (survey && survey.rooms.length > 0) return { ...map, survey }
  throw new BioTrakrError('there is no survey to compare with', {
    code: 'NOT_FOUND',
    next: 'Run biotrakr calibrate survey, then biotrakr calibrate fit.',
  })
}

function* simulatedSeconds({ simulate, moved, seconds: count }: DriftOptions & { readonly simulate: number }) {
  const startMs = 1_700_000_000_000
  const ward = createWard({ seed: simulate, startMs, tags: SIMULATED.tags })
  const shift = new Map(moved.map(({ receiver, db }) => [receiver, db]))
  for (let n = 0; n < count; n++) {
    const fromMs = startMs + n * SIMULATED.stepMs
    const nowMs = fromMs + SIMULATED.stepMs
    const readings = ward.readingsBetween(fromMs, nowMs).map((reading) => {
      const { rssiDbm = -127, receiver } = reading
      return { ...reading, rssiDbm: Math.min(-1, Math.max(-127, rssiDbm + (shift.get(receiver) ?? 0))) }
    })
    yield { readings, nowMs }
  }
}

interface Live {
  readonly map: SiteMap
  readonly options: DriftOptions
}

async function listen({ config }: Site, { map, options }: Live): Promise<DriftReport> {
  const { ear, tags } = await listenAsAgent(config)
  const check = createDriftCheck(map, { references: options.reference, maxTags: tags.length })
  process.stderr.write(`listening with ${ear.words} for ${options.seconds} s; Ctrl-C ends it earlier\n`)
  await ear.start(check.take, (words) => process.stderr.write(`${words}\n`))
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, options.seconds * 1000)
  })
  await Promise.race([over, askedToStop({ onStdinEnd: false })])
  clearTimeout(timer)
  await ear.stop()
  return check.report()
}

function driftLines({ ticks, tags, pairs, findings }: DriftReport): string {
  const lines = [`${ticks} seconds of ${tags} tags at rest compared, ${pairs} pairs of room and receiver`]
  if (pairs === 0)
    lines.push('Not enough to judge: a pair needs 200 seconds. Listen longer, or lay out reference tags.')
  else if (findings.length === 0) lines.push('Everything sounds as it did in the survey.')
  return `${[...lines, ...findings.map(({ words }) => `! ${words}`)].join('\n')}\n`
}
