import { type Cursor, resetCursor, type Shown, type Slots } from './cursor.ts'
import { compileFields, namesIn } from './field-read.ts'
import { compileConditions, type Read } from './field-steps.ts'
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
  /** Adds the tag that was read to the cursor's; false when it is none. */
  readonly collect: Read
  /** Each turn of a repeat is a tag. */
  readonly inTurns: boolean
  /** Every place that header and fields may fill. */
  readonly places: readonly number[]
}

export interface MessageReader {
  /**
   * Reads the body the cursor stands on, and its tags into `cursor.tags`. Undefined: no message of the profile, or
   * `cursor.why` says what is wrong.
   */
  read(cursor: Cursor): Message | undefined
}

/** Compiles header and messages of a profile. Every name gets its slot here: make cursors afterwards. */
export function compileMessages(document: ProfileDocument, slots: Slots): MessageReader {
  const headerFields = document.header ?? []
  const header = compileFields(headerFields, slots)
  const headerPlaces = namesIn(headerFields).map((name) => slots.of(name))
  const key = keyByte(document)
  const messages = document.messages.map((spec) => compileMessage(spec, headerPlaces, { slots, key }))
  const candidates = compileCandidates(messages, key, slots)
  return {
    read(cursor) {
      const { at: body, end, shown } = cursor
      resetCursor(cursor, headerPlaces)
      cursor.tags = NO_TAGS
      if (!header(cursor)) return undefined
      let why = ''
      for (const message of candidates(cursor)) {
        if (!message.matches(cursor, body)) continue
        cursor.filled = message.places
        if (readMessage(message, cursor)) return message
        // A later message may describe the same frame with other fields; if none does, the first says what is wrong.
        why ||= cursor.why
        startAgain(cursor, { body, end, shown })
        resetCursor(cursor, headerPlaces)
        header(cursor)
      }
      cursor.why = why
      return undefined
    },
  }
}

/** Never added to. */
const NO_TAGS: Cursor['tags'] = []

type Candidates = (cursor: Cursor) => readonly Message[]

/**
 * Messages that a frame can be, in the profile's order: by the byte of the header on which most of them depend, so that the
 * others' conditions need not be looked at.
 */
function compileCandidates(messages: readonly Message[], key: string | undefined, slots: Slots): Candidates {
  if (key === undefined) return () => messages
  const place = slots.of(key)
  const conditions = messages.map(({ spec }) => spec.when?.[key])
  const byValue = Array.from({ length: 256 }, (_, value) =>
    messages.filter((_message, n) => {
      const condition = conditions[n]
      return condition === undefined || compileCondition(condition)(value, undefined)
    }),
  )
  return (cursor) => byValue[cursor.values[place] ?? Number.NaN] ?? messages
}

/** A byte of the header, taken as it stands. */
function keyByte({ header = [], messages }: ProfileDocument): string | undefined {
  const asked = (name: string) => messages.filter(({ when }) => when?.[name] !== undefined).length
  const bytes = header.flatMap((spec) => {
    const isAsItStands =
      spec.type === 'u8' &&
      [spec.if, spec.mask, spec.shift, spec.scale, spec.offset].every((rule) => rule === undefined)
    return isAsItStands && spec.name !== undefined && asked(spec.name) > 0 ? [spec.name] : []
  })
  return bytes.toSorted((a, b) => asked(b) - asked(a))[0]
}

interface Start {
  readonly body: number
  readonly end: number
  readonly shown: Shown | undefined
}

/** Forgets what a message that does not fit has read. */
function startAgain(cursor: Cursor, { body, end, shown }: Start): void {
  cursor.tags = NO_TAGS
  cursor.at = body
  cursor.end = end
  cursor.shown = shown
  for (const name of Object.keys(shown ?? {})) delete shown?.[name]
}

/** Reads a body again, this time for what its fields show. */
export function showFields(reader: MessageReader, cursor: Cursor): Shown {
  const shown: Shown = {}
  cursor.shown = shown
  reader.read(cursor)
  cursor.shown = undefined
  return shown
}

function readMessage(message: Message, cursor: Cursor): boolean {
  const { inTurns, collect, spec } = message
  cursor.onTurn = inTurns ? collect : undefined
  if (!message.read(cursor)) return false
  if (cursor.at !== cursor.end && spec.trailing !== true) {
    cursor.why = `bytes after the end of ${spec.name}`
    return false
  }
  return message.tag === undefined || inTurns || collect(cursor)
}

function compileCollect(tag: ReadTag | undefined): Read {
  return (cursor) => {
    const report = tag?.(cursor)
    if (report === undefined) return false
    if (cursor.tags === NO_TAGS) cursor.tags = [report]
    else cursor.tags.push(report)
    return true
  }
}

interface MessageParts {
  readonly slots: Slots
  /** The field by which candidates are chosen, so that its condition holds already. */
  readonly key: string | undefined
}

function compileMessage(spec: MessageSpec, headerPlaces: readonly number[], { slots, key }: MessageParts): Message {
  const { bodyLength, fields = [] } = spec
  const min = typeof bodyLength === 'number' ? bodyLength : (bodyLength?.min ?? 0)
  const max = typeof bodyLength === 'number' ? bodyLength : (bodyLength?.max ?? Number.POSITIVE_INFINITY)
  const conditions = Object.entries(spec.when ?? {}).filter(([name]) => name !== key)
  const fits = compileConditions(Object.fromEntries(conditions), slots)
  const bytesFit = compileBytesFit(spec.bytes)
  const tag = spec.tag === undefined ? undefined : compileTag(spec.tag, slots)
  return {
    spec,
    errorPlace: spec.errorCode === undefined ? -1 : slots.of(spec.errorCode),
    matches(cursor, body) {
      const length = cursor.end - body
      return length >= min && length <= max && fits(cursor) && bytesFit(cursor, body)
    },
    read: compileFields(fields, slots),
    tag,
    collect: compileCollect(tag),
    inTurns: tag !== undefined && spec.tagsIn !== undefined,
    places: [...new Set([...headerPlaces, ...namesIn(fields).map((name) => slots.of(name))])],
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
