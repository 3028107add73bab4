import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type GatewayId, isGatewayId } from './ids.ts'
import { aclPatterns, filters, fnv1a32, type Lane, parseTopic, SHARD_COUNT, shardOf, topics } from './topics.ts'

const gateway = fc.stringMatching(/^[a-z0-9][a-z0-9-]{2,62}$/).map((text) => text as GatewayId)
const lanes = Object.keys(topics) as Lane[]
const ward = 'ward-3' as GatewayId

/** As a broker matches, MQTT 5 section 4.7. */
function matches(filter: string, topic: string): boolean {
  const wanted = filter.replace(/^\$share\/[^/]+\//, '').split('/')
  const levels = topic.split('/')
  const end = wanted.indexOf('#')
  if (end < 0 && wanted.length !== levels.length) return false
  return wanted.slice(0, end < 0 ? undefined : end).every((level, i) => level === '+' || level === levels[i])
}

describe('topics', () => {
  it('are read back to the gateway and lane that they were built for', () => {
    fc.assert(
      fc.property(gateway, fc.constantFrom(...lanes), (id, lane) => {
        expect(parseTopic(topics[lane](id))).toEqual({ gateway: id, lane })
      }),
    )
  })

  it('match the filters of the centre, and no filter of another lane', () => {
    const owners = [
      ['ledger', filters.ledger],
      ['ledger', filters.ledgerShard(shardOf(ward))],
      ['hello', filters.hello],
      ['hello', filters.sharedHello],
      ['state', filters.state],
      ['live', filters.live],
    ] as const
    for (const [owner, filter] of owners) {
      expect(lanes.filter((lane) => matches(filter, topics[lane](ward)))).toEqual([owner])
    }
  })

  it('are divided by the access list into what a gateway says and what it is told', () => {
    const own = (pattern: string) => pattern.replace('%u', ward)
    const under = (pattern: string) => lanes.filter((lane) => matches(own(pattern), topics[lane](ward)))
    expect(under(aclPatterns.gatewayWrite)).toEqual(['ledger', 'live', 'hello', 'state'])
    expect(under(aclPatterns.gatewayRead)).toEqual(['ack', 'config'])
    expect(under(aclPatterns.centreRead)).toEqual(under(aclPatterns.gatewayWrite))
    expect(under(aclPatterns.centreWrite)).toEqual(under(aclPatterns.gatewayRead))
    expect(matches(own(aclPatterns.gatewayWrite), topics.live('ward-4' as GatewayId))).toBe(false)
  })
})

describe('parseTopic', () => {
  const shard = shardOf(ward)
  it.each([
    '',
    '/',
    'biotrakr/v1',
    'biotrakr/v1/',
    'biotrakr/v1/ward-3',
    'biotrakr/v1/ward-3/up',
    'biotrakr/v1/ward-3/up/',
    'biotrakr/v1/ward-3/up/live/',
    'biotrakr/v1/ward-3/up/live/0',
    'biotrakr/v1/ward-3/down/live',
    'biotrakr/v1/ward-3/up/ack',
    'biotrakr/v1/ward-3/up/constructor',
    'biotrakr/v1/ward-3/up/ledger',
    `biotrakr/v1/ward-3/up/ledger/${(shard + 1) % SHARD_COUNT}`,
    `biotrakr/v1/ward-3/up/ledger/0${shard}`,
    `biotrakr/v1/ward-3/up/ledger/${shard}/`,
    `biotrakr/v1/ward-3/up/ledger/${shard}/more`,
    `biotrakr/v1/ward-3/down/ledger/${shard}`,
    `/biotrakr/v1/ward-3/up/ledger/${shard}`,
    `biotrakr/v2/ward-3/up/ledger/${shard}`,
    'biotrakr/v1/ward/3/up/live',
    'biotrakr/v1/+/up/live',
    'biotrakr/v1/#',
    'biotrakr/v1//up/live',
    'biotrakr/v1/Ward-3/up/live',
    'biotrakr/v1/ward-3\u0000/up/live',
    '$share/ingest/biotrakr/v1/ward-3/up/live',
  ])('refuses %j', (topic) => {
    expect(parseTopic(topic)).toBeUndefined()
  })

  it('takes nothing but what topics would have built', () => {
    const level = fc.constantFrom('biotrakr', 'v1', 'ward-3', 'up', 'down', 'live', 'ledger', String(shard), '+', '')
    fc.assert(
      fc.property(fc.array(level, { maxLength: 8 }), (levels) => {
        const parsed = parseTopic(levels.join('/'))
        if (parsed) expect(topics[parsed.lane](parsed.gateway)).toBe(levels.join('/'))
      }),
    )
  })
})

describe('shardOf', () => {
  it('is the published FNV-1a, so that every side and every version finds the same shard', () => {
    expect([fnv1a32(''), fnv1a32('a'), fnv1a32('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968])
    expect(shardOf('foo' as GatewayId)).toBe(0xa9f37ed7 % SHARD_COUNT)
  })

  it('lies in range and spreads gateways over all shards', () => {
    const used = new Set(Array.from({ length: 2000 }, (_, i) => shardOf(`gw-${i}` as GatewayId)))
    expect(isGatewayId('gw-0')).toBe(true)
    expect(used.size).toBe(SHARD_COUNT)
    expect(Math.max(...used)).toBe(SHARD_COUNT - 1)
  })
})
