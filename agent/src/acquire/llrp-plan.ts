import { type LlrpProfile, type LlrpSettings, llrpSettingsProblem, type Params } from '@biotrakr/firmware-profiles'
import { BioTrakrError } from '@biotrakr/shared'

/** What the site wants of one LLRP reader. */
export interface LlrpReaderSettings {
  /** Without one the reader is asked what it is, and nothing else. */
  readonly region?: string | undefined
  /** Power at the reader's connector of every antenna, dBm; with a region it must be given. */
  readonly powerDbm?: number | undefined
  /** `countryCode`: ISO 3166-1 numeric, refused if the reader reports another country. */
  readonly parameters?: Params | undefined
  /** An LLRP reader has neither a bus address nor a rate: these are refused. */
  readonly address?: number | undefined
  readonly baud?: number | undefined
}

interface Wish {
  readonly profile: LlrpProfile
  /** Receiver of each antenna port in use, by its number from 1. */
  readonly receivers: ReadonlyMap<number, unknown>
  readonly settings: LlrpReaderSettings
}

/**
 * Lays out what the session needs; what only the reader can tell is checked when it has said it.
 * @throws BioTrakrError READER_SETTINGS with everything that is wrong
 */
export function planLlrp({ profile, receivers, settings }: Wish): LlrpSettings {
  const { region, powerDbm, parameters = {} } = settings
  const { countryCode, ...others } = parameters
  const problems = Object.keys(others).map((name) => `the profile has no parameter ${name}`)
  if (settings.address !== undefined) problems.push('it has no bus address')
  if (settings.baud !== undefined) problems.push('it has no baud rate')
  const isCountry = typeof countryCode === 'number' && Number.isInteger(countryCode)
  if (countryCode !== undefined && !isCountry) problems.push('countryCode is no whole number')
  if (region !== undefined && powerDbm === undefined) problems.push('powerDbm is missing')
  const plan: LlrpSettings = {
    region,
    ...(isCountry && { countryCode }),
    antennas: [...receivers.keys()].map((port) => ({ port, powerDbm: powerDbm ?? 0 })),
    rospec: profile.rospec,
  }
  const unfit = region === undefined ? undefined : llrpSettingsProblem(plan)
  if (unfit !== undefined) problems.push(unfit)
  if (problems.length === 0) return plan
  throw new BioTrakrError(`the settings do not fit ${profile.name} (profile ${profile.id}): ${problems.join('; ')}`, {
    code: 'READER_SETTINGS',
    next: 'Correct the configuration of this reader.',
  })
}
