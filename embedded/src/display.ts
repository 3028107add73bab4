import Table from 'cli-table3'

import type { TagPlace } from './ledger-query.ts'

/** Where the launcher writes: a terminal, a pipe or a JSON reader. */
export interface Display {
  /** A line that stays. */
  say(text: string): void
  /** The current picture, once a second. */
  show(picture: Picture): void
  /** The last word of the run. */
  finish(summary: Summary): void
}

export interface Picture {
  readonly second: number
  readonly readings: number
  readonly fixes: number
  /** Records of this run that the database has committed. */
  readonly committed: number
  readonly unacknowledged: number
  readonly ackP99Ms: number | null
  /** What needs a person, in words. */
  readonly problems: readonly string[]
  readonly places: readonly TagPlace[]
}

export interface Summary {
  readonly mode: string
  readonly seconds: number
  readonly readings: number
  readonly fixes: number
  readonly committed: number
  readonly records: number
  readonly lost: number
  readonly duplicated: number
  /** Records that the gateway still keeps; the next start sends them. */
  readonly waiting: number
  readonly gaps: number
  readonly quarantined: number
  readonly roomAccuracy: number | null
  readonly accuracySamples: number
  readonly ackP99Ms: number | null
  readonly firstFixMs: number | null
  readonly speed: number
  readonly restarts: number
  readonly database: string
  readonly edition: string
  readonly broker: string
  readonly data: string
  /** The first few runs of lost ids. */
  readonly lostRuns: readonly { readonly epoch: string; readonly first: number; readonly last: number }[]
}

interface Output {
  readonly out: NodeJS.WriteStream
  readonly err: NodeJS.WriteStream
}

const PIPE_EVERY_SECONDS = 10
const UNKNOWN = '(unknown)'

export function createDisplay({ json, rooms }: { readonly json: boolean; readonly rooms: readonly string[] }): Display {
  const { stdout: out, stderr: err } = process
  if (json) return jsonDisplay({ out, err })
  return out.isTTY ? terminalDisplay(out, rooms) : pipeDisplay(out, rooms)
}

function jsonDisplay({ out, err }: Output): Display {
  const line = (value: object) => out.write(`${JSON.stringify(value)}\n`)
  return {
    say: (text) => err.write(`${text}\n`),
    show: ({ places, ...picture }) => {
      const known = places.filter(({ room }) => room !== null).length
      line({ ...picture, tags: places.length, tagsInRooms: known })
    },
    finish: (summary) => line(summary),
  }
}

function pipeDisplay(out: NodeJS.WriteStream, rooms: readonly string[]): Display {
  let shownAt = 0
  return {
    say: (text) => out.write(`${text}\n`),
    show: (picture) => {
      if (picture.places.length === 0 || (shownAt > 0 && picture.second - shownAt < PIPE_EVERY_SECONDS)) return
      shownAt = picture.second
      out.write(`${plainPicture(picture, rooms)}\n`)
    },
    finish: (summary) => out.write(`${drawSummary(summary)}\n`),
  }
}

/** The table is drawn over its predecessor; lines that stay are written above it. */
function terminalDisplay(out: NodeJS.WriteStream, rooms: readonly string[]): Display {
  // https://no-color.org: any value that is not empty.
  const colour = !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  let drawn = ''
  const erase = () => (drawn === '' ? '' : `\x1b[${drawn.split('\n').length - 1}A\x1b[0J`)
  return {
    say: (text) => out.write(`${erase()}${text}\n${drawn}`),
    show: (picture) => {
      const lines = drawPicture(picture, { rooms, colour, columns: out.columns ?? 100 }).split('\n')
      // Lines that have left the screen cannot be drawn over.
      const next = `${lines.slice(0, Math.max(3, (out.rows ?? 50) - 2)).join('\n')}\n`
      out.write(`${erase()}${next}`)
      drawn = next
    },
    finish: (summary) => {
      out.write(`${erase()}${drawSummary(summary)}\n`)
      drawn = ''
    },
  }
}

