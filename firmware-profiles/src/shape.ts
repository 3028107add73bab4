import { knownHex } from './hex.ts'
import { compileReadInt, numberOf } from './number.ts'
import type { FramingSpec, LayoutSpec, LengthSpec } from './profile.ts'

/** More bytes are needed to say. */
export const MORE = 0

/** How frames are cut from a buffer. */
export interface Shape {
  /** Bytes that mean nothing between frames: how many stand at `at`. */
  idle(bytes: Uint8Array, at: number, end: number): number
  /**
   * Length of the frame that begins at `at`, also when it ends beyond `end`; MORE; or minus the bytes to drop.
   * `before` is the byte in front, -1 when there is none.
   */
  measure(bytes: Uint8Array, at: number, end: number, before: number): number
  /** Which layout the last measured frame has. */
  layoutOf(bytes: Uint8Array, at: number): number
  /** Bytes to drop when a measured frame does not hold: one, or a whole line. */
  readonly dropLine: boolean
  readonly max: number
  readonly layouts: number
  /** Where the fields are read, from the frame's start and end. */
  bodyFrom(layout: number): number
  bodyTo(layout: number): number
}

const CR = 13
const LF = 10

function isLineEnd(byte: number): boolean {
  return byte === CR || byte === LF
}

/** Compiles the framing; `side`: whose frames it cuts. */
export function compileShape(framing: FramingSpec, side: 'reply' | 'command'): Shape {
  switch (framing.kind) {
    case 'length':
      return lengthShape(framing, side)
    case 'delimited':
      return delimitedShape(framing)
    case 'line':
    case 'jsonLine':
      return lineShape(framing)
    case 'pn532':
      return pn532Shape(framing)
  }
}

const NO_IDLE = () => 0

type Measure = (bytes: Uint8Array, at: number, end: number) => number

interface Bounds {
  readonly min: number
  readonly max: number
}

function lengthShape(framing: FramingSpec & { kind: 'length' }, side: 'reply' | 'command'): Shape {
  const measures = framing.layouts.map((layout) => measureLayout(layout, framing, side))
  const starts = framing.layouts.map((layout) => knownHex(layout.start))
  const [only] = measures
  return {
    idle: NO_IDLE,
    measure:
      measures.length === 1 && only !== undefined ? only : (bytes, at, end) => firstThatFits(measures, bytes, at, end),
    layoutOf: starts.length === 1 ? () => 0 : (bytes, at) => firstThatStarts(starts, bytes, at),
    dropLine: false,
    max: framing.max,
    layouts: framing.layouts.length,
    bodyFrom: (layout) => framing.layouts[layout]?.body.from ?? 0,
    bodyTo: (layout) => framing.layouts[layout]?.body.to ?? 0,
  }
}

function firstThatStarts(starts: readonly Uint8Array[], bytes: Uint8Array, at: number): number {
  for (let n = 0; n < starts.length; n++) {
    if (startsAt(starts[n] ?? NO_BYTES, bytes, at, bytes.length) === 1) return n
  }
  return 0
}

const NO_BYTES = new Uint8Array(0)

interface Place {
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
}

function firstThatFits(measures: readonly Measure[], bytes: Uint8Array, at: number, end: number): number {
  for (let n = 0; n < measures.length; n++) {
    const length = (measures[n] as Measure)(bytes, at, end)
    if (length >= 0) return length
  }
  return -1
}

/** 1 when the bytes stand there, 0 when more are needed, -1 when not. */
function startsAt(start: Uint8Array, bytes: Uint8Array, at: number, end: number): number {
  for (let n = 0; n < start.length; n++) {
    if (at + n >= end) return 0
    if (bytes[at + n] !== start[n]) return -1
  }
  return 1
}

function measureLayout(layout: LayoutSpec, bounds: Bounds, side: 'reply' | 'command'): Measure {
  const start = knownHex(layout.start)
  const tail = knownHex(layout.end)
  const first = start[0] ?? -1
  const total =
    layout.length === undefined ? () => layout.fixed ?? bounds.max : compileTotal(layout.length, bounds, side)
  return (bytes, at, end) => {
    if (first >= 0 && bytes[at] !== first) return -1
    const fits = start.length > 1 ? startsAt(start, bytes, at, end) : 1
    if (fits <= 0) return fits
    const length = total(bytes, at, end)
    if (length <= 0 || at + length > end || tail.length === 0) return length
    return startsAt(tail, bytes, at + length - tail.length, end) === 1 ? length : -1
  }
}

