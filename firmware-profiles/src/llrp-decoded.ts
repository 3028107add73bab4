import type { Decoded, Fields, FieldValue, Framer, TagReport, Verdict } from './driver.ts'
import { createLlrpFramer } from './llrp-framer.ts'
import { decodeLlrpMessage, type LlrpMessage } from './llrp-messages.ts'
import { findParameter, type LlrpParameter } from './llrp-parameters.ts'
import { tagsOfReport } from './llrp-report.ts'
import { statusWords } from './llrp-words.ts'

/** Of bytes that are no LLRP, as many are shown. */
const SHOWN_GARBAGE_BYTES = 64
const NO_TAGS: readonly TagReport[] = []

/**
 * LLRP in the terms in which every profile's frames are shown. After garbage everything is dropped, for a stream of
 * messages has no place to start again.
 */
export function createLlrpDecoder(sink: (decoded: Decoded) => void): Framer {
  const framer = createLlrpFramer()
  const counters = { frames: 0, bytesDropped: 0, badChecksum: 0, resyncs: 0 }
  let tail = new Uint8Array(0)
  let tailBytes = 0
  let broken = false

  function keepTail(chunk: Uint8Array, frames: readonly Uint8Array[]): void {
    const used = frames.reduce((sum, frame) => sum + frame.length, 0)
    const rest = tailBytes + chunk.length - used
    if (frames.length > 0) tail = new Uint8Array(0)
    const fresh = chunk.subarray(frames.length > 0 ? chunk.length - rest : 0)
    const joined = new Uint8Array(Math.min(SHOWN_GARBAGE_BYTES, tail.length + fresh.length))
    joined.set(tail)
    joined.set(fresh.subarray(0, joined.length - tail.length), tail.length)
    tail = joined
    tailBytes = rest
  }

  function drop(why: string): void {
    counters.bytesDropped += tailBytes
    sink(decoded({ verdict: 'garbage', message: '', frame: tail, why }))
    tail = new Uint8Array(0)
    tailBytes = 0
  }

  return {
    counters,
    get pending() {
      return tailBytes > 0
    },
    push(bytes) {
      if (broken) {
        counters.bytesDropped += bytes.length
        return
      }
      const { frames, garbage } = framer.push(bytes)
      for (const frame of frames) {
        counters.frames += 1
        sink(decodeFrame(frame))
      }
      keepTail(bytes, frames)
      broken = garbage !== undefined
      if (garbage !== undefined) drop(garbage)
    },
    flush() {
      if (tailBytes === 0) return
      broken = true
      drop('the stream ends within a message')
    },
  }
}

function decoded(parts: Pick<Decoded, 'verdict' | 'message' | 'frame'> & Partial<Decoded>): Decoded {
  return { tags: NO_TAGS, layout: 0, fields: {}, ...parts }
}

function decodeFrame(bytes: Uint8Array): Decoded {
  const frame = new Uint8Array(bytes)
  const verdict = decodeLlrpMessage(frame)
  if (verdict.kind === 'malformed') return decoded({ verdict: 'garbage', message: '', frame, why: verdict.why })
  if (verdict.kind === 'unknown') {
    const { type, version, id } = verdict
    const why = `an LLRP message of type ${type}, which this driver does not use`
    return decoded({ verdict: 'status', message: '', frame, fields: { type, version, id }, why })
  }
  const { message } = verdict
  const status = findParameter(message.children, 'LLRPStatus')?.fields
  const failed = status !== undefined && status.code !== 0
  return decoded({
    verdict: failed ? 'error' : roleOf(message),
    message: message.name,
    frame,
    tags: message.name === 'RO_ACCESS_REPORT' ? tagsOfReport(message.children).tags : NO_TAGS,
    fields: fieldsOf(message),
    ...(failed ? { error: { code: String(status.code), text: statusWords(status.code, status.text) } } : {}),
  })
}

function roleOf({ name }: LlrpMessage): Verdict {
  if (name === 'RO_ACCESS_REPORT') return 'tags'
  if (name === 'KEEPALIVE') return 'keepalive'
  if (name === 'ERROR_MESSAGE') return 'error'
  return name.endsWith('_RESPONSE') ? 'reply' : 'status'
}

/** Header, fixed fields and parameters by name; tag reports are shown as tags. */
function fieldsOf({ version, id, fields, children }: LlrpMessage): Fields {
  const shown = children.filter(({ name }) => name !== 'TagReportData').map(shownParameter)
  return { version, id, ...shownFields(fields), ...(shown.length === 0 ? {} : { parameters: shown }) }
}

function shownParameter({ name, fields, children }: LlrpParameter): Fields {
  const inner = children.length === 0 ? {} : { parameters: children.map(shownParameter) }
  return { parameter: name, ...shownFields(fields), ...inner }
}

function shownFields(fields: Readonly<Record<string, unknown>>): Record<string, FieldValue> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, shownValue(value)]))
}

function shownValue(value: unknown): FieldValue {
  if (typeof value === 'number' || typeof value === 'string') return value
  if (Array.isArray(value)) return value.join(' ')
  return typeof value === 'boolean' ? Number(value) : JSON.stringify(value)
}
