import { bytesOfText, hexOf, knownHex } from './hex.ts'
import { type Check, compileCheck } from './integrity.ts'
import { writeInt } from './number.ts'
import type { FramingSpec, IntegritySpec, LayoutSpec } from './profile.ts'

/** Makes whole frames: start, length, checks and end around what is given. */
export interface Assembler {
  /** Of a command: all that stands between start and check but the length. Undefined: too long for a frame. */
  command(payload: Uint8Array, layout: number): Uint8Array | undefined
  /** Of a reader's message: the body as fields see it. */
  message(body: Uint8Array, layout: number): Uint8Array | undefined
  /** What `command` was given, from a frame. */
  payloadOf(frame: Uint8Array, layout: number): Uint8Array
}

export function compileAssembler(framing: FramingSpec, integrity: readonly IntegritySpec[]): Assembler {
  const checks = integrity.map(compileCheck)
  switch (framing.kind) {
    case 'length':
      return lengthAssembler(framing, checks)
    case 'delimited':
      return delimitedAssembler(framing, checks)
    case 'line':
    case 'jsonLine':
      return lineAssembler(framing)
    case 'pn532':
      return PN532
  }
}

function finish(frame: Uint8Array, checks: readonly Check[]): Uint8Array {
  for (const check of checks) check.write(frame, 0, frame.length)
  return frame
}

function lengthAssembler(framing: FramingSpec & { kind: 'length' }, checks: readonly Check[]): Assembler {
  const layoutAt = (layout: number): LayoutSpec => framing.layouts[layout] ?? { body: { from: 0, to: 0 } }
  const checkBytes = checks.reduce((bytes, check) => bytes + check.size, 0)
  const complete = (frame: Uint8Array, layout: LayoutSpec, overhead: number): Uint8Array | undefined => {
    const end = knownHex(layout.end)
    frame.set(knownHex(layout.start))
    frame.set(end, frame.length - end.length)
    if (frame.length > framing.max) return undefined
    const { length } = layout
    if (length !== undefined) {
      const type = length.size === 1 ? 'u8' : 'u16'
      const fits = writeInt(frame, length.at, { type, endian: length.endian, value: frame.length - overhead })
      if (!fits) return undefined
    } else if (frame.length !== layout.fixed) {
      return undefined
    }
    return finish(frame, checks)
  }
  return {
    message(body, number) {
      const layout = layoutAt(number)
      const frame = new Uint8Array(layout.body.from + body.length - layout.body.to)
      frame.set(body, layout.body.from)
      return complete(frame, layout, layout.length?.overhead ?? 0)
    },
    command(payload, number) {
      const layout = layoutAt(number)
      const places = payloadPlaces(layout, payload.length)
      const tail = checkBytes + knownHex(layout.end).length
      const frame = new Uint8Array(Math.max((places.at(-1) ?? -1) + 1, headBytes(layout)) + tail)
      for (const [n, place] of places.entries()) frame[place] = payload[n] ?? 0
      return complete(frame, layout, layout.length?.commandOverhead ?? layout.length?.overhead ?? 0)
    },
    payloadOf(frame, number) {
      const layout = layoutAt(number)
      const end = frame.length - checkBytes - knownHex(layout.end).length
      return frame.subarray(0, end).filter((_byte, place) => isPayload(layout, place))
    },
  }
}

function isPayload({ start, length }: LayoutSpec, place: number): boolean {
  if (place < knownHex(start).length) return false
  return length === undefined || place < length.at || place >= length.at + length.size
}

/** Bytes up to the end of start and length. */
function headBytes({ start, length }: LayoutSpec): number {
  return Math.max(knownHex(start).length, length === undefined ? 0 : length.at + length.size)
}

/** Where the bytes of a payload stand: one after another, around the length field. */
function payloadPlaces(layout: LayoutSpec, count: number): number[] {
  const places: number[] = []
  for (let place = 0; places.length < count; place++) if (isPayload(layout, place)) places.push(place)
  return places
}

function delimitedAssembler(framing: FramingSpec & { kind: 'delimited' }, checks: readonly Check[]): Assembler {
  const start = knownHex(framing.start)
  const end = knownHex(framing.end)
  const checkBytes = checks.reduce((bytes, check) => bytes + check.size, 0)
  const wrap = (content: Uint8Array, room: number): Uint8Array | undefined => {
    const frame = new Uint8Array(start.length + content.length + room + end.length)
    frame.set(start)
    frame.set(content, start.length)
    frame.set(end, frame.length - end.length)
    return frame.length > framing.max ? undefined : finish(frame, checks)
  }
  return {
    command: (payload) => wrap(payload, checkBytes),
    message: (body) => wrap(body, 0),
    payloadOf: (frame) => frame.subarray(start.length, frame.length - end.length - checkBytes),
  }
}

function lineAssembler(framing: FramingSpec & { kind: 'line' | 'jsonLine' }): Assembler {
  const end = knownHex(framing.end)
  const spelt = framing.content === 'hex'
  const write = (content: Uint8Array): Uint8Array | undefined => {
    const text = spelt ? bytesOfText(hexOf(content)) : content
    const frame = new Uint8Array(text.length + end.length)
    frame.set(text)
    frame.set(end, text.length)
    return frame.length > framing.max ? undefined : frame
  }
  return {
    command: write,
    message: write,
    payloadOf(frame) {
      const text = frame.subarray(0, frame.length - 1)
      if (framing.kind === 'jsonLine') return compactJson(text)
      return spelt ? knownHex(String.fromCharCode(...text)) : text
    },
  }
}

/** JSON without the blanks that host software may write; anything else as it is. */
function compactJson(text: Uint8Array): Uint8Array {
  try {
    return bytesOfText(JSON.stringify(JSON.parse(String.fromCharCode(...text))))
  } catch {
    return text
  }
}

/** 00 00 FF LEN LCS, data, DCS 00 (PN532 user manual UM0701-02, 6.2.1.1). */
const PN532: Assembler = {
  command: wrapPn532,
  message: wrapPn532,
  payloadOf: (frame, layout) => frame.subarray(layout === 1 ? 4 : 5, -2),
}

function wrapPn532(data: Uint8Array): Uint8Array | undefined {
  if (data.length > 254) return undefined
  const sum = data.reduce((total, byte) => total + byte, 0)
  return Uint8Array.of(0, 0, 0xff, data.length, -data.length & 0xff, ...data, -sum & 0xff, 0)
}
