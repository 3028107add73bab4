import { filters, type GatewayId, topics } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { brokerUsers, covers } from './access.ts'

const password = { file: '', text: 'x' }
const ward = 'ward-1' as GatewayId
const other = 'ward-2' as GatewayId
const users = Object.values(brokerUsers(ward, { gateway: password, ingester: password, serve: password }))

function may(name: string, action: 'read' | 'write', topic: string): boolean {
  return users.find((user) => user.name === name)?.[action].some((pattern) => covers(pattern, topic)) ?? false
}

describe('broker access', () => {
  it('lets a gateway write its own lanes and read its own answers, and nothing of another', () => {
    expect(may(ward, 'write', topics.ledger(ward))).toBe(true)
    expect(may(ward, 'write', topics.live(ward))).toBe(true)
    expect(may(ward, 'read', topics.ack(ward))).toBe(true)
    expect(may(ward, 'write', topics.ledger(other))).toBe(false)
    expect(may(ward, 'read', topics.ack(other))).toBe(false)
    expect(may(ward, 'read', filters.ledger)).toBe(false)
    expect(may(ward, 'write', topics.ack(ward))).toBe(false)
  })

  it('lets the ingester read every lane and answer every gateway', () => {
    expect(may('ingester', 'read', filters.ledger)).toBe(true)
    expect(may('ingester', 'read', filters.hello)).toBe(true)
    expect(may('ingester', 'write', topics.ack(other))).toBe(true)
    expect(may('ingester', 'write', topics.ledger(ward))).toBe(false)
  })

  it('lets the server read positions and states only', () => {
    expect(may('serve', 'read', filters.live)).toBe(true)
    expect(may('serve', 'read', filters.state)).toBe(true)
    expect(may('serve', 'read', filters.ledger)).toBe(false)
    expect(may('serve', 'write', topics.ack(ward))).toBe(false)
  })

  it('never takes a wider filter for a narrower one', () => {
    expect(covers('a/+/c', 'a/b/c')).toBe(true)
    expect(covers('a/+/c', 'a/+/c')).toBe(true)
    expect(covers('a/b', 'a/+')).toBe(false)
    expect(covers('a/+', 'a/#')).toBe(false)
    expect(covers('a/b', 'a/b/#')).toBe(false)
    expect(covers('a/b', 'a')).toBe(false)
    expect(covers('a/#', 'a/b/c')).toBe(true)
    expect(covers('a/#', '#')).toBe(false)
  })
})
