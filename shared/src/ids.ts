/**
 * Branded identities. A brand costs nothing at run time and keeps a room name from being passed where a tag is meant.
 */
type Brand<T, Name extends string> = T & { readonly __brand: Name }

/** Canonical tag identity, for example `ble:c30000123456` or `epc:urn:epc:id:giai:4012345.6` (see tag-identity.ts). */
export type TagId = Brand<string, 'TagId'>
/** Room code as the site map names it, 1-64 characters. */
export type RoomId = Brand<string, 'RoomId'>
/** One antenna of a reader, or one BLE adapter, as the site map names it, 1-64 characters. */
export type ReceiverId = Brand<string, 'ReceiverId'>
/** Gateway name; also its certificate name, broker user and topic segment. */
export type GatewayId = Brand<string, 'GatewayId'>

/**
 * The form every gateway id must have. `/`, `+` and `#` would leave the gateway's own topic tree, so they are refused
 * here, by the CA and again by the ingester.
 */
const GATEWAY_PATTERN = /^[a-z0-9][a-z0-9-]{2,62}$/

/** Broker users of the centre's own processes: a gateway of such a name would have their rights. */
const RESERVED = new Set(['ingester', 'serve'])

export function isGatewayId(text: string): text is GatewayId {
  return GATEWAY_PATTERN.test(text) && !RESERVED.has(text)
}

/** A name of a room or receiver: printable, trimmed, at most 64 characters. */
export function isName(text: string): boolean {
  return text.length > 0 && text.length <= 64 && text.trim() === text && !/[\p{Cc}\p{Cs}]/u.test(text)
}

/** True for a room code fit for a site map, a fix and the wire. */
export function isRoomId(text: string): text is RoomId {
  return isName(text)
}

/** True for a receiver name fit for a site map and the wire. */
export function isReceiverId(text: string): text is ReceiverId {
  return isName(text)
}
