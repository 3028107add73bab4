import type { ReceiverId, TagId } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { advisePower, type PowerStep, tryPower } from '../power-survey.ts'
import { systemClock } from '../system-clock.ts'
import { createLlrpDevice } from './simulate-device.ts'
import { listenTcp } from './simulate-wire.ts'

const [BED, PUMP] = ['3414257BF400000000007531', '3014257BF7194E4000001A85']
const reference = 'epc:urn:epc:id:giai:0614141.30001' as TagId
const neighbour = 'epc:urn:epc:id:sgtin:0614141.812345.6789' as TagId
const [own, next] = ['bed/1' as ReceiverId, 'bed/2' as ReceiverId]

describe('a survey of power with a simulated reader over TCP', () => {
  it('finds where the zone begins to be read, and where its neighbours do', async () => {
    const field = [
      { epc: BED, antenna: 1, rssiDbm: -60, needsDbm: 15 },
      { epc: BED, antenna: 2, rssiDbm: -70, needsDbm: 24 },
      { epc: PUMP, antenna: 1, rssiDbm: -70, needsDbm: 22 },
    ]
    const options = { readsPerSecond: 200, noise: 0, clock: systemClock, random: Math.random, tags: () => field }
    const wire = await listenTcp(createLlrpDevice(options), { host: '127.0.0.1', port: 0 }, systemClock)
    const reader = {
      kind: 'reader' as const,
      name: 'bed',
      address: wire.address,
      profile: 'llrp',
      region: 'ETSI',
      allowUnstablePath: false,
      antennas: { 1: own, 2: next },
    }
    const steps: PowerStep[] = []
    for (const powerDbm of [12, 18, 20, 27]) {
      const trial = { reader, receiver: own, reference, neighbours: [neighbour], powerDbm, measureMs: 700 }
      steps.push(await tryPower({ ...trial, clock: systemClock }))
    }
    await wire.stop()
    expect(steps.map(({ reads }) => reads > 0)).toEqual([false, true, true, true])
    expect(steps.map(({ spill }) => spill.length)).toEqual([0, 0, 0, 2])
    expect(steps[3]?.spill.map(({ tag, receiver }) => [tag, receiver])).toEqual(
      expect.arrayContaining([
        [neighbour, own],
        [reference, next],
      ]),
    )
    expect(advisePower(steps)).toMatchObject({ powerDbm: 20, spills: false })
  }, 60_000)
})
