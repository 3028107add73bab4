import type { LlrpReaderInfo } from './llrp-capabilities.ts'

/** Communications standards by number (0 to 9 of LLRP 1.0.1, the others of LLRP 1.1). */
export const LLRP_STANDARDS: Readonly<Record<number, string>> = {
  0: 'unspecified',
  1: 'US FCC part 15',
  2: 'ETSI 302 208',
  3: 'ETSI 300 220',
  4: 'Australia LIPD 1 W',
  5: 'Australia LIPD 4 W',
  6: 'Japan ARIB STD T89',
  7: 'Hong Kong OFTA 1049',
  8: 'Taiwan DGT LP0002',
  9: 'Korea MIC article 5-2',
  10: '902-928 MHz hopping, 4 W',
  11: 'ETSI 302 208, 2 W without LBT',
  14: 'China 920.5-924.5 MHz',
  15: 'Hong Kong 920-925 MHz',
  17: 'Japan 952-954 MHz',
  18: 'Japan 952-955 MHz',
  19: '865-868 MHz, 0.5 W',
  20: 'Korea 917-920.8 MHz',
  21: 'Korea 917-923.5 MHz',
}

interface Region {
  readonly standards: readonly number[]
  /** Band in kHz that no channel may leave. */
  readonly band: readonly [number, number]
}

/**
 * Regions a site can name. A reader is taken for one of them if its standard is listed or unspecified and every
 * frequency it offers lies in the band; both come from the reader itself, which a host cannot set over LLRP.
 */
const REGIONS: Readonly<Record<string, Region>> = {
  ETSI: { standards: [2, 3, 11, 19], band: [865_000, 868_000] },
  ETSI_UPPER: { standards: [2, 11], band: [915_000, 921_000] },
  FCC: { standards: [1, 10], band: [902_000, 928_000] },
  AUSTRALIA: { standards: [4, 5], band: [918_000, 926_000] },
  CHINA: { standards: [14], band: [920_000, 925_000] },
  HONG_KONG: { standards: [7, 15], band: [920_000, 925_000] },
  JAPAN: { standards: [6], band: [915_000, 924_000] },
  KOREA: { standards: [9, 20, 21], band: [917_000, 923_500] },
  TAIWAN: { standards: [8], band: [920_000, 928_000] },
}

const UNSPECIFIED = 0

/** @returns undefined when the region is one that can be checked, or in words why not */
export function regionProblem(region: string | undefined): string | undefined {
  if (region === undefined) return 'no region is configured, and without one no reader is asked to transmit'
  if (Object.hasOwn(REGIONS, region)) return undefined
  return `the region ${JSON.stringify(region)} is none of ${Object.keys(REGIONS).join(', ')}`
}

/** @returns undefined when nothing the reader says contradicts the configuration, or the contradiction in words */
export function regionContradiction(
  reader: LlrpReaderInfo,
  { region, countryCode }: { readonly region: string; readonly countryCode?: number | undefined },
): string | undefined {
  const rules = REGIONS[region]
  if (rules === undefined) return regionProblem(region)
  const { standard, country } = reader
  if (standard !== UNSPECIFIED && !rules.standards.includes(standard)) {
    return `the reader is set up for ${reader.standardName}, the configuration says ${region}`
  }
  if (countryCode !== undefined && country !== UNSPECIFIED && country !== countryCode) {
    return `the reader is set up for country ${country}, the configuration says ${countryCode} (ISO 3166-1)`
  }
  const [low, high] = rules.band
  const channels = reader.frequencies.flatMap(({ khz }) => khz)
  const outside = channels.find((khz) => khz < low || khz > high)
  if (outside !== undefined) {
    return `the reader transmits on ${outside} kHz, which is outside ${region} (${low}-${high} kHz)`
  }
  if (standard === UNSPECIFIED && channels.length === 0) {
    return `the reader names neither a standard nor frequencies, so ${region} cannot be confirmed`
  }
  return undefined
}
