import { allParameters, findParameter, type LlrpParameter } from './llrp-parameters.ts'
import { LLRP_STANDARDS } from './llrp-regions.ts'

interface PowerLevel {
  readonly index: number
  readonly dbm: number
}

interface HopTable {
  readonly id: number
  readonly khz: readonly number[]
}

/** What a reader says of itself. */
export interface LlrpReaderInfo {
  /** IANA private enterprise number of the maker, with its name where this driver has met one. */
  readonly manufacturer: number
  readonly vendor?: string
  readonly model: number
  readonly firmware: string
  readonly antennas: number
  /** ISO 3166-1 numeric; 0 when the reader does not say. */
  readonly country: number
  /** Communications standard, 0 when the reader does not say, and its name in the specification. */
  readonly standard: number
  readonly standardName: string
  readonly powers: readonly PowerLevel[]
  readonly hopping: boolean
  /** Frequencies by table; a reader that does not hop has one table with id 0. */
  readonly frequencies: readonly HopTable[]
  /** Reader modes (RF modes) it offers, by number. */
  readonly modes: readonly number[]
}

/** IANA private enterprise numbers. */
const VENDORS: Readonly<Record<number, string>> = { 161: 'Motorola, Zebra', 25882: 'Impinj' }

/** @returns the capabilities, or in words what a reader left out that no reader may leave out */
export function readCapabilities(children: readonly LlrpParameter[]): LlrpReaderInfo | string {
  const general = findParameter(children, 'GeneralDeviceCapabilities')
  const regulatory = findParameter(children, 'RegulatoryCapabilities')
  const band = regulatory && findParameter(regulatory.children, 'UHFBandCapabilities')
  if (general === undefined) return 'does not say what it is'
  if (regulatory === undefined || band === undefined) return 'does not say in which region it works'
  const { manufacturer, model, firmware, antennas } = general.fields
  const { country, standard } = regulatory.fields
  const vendor = VENDORS[manufacturer]
  return {
    manufacturer,
    ...(vendor === undefined ? {} : { vendor }),
    model,
    firmware,
    antennas,
    country,
    standard,
    standardName: LLRP_STANDARDS[standard] ?? `standard ${standard}`,
    powers: powerLevels(band.children),
    ...frequencies(band.children),
    modes: allParameters(band.children, 'UHFC1G2RFModeTable').flatMap((table) =>
      allParameters(table.children, 'UHFC1G2RFModeTableEntry').map(({ fields }) => fields.mode),
    ),
  }
}

function powerLevels(band: readonly LlrpParameter[]): PowerLevel[] {
  return allParameters(band, 'TransmitPowerLevelTableEntry')
    .map(({ fields }) => ({ index: fields.index, dbm: fields.centiDbm / 100 }))
    .sort((a, b) => a.dbm - b.dbm)
}

function frequencies(band: readonly LlrpParameter[]): Pick<LlrpReaderInfo, 'hopping' | 'frequencies'> {
  const info = findParameter(band, 'FrequencyInformation')
  if (info === undefined) return { hopping: false, frequencies: [] }
  const fixed = findParameter(info.children, 'FixedFrequencyTable')
  if (!info.fields.hopping) {
    return { hopping: false, frequencies: fixed === undefined ? [] : [{ id: 0, khz: fixed.fields.khz }] }
  }
  const tables = allParameters(info.children, 'FrequencyHopTable').map(({ fields: { id, khz } }) => ({ id, khz }))
  return { hopping: true, frequencies: tables }
}

/** The strongest level of the reader that is not above `dbm`; undefined when its weakest is. */
export function powerLevel({ powers }: Pick<LlrpReaderInfo, 'powers'>, dbm: number): PowerLevel | undefined {
  return powers.findLast((level) => level.dbm <= dbm)
}

/** Frequency of a channel index, which counts from 1; undefined when the reader's tables leave it open. */
export function channelKHz({ frequencies: tables }: LlrpReaderInfo, index: number): number | undefined {
  return tables[0]?.khz[index - 1]
}
