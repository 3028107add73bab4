import {
  type Cursor,
  type FieldsOf,
  type FieldTable,
  type Output,
  putUnsigned,
  readFields,
  writeFields,
} from './llrp-fields.ts'

interface Entry {
  readonly type: number
  readonly fields: FieldTable
}

/**
 * The parameters this driver speaks, by name, with the type numbers and field order of the LLRP 1.0.1 and 1.1 binary
 * encoding. Types below 128 are TV encoded (one byte, no length), the others TLV. Packed flags stay one number.
 */
const PARAMETERS = {
  AntennaID: { type: 1, fields: { antenna: 'u16' } },
  FirstSeenTimestampUTC: { type: 2, fields: { us: 'u64' } },
  FirstSeenTimestampUptime: { type: 3, fields: { us: 'u64' } },
  LastSeenTimestampUTC: { type: 4, fields: { us: 'u64' } },
  LastSeenTimestampUptime: { type: 5, fields: { us: 'u64' } },
  PeakRSSI: { type: 6, fields: { dbm: 's8' } },
  ChannelIndex: { type: 7, fields: { index: 'u16' } },
  TagSeenCount: { type: 8, fields: { count: 'u16' } },
  ROSpecID: { type: 9, fields: { id: 'u32' } },
  InventoryParameterSpecID: { type: 10, fields: { id: 'u16' } },
  C1G2CRC: { type: 11, fields: { crc: 'u16' } },
  C1G2PC: { type: 12, fields: { pc: 'u16' } },
  EPC96: { type: 13, fields: { epc: 'hex12' } },
  SpecIndex: { type: 14, fields: { index: 'u16' } },
  ClientRequestOpSpecResult: { type: 15, fields: { result: 'u16' } },
  AccessSpecID: { type: 16, fields: { id: 'u32' } },
  OpSpecID: { type: 17, fields: { id: 'u16' } },
  C1G2SingulationDetails: { type: 18, fields: { collisions: 'u16', emptySlots: 'u16' } },
  C1G2XPCW1: { type: 19, fields: { word: 'u16' } },
  C1G2XPCW2: { type: 20, fields: { word: 'u16' } },
  UTCTimestamp: { type: 128, fields: { us: 'u64' } },
  Uptime: { type: 129, fields: { us: 'u64' } },
  /** `flags`: bit 15 antenna properties can be set, bit 14 has a UTC clock. `manufacturer`: IANA enterprise number. */
  GeneralDeviceCapabilities: {
    type: 137,
    fields: { antennas: 'u16', flags: 'u16', manufacturer: 'u32', model: 'u32', firmware: 'text' },
  },
  ReceiveSensitivityTableEntry: { type: 139, fields: { index: 'u16', db: 'u16' } },
  PerAntennaAirProtocol: { type: 140, fields: { antenna: 'u16', protocols: 'u8list' } },
  GPIOCapabilities: { type: 141, fields: { inputs: 'u16', outputs: 'u16' } },
  LLRPCapabilities: {
    type: 142,
    fields: {
      flags: 'u8',
      maxPriority: 'u8',
      opSpecTimeoutMs: 'u16',
      maxROSpecs: 'u32',
      maxSpecsPerROSpec: 'u32',
      maxInventorySpecsPerAISpec: 'u32',
      maxAccessSpecs: 'u32',
      maxOpSpecsPerAccessSpec: 'u32',
    },
  },
  RegulatoryCapabilities: { type: 143, fields: { country: 'u16', standard: 'u16' } },
  UHFBandCapabilities: { type: 144, fields: {} },
  /** `centiDbm`: hundredths of a dBm. */
  TransmitPowerLevelTableEntry: { type: 145, fields: { index: 'u16', centiDbm: 's16' } },
  FrequencyInformation: { type: 146, fields: { hopping: 'bool' } },
  FrequencyHopTable: { type: 147, fields: { id: 'u8', reserved: 'u8', khz: 'u32list' } },
  FixedFrequencyTable: { type: 148, fields: { khz: 'u32list' } },
  ROSpec: { type: 177, fields: { id: 'u32', priority: 'u8', state: 'u8' } },
  ROBoundarySpec: { type: 178, fields: {} },
  ROSpecStartTrigger: { type: 179, fields: { trigger: 'u8' } },
  PeriodicTriggerValue: { type: 180, fields: { offsetMs: 'u32', periodMs: 'u32' } },
  ROSpecStopTrigger: { type: 182, fields: { trigger: 'u8', durationMs: 'u32' } },
  AISpec: { type: 183, fields: { antennas: 'u16list' } },
  AISpecStopTrigger: { type: 184, fields: { trigger: 'u8', durationMs: 'u32' } },
  InventoryParameterSpec: { type: 186, fields: { id: 'u16', protocol: 'u8' } },
  LLRPConfigurationStateValue: { type: 217, fields: { state: 'u32' } },
  Identification: { type: 218, fields: { kind: 'u8', id: 'hex' } },
  KeepaliveSpec: { type: 220, fields: { trigger: 'u8', periodMs: 'u32' } },
  AntennaProperties: { type: 221, fields: { connected: 'bool', antenna: 'u16', gainCentiDbi: 's16' } },
  AntennaConfiguration: { type: 222, fields: { antenna: 'u16' } },
  RFReceiver: { type: 223, fields: { sensitivityIndex: 'u16' } },
  RFTransmitter: { type: 224, fields: { hopTable: 'u16', channel: 'u16', powerIndex: 'u16' } },
  EventsAndReports: { type: 226, fields: { holdOnReconnect: 'bool' } },
  ROReportSpec: { type: 237, fields: { trigger: 'u8', n: 'u16' } },
  /** `flags` from bit 15 down: ROSpec, spec index, inventory spec, antenna, channel, RSSI, first seen, last seen, count, access spec. */
  TagReportContentSelector: { type: 238, fields: { flags: 'u16' } },
  TagReportData: { type: 240, fields: {} },
  EPCData: { type: 241, fields: { epc: 'bits' } },
  ReaderEventNotificationSpec: { type: 244, fields: {} },
  EventNotificationState: { type: 245, fields: { event: 'u16', enabled: 'bool' } },
  ReaderEventNotificationData: { type: 246, fields: {} },
  ROSpecEvent: { type: 249, fields: { event: 'u8', id: 'u32', preemptingId: 'u32' } },
  ReportBufferLevelWarningEvent: { type: 250, fields: { percentFull: 'u8' } },
  ReportBufferOverflowErrorEvent: { type: 251, fields: {} },
  ReaderExceptionEvent: { type: 252, fields: { message: 'text' } },
  AntennaEvent: { type: 255, fields: { event: 'u8', antenna: 'u16' } },
  ConnectionAttemptEvent: { type: 256, fields: { status: 'u16' } },
  ConnectionCloseEvent: { type: 257, fields: {} },
  LLRPStatus: { type: 287, fields: { code: 'u16', text: 'text' } },
  FieldError: { type: 288, fields: { field: 'u16', code: 'u16' } },
  ParameterError: { type: 289, fields: { parameter: 'u16', code: 'u16' } },
  C1G2LLRPCapabilities: { type: 327, fields: { flags: 'u8', maxFilters: 'u16' } },
  UHFC1G2RFModeTable: { type: 328, fields: {} },
  UHFC1G2RFModeTableEntry: {
    type: 329,
    fields: {
      mode: 'u32',
      flags: 'u8',
      modulation: 'u8',
      forwardModulation: 'u8',
      spectralMask: 'u8',
      bitsPerSecond: 'u32',
      pie: 'u32',
      minTariNs: 'u32',
      maxTariNs: 'u32',
      stepTariNs: 'u32',
    },
  },
  C1G2InventoryCommand: { type: 330, fields: { stateAware: 'bool' } },
  C1G2RFControl: { type: 335, fields: { mode: 'u16', tariNs: 'u16' } },
  /** `session`: the Gen2 session in the top two bits. */
  C1G2SingulationControl: { type: 336, fields: { session: 'u8', population: 'u16', transitMs: 'u32' } },
  /** `flags`: bit 7 report the tag's CRC, bit 6 its PC word. */
  C1G2EPCMemorySelector: { type: 348, fields: { flags: 'u8' } },
} as const satisfies Readonly<Record<string, Entry>>

