import { allParameters, findParameter, type LlrpParameter, parameter } from '@biotrakr/firmware-profiles'

import type { LlrpReaderIdentity } from './llrp-reader-answers.ts'

/** States of an ROSpec by their LLRP number. */
const STATES = { disabled: 0, inactive: 1, active: 2 } as const

export interface RoSpec {
  readonly id: number
  readonly parameter: LlrpParameter
  state: keyof typeof STATES
  /** Starts by itself once enabled: at once (`immediate`) or every so many ms. */
  readonly start: 'host' | 'immediate' | { readonly periodMs: number }
  /** Antennas of its inventory, empty for all. */
  readonly antennas: ReadonlySet<number>
  /** What an antenna sends with, dBm; 0 stands for all that are not named. */
  readonly powersDbm: ReadonlyMap<number, number>
  /** Ends by itself after this time; 0: never. */
  readonly durationMs: number
  /** Report when this many tags are gathered; 0 at the end only; undefined only when asked for. */
  readonly reportEvery: number | undefined
  readonly content: number
  readonly pc: boolean
  startedMs: number
}

/** Why a command is refused: LLRP status code and a text. */
export interface Refusal {
  readonly code: number
  readonly text: string
}

const M_UNEXPECTED = 112
const M_MISSING = 103
const P_OVERFLOW = 105
const INVALID = 300
const OUT_OF_RANGE = 301
const MAX_ROSPECS = 8
const EVERYTHING = 0xffc0

/** Reads an ADD_ROSPEC as far as a simulated reader goes: one AISpec, triggers by host, time and period. */
export function readRoSpec(spec: LlrpParameter | undefined, identity: LlrpReaderIdentity): RoSpec | Refusal {
  if (spec?.name !== 'ROSpec') return { code: M_MISSING, text: 'ROSpec' }
  const fields = spec.fields as { readonly id: number; readonly state: number }
  if (fields.id === 0) return { code: INVALID, text: 'ROSpecID 0' }
  if (fields.state !== STATES.disabled) return { code: INVALID, text: 'CurrentState' }
  const boundary = findParameter(spec.children, 'ROBoundarySpec')?.children ?? []
  const start = findParameter(boundary, 'ROSpecStartTrigger')
  const stop = findParameter(boundary, 'ROSpecStopTrigger')
  const ai = findParameter(spec.children, 'AISpec')
  const aiStop = ai && findParameter(ai.children, 'AISpecStopTrigger')
  if (start === undefined || stop === undefined || ai === undefined || aiStop === undefined) {
    return { code: M_MISSING, text: 'ROBoundarySpec or AISpec' }
  }
  const refusal = antennaRefusal(ai, identity)
  if (refusal !== undefined) return refusal
  const durations = [stop, aiStop].filter(({ fields }) => fields.trigger === 1).map(({ fields }) => fields.durationMs)
  return {
    id: fields.id,
    parameter: spec,
    state: 'disabled',
    start: startOf(start.fields.trigger, findParameter(start.children, 'PeriodicTriggerValue')?.fields.periodMs),
    antennas: new Set(ai.fields.antennas.filter((antenna) => antenna !== 0)),
    powersDbm: powersOf(ai, identity),
    durationMs: durations.length === 0 ? 0 : Math.min(...durations),
    ...reportRules(spec),
    startedMs: 0,
  }
}

function startOf(trigger: number, periodMs: number | undefined): RoSpec['start'] {
  if (trigger === 1) return 'immediate'
  return trigger === 2 && periodMs !== undefined && periodMs > 0 ? { periodMs } : 'host'
}

function reportRules({ children }: LlrpParameter): Pick<RoSpec, 'reportEvery' | 'content' | 'pc'> {
  const report = findParameter(children, 'ROReportSpec')
  const selector = report && findParameter(report.children, 'TagReportContentSelector')
  const memory = selector && findParameter(selector.children, 'C1G2EPCMemorySelector')
  const onAsk = report?.fields.trigger === 0
  return {
    reportEvery: onAsk ? undefined : (report?.fields.n ?? 0),
    content: selector?.fields.flags ?? EVERYTHING,
    pc: memory !== undefined && (memory.fields.flags & 0x40) !== 0,
  }
}

/** What an antenna sends with, dBm; undefined where the host left it to the reader. */
export function powerFor({ powersDbm }: RoSpec, antenna: number): number | undefined {
  return powersDbm.get(antenna) ?? powersDbm.get(0)
}

