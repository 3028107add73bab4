import { type LlrpReaderInfo, powerLevel } from './llrp-capabilities.ts'
import { type LlrpParameter, parameter } from './llrp-parameters.ts'
import { regionContradiction, regionProblem } from './llrp-regions.ts'

/** How an LLRP reader takes its inventory: the `rospec` part of a profile of driver `llrp`. */
export interface LlrpRoSpecSettings {
  /** 1 to 4294967295. The reader's other ROSpecs are deleted, whatever their number. */
  readonly roSpecId: number
  /** Gen2 session, 0 to 3. */
  readonly session: number
  /** Tags expected in the field at once, 1 to 65535. */
  readonly population: number
  /** One of the modes the reader offers; without it the reader's own choice stays. */
  readonly mode?: number
  /**
   * Length of one inventory, 0 or 1000 to 3600000 ms. The session starts the next one when the reader reports the end, so
   * that a reader whose host is gone falls silent by itself. 0: until stopped.
   */
  readonly aiSpecMs: number
  /** Report after this many tags (1 to 1000), or ask for a report every so many ms (50 to 60000). */
  readonly report: { readonly everyTags: number } | { readonly everyMs: number }
  /** The reader's sign of life, 1000 to 60000 ms. */
  readonly keepaliveMs: number
  /** True: every setting of the reader that this driver does not set returns to the factory's. */
  readonly factoryReset: boolean
}

export interface LlrpSettings {
  /** Without a region the session asks no reader to transmit. */
  readonly region?: string | undefined
  /** ISO 3166-1 numeric; refused if the reader reports another country. */
  readonly countryCode?: number | undefined
  /** Antenna ports from 1, each with its power in dBm (-10 to 36) at the reader's connector. */
  readonly antennas: readonly { readonly port: number; readonly powerDbm: number }[]
  readonly rospec: LlrpRoSpecSettings
}

const LIMITS = {
  roSpecId: [1, 0xffff_ffff],
  session: [0, 3],
  population: [1, 0xffff],
  mode: [0, 0xffff],
  keepaliveMs: [1_000, 60_000],
} as const
const MAX_PORT = 0xffff
const POWER_DBM = [-10, 36] as const

function within(value: number, [low, high]: readonly [number, number]): boolean {
  return Number.isInteger(value) && value >= low && value <= high
}

function reportProblem({ report, aiSpecMs }: LlrpRoSpecSettings): string | undefined {
  if (aiSpecMs !== 0 && !within(aiSpecMs, [1_000, 3_600_000])) return 'rospec.aiSpecMs is neither 0 nor 1000 to 3600000'
  if ('everyTags' in report) {
    return within(report.everyTags, [1, 1_000]) ? undefined : 'rospec.report.everyTags is not 1 to 1000'
  }
  return within(report.everyMs, [50, 60_000]) ? undefined : 'rospec.report.everyMs is not 50 to 60000'
}

/** @returns the first thing wrong with the settings, before a reader is asked anything */
export function settingsProblem({ region, antennas, rospec }: LlrpSettings): string | undefined {
  const noRegion = regionProblem(region)
  if (noRegion !== undefined) return noRegion
  for (const name of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    const value = rospec[name]
    const [low, high] = LIMITS[name]
    if (value !== undefined && !within(value, [low, high])) return `rospec.${name} is not ${low} to ${high}`
  }
  if (antennas.length === 0) return 'no antenna is configured'
  const ports = new Set(antennas.map(({ port }) => port))
  if (ports.size < antennas.length) return 'an antenna port is configured twice'
  const badPort = antennas.find(({ port }) => !within(port, [1, MAX_PORT]))
  if (badPort !== undefined) return `antenna port ${badPort.port} is not 1 or more`
  const badPower = antennas.find(({ powerDbm }) => !(powerDbm >= POWER_DBM[0] && powerDbm <= POWER_DBM[1]))
  if (badPower !== undefined) return `the power of antenna ${badPower.port} is not ${POWER_DBM.join(' to ')} dBm`
  return reportProblem(rospec)
}

/** What each antenna will transmit with: the reader's strongest level that is not above the configured power. */
export interface AntennaPower {
  readonly port: number
  readonly dbm: number
  readonly index: number
}