type ParameterName = keyof typeof PARAMETERS
type ParameterFields<N extends ParameterName> = FieldsOf<(typeof PARAMETERS)[N]['fields']>

export interface LlrpParameter {
  readonly name: ParameterName
  readonly fields: Readonly<Record<string, unknown>>
  readonly children: readonly LlrpParameter[]
}

interface Known<N extends ParameterName> extends LlrpParameter {
  readonly name: N
  readonly fields: ParameterFields<N>
}

const CUSTOM = 1023
const BY_TYPE: ReadonlyArray<ParameterName | undefined> = byType()
const NO_CHILDREN: readonly LlrpParameter[] = []
/** The standard nests seven deep; a parameter of four bytes could otherwise nest 16,000 deep in one message. */
const MAX_DEPTH = 16

function byType(): ReadonlyArray<ParameterName | undefined> {
  const names: (ParameterName | undefined)[] = new Array(CUSTOM + 1).fill(undefined)
  for (const name of Object.keys(PARAMETERS) as ParameterName[]) names[PARAMETERS[name].type] = name
  return names
}

/** Makes a parameter with its fields; the compiler checks them against the table. */
export function parameter<N extends ParameterName>(
  name: N,
  fields: ParameterFields<N>,
  children: readonly LlrpParameter[] = NO_CHILDREN,
): Known<N> {
  return { name, fields, children }
}

