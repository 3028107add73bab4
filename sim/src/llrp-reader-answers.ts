import { allParameters, findParameter, type LlrpParameter, parameter } from '@biotrakr/firmware-profiles'

/** What a simulated LLRP reader is; the defaults make a four-port reader set up for Germany. */
export interface LlrpReaderIdentity {
  /** IANA private enterprise number of the maker; 32473 is the one kept for examples (RFC 5612). */
  readonly manufacturer: number
  readonly model: number
  readonly firmware: string
  readonly antennas: number
  /** ISO 3166-1 numeric, and the communications standard by its LLRP number. */
  readonly country: number
  readonly standard: number
  readonly hopping: boolean
  readonly khz: readonly number[]
  /** Output powers in dBm, weakest first; their indices count from 1. */
  readonly powersDbm: readonly number[]
  readonly modes: readonly number[]
}

export const DEFAULT_IDENTITY: LlrpReaderIdentity = {
  manufacturer: 32_473,
  model: 1,
  firmware: '1.0.0 simulated',
  antennas: 4,
  country: 276,
  standard: 2,
  hopping: false,
  khz: [865_700, 866_300, 866_900, 867_500],
  powersDbm: Array.from({ length: 86 }, (_, step) => 10 + step * 0.25),
  modes: [0, 1, 2],
}

const UTC_CLOCK = 0x4000
const GEN2 = 1
/** Buffer warnings and holding of events and reports. */
const CAN_WARN_AND_HOLD = 0x48
const MAX_ROSPECS = 8

export function statusParameter(code: number, text = ''): LlrpParameter {
  return parameter('LLRPStatus', { code, text })
}

/** All capabilities; hosts that ask for one kind only are content to get more. */
export function capabilities(identity: LlrpReaderIdentity): readonly LlrpParameter[] {
  const { antennas, manufacturer, model, firmware, country, standard } = identity
  const ports = Array.from({ length: antennas }, (_, port) => port + 1)
  return [
    parameter('GeneralDeviceCapabilities', { antennas, flags: UTC_CLOCK, manufacturer, model, firmware }, [
      parameter('ReceiveSensitivityTableEntry', { index: 1, db: 0 }),
      parameter('GPIOCapabilities', { inputs: 0, outputs: 0 }),
      ...ports.map((antenna) => parameter('PerAntennaAirProtocol', { antenna, protocols: [GEN2] })),
    ]),
    parameter('LLRPCapabilities', {
      flags: CAN_WARN_AND_HOLD,
      maxPriority: 0,
      opSpecTimeoutMs: 0,
      maxROSpecs: MAX_ROSPECS,
      maxSpecsPerROSpec: 1,
      maxInventorySpecsPerAISpec: 1,
      maxAccessSpecs: 0,
      maxOpSpecsPerAccessSpec: 0,
    }),
    parameter('RegulatoryCapabilities', { country, standard }, [band(identity)]),
    parameter('C1G2LLRPCapabilities', { flags: 0, maxFilters: 0 }),
  ]
}

function band({ powersDbm, hopping, khz, modes }: LlrpReaderIdentity): LlrpParameter {
  const table = hopping
    ? parameter('FrequencyHopTable', { id: 1, reserved: 0, khz })
    : parameter('FixedFrequencyTable', { khz })
  return parameter('UHFBandCapabilities', {}, [
    ...powersDbm.map((dbm, at) =>
      parameter('TransmitPowerLevelTableEntry', { index: at + 1, centiDbm: Math.round(dbm * 100) }),
    ),
    parameter('FrequencyInformation', { hopping }, [table]),
    parameter(
      'UHFC1G2RFModeTable',
      {},
      modes.map((mode) =>
        parameter('UHFC1G2RFModeTableEntry', {
          mode,
          flags: 0,
          modulation: 2,
          forwardModulation: 0,
          spectralMask: 3,
          bitsPerSecond: 64_000,
          pie: 2_000,
          minTariNs: 20_000,
          maxTariNs: 20_000,
          stepTariNs: 0,
        }),
      ),
    ),
  ])
}

/** What SET_READER_CONFIG has set; all the rest of a simulated reader's configuration cannot change. */
export interface LlrpReaderConfig {
  /** 0: none. */
  readonly keepaliveMs: number
  readonly holdOnReconnect: boolean
  /** Event numbers that are reported. */
  readonly events: ReadonlySet<number>
}

export const FACTORY_CONFIG: LlrpReaderConfig = { keepaliveMs: 0, holdOnReconnect: false, events: new Set() }

/** The configuration after a SET_READER_CONFIG with these parameters: what it does not mention stays. */
export function changedConfig(config: LlrpReaderConfig, children: readonly LlrpParameter[]): LlrpReaderConfig {
  const keepalive = findParameter(children, 'KeepaliveSpec')?.fields
  const hold = findParameter(children, 'EventsAndReports')?.fields
  const notice = findParameter(children, 'ReaderEventNotificationSpec')
  const events = new Set(config.events)
  for (const { fields } of allParameters(notice?.children ?? [], 'EventNotificationState')) {
    if (fields.enabled) events.add(fields.event)
    else events.delete(fields.event)
  }
  const wantedMs = keepalive?.trigger === 1 ? keepalive.periodMs : 0
  return {
    keepaliveMs: keepalive === undefined ? config.keepaliveMs : wantedMs,
    holdOnReconnect: hold?.holdOnReconnect ?? config.holdOnReconnect,
    events,
  }
}

const EVENT_COUNT = 9

export function configuration(identity: LlrpReaderIdentity, config: LlrpReaderConfig): readonly LlrpParameter[] {
  const ports = Array.from({ length: identity.antennas }, (_, port) => port + 1)
  const { keepaliveMs, holdOnReconnect, events } = config
  return [
    parameter('Identification', { kind: 0, id: '02000000FFFE0001' }),
    ...ports.map((antenna) => parameter('AntennaProperties', { connected: true, antenna, gainCentiDbi: 0 })),
    ...ports.map((antenna) => antennaConfiguration(antenna, identity)),
    parameter(
      'ReaderEventNotificationSpec',
      {},
      Array.from({ length: EVENT_COUNT }, (_, event) =>
        parameter('EventNotificationState', { event, enabled: events.has(event) }),
      ),
    ),
    parameter('ROReportSpec', { trigger: 2, n: 0 }, [parameter('TagReportContentSelector', { flags: 0x1e80 })]),
    parameter('LLRPConfigurationStateValue', { state: 0 }),
    parameter('KeepaliveSpec', { trigger: keepaliveMs > 0 ? 1 : 0, periodMs: keepaliveMs }),
    parameter('EventsAndReports', { holdOnReconnect }),
  ]
}

function antennaConfiguration(antenna: number, { hopping, powersDbm }: LlrpReaderIdentity): LlrpParameter {
  const transmitter = { hopTable: hopping ? 1 : 0, channel: hopping ? 0 : 1, powerIndex: powersDbm.length }
  return parameter('AntennaConfiguration', { antenna }, [
    parameter('RFReceiver', { sensitivityIndex: 1 }),
    parameter('RFTransmitter', transmitter),
    parameter('C1G2InventoryCommand', { stateAware: false }, [
      parameter('C1G2RFControl', { mode: 0, tariNs: 0 }),
      parameter('C1G2SingulationControl', { session: 0, population: 32, transitMs: 0 }),
    ]),
  ])
}
