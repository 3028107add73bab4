import {
  type Cursor,
  type FieldsOf,
  type FieldTable,
  type Output,
  putUnsigned,
  readFields,
  writeFields,
} from './llrp-fields.ts'
import { LLRP_HEADER_BYTES } from './llrp-framer.ts'
import { type LlrpParameter, readParameters, writeParameter } from './llrp-parameters.ts'

interface Entry {
  readonly type: number
  readonly fields: FieldTable
}

/** Messages by name with the type numbers and fixed fields of LLRP 1.0.1 and 1.1. */
const MESSAGES = {
  GET_READER_CAPABILITIES: { type: 1, fields: { requested: 'u8' } },
  GET_READER_CONFIG: { type: 2, fields: { antenna: 'u16', requested: 'u8', gpi: 'u16', gpo: 'u16' } },
  SET_READER_CONFIG: { type: 3, fields: { factoryReset: 'bool' } },
  CLOSE_CONNECTION_RESPONSE: { type: 4, fields: {} },
  GET_READER_CAPABILITIES_RESPONSE: { type: 11, fields: {} },
  GET_READER_CONFIG_RESPONSE: { type: 12, fields: {} },
  SET_READER_CONFIG_RESPONSE: { type: 13, fields: {} },
  CLOSE_CONNECTION: { type: 14, fields: {} },
  ADD_ROSPEC: { type: 20, fields: {} },
  DELETE_ROSPEC: { type: 21, fields: { id: 'u32' } },
  START_ROSPEC: { type: 22, fields: { id: 'u32' } },
  STOP_ROSPEC: { type: 23, fields: { id: 'u32' } },
  ENABLE_ROSPEC: { type: 24, fields: { id: 'u32' } },
  DISABLE_ROSPEC: { type: 25, fields: { id: 'u32' } },
  GET_ROSPECS: { type: 26, fields: {} },
  ADD_ROSPEC_RESPONSE: { type: 30, fields: {} },
  DELETE_ROSPEC_RESPONSE: { type: 31, fields: {} },
  START_ROSPEC_RESPONSE: { type: 32, fields: {} },
  STOP_ROSPEC_RESPONSE: { type: 33, fields: {} },
  ENABLE_ROSPEC_RESPONSE: { type: 34, fields: {} },
  DISABLE_ROSPEC_RESPONSE: { type: 35, fields: {} },
  GET_ROSPECS_RESPONSE: { type: 36, fields: {} },
  DELETE_ACCESSSPEC: { type: 41, fields: { id: 'u32' } },
  GET_ACCESSSPECS: { type: 44, fields: {} },
  GET_SUPPORTED_VERSION: { type: 46, fields: {} },
  SET_PROTOCOL_VERSION: { type: 47, fields: { version: 'u8' } },
  DELETE_ACCESSSPEC_RESPONSE: { type: 51, fields: {} },
  GET_ACCESSSPECS_RESPONSE: { type: 54, fields: {} },
  GET_SUPPORTED_VERSION_RESPONSE: { type: 56, fields: { current: 'u8', highest: 'u8' } },
  SET_PROTOCOL_VERSION_RESPONSE: { type: 57, fields: {} },
  GET_REPORT: { type: 60, fields: {} },
  RO_ACCESS_REPORT: { type: 61, fields: {} },
  KEEPALIVE: { type: 62, fields: {} },
  READER_EVENT_NOTIFICATION: { type: 63, fields: {} },
  ENABLE_EVENTS_AND_REPORTS: { type: 64, fields: {} },
  KEEPALIVE_ACK: { type: 72, fields: {} },
  ERROR_MESSAGE: { type: 100, fields: {} },
} as const satisfies Readonly<Record<string, Entry>>

export type LlrpMessageName = keyof typeof MESSAGES
type MessageFields<N extends LlrpMessageName> = FieldsOf<(typeof MESSAGES)[N]['fields']>

interface Message<N extends LlrpMessageName> {
  readonly name: N
  readonly version: number
  readonly id: number
  readonly fields: MessageFields<N>
  readonly children: readonly LlrpParameter[]
}

export type LlrpMessage = { [N in LlrpMessageName]: Message<N> }[LlrpMessageName]

export type LlrpVerdict =
  | {
      readonly kind: 'message'
      readonly message: LlrpMessage
      /** Parameters passed over by their length: not in the table, and vendors' own. */
      readonly skipped: { readonly unknown: number; readonly custom: number }
    }
  /** A whole message of a type that this driver does not use. */
  | { readonly kind: 'unknown'; readonly type: number; readonly version: number; readonly id: number }
  | {
      readonly kind: 'malformed'
      readonly type: number
      readonly version: number
      readonly id: number
      readonly why: string
    }

const BY_TYPE: ReadonlyMap<number, LlrpMessageName> = new Map(
  (Object.keys(MESSAGES) as LlrpMessageName[]).map((name) => [MESSAGES[name].type, name]),
)

/** Decodes one whole message as the framer gives it. Never throws. */
export function decodeLlrpMessage(frame: Uint8Array): LlrpVerdict {
  if (frame.length < LLRP_HEADER_BYTES) {
    return { kind: 'malformed', type: 0, version: 0, id: 0, why: 'is shorter than a header' }
  }
  const head = new DataView(frame.buffer, frame.byteOffset, LLRP_HEADER_BYTES)
  const type = head.getUint16(0) & 0x3ff
  const version = (head.getUint8(0) >> 2) & 0x07
  const id = head.getUint32(6)
  const name = BY_TYPE.get(type)
  if (name === undefined) return { kind: 'unknown', type, version, id }
  const cursor: Cursor = {
    bytes: frame,
    at: LLRP_HEADER_BYTES,
    end: frame.length,
    fault: undefined,
    unknown: 0,
    custom: 0,
  }
  const fields = readFields(cursor, MESSAGES[name].fields)
  const children = readParameters(cursor)
  if (cursor.fault !== undefined) return { kind: 'malformed', type, version, id, why: cursor.fault }
  const message = { name, version, id, fields, children } as LlrpMessage
  return { kind: 'message', message, skipped: { unknown: cursor.unknown, custom: cursor.custom } }
}

/** @param version 1 for LLRP 1.0.1, 2 for LLRP 1.1 */
export function encodeLlrpMessage<N extends LlrpMessageName>({
  name,
  version,
  id,
  fields,
  children,
}: Message<N>): Uint8Array {
  const { type, fields: table } = MESSAGES[name]
  const out: Output = []
  putUnsigned(out, (version << 10) | type, 2)
  putUnsigned(out, 0, 4)
  putUnsigned(out, id, 4)
  writeFields(out, table, fields as FieldsOf<typeof table>)
  for (const child of children) writeParameter(out, child)
  const bytes = Uint8Array.from(out)
  new DataView(bytes.buffer).setUint32(2, bytes.length)
  return bytes
}
