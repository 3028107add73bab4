import type { TagId } from '@biotrakr/shared'

import { identityOf } from './identity.ts'
import { decodePayload, type Payload } from './payload.ts'

/**
 * What one advert is, for counting: a beacon with an identity, or a class. Numbers of each class are kept, devices never.
 * A class is whose traffic it is (`apple`, `microsoft`, `google`, `exposure`), the format of a frame without identity,
 * `other` or `empty`.
 */
export type AdvertVerdict =
  | { readonly kind: 'identity'; readonly tag: TagId }
  | { readonly kind: 'class'; readonly class: string }
  | { readonly kind: 'malformed'; readonly why: string }

/** Never throws, whatever the bytes. @param bytes AdvData without PDU header, as from the radio */
export function decodeAdvert(bytes: Uint8Array): AdvertVerdict {
  const payload = decodePayload(bytes)
  for (const frame of payload.frames) {
    const tag = identityOf(frame)
    if (tag !== undefined) return { kind: 'identity', tag }
  }
  if (payload.broken !== undefined && payload.frames.length === 0) return { kind: 'malformed', why: payload.broken }
  const known = classOf(payload)
  return { kind: 'class', class: known === 'apple-findmy' ? 'apple' : known }
}

/** A decoded frame says more than whose traffic it stands beside; anything says more than nothing. */
export function classOf({ frames, noise, broken, elements }: Payload): string {
  const [frame] = frames
  if (frame !== undefined) return frame.format
  if (noise !== undefined) return noise.class
  if (broken !== undefined) return 'malformed'
  return elements === 0 ? 'empty' : 'other'
}
