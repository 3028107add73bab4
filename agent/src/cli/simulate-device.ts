import type { Driver } from '@biotrakr/firmware-profiles'
import type { Clock, Random } from '@biotrakr/shared'
import { createLlrpReader, createReader, type FieldTag } from '@biotrakr/sim'

/** Bytes for one host, or the order to hang up on it. */
export type DeviceOutput =
  | { readonly host: string; readonly bytes: Uint8Array }
  | { readonly host: string; readonly close: true }

/** A simulated reader behind a wire, whatever its protocol. */
export interface Device {
  connect(host: string): readonly DeviceOutput[]
  receive(host: string, bytes: Uint8Array): readonly DeviceOutput[]
  disconnect(host: string): void
  advance(): readonly DeviceOutput[]
}

export interface DeviceOptions {
  /** The tags in the field now, with what the reader measures of each on average. */
  tags(): readonly FieldTag[]
  readonly readsPerSecond: number
  readonly noise: number
  readonly clock: Clock
  readonly random: Random
}

/** How far a tag's RSSI wanders from read to read, dB either way. */
const FADING_DB = 3

/** A reader on a line: one host at a time, as on a serial device server. */
export function createLineDevice(driver: Driver, options: DeviceOptions): Device {
  const { clock, random, tags } = options
  const reader = createReader(driver, { ...options, tags: () => tags().map((tag) => faded(tag, random)) })
  let holder: string | undefined
  const to = (frames: readonly Uint8Array[]): readonly DeviceOutput[] => {
    const host = holder
    return host === undefined ? [] : frames.map((bytes) => ({ host, bytes }))
  }
  return {
    connect(host) {
      if (holder !== undefined) return [{ host, close: true }]
      holder = host
      return []
    },
    receive: (host, bytes) => (host === holder ? to(reader.receive(bytes, clock.monoMs())) : []),
    disconnect(host) {
      if (host === holder) holder = undefined
    },
    advance: () => to(reader.advance(clock.monoMs())),
  }
}

export function createLlrpDevice({ tags, readsPerSecond, clock, random }: DeviceOptions): Device {
  const field = () =>
    tags().map((tag) => {
      const { epc, pc, antenna, rssiDbm, needsDbm } = faded(tag, random)
      const more = { ...(pc !== undefined && { pc }), ...(needsDbm !== undefined && { needsDbm }) }
      return { epc, antenna: antenna ?? 1, rssiDbm: rssiDbm ?? 0, ...more }
    })
  const reader = createLlrpReader({ tags: field, readsPerSecond, random })
  const now = () => ({ monoMs: clock.monoMs(), wallMs: clock.wallMs() })
  const named = (outputs: ReturnType<typeof reader.advance>): readonly DeviceOutput[] =>
    outputs.map(({ client: host, ...rest }) => ({ host, ...rest }))
  return {
    connect: (host) => named(reader.connect(host, now())),
    receive: (host, bytes) => named(reader.receive(host, bytes, now())),
    disconnect: (host) => reader.disconnect(host),
    advance: () => named(reader.advance(now())),
  }
}

function faded(tag: FieldTag, random: Random): FieldTag {
  const step = Math.round((random() * 2 - 1) * FADING_DB)
  return {
    ...tag,
    ...(tag.rssiDbm === undefined ? {} : { rssiDbm: tag.rssiDbm + step }),
    ...(tag.rssiRaw === undefined ? {} : { rssiRaw: tag.rssiRaw + step }),
  }
}
