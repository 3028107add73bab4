import type { GatewayId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { type Arrival, createIntake } from './intake.ts'

const arrival = (gateway: string, size = 10, atMs = 0): Arrival => ({
  gateway: gateway as GatewayId,
  bytes: new Uint8Array(size),
  atMs,
})

describe('the intake', () => {
  it('gives batches out in the order in which they came', () => {
    const intake = createIntake({ batches: 5_000, bytes: 1e9, perGateway: 5_000 })
    for (let i = 0; i < 3_000; i++) intake.offer(arrival('gw-a', 1, i))
    const times = Array.from({ length: 3_000 }, () => intake.next()?.atMs)
    expect(times).toEqual(Array.from({ length: 3_000 }, (_, i) => i))
    expect(intake.next()).toBeUndefined()
    expect(intake.waiting()).toEqual({ batches: 0, bytes: 0 })
  })

  it('drops and counts what is beyond its number, its bytes or the share of one gateway', () => {
    const byNumber = createIntake({ batches: 2, bytes: 1_000, perGateway: 10 })
    for (let i = 0; i < 5; i++) byNumber.offer(arrival('gw-a'))
    expect([byNumber.waiting().batches, byNumber.dropped()]).toEqual([2, 3])
    const byBytes = createIntake({ batches: 100, bytes: 100, perGateway: 100 })
    for (let i = 0; i < 5; i++) byBytes.offer(arrival('gw-a', 60))
    expect([byBytes.waiting().batches, byBytes.dropped()]).toEqual([2, 3])
    const byGateway = createIntake({ batches: 100, bytes: 1_000, perGateway: 2 })
    for (let i = 0; i < 3; i++) byGateway.offer(arrival('gw-a'))
    byGateway.offer(arrival('gw-b'))
    expect([byGateway.waiting().batches, byGateway.dropped()]).toEqual([3, 1])
    byGateway.next()
    byGateway.offer(arrival('gw-a'))
    expect(byGateway.dropped()).toBe(1)
  })

  it('tells whoever waits for room as soon as there is some, once', () => {
    const intake = createIntake({ batches: 1, bytes: 1_000, perGateway: 10 })
    let told = 0
    intake.whenRoom(() => told++)
    expect(told).toBe(1)
    intake.offer(arrival('gw-a'))
    expect(intake.hasRoom()).toBe(false)
    intake.whenRoom(() => told++)
    expect(told).toBe(1)
    intake.next()
    intake.next()
    expect(told).toBe(2)
  })
})
