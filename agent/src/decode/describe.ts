import type { TagEventKind, TagId } from '@biotrakr/shared'

import type { Aes } from './aes.ts'
import { hex } from './bytes.ts'
import type { Fields, Frame } from './frame.ts'
import { identityOf } from './identity.ts'
import type { Noise } from './noise.ts'
import { decodePayload, OVERRUN, type Payload } from './payload.ts'
import { addressHash, irkCiphers, isResolvable, resolves } from './resolvable-address.ts'
import { eventsOf, telemetryOf } from './said.ts'

export interface DescribeOptions {
  readonly aes: Aes
  /** The sender's address, six bytes, most significant first: part of what an encrypted payload is opened with. */
  readonly address?: Uint8Array
  /** 16 bytes. */
  readonly key?: Uint8Array
  /** Identity resolving key of 16 bytes, in either byte order, to try on the address. */
  readonly irk?: Uint8Array
}

type Values = Fields | Readonly<Record<string, string | number | boolean | null>>

/** One payload for a person or a program to read. */
export interface Description {
  /** Null: nothing was decoded, and `why` says why. */
  readonly format: string | null
  readonly why?: string
  readonly identity?: TagId
  readonly fields?: Values
  readonly events?: readonly { readonly event: TagEventKind; readonly value: number }[]
  /** What else the payload holds. */
  readonly more?: readonly Description[]
  readonly rpa?: { readonly resolves: boolean; readonly hash: string }
}

/** Everything an advert says, whoever sent it. Never throws, whatever the bytes. */
export function describeAdvert(bytes: Uint8Array, options: DescribeOptions): Description {
  const rpa = resolution(options)
  if (bytes.length === 0 && rpa !== undefined) return { format: 'rpa', fields: rpa }
  const { aes, address, key } = options
  const payload = decodePayload(bytes, { aes, ...(address && { address }), ...(key && { bindKey: key }) })
  const [first, ...more] = payload.frames.map(describeFrame).sort(namedFirst)
  const whole = first ?? describeRest(payload)
  return { ...whole, ...(more.length > 0 && { more }), ...(rpa && { rpa }) }
}

function resolution({ aes, address, irk }: DescribeOptions): { resolves: boolean; hash: string } | undefined {
  if (address === undefined || irk === undefined) return undefined
  const ciphers = irkCiphers(aes, irk)
  const found = isResolvable(address) && ciphers.find((cipher) => resolves(cipher, address))
  const shown = found || ciphers[0]
  return {
    resolves: found !== false && found !== undefined,
    hash: shown ? hex(addressHash(shown, address), 13, 16) : '',
  }
}

function describeFrame(frame: Frame): Description {
  const identity = identityOf(frame)
  const telemetry = telemetryOf(frame)
  const events = telemetry === undefined ? [] : eventsOf(telemetry)
  return {
    format: frame.format,
    ...(identity && { identity }),
    fields: frame.fields,
    ...(events.length > 0 && { events }),
  }
}

function namedFirst(a: Description, b: Description): number {
  return Number(b.identity !== undefined) - Number(a.identity !== undefined)
}

function describeRest({ noise, broken, elements }: Payload): Description {
  if (noise !== undefined) return describeNoise(noise)
  const error = broken === OVERRUN ? 'overrun' : null
  const why = broken ?? (elements === 0 ? 'empty' : 'no format that is known')
  // A structure that breaks its own format is named: there is none.
  const claimed = broken !== undefined && error === null ? { [nameOf(broken)]: null } : {}
  return { format: null, why, fields: { elements, error, ...claimed } }
}

function nameOf(broken: string): string {
  return broken.slice(0, Math.max(0, broken.indexOf(' '))).toLowerCase()
}

function describeNoise({ format, kind, status }: Noise): Description {
  return { format, fields: { noise: true, kind, ...(status !== undefined && { status }) } }
}
