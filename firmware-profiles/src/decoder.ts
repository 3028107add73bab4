import { type Cursor, createCursor, type Slots } from './cursor.ts'
import type { Decoded, Fields, TagReport, Verdict } from './driver.ts'
import { compileConditions } from './field-steps.ts'
import { compileMessages, type Message, type MessageReader, showFields } from './messages.ts'
import { numberMap } from './number.ts'
import { compilePlace, type PlaceBody } from './place.ts'
import type { Conditions, ProfileDocument } from './profile.ts'
import type { Shape } from './shape.ts'

/** Reads frames that the engine has cut. */
export interface Decoder {
  /** An intact frame, or why it is none. */
  read(bytes: Uint8Array, start: number, total: number): Decoded | string
  garbage(bytes: Uint8Array, start: number, end: number, why: string): Decoded
  /** A test of a decoded frame's fields. */
  compileTest(conditions: Conditions | undefined): (decoded: Decoded) => boolean
}

const NO_TAGS: readonly TagReport[] = []
const NO_FIELDS: Fields = {}

const UNKNOWN_MESSAGE = 'no message of the profile'

interface Parts {
  readonly reader: MessageReader
  readonly cursor: Cursor
  readonly place: PlaceBody
}

/** A frame, by its place in a block of bytes that is never overwritten; fields are read again when somebody asks. */
class Frame implements Decoded {
  declare readonly verdict: Verdict
  declare readonly message: string
  declare readonly tags: readonly TagReport[]
  declare readonly layout: number
  declare readonly error?: NonNullable<Decoded['error']>
  declare readonly why?: string
  readonly #parts: Parts
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number

  constructor(parts: Parts, found: Found) {
    this.verdict = found.verdict
    this.message = found.message
    this.tags = found.tags
    this.layout = found.layout
    if (found.error !== undefined) this.error = found.error
    if (found.why !== undefined) this.why = found.why
    this.#parts = parts
    this.#bytes = found.bytes
    this.#start = found.start
    this.#end = found.end
  }

  get frame(): Uint8Array {
    return this.#bytes.slice(this.#start, this.#end)
  }

  get fields(): Fields {
    return this.#placed() ? showFields(this.#parts.reader, this.#parts.cursor) : NO_FIELDS
  }

  /** Reads the fields once more and tests them. */
  fits(test: (cursor: Cursor) => boolean): boolean {
    const { reader, cursor } = this.#parts
    return this.#placed() && reader.read(cursor) !== undefined && test(cursor)
  }

  #placed(): boolean {
    if (this.verdict === 'garbage') return false
    const start = this.#start
    return this.#parts.place(this.#bytes, start, this.#end - start, this.layout) === undefined
  }
}

/** What a frame is made of; written out in full wherever one is made, since copying members costs more than reading a tag. */
interface Found {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly verdict: Verdict
  readonly message: string
  readonly tags: readonly TagReport[]
  readonly layout: number
  readonly error: Decoded['error']
  readonly why: string | undefined
}

/** Compiles what frames of a profile mean. */
export function compileDecoder(document: ProfileDocument, shape: Shape, slots: Slots): Decoder {
  const reader = compileMessages(document, slots)
  const cursor = createCursor(slots)
  const parts: Parts = { reader, cursor, place: compilePlace(document.framing, shape, cursor) }
  const errorOf = compileErrors(document, cursor)
  const strict = document.framing.confirm === 'message'
  const acknowledges = document.framing.kind === 'pn532'
  return {
    read(bytes, start, total) {
      const end = start + total
      const layout = shape.layoutOf(bytes, start)
      let why: string | undefined
      if (acknowledges && total <= ACKNOWLEDGE_BYTES) {
        const message = acknowledgement(bytes, end)
        return new Frame(parts, {
          bytes,
          start,
          end,
          layout,
          verdict: 'status',
          message,
          tags: NO_TAGS,
          error: undefined,
          why,
        })
      }
      why = parts.place(bytes, start, total, layout)
      if (why !== undefined) return why
      const found = reader.read(cursor)
      if (found !== undefined) {
        const { role: verdict, name: message } = found.spec
        return new Frame(parts, {
          bytes,
          start,
          end,
          layout,
          verdict,
          message,
          tags: cursor.tags,
          error: errorOf(found),
          why,
        })
      }
      const verdict = cursor.why === '' ? 'status' : 'garbage'
      why = cursor.why || UNKNOWN_MESSAGE
      if (strict) return why
      return new Frame(parts, { bytes, start, end, layout, verdict, message: '', tags: NO_TAGS, error: undefined, why })
    },
    garbage(bytes, start, end, why) {
      const found = {
        bytes,
        start,
        end,
        layout: 0,
        verdict: 'garbage',
        message: '',
        tags: NO_TAGS,
        error: undefined,
        why,
      } as const
      return new Frame(parts, found)
    },
    compileTest(conditions) {
      if (conditions === undefined) return () => true
      const test = compileConditions(conditions, slots)
      return (decoded) => decoded instanceof Frame && decoded.fits(test)
    },
  }
}

/** Longest acknowledgement of a PN532, bytes: 00 00 FF 00 FF 00. */
const ACKNOWLEDGE_BYTES = 6

function acknowledgement(bytes: Uint8Array, end: number): string {
  return bytes[end - 2] === 0xff ? 'ack' : 'nack'
}

function compileErrors(document: ProfileDocument, cursor: Cursor): (message: Message) => Decoded['error'] {
  const errors = numberMap(document.errors ?? {})
  return ({ errorPlace }) => {
    const code = errorPlace < 0 ? Number.NaN : (cursor.raws[errorPlace] ?? Number.NaN)
    if (Number.isNaN(code)) return undefined
    const text = code.toString(16).toUpperCase()
    return { code: text.padStart(text.length > 2 ? 4 : 2, '0'), ...errors.get(code) }
  }
}
