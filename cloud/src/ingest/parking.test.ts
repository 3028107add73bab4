import { type Epoch, formatEpoch, type GatewayId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createParking, type Early } from './parking.ts'
import { createTestClock } from './test-clock.ts'

const A = 'gw-a' as GatewayId
const B = 'gw-b' as GatewayId
const EPOCH: Epoch = { counter: 1, nonce: '00000000000000aa' }
const early = (first: number, last: number, gateway = A): Early => ({
  gateway,
  epoch: EPOCH,
  first,
  last,
  bytes: new Uint8Array(10),
  atMs: 0,
})

function create(limits = { holdMs: 100, perGateway: 3, bytes: 1_000 }) {
  const clock = createTestClock()
  const expired: string[] = []
  const onExpired = (gateway: GatewayId, epoch: Epoch, hw: number) => {
    expired.push(`${gateway} ${formatEpoch(epoch)} ${hw}`)
  }
  return { clock, expired, parking: createParking(clock, limits, { onExpired }) }
}

describe('parking of early batches', () => {
  it('gives back a whole chain when its beginning is committed, and keeps what is beyond a hole', () => {
    const { parking, clock, expired } = create()
    parking.hold(early(7, 9), 2)
    parking.hold(early(4, 6), 2)
    parking.hold(early(20, 21), 2)
    expect(parking.release(A, EPOCH, 3).map(({ first }) => first)).toEqual([4, 7])
    expect(parking.size()).toBe(1)
    clock.pass(100)
    expect(expired).toEqual(['gw-a 1-00000000000000aa 3'])
    expect(parking.size()).toBe(0)
  })

  it('says once for all batches of an epoch that the wait was in vain', () => {
    const { parking, clock, expired } = create()
    parking.hold(early(5, 6), 2)
    parking.hold(early(7, 8), 2)
    clock.pass(99)
    expect(expired).toEqual([])
    clock.pass(1)
    expect(expired).toEqual(['gw-a 1-00000000000000aa 2'])
    clock.pass(1_000)
    expect(expired).toHaveLength(1)
  })

  it('does not say so for what was given back in time', () => {
    const { parking, clock, expired } = create()
    parking.hold(early(5, 6), 2)
    expect(parking.release(A, EPOCH, 4)).toHaveLength(1)
    expect(parking.release(A, EPOCH, 6)).toEqual([])
    clock.pass(1_000)
    expect(expired).toEqual([])
  })

  it('has a bound for each gateway and one in bytes, and takes a repeated batch only once', () => {
    const { parking } = create({ holdMs: 100, perGateway: 2, bytes: 35 })
    expect([parking.hold(early(5, 6), 2), parking.hold(early(5, 6), 2)]).toEqual([true, true])
    expect(parking.size()).toBe(1)
    expect([parking.hold(early(7, 8), 2), parking.hold(early(9, 9), 2)]).toEqual([true, false])
    expect([parking.hold(early(5, 6, B), 2), parking.hold(early(7, 8, B), 2)]).toEqual([true, false])
    parking.stop()
    expect(parking.size()).toBe(0)
    expect(parking.hold(early(9, 9), 2)).toBe(true)
  })
})
