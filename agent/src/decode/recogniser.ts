import { bleTag, type Random, type TagId, type Telemetry } from '@biotrakr/shared'

import { classOf } from './advert.ts'
import type { Aes, BlockCipher } from './aes.ts'
import { hex } from './bytes.ts'
import { createEphemeralIds, type EphemeralBeacon } from './ephemeral-id.ts'
import type { Frame, Secrets } from './frame.ts'
import { identityOf } from './identity.ts'
import { decodePayload, type Payload } from './payload.ts'
import { irkCiphers, isPrivate, isResolvable, resolves } from './resolvable-address.ts'
import { isUrgent, telemetryOf } from './said.ts'
import { createUnknownDevices, type UnknownCounts } from './unknown-devices.ts'

export interface RecogniserOptions {
  /** The site's tags, by beacon identity or address. */
  readonly allow: { has(tag: TagId): boolean }
  /** Devices with a changing address, by their identity resolving key of 16 bytes in either byte order. */
  readonly irks?: readonly { readonly tag: TagId; readonly irk: Uint8Array }[]
  readonly ephemeral?: readonly EphemeralBeacon[]
  /** BTHome bind keys of 16 bytes. */
  readonly bindKeys?: ReadonlyMap<TagId, Uint8Array>
  readonly aes: Aes
  /** Makes the secret that keeps unknown devices unknown. */
  readonly random: Random
}

/** One report of a radio. */
interface HeardAdvert {
  /** Six bytes, most significant first. */
  readonly address: Uint8Array
  readonly addressType: 'public' | 'random'
  /** AdvData without PDU header. */
  readonly payload: Uint8Array
}

type Recognition =
  | {
      readonly tag: TagId
      /** By what it was known; `learned`: the address had named itself in another frame a short while ago. */
      readonly by: 'beacon' | 'address' | 'irk' | 'learned'
      /** Format of the first frame, or whose traffic it is. */
      readonly format: string
      readonly telemetry?: Telemetry
      /** A press or an opened case: past every limit, at once. */
      readonly urgent: boolean
    }
  | { readonly unknown: string }

export interface Recogniser {
  /** Never throws, whatever the bytes. `nowMs`: wall or event time, milliseconds. */
  recognise(advert: HeardAdvert, nowMs: number): Recognition
  /** What was heard of everybody else, as numbers. */
  unknown(): UnknownCounts
  /** All that is remembered, for a dump: own tags by name, everybody else as numbers that lead back to no address. */
  state(): RecogniserState
}

interface RecogniserState {
  readonly learned: readonly { readonly address: string; readonly tag: TagId; readonly by: string }[]
  readonly unknown: UnknownCounts
  readonly unknownMarks: readonly number[]
}

/** Addresses of own tags remembered at most; the longest silent makes room. */
const MAX_LEARNED = 4_096
/** A changing address may pass to nobody else for this long; a lasting one keeps its name longer. */
const CHANGING_TTL_MS = 960_000
const LASTING_TTL_MS = 3_600_000

interface Learned {
  readonly tag: TagId
  readonly by: 'beacon' | 'irk'
  readonly untilMs: number
}

interface Parts {
  readonly options: RecogniserOptions
  readonly irks: readonly { readonly tag: TagId; readonly ciphers: readonly BlockCipher[] }[]
  readonly ephemeral: ReturnType<typeof createEphemeralIds>
  readonly unknown: ReturnType<typeof createUnknownDevices>
  /** Own tags by their present address. */
  readonly learned: Map<number, Learned>
}

/** Who an advert is from: a tag of the site, or a class and nothing more. */
export function createRecogniser(options: RecogniserOptions): Recogniser {
  const { aes, irks = [], ephemeral = [], random } = options
  const parts: Parts = {
    options,
    irks: irks.map(({ tag, irk }) => ({ tag, ciphers: irkCiphers(aes, irk) })),
    ephemeral: createEphemeralIds(aes, ephemeral),
    unknown: createUnknownDevices([word(random), word(random)]),
    learned: new Map(),
  }
  return {
    recognise: (advert, nowMs) => recognise(parts, advert, nowMs),
    unknown: () => parts.unknown.counts(),
    state: () => ({
      learned: Array.from(parts.learned, ([key, { tag, by }]) => ({
        address: key.toString(16).padStart(12, '0'),
        tag,
        by,
      })),
      unknown: parts.unknown.counts(),
      unknownMarks: parts.unknown.marks(),
    }),
  }
}

function word(random: Random): number {
  return Math.floor(random() * 0x1_0000_0000)
}

interface Hearing {
  readonly advert: HeardAdvert
  /** The address as a number. */
  readonly key: number
  readonly changing: boolean
  readonly nowMs: number
}