function compileTotal(spec: LengthSpec, { min, max }: Bounds, side: 'reply' | 'command'): Measure {
  const read = compileReadInt(spec.size === 1 ? 'u8' : 'u16', spec.endian)
  const mask = spec.mask === undefined ? 0xffff : numberOf(spec.mask)
  const most = spec.max === undefined ? 0xffff : numberOf(spec.max)
  const overhead = side === 'command' ? (spec.commandOverhead ?? spec.overhead) : spec.overhead
  const { at: offset, size } = spec
  return (bytes, at, end) => {
    if (at + offset + size > end) return MORE
    const value = read(bytes, at + offset) & mask
    const total = value + overhead
    return value > most || total < min || total > max ? -1 : total
  }
}

function delimitedShape(framing: FramingSpec & { kind: 'delimited' }): Shape {
  const start = knownHex(framing.start)
  const tail = knownHex(framing.end)
  const measure: Measure = (bytes, at, end) => {
    const fits = startsAt(start, bytes, at, end)
    if (fits <= 0) return fits
    const last = Math.min(end, at + framing.max) - tail.length
    for (let where = at + start.length; where <= last; where++) {
      if (startsAt(tail, bytes, where, end) !== 1) continue
      const total = where + tail.length - at
      return total < framing.min ? -1 : total
    }
    return end - at >= framing.max ? -1 : MORE
  }
  return {
    idle: NO_IDLE,
    measure,
    layoutOf: () => 0,
    dropLine: false,
    max: framing.max,
    layouts: 1,
    bodyFrom: () => start.length,
    bodyTo: () => -tail.length,
  }
}

/**
 * A line is taken or dropped whole: the end of a broken one must not pass as another. The terminator is one byte; the
 * second of CR LF is idle.
 */
function lineShape(framing: FramingSpec & { kind: 'line' | 'jsonLine' }): Shape {
  return {
    idle: (bytes, at) => (isLineEnd(bytes[at] ?? 0) ? 1 : 0),
    measure(bytes, at, end, before) {
      const begins = before < 0 || isLineEnd(before)
      const last = Math.min(end, at + framing.max)
      for (let where = at; where < last; where++) {
        if (!isLineEnd(bytes[where] ?? 0)) continue
        const total = where + 1 - at
        return begins && total >= framing.min ? total : -(total - 1)
      }
      if (!begins) return at - last
      return end - at >= framing.max ? -framing.max : MORE
    },
    layoutOf: () => 0,
    dropLine: true,
    max: framing.max,
    layouts: 1,
    bodyFrom: () => 0,
    bodyTo: () => -1,
  }
}

/**
 * PN532 (user manual UM0701-02, 6.2.1): 00 00 FF LEN LCS TFI data DCS 00, or 00 00 FF 00 FF 00 (acknowledge) and
 * 00 00 FF FF 00 00 (refuse). More zeros and 55 in front are idle.
 */
function pn532Shape(framing: FramingSpec & { kind: 'pn532' }): Shape {
  return {
    idle(bytes, at, end) {
      if (bytes[at] === 0x55) return 1
      return at + 2 < end && bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 ? 1 : 0
    },
    measure(bytes, at, end) {
      const head = pn532Head({ bytes, at, end })
      if (head <= 0) return head
      if (at + head + 2 > end) return MORE
      return pn532Total({ length: bytes[at + head] ?? 0, check: bytes[at + head + 1] ?? 0, head, max: framing.max })
    },
    layoutOf: (bytes, at) => (bytes[at + 1] === 0xff ? 1 : 0),
    dropLine: false,
    max: framing.max,
    layouts: 2,
    bodyFrom: (layout) => (layout === 1 ? 4 : 5),
    bodyTo: () => -2,
  }
}

/** Bytes of the start code: 00 FF with or without another zero in front. */
function pn532Head({ bytes, at, end }: Place): number {
  if (bytes[at] !== 0) return -1
  if (at + 1 >= end) return MORE
  if (bytes[at + 1] === 0xff) return 2
  if (bytes[at + 1] !== 0) return -1
  if (at + 2 >= end) return MORE
  return bytes[at + 2] === 0xff ? 3 : -1
}

function pn532Total({
  length,
  check,
  head,
  max,
}: {
  length: number
  check: number
  head: number
  max: number
}): number {
  if (length + check === 0xff && (length === 0 || check === 0)) return head + 3
  const total = head + length + 4
  return ((length + check) & 0xff) !== 0 || length === 0 || total > max ? -1 : total
}
