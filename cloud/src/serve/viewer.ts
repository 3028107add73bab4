import type { ServerResponse } from 'node:http'

import type { Clock, TagId } from '@biotrakr/shared'

import type { Alarm, AlarmBook } from './alarms.ts'
import type { Board, Place } from './board.ts'

/** One viewer's connection, as far as it is needed here. */
export interface StreamSink extends Pick<ServerResponse, 'write' | 'end' | 'destroy' | 'on'> {}

export interface ViewerParts {
  readonly board: Pick<Board, 'places' | 'place' | 'version' | 'resetVersion'>
  readonly alarms: Pick<AlarmBook, 'since'>
  readonly clock: Clock
  /** Names this run: step numbers of another run mean nothing. */
  readonly epoch: string
  readonly onSent: (bytes: number) => void
}

const CHUNK_ROWS = 500
/** Below every step and every reset. */
const NOTHING = -1

/** One open stream: what its viewer has been told, and whether its socket takes more. */
export class Viewer {
  readonly #sink: StreamSink
  readonly #parts: ViewerParts
  /** Step up to which the viewer has been told everything. */
  #told: number
  /** Tags still to be told in order to reach `#target`. Values are read when sent, so a late viewer gets the newest. */
  #backlog: TagId[] = []
  #target: number
  /** Number of the newest alarm that the viewer has been told; a new connection is told all there are. */
  #alarmTold = 0
  #blockedMs: number | undefined
  #sentMs = 0

  constructor(sink: StreamSink, told: number | undefined, parts: ViewerParts) {
    this.#sink = sink
    this.#parts = parts
    this.#told = told ?? NOTHING
    this.#target = this.#told
  }

  send(frame: Buffer): void {
    const { clock, onSent } = this.#parts
    onSent(frame.length)
    this.#sentMs = clock.monoMs()
    if (!this.#sink.write(frame)) this.#blockedMs ??= this.#sentMs
  }

  /** To be called when the socket takes more again. */
  drained(): void {
    this.#blockedMs = undefined
    this.tellAlarms()
    this.catchUp()
  }

  /** How long the socket has taken nothing, milliseconds. */
  blockedForMs(): number {
    return this.#blockedMs === undefined ? 0 : this.#parts.clock.monoMs() - this.#blockedMs
  }

  /** Open, and silent for at least so long. */
  isSilentFor(ms: number): boolean {
    return this.#blockedMs === undefined && this.#parts.clock.monoMs() - this.#sentMs >= ms
  }

  /** Sends what all viewers are sent for this step, if this one knows all that came before. */
  sendStep(frame: Buffer, version: number): void {
    if (this.#blockedMs !== undefined || this.#backlog.length > 0 || this.#told !== version - 1) return
    this.#told = version
    this.send(frame)
  }

  /** Tells at once of alarms that are new to this viewer, if the socket takes it; otherwise as soon as it does. */
  tellAlarms(): void {
    const { alarms, clock, epoch } = this.#parts
    if (this.#blockedMs !== undefined) return
    const fresh = alarms.since(this.#alarmTold, clock.wallMs())
    const newest = fresh.at(-1)
    if (newest === undefined) return
    this.#alarmTold = newest.number
    this.send(frameOf('alarms', { at: clock.wallMs(), rows: fresh.map((alarm) => alarmRow(alarm, epoch)) }))
  }

  /** Tells what is lacking, for as long as the socket takes it. */
  catchUp(): void {
    const { board, clock, epoch } = this.#parts
    while (this.#blockedMs === undefined && (this.#backlog.length > 0 || this.#told < board.version())) {
      if (this.#backlog.length === 0) this.#collect()
      const tags = this.#backlog.splice(-CHUNK_ROWS)
      const isWhole = this.#backlog.length === 0
      const id = isWhole ? `${epoch}-${this.#target}` : undefined
      this.send(positionsFrame(board, tags, { atMs: clock.wallMs(), id }))
      if (isWhole) this.#told = this.#target
    }
  }

  #collect(): void {
    const { board } = this.#parts
    if (this.#told < board.resetVersion()) {
      this.#told = NOTHING
      this.send(frameOf('resync', {}))
    }
    this.#target = board.version()
    for (const { version, place } of board.places()) if (version > this.#told) this.#backlog.push(place.tag)
  }

  end(frame: Buffer): void {
    this.#sink.end(frame)
  }

  destroy(): void {
    this.#sink.destroy()
  }
}

/**
 * @param id of the step that is complete with this frame; without one the viewer keeps the id it has, so that a resumed
 *   stream begins again with what is lacking
 */
export function positionsFrame(
  board: Pick<Board, 'place'>,
  tags: readonly TagId[],
  { atMs, id }: { readonly atMs: number; readonly id: string | undefined },
): Buffer {
  const places = tags.map((tag) => board.place(tag)?.place).filter((place) => place !== undefined)
  return frameOf('positions', { at: atMs, rows: places.map(rowOf) }, id)
}

/** `[tag, room or null, confidence 0-1, reason, event time in ms, facility]`. */
function rowOf({ tag, room, confidence, reason, atMs, facility }: Place): unknown[] {
  return [tag, room, confidence / 1_000, reason, atMs, facility]
}

/** `[id, tag, what happened, counter or 0, room or null, event time in ms, facility]`. */
function alarmRow({ id, tag, event, value, room, atMs, facility }: Alarm, epoch: string): unknown[] {
  return [`${epoch}-${id}`, tag, event, value, room, atMs, facility]
}

/** One server-sent event. */
export function frameOf(event: string, data: object, id?: string): Buffer {
  const idLine = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`)
}
