import { BioTrakrError, gen2Crc } from '@biotrakr/shared'

import type { Assembler } from './assemble.ts'
import type { Fields, FieldValue, TagReport } from './driver.ts'
import { createWriter, type Writer, writeFields } from './field-write.ts'
import { bytesOfText, knownHex } from './hex.ts'
import { fieldsOf } from './messages.ts'
import { numberOf } from './number.ts'
import type { Conditions, MessageSpec, ProfileDocument, RssiSpec, TagSpec } from './profile.ts'

/** What cannot be written, as the one error of it. */
export function parameterError(document: ProfileDocument, problem: string): BioTrakrError {
  return new BioTrakrError(`Profile ${document.id}: ${problem}`, {
    code: 'PROFILE_PARAMETER',
    next: 'Give the value in the range that `biotrakr profiles show` names for this profile.',
  })
}

/** Writes one message as a reader sends it. */
export function writeMessage(document: ProfileDocument, options: MessageToWrite): Uint8Array {
  const { message, values, layout, assembler } = options
  const specs = fieldsOf(document, message)
  const writer = createWriter(specs)
  writeFields(writer, specs, { ...constantsOf(message.when), ...values })
  const [open] = writer.open.keys()
  const problem = writer.problem ?? (open === undefined ? undefined : `${open} has no value`)
  if (problem !== undefined) throw parameterError(document, `${message.name}: ${problem}`)
  const frame = assembler.message(bodyOf(document, writer), layout)
  if (frame === undefined) throw parameterError(document, `${message.name} does not fit into a frame`)
  return frame
}

interface MessageToWrite {
  readonly message: MessageSpec
  readonly values: Fields
  readonly layout: number
  readonly assembler: Assembler
}

function bodyOf({ framing }: ProfileDocument, writer: Writer): Uint8Array {
  if (framing.kind === 'jsonLine') return bytesOfText(JSON.stringify(writer.json))
  if (framing.kind === 'line' && writer.columns.length > 0) {
    return bytesOfText(writer.columns.join(framing.separator ?? ''))
  }
  return Uint8Array.from(writer.bytes)
}

/** Values that a message's own conditions fix: the first of several. */
function constantsOf(conditions: Conditions | undefined): Record<string, FieldValue> {
  const constants: Record<string, FieldValue> = {}
  for (const [name, condition] of Object.entries(conditions ?? {})) {
    const value = constantOf(condition)
    if (value !== undefined) constants[name] = value
  }
  return constants
}

function constantOf(condition: Conditions[string]): FieldValue | undefined {
  if (typeof condition === 'number' || typeof condition === 'string') return numberOf(condition)
  if ('text' in condition) return condition.text[0]
  if ('mask' in condition) return numberOf(condition.eq ?? condition.mask)
  if (!('length' in condition)) return undefined
  const [first] = condition
  return first === undefined ? undefined : numberOf(first)
}

/** The fields that make a message say a tag report. */
export function tagValues(spec: TagSpec, tag: TagReport): Record<string, FieldValue> {
  const values: Record<string, FieldValue> = { [spec.epc]: tag.epc }
  const epc = knownHex(tag.epc)
  const pc = tag.pc === undefined ? (epc.length >> 1) << 11 : Number.parseInt(tag.pc, 16)
  if (spec.pc !== undefined) values[spec.pc] = pc
  if (spec.tagCrc !== undefined) values[spec.tagCrc.field] = tagCrc(tag, pc, epc)
  if (spec.rssi !== undefined) put(values, spec.rssi.field, rssiValue(spec.rssi, tag))
  if (spec.antenna !== undefined) put(values, spec.antenna.field, antennaValue(spec.antenna.kind, tag.antenna))
  put(values, spec.phaseDeg, tag.phaseDeg)
  put(values, spec.freqKHz, tag.freqKHz)
  put(values, spec.readerTimeMs, tag.readerTimeMs)
  return values
}

function put(values: Record<string, FieldValue>, name: string | undefined, value: FieldValue | undefined): void {
  if (name !== undefined && value !== undefined) values[name] = value
}

function tagCrc(tag: TagReport, pc: number, epc: Uint8Array): number {
  if (tag.tagCrc !== undefined) return Number.parseInt(tag.tagCrc, 16)
  return gen2Crc(Uint8Array.of(pc >> 8, pc & 0xff, ...epc))
}

function rssiValue({ unit, dbm }: RssiSpec, tag: TagReport): number | undefined {
  if (unit === 'dBm') return tag.rssiDbm
  if (tag.rssiRaw !== undefined || dbm === undefined || tag.rssiDbm === undefined) return tag.rssiRaw
  return Math.round((tag.rssiDbm - dbm.offset) / dbm.scale)
}

function antennaValue(kind: 'number' | 'mask', antenna: number | undefined): number | undefined {
  return kind === 'mask' && antenna !== undefined ? 2 ** (antenna - 1) : antenna
}