function isNamed<N extends ParameterName>(candidate: LlrpParameter, name: N): candidate is Known<N> {
  return candidate.name === name
}

/** The first parameter of that name. */
export function findParameter<N extends ParameterName>(among: readonly LlrpParameter[], name: N): Known<N> | undefined {
  for (const candidate of among) if (isNamed(candidate, name)) return candidate
  return undefined
}

export function allParameters<N extends ParameterName>(among: readonly LlrpParameter[], name: N): Known<N>[] {
  return among.filter((candidate): candidate is Known<N> => isNamed(candidate, name))
}

/** Reads parameters up to the cursor's end; stops at the first fault. */
export function readParameters(cursor: Cursor, depth = 0): readonly LlrpParameter[] {
  if (cursor.at >= cursor.end) return NO_CHILDREN
  if (depth > MAX_DEPTH) {
    cursor.fault ??= 'parameters are nested too deep'
    return NO_CHILDREN
  }
  const found: LlrpParameter[] = []
  while (cursor.at < cursor.end && cursor.fault === undefined) {
    const one = (cursor.bytes[cursor.at] as number) >= 0x80 ? readShort(cursor) : readLong(cursor, depth)
    if (one !== undefined) found.push(one)
  }
  return found
}

/** TV: one byte with the top bit set. Without a length an unknown one cannot be passed over. */
function readShort(cursor: Cursor): LlrpParameter | undefined {
  const type = (cursor.bytes[cursor.at] as number) & 0x7f
  const name = BY_TYPE[type]
  if (name === undefined) {
    cursor.fault ??= `a parameter of type ${type} is unknown and has no length`
    return undefined
  }
  cursor.at += 1
  return { name, fields: readFields(cursor, PARAMETERS[name].fields), children: NO_CHILDREN }
}

/** TLV: 6 reserved bits, 10 bits of type, 16 bits of length with this header. */
function readLong(cursor: Cursor, depth: number): LlrpParameter | undefined {
  const { bytes, at, end } = cursor
  if (at + 4 > end) {
    cursor.fault ??= 'ends within the header of a parameter'
    return undefined
  }
  const type = (((bytes[at] as number) & 0x03) << 8) | (bytes[at + 1] as number)
  const length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
  if (length < 4 || at + length > end) {
    cursor.fault ??= `the parameter of type ${type} has the impossible length ${length}`
    return undefined
  }
  const name = type < 128 ? undefined : BY_TYPE[type]
  if (name === undefined) {
    if (type === CUSTOM) cursor.custom += 1
    else cursor.unknown += 1
    cursor.at = at + length
    return undefined
  }
  cursor.at = at + 4
  cursor.end = at + length
  const fields = readFields(cursor, PARAMETERS[name].fields)
  const children = cursor.fault === undefined ? readParameters(cursor, depth + 1) : NO_CHILDREN
  cursor.at = at + length
  cursor.end = end
  return { name, fields, children }
}

export function writeParameter(out: Output, { name, fields, children }: LlrpParameter): void {
  const { type, fields: table } = PARAMETERS[name]
  if (type < 128) {
    out.push(0x80 | type)
    writeFields(out, table, fields as FieldsOf<typeof table>)
    return
  }
  const start = out.length
  putUnsigned(out, type, 2)
  putUnsigned(out, 0, 2)
  writeFields(out, table, fields as FieldsOf<typeof table>)
  for (const child of children) writeParameter(out, child)
  const length = out.length - start
  out[start + 2] = length >>> 8
  out[start + 3] = length & 0xff
}
