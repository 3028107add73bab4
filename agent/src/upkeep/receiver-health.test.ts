import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { ReceiverWatch } from './receiver-health.ts'

const [near, far] = ['near', 'far'] as ReceiverId[] as [ReceiverId, ReceiverId]

function reading(receiver: ReceiverId, rssiDbm?: number): Reading {
  return {
    tag: 'ble:c30000123456' as TagId,
    receiver,
    atMs: 0,
    medium: 'BLE',
    ...(rssiDbm !== undefined && { rssiDbm }),
  }
}

describe('the receiver watch', () => {
  it('tells a receiver that was never heard from one that has gone silent', () => {
    const watch = new ReceiverWatch([near, far])
    watch.heard(reading(near, -60))
    expect(watch.report(60_000).map(({ state }) => state)).toEqual(['up', 'down'])
    expect(watch.report(120_000).map(({ state }) => state)).toEqual(['silent', 'down'])
  })

  it('counts readings and impossible signal strengths apart, each report from zero', () => {
    const watch = new ReceiverWatch([near])
    for (const rssi of [-60, 127, 4, -128, undefined]) watch.heard(reading(near, rssi))
    expect(watch.report(1)[0]).toEqual({ kind: 'health', receiver: near, state: 'up', readings: 2, errors: 3, atMs: 1 })
    expect(watch.report(2)[0]).toMatchObject({ readings: 0, errors: 0 })
  })

  it('does not grow for receivers the site map lacks', () => {
    const watch = new ReceiverWatch([near])
    for (let i = 0; i < 1000; i++) watch.heard(reading(`stranger-${i}` as ReceiverId, -60))
    expect(watch.unmapped).toBe(1000)
    expect(watch.report(1)).toHaveLength(1)
  })
})