function powersOf(ai: LlrpParameter, { powersDbm }: LlrpReaderIdentity): ReadonlyMap<number, number> {
  const powers = new Map<number, number>()
  for (const { children } of allParameters(ai.children, 'InventoryParameterSpec')) {
    for (const { fields, children: parts } of allParameters(children, 'AntennaConfiguration')) {
      const index = findParameter(parts, 'RFTransmitter')?.fields.powerIndex
      const dbm = index === undefined ? undefined : powersDbm[index - 1]
      if (dbm !== undefined) powers.set(fields.antenna, dbm)
    }
  }
  return powers
}

function antennaRefusal(ai: LlrpParameter, { antennas, powersDbm }: LlrpReaderIdentity): Refusal | undefined {
  const ports = ai.fields['antennas'] as readonly number[]
  const inventory = allParameters(ai.children, 'InventoryParameterSpec')
  const configured = inventory.flatMap(({ children }) => allParameters(children, 'AntennaConfiguration'))
  if (inventory.length === 0) return { code: M_MISSING, text: 'InventoryParameterSpec' }
  for (const port of [...ports, ...configured.map(({ fields }) => fields.antenna)]) {
    if (port > antennas) return { code: OUT_OF_RANGE, text: `AntennaID ${port}` }
  }
  for (const { children } of configured) {
    const power = findParameter(children, 'RFTransmitter')?.fields.powerIndex
    if (power !== undefined && (power < 1 || power > powersDbm.length)) {
      return { code: OUT_OF_RANGE, text: `TransmitPower ${power}` }
    }
  }
  return undefined
}

/** The ROSpecs of one reader and what may be done to them in which state. Id 0 means all, where LLRP allows it. */
export interface RoSpecStore {
  add(spec: RoSpec): Refusal | undefined
  remove(id: number): Refusal | undefined
  enable(id: number): Refusal | undefined
  disable(id: number): Refusal | undefined
  start(id: number, nowMs: number): Refusal | undefined
  stop(id: number): Refusal | undefined
  clear(): void
  readonly active: RoSpec | undefined
  all(): readonly RoSpec[]
  /** As GET_ROSPECS shows them. */
  shown(): readonly LlrpParameter[]
}

export function createRoSpecStore(): RoSpecStore {
  const specs = new Map<number, RoSpec>()

  function each(id: number, act: (spec: RoSpec) => Refusal | undefined): Refusal | undefined {
    if (id === 0) {
      for (const spec of [...specs.values()]) act(spec)
      return undefined
    }
    const spec = specs.get(id)
    return spec === undefined ? { code: INVALID, text: `no ROSpec ${id}` } : act(spec)
  }

  return {
    get active() {
      return [...specs.values()].find(({ state }) => state === 'active')
    },
    all: () => [...specs.values()],
    clear: () => specs.clear(),
    add(spec) {
      if (specs.has(spec.id)) return { code: INVALID, text: `ROSpecID ${spec.id} is in use` }
      if (specs.size >= MAX_ROSPECS) return { code: P_OVERFLOW, text: `at most ${MAX_ROSPECS} ROSpecs` }
      specs.set(spec.id, spec)
      return undefined
    },
    remove: (id) =>
      each(id, (spec) => {
        specs.delete(spec.id)
        return undefined
      }),
    enable: (id) =>
      each(id, (spec) => {
        if (spec.state === 'disabled') spec.state = 'inactive'
        return undefined
      }),
    disable: (id) =>
      each(id, (spec) => {
        spec.state = 'disabled'
        return undefined
      }),
    start: (id, nowMs) =>
      each(id, (spec) => {
        if (spec.state === 'disabled') return { code: M_UNEXPECTED, text: `ROSpec ${id} is disabled` }
        if (isOtherActive(specs, spec)) return { code: M_UNEXPECTED, text: 'another ROSpec is active' }
        spec.state = 'active'
        spec.startedMs = nowMs
        return undefined
      }),
    stop: (id) =>
      each(id, (spec) => {
        if (spec.state !== 'active') return { code: M_UNEXPECTED, text: `ROSpec ${id} is not active` }
        spec.state = 'inactive'
        return undefined
      }),
    shown: () =>
      [...specs.values()].map(({ id, state, parameter: { children } }) =>
        parameter('ROSpec', { id, priority: 0, state: STATES[state] }, children),
      ),
  }
}

function isOtherActive(specs: ReadonlyMap<number, RoSpec>, other: RoSpec): boolean {
  return [...specs.values()].some((spec) => spec !== other && spec.state === 'active')
}
