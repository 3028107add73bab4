import { type GatewayId, isGatewayId } from './ids.ts'

/** Every MQTT topic of the product is built and parsed here and nowhere else. */
const ROOT = 'biotrakr/v1'
export const SHARD_COUNT = 64

export type Lane = 'ledger' | 'live' | 'hello' | 'state' | 'ack' | 'config'

/** 32-bit FNV-1a over the UTF-16 code units of an ASCII text (draft-eastlake-fnv, offset basis 2166136261, prime 16777619). */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i)
    hash = Math.imul(hash, 0x01000193)
  }
  return hash >>> 0
}

/** All batches of a gateway go to one shard, so that no two ingesters share a gateway and make each other nack. */
export function shardOf(gateway: GatewayId): number {
  return fnv1a32(gateway) % SHARD_COUNT
}

export const topics = {
  ledger: (gateway: GatewayId) => `${ROOT}/${gateway}/up/ledger/${shardOf(gateway)}`,
  live: (gateway: GatewayId) => `${ROOT}/${gateway}/up/live`,
  hello: (gateway: GatewayId) => `${ROOT}/${gateway}/up/hello`,
  state: (gateway: GatewayId) => `${ROOT}/${gateway}/up/state`,
  ack: (gateway: GatewayId) => `${ROOT}/${gateway}/down/ack`,
  config: (gateway: GatewayId) => `${ROOT}/${gateway}/down/config`,
} as const

/** Subscription filters of the centre. */
export const filters = {
  ledger: `${ROOT}/+/up/ledger/#`,
  /** One shard: several ingesters have leases on shards, so that no two of them share a gateway. */
  ledgerShard: (shard: number) => `${ROOT}/+/up/ledger/${shard}`,
  hello: `${ROOT}/+/up/hello`,
  sharedHello: `$share/ingest/${ROOT}/+/up/hello`,
  state: `${ROOT}/+/up/state`,
  live: `${ROOT}/+/up/live`,
} as const

/** Topic patterns for a broker's access list; `%u` is the broker-verified user name. */
export const aclPatterns = {
  gatewayWrite: `${ROOT}/%u/up/#`,
  gatewayRead: `${ROOT}/%u/down/#`,
  centreRead: `${ROOT}/+/up/#`,
  centreWrite: `${ROOT}/+/down/#`,
  /** The topics an agent publishes on, one by one: nothing else can be filled with retained messages. */
  gatewayWrites: ['up/ledger/+', 'up/live', 'up/hello', 'up/state'].map((tail) => `${ROOT}/%u/${tail}`),
} as const

export interface ParsedTopic {
  readonly gateway: GatewayId
  readonly lane: Lane
}

const LANES: Readonly<Record<string, Lane>> = {
  'up/live': 'live',
  'up/hello': 'hello',
  'up/state': 'state',
  'down/ack': 'ack',
  'down/config': 'config',
}

/**
 * Reads a topic back. Depth, gateway form and shard are all checked: a gateway whose name carried a slash would
 * otherwise reach into another's tree.
 * @returns undefined for anything that `topics` would not have built
 */
export function parseTopic(topic: string): ParsedTopic | undefined {
  if (!topic.startsWith(`${ROOT}/`)) return undefined
  const [gateway, direction, lane, shard, ...rest] = topic.slice(ROOT.length + 1).split('/')
  if (gateway === undefined || !isGatewayId(gateway) || rest.length > 0) return undefined
  if (direction === 'up' && lane === 'ledger') {
    return shard === String(shardOf(gateway)) ? { gateway, lane: 'ledger' } : undefined
  }
  const known = shard === undefined ? LANES[`${direction}/${lane}`] : undefined
  return known && { gateway, lane: known }
}
