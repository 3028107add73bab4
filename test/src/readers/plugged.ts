import { type Device, type DeviceOutput, openProfiles, systemClock } from '@biotrakr/agent'
import type { Driver, TagReport } from '@biotrakr/firmware-profiles'
import { numberTag, type Random, type TagId, tagIdFromEpc } from '@biotrakr/shared'
import { createLlrpReader, createReader } from '@biotrakr/sim'

import { randomTag } from '../../fuzz/frames.ts'

const store = openProfiles()

/** Every profile of the product, with those of built-in drivers. */
export const profileIds = store.ids

/** A simulated reader that can be disturbed, whatever its protocol. */
export interface Specimen {
  readonly device: Device
  /** Identities of the tags in its field. */
  readonly tags: readonly TagId[]
  /** What the agent's configuration says of it. */
  readonly settings: { readonly region?: string; readonly powerDbm?: number }
  /** True: tags come without any command, and nothing switches the reader off. */
  readonly isPassive: boolean
  /** Whether it says what it is when asked. */
  readonly hasIdentity: boolean
  /** How a restart while the line stays open shows: at once, or when the reader is asked how long it has been on, or for a setting. */
  readonly restartShows: 'at once' | 'when asked' | 'never'
  /** Chance of noise in front of a frame from now on. */
  disturb(chance: number): void
  /** Power cut and return. */
  reboot(): void
  readonly isRadiating: () => boolean
}

/** @param random chance for tags and noise */
export function createSpecimen(id: string, random: Random): Specimen {
  return store.isBuiltIn(id) ? llrpSpecimen(random) : lineSpecimen(store.load(id), random)
}

const READS_PER_SECOND = 40
/** Their replies differ between firmwares, and no public one shows what they say of themselves. */
const NAMELESS = new Set(['rain-rci', 'rain-rci-v1'])

function lineSpecimen(driver: Driver, random: Random): Specimen {
  const field = [randomTag(driver, random), randomTag(driver, random)]
  let noise = 0
  let host: string | undefined
  let waiting: readonly Uint8Array[] = []
  const reader = createReader(driver, {
    tags: () => field,
    readsPerSecond: READS_PER_SECOND,
    get noise() {
      return noise
    },
    random,
  })
  const say = (frames: readonly Uint8Array[]): readonly DeviceOutput[] => {
    const to = host
    return to === undefined ? [] : frames.map((bytes) => ({ host: to, bytes }))
  }
  const { limits, lifecycle, commands } = driver
  const region = [...limits.regions.keys()].find((name) => name === 'ETSI') ?? [...limits.regions.keys()][0] ?? 'ETSI'
  return {
    device: {
      connect(name) {
        host = name
        return []
      },
      receive: (_host, bytes) => say(reader.receive(bytes, systemClock.monoMs())),
      disconnect() {
        host = undefined
      },
      advance() {
        const frames = [...waiting, ...reader.advance(systemClock.monoMs())]
        waiting = []
        return say(frames)
      },
    },
    tags: field.map(identityOf),
    settings: {
      region,
      ...(limits.powerDbm && { powerDbm: limits.powerDbm.max }),
    },
    isPassive: lifecycle.inventory === 'passive',
    hasIdentity: !NAMELESS.has(driver.id) && lifecycle.identify.some((name) => commands.get(name)?.answered),
    restartShows: restartShows(driver),
    disturb(chance) {
      noise = chance
    },
    reboot() {
      waiting = reader.reboot(systemClock.monoMs())
    },
    isRadiating: () => reader.radiating,
  }
}

/** A stream that ends without a word looks like one without tags, unless the reader tells of its start or its age. */
function restartShows({ document, lifecycle }: Driver): Specimen['restartShows'] {
  const { messages, header = [] } = document
  if (lifecycle.inventory !== 'stream' || messages.some(({ role }) => role === 'boot')) return 'at once'
  if (lifecycle.health.length === 0) return 'at once'
  const told = [...messages.flatMap(({ fields = [] }) => fields), ...header]
  return told.some(({ name }) => name === 'upSeconds' || name === 'bootMark') ? 'when asked' : 'never'
}

function identityOf({ epc, pc, band }: TagReport): TagId {
  const tag =
    band === undefined
      ? tagIdFromEpc(epc, pc === undefined ? undefined : Number.parseInt(pc, 16))?.tag
      : numberTag(band, epc)
  if (tag === undefined) throw new Error(`${epc} is no tag`)
  return tag
}

const FIELD = [
  { epc: '3414257BF400000000007531', antenna: 1, rssiDbm: -58 },
  { epc: '3014257BF7194E4000001A85', antenna: 1, rssiDbm: -63 },
]

function llrpSpecimen(random: Random): Specimen {
  const reader = createLlrpReader({ tags: () => FIELD, readsPerSecond: READS_PER_SECOND, random })
  const now = () => ({ monoMs: systemClock.monoMs(), wallMs: systemClock.wallMs() })
  let waiting: readonly DeviceOutput[] = []
  const named = (outputs: ReturnType<typeof reader.advance>): readonly DeviceOutput[] =>
    outputs.map(({ client: host, ...rest }) => ({ host, ...rest }))
  return {
    device: {
      connect: (host) => named(reader.connect(host, now())),
      receive: (host, bytes) => named(reader.receive(host, bytes, now())),
      disconnect: (host) => reader.disconnect(host),
      advance() {
        const outputs = [...waiting, ...named(reader.advance(now()))]
        waiting = []
        return outputs
      },
    },
    tags: FIELD.map(identityOf),
    settings: { region: 'ETSI', powerDbm: 27 },
    isPassive: false,
    hasIdentity: true,
    restartShows: 'at once',
    // TCP carries no noise: what it delivers is what was sent.
    disturb: () => undefined,
    reboot() {
      waiting = named(reader.reboot())
    },
    isRadiating: () => reader.radiating,
  }
}