export type LlrpPlan =
  | { readonly kind: 'plan'; readonly powers: readonly AntennaPower[] }
  | { readonly kind: 'region' | 'settings'; readonly why: string }

/** Holds the settings against what the reader can do and may do. */
export function planFor(reader: LlrpReaderInfo, { region, countryCode, antennas, rospec }: LlrpSettings): LlrpPlan {
  const why = region === undefined ? regionProblem(region) : regionContradiction(reader, { region, countryCode })
  if (why !== undefined) return { kind: 'region', why }
  const { mode } = rospec
  if (mode !== undefined && !reader.modes.includes(mode)) {
    return { kind: 'settings', why: `the reader has no mode ${mode}, only ${reader.modes.join(', ')}` }
  }
  const powers: AntennaPower[] = []
  for (const { port, powerDbm } of antennas) {
    if (port > reader.antennas)
      return { kind: 'settings', why: `the reader has ${reader.antennas} antenna ports, not ${port}` }
    const level = powerLevel(reader, powerDbm)
    if (level === undefined) {
      const least = reader.powers[0]?.dbm ?? 'no'
      return {
        kind: 'settings',
        why: `antenna ${port} should send with ${powerDbm} dBm, the reader's least is ${least} dBm`,
      }
    }
    powers.push({ port, dbm: level.dbm, index: level.index })
  }
  return { kind: 'plan', powers }
}

/** Event numbers of EventNotificationState. */
const EVENTS = { roSpec: 2, bufferWarning: 3, exception: 4, antenna: 8 } as const

export function readerConfig({ keepaliveMs }: LlrpRoSpecSettings): readonly LlrpParameter[] {
  const wanted = Object.values(EVENTS).map((event) => parameter('EventNotificationState', { event, enabled: true }))
  return [
    parameter('ReaderEventNotificationSpec', {}, wanted),
    parameter('KeepaliveSpec', { trigger: 1, periodMs: keepaliveMs }),
    // Held until the host is ready, so that nothing of a run before is taken for news.
    parameter('EventsAndReports', { holdOnReconnect: true }),
  ]
}

/** Antenna, channel, RSSI, first seen, count. */
const CONTENT = 0x1e80
const PC_BITS = 0x40
const GEN2 = 1

/** The ROSpec: started by the host only, one AISpec over all antennas, each antenna with its own power. */
export function roSpec(
  { roSpecId, session, population, mode, aiSpecMs, report }: LlrpRoSpecSettings,
  reader: LlrpReaderInfo,
  powers: readonly AntennaPower[],
): LlrpParameter {
  const inventory = parameter('C1G2InventoryCommand', { stateAware: false }, [
    ...(mode === undefined ? [] : [parameter('C1G2RFControl', { mode, tariNs: 0 })]),
    parameter('C1G2SingulationControl', { session: session << 6, population, transitMs: 0 }),
  ])
  // A hopping reader takes a hop table and no channel, another a channel (from 1) and no table.
  const hopTable = reader.hopping ? (reader.frequencies[0]?.id ?? 0) : 0
  const channel = reader.hopping ? 0 : 1
  const antennas = powers.map(({ port, index }) =>
    parameter('AntennaConfiguration', { antenna: port }, [
      parameter('RFTransmitter', { hopTable, channel, powerIndex: index }),
      inventory,
    ]),
  )
  const trigger = 'everyTags' in report ? { trigger: 1, n: report.everyTags } : { trigger: 0, n: 0 }
  return parameter('ROSpec', { id: roSpecId, priority: 0, state: 0 }, [
    parameter('ROBoundarySpec', {}, [
      parameter('ROSpecStartTrigger', { trigger: 0 }),
      parameter('ROSpecStopTrigger', { trigger: 0, durationMs: 0 }),
    ]),
    parameter('AISpec', { antennas: powers.map(({ port }) => port) }, [
      parameter('AISpecStopTrigger', { trigger: aiSpecMs > 0 ? 1 : 0, durationMs: aiSpecMs }),
      parameter('InventoryParameterSpec', { id: 1, protocol: GEN2 }, antennas),
    ]),
    parameter('ROReportSpec', trigger, [
      parameter('TagReportContentSelector', { flags: CONTENT }, [
        parameter('C1G2EPCMemorySelector', { flags: PC_BITS }),
      ]),
    ]),
  ])
}