interface Look {
  readonly rooms: readonly string[]
  readonly colour: boolean
  /** Width of the terminal. */
  readonly columns: number
}

const BORDER = 10
const ROOM_WIDTH = 14
const COUNT_WIDTH = 6

/** One row per room with its tags, then a line of figures. */
export function drawPicture(picture: Picture, { rooms, colour, columns }: Look): string {
  const tagsWidth = Math.max(20, Math.min(100, columns - BORDER - ROOM_WIDTH - COUNT_WIDTH))
  const table = new Table({
    head: ['room', 'tags', 'which'],
    colWidths: [ROOM_WIDTH + 2, COUNT_WIDTH + 2, tagsWidth + 2],
    style: colour ? { head: ['cyan'], border: ['grey'], compact: true } : { head: [], border: [], compact: true },
  })
  const inRoom = groupByPlace(picture.places)
  for (const room of [...rooms, UNKNOWN]) {
    const tags = inRoom.get(room) ?? []
    if (room !== UNKNOWN || tags.length > 0) table.push([room, tags.length, shorten(tags, tagsWidth)])
  }
  const problems = picture.problems.map((problem) => (colour ? `\x1b[33m! ${problem}\x1b[0m` : `! ${problem}`))
  return [table.toString(), figuresOf(picture), ...problems].join('\n')
}

/** For a pipe or a log: one line per room that holds a tag, no frames, nothing drawn over. */
export function plainPicture(picture: Picture, rooms: readonly string[]): string {
  const inRoom = groupByPlace(picture.places)
  const lines = [...rooms, UNKNOWN].flatMap((room) => {
    const tags = inRoom.get(room) ?? []
    return tags.length === 0 ? [] : [`  ${room}: ${tags.map(({ tag }) => tag.slice(-4)).join(' ')}`]
  })
  return [figuresOf(picture), ...lines, ...picture.problems.map((problem) => `! ${problem}`)].join('\n')
}

function figuresOf({ second, readings, fixes, committed, unacknowledged, ackP99Ms }: Picture): string {
  const ack = ackP99Ms === null ? '-' : `${Math.round(ackP99Ms)} ms`
  return `${second} s   readings ${readings}   fixes ${fixes}   records committed ${committed}   waiting ${unacknowledged}   ack p99 ${ack}`
}

const placeName = ({ room }: TagPlace): string => room ?? UNKNOWN

function groupByPlace(places: readonly TagPlace[]): Map<string, TagPlace[]> {
  const groups = new Map<string, TagPlace[]>()
  for (const place of places) groups.set(placeName(place), [...(groups.get(placeName(place)) ?? []), place])
  return groups
}

/** The last characters tell tags apart; what does not fit is counted. */
function shorten(tags: readonly TagPlace[], width: number): string {
  const names = tags.map(({ tag }) => tag.slice(-4))
  for (let shown = names.length; shown > 0; shown--) {
    const rest = names.length - shown
    const text = names.slice(0, shown).join(' ') + (rest > 0 ? ` +${rest}` : '')
    if (text.length <= width) return text
  }
  return ''
}

export function drawSummary(summary: Summary): string {
  const share = summary.roomAccuracy === null ? 'not known' : `${(summary.roomAccuracy * 100).toFixed(1)} %`
  const { lost, duplicated, waiting, gaps, quarantined } = summary
  return [
    '',
    `${summary.readings} readings, ${summary.fixes} fixes, of which ${summary.committed} are in the database`,
    `lost ${lost}, duplicated ${duplicated}, waiting ${waiting}, gaps ${gaps}, in quarantine ${quarantined} (counted over ${summary.records} record ids)`,
    `right room in ${share} of ${summary.accuracySamples} tag-seconds`,
    `first fix after ${summary.firstFixMs ?? '-'} ms, ack p99 ${summary.ackP99Ms ?? '-'} ms, restarts ${summary.restarts}`,
    `kept in ${summary.data}`,
  ].join('\n')
}