function recognise(parts: Parts, advert: HeardAdvert, nowMs: number): Recognition {
  const { address, addressType, payload } = advert
  const changing = addressType === 'random' && isPrivate(address)
  const hearing: Hearing = { advert, key: addressNumber(address), changing, nowMs }
  const decoded = decodePayload(payload)
  const known = byBeacon(parts, hearing, decoded) ?? byAddress(parts, hearing)
  if (known === undefined) {
    const kind = classOf(decoded)
    parts.unknown.add({ address: hearing.key, isPrivate: changing, class: kind }, nowMs)
    return { unknown: kind }
  }
  const frames = opened(parts, hearing, { tag: known.tag, decoded })
  const telemetry = together(frames)
  const base = { ...known, format: frames[0]?.format ?? classOf(decoded) }
  return telemetry === undefined ? { ...base, urgent: false } : { ...base, telemetry, urgent: isUrgent(telemetry) }
}

type Known = Pick<Extract<Recognition, { tag: TagId }>, 'tag' | 'by'>

function byBeacon(parts: Parts, hearing: Hearing, { frames }: Payload): Known | undefined {
  for (const frame of frames) {
    const tag = namedBy(parts, frame, hearing.nowMs)
    if (tag === undefined) continue
    learn(parts, hearing, { tag, by: 'beacon' })
    return { tag, by: 'beacon' }
  }
  return undefined
}

function namedBy({ options, ephemeral }: Parts, frame: Frame, nowMs: number): TagId | undefined {
  if (frame.format === 'eddystone-eid') return ephemeral.tagOf(frame.fields.eid ?? '', nowMs)
  const tag = identityOf(frame)
  return tag !== undefined && options.allow.has(tag) ? tag : undefined
}

function byAddress(parts: Parts, hearing: Hearing): Known | undefined {
  const { address } = hearing.advert
  const tag = bleTag(hex(address, 0, 6))
  if (tag !== undefined && parts.options.allow.has(tag)) return { tag, by: 'address' }
  const learned = parts.learned.get(hearing.key)
  if (learned !== undefined) {
    if (learned.untilMs > hearing.nowMs) return { tag: learned.tag, by: learned.by === 'irk' ? 'irk' : 'learned' }
    parts.learned.delete(hearing.key)
  }
  return byKey(parts, hearing)
}

/** Every key is tried once per address: afterwards it is among the learned or among the unknown. */
function byKey(parts: Parts, hearing: Hearing): Known | undefined {
  const { address, addressType } = hearing.advert
  if (parts.irks.length === 0 || addressType !== 'random' || !isResolvable(address)) return undefined
  if (parts.unknown.knows(hearing.key, hearing.nowMs)) return undefined
  for (const { tag, ciphers } of parts.irks) {
    if (!ciphers.some((cipher) => resolves(cipher, address))) continue
    learn(parts, hearing, { tag, by: 'irk' })
    return { tag, by: 'irk' }
  }
  return undefined
}

function learn({ learned, unknown }: Parts, { key, changing, nowMs }: Hearing, who: Pick<Learned, 'tag' | 'by'>): void {
  if (!learned.delete(key)) unknown.forget(key)
  if (learned.size >= MAX_LEARNED) {
    for (const oldest of learned.keys()) {
      learned.delete(oldest)
      break
    }
  }
  learned.set(key, { ...who, untilMs: nowMs + (changing ? CHANGING_TTL_MS : LASTING_TTL_MS) })
}

/** The frames of a known tag, encrypted ones opened where its key is known. */
function opened(
  { options, ephemeral }: Parts,
  { advert, nowMs }: Hearing,
  { tag, decoded }: { readonly tag: TagId; readonly decoded: Payload },
): readonly Frame[] {
  const bindKey = options.bindKeys?.get(tag)
  const sealed = decoded.frames.some(({ fields }) => fields.sealed === true || fields.etlm !== undefined)
  if (!sealed) return decoded.frames
  const secrets: Secrets = { aes: options.aes, address: advert.address, ...(bindKey && { bindKey }) }
  return decodePayload(advert.payload, secrets).frames.map((frame) =>
    frame.format === 'eddystone-etlm' ? (ephemeral.open(tag, frame, nowMs) ?? frame) : frame,
  )
}

function together(frames: readonly Frame[]): Telemetry | undefined {
  let whole: Telemetry | undefined
  for (const frame of frames) {
    const said = telemetryOf(frame)
    if (said !== undefined) whole = whole === undefined ? said : { ...whole, ...said }
  }
  return whole
}

function addressNumber(address: Uint8Array): number {
  let value = 0
  for (let index = 0; index < 6; index++) value = value * 256 + (address[index] ?? 0)
  return value
}
