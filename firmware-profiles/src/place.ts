import type { Cursor } from './cursor.ts'
import { bytesOfHex, textOf } from './hex.ts'
import type { FramingSpec } from './profile.ts'
import type { Shape } from './shape.ts'

/** Puts the cursor on the body of a frame, or says why the frame has none. */
export type PlaceBody = (bytes: Uint8Array, start: number, total: number, layout: number) => string | undefined

/** Compiles where fields are read: bytes of the frame, bytes a line spells, its columns, or its JSON. */
export function compilePlace(framing: FramingSpec, shape: Shape, cursor: Cursor): PlaceBody {
  if (framing.kind === 'line' || framing.kind === 'jsonLine') return compilePlaceLine(framing, cursor)
  const layouts = Array.from({ length: shape.layouts }, (_, layout) => ({
    from: shape.bodyFrom(layout),
    to: shape.bodyTo(layout),
  }))
  return (bytes, start, total, layout) => {
    const { from, to } = layouts[layout] ?? WHOLE
    cursor.bytes = bytes
    cursor.at = start + from
    cursor.end = start + total + to
    return cursor.at > cursor.end ? 'a frame without a body' : undefined
  }
}

const WHOLE = { from: 0, to: 0 }

type LineFraming = Extract<FramingSpec, { readonly kind: 'line' | 'jsonLine' }>

function compilePlaceLine(framing: LineFraming, cursor: Cursor): PlaceBody {
  const { kind, content, separator } = framing
  return (bytes, start, total) => {
    const end = start + total - 1
    if (!isText(bytes, start, end)) return 'not text'
    cursor.bytes = bytes
    cursor.at = start
    cursor.end = end
    if (kind === 'jsonLine') return placeJson(cursor)
    if (content === 'hex') return placeHex(cursor)
    const text = textOf(bytes, start, end)
    cursor.columns = separator === undefined ? [text] : text.split(separator)
    return undefined
  }
}

/** Columns are read from the whole line, so nothing of it is left over. */
function placeJson(cursor: Cursor): string | undefined {
  try {
    cursor.json = JSON.parse(textOf(cursor.bytes, cursor.at, cursor.end))
  } catch {
    return 'not JSON'
  }
  return typeof cursor.json === 'object' && cursor.json !== null ? undefined : 'not a JSON object'
}

function placeHex(cursor: Cursor): string | undefined {
  const spelt = bytesOfHex(textOf(cursor.bytes, cursor.at, cursor.end))
  if (spelt === undefined) return 'not hex'
  cursor.bytes = spelt
  cursor.at = 0
  cursor.end = spelt.length
  return undefined
}

function isText(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0
    if ((byte < 32 && byte !== 9) || byte > 126) return false
  }
  return true
}
