import { type Cursor, resetCursor, type Shown, type Slots } from './cursor.ts'
import type { TagReport } from './driver.ts'
import { compileConditions, compileFields, type Read } from './field-read.ts'
import { compileCondition } from './number.ts'
import type { Conditions, FieldSpec, MessageSpec, ProfileDocument } from './profile.ts'
import { compileTag, type ReadTag } from './tags.ts'

/** One kind of frame, compiled. */
export interface Message {
  readonly spec: MessageSpec
  /** Place of the error code, -1 without one. */
  readonly errorPlace: number
  /** `body`: where the body begins. */
  matches(cursor: Cursor, body: number): boolean
  /** Reads the fields behind the header; false with `cursor.why` when they do not fit. */
  readonly read: Read
  readonly tag: ReadTag | undefined
}

export interface MessageReader {
  /** Reads the body the cursor stands on. Undefined: no message of the profile, or `cursor.why` says what is wrong. */
  read(cursor: Cursor, tags: TagReport[]): Message | undefined
}

/** Compiles header and messages of a profile. Every name gets its slot here: make cursors afterwards. */
export function compileMessages(document: ProfileDocument, slots: Slots): MessageReader {
  const header = compileFields(document.header ?? [], slots)
  const messages = document.messages.map((spec) => compileMessage(spec, slots))
  return {
    read(cursor, tags) {
      const { at: body, end, shown } = cursor
      resetCursor(cursor)
      if (!header(cursor)) return undefined
      let why = ''
      for (const message of messages) {
        if (!message.matches(cursor, body)) continue
        if (readMessage(message, cursor, tags)) return message
        // A later message may describe the same frame with other fields; if none does, the first says what is wrong.
        why ||= cursor.why
        startAgain(cursor, tags, { body, end, shown })
        header(cursor)
      }
      cursor.why = why
      return undefined
    },
  }
}

interface Start {
  readonly body: number
  readonly end: number
  readonly shown: Shown | undefined
}

/** Forgets what a message that does not fit has read. */
function startAgain(cursor: Cursor, tags: TagReport[], { body, end, shown }: Start): void {
  resetCursor(cursor)
  tags.length = 0
  cursor.at = body
  cursor.end = end
  cursor.shown = shown
  for (const name of Object.keys(shown ?? {})) delete shown?.[name]
}

/** Reads a body again, this time for what its fields show. */
export function showFields(reader: MessageReader, cursor: Cursor): Shown {
  const shown: Shown = {}
  cursor.shown = shown
  reader.read(cursor, [])
  cursor.shown = undefined
  return shown
}

function readMessage(message: Message, cursor: Cursor, tags: TagReport[]): boolean {
  const { tag, spec } = message
  const inTurns = tag !== undefined && spec.tagsIn !== undefined
  cursor.onTurn = inTurns ? () => collect(tag, cursor, tags) : undefined
  if (!message.read(cursor)) return false
  if (cursor.at !== cursor.end && spec.trailing !== true) {
    cursor.why = `bytes after the end of ${spec.name}`
    return false
  }
  return tag === undefined || inTurns || collect(tag, cursor, tags)
}

function collect(tag: ReadTag, cursor: Cursor, tags: TagReport[]): boolean {
  const report = tag(cursor)
  if (report === undefined) return false
  tags.push(report)
  return true
}

function compileMessage(spec: MessageSpec, slots: Slots): Message {
  const { bodyLength } = spec
  const min = typeof bodyLength === 'number' ? bodyLength : (bodyLength?.min ?? 0)
  const max = typeof bodyLength === 'number' ? bodyLength : (bodyLength?.max ?? Number.POSITIVE_INFINITY)
  const fits = compileConditions(spec.when, slots)
  const bytesFit = compileBytesFit(spec.bytes)
  return {
    spec,
    errorPlace: spec.errorCode === undefined ? -1 : slots.of(spec.errorCode),
    matches(cursor, body) {
      const length = cursor.end - body
      return length >= min && length <= max && fits(cursor) && bytesFit(cursor, body)
    },
    read: compileFields(spec.fields ?? [], slots),
    tag: spec.tag === undefined ? undefined : compileTag(spec.tag, slots),
  }
}

function compileBytesFit(bytes: Conditions | undefined): (cursor: Cursor, body: number) => boolean {
  const tests = Object.entries(bytes ?? {}).map(([at, spec]) => ({ at: Number(at), test: compileCondition(spec) }))
  return (cursor, body) => {
    for (const { at, test } of tests) {
      if (body + at >= cursor.end || !test(cursor.bytes[body + at] ?? 0, undefined)) return false
    }
    return true
  }
}

/** Header and message fields, as one list. */
export function fieldsOf(document: ProfileDocument, message: MessageSpec): readonly FieldSpec[] {
  return [...(document.header ?? []), ...(message.fields ?? [])]
}
