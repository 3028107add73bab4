import { type GatewayId, topics } from '@biotrakr/shared'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { createTestCentre, eventMessage, FOREIGN_TAG, OWN_TAGS, type TestCentre } from './test-centre.ts'
import { openStream, type StreamEvent } from './test-stream.ts'

const [PUMP = '', , , EPC = ''] = OWN_TAGS

describe.skipIf(skipWithoutMosquitto)('presses through a real mosquitto (skipped where none is found)', () => {
  let centre: TestCentre

  beforeAll(async () => {
    centre = await createTestCentre()
  })
  afterAll(() => centre.stop())

  it('are told of at once, in its room or without one', async () => {
    const stream = await openStream(centre.server.url)
    await stream.until(({ event }) => event === 'positions')
    const atMs = Date.now()
    await centre.raise('gw-marlow', { tag: PUMP, room: 'R10', value: 41, atMs })
    await centre.raise('gw-marlow', { tag: EPC, room: null, event: 'tamper', atMs })
    const isOf = (tag: string) => (event: StreamEvent) =>
      event.event === 'alarms' && event.data.rows?.some((row) => (row as unknown[])[1] === tag) === true
    const [pump, epc] = [await stream.until(isOf(PUMP)), await stream.until(isOf(EPC))]
    expect(pump.data.rows).toEqual([[expect.any(String), PUMP, 'button', 41, 'R10', atMs, '4-east']])
    expect(epc.data.rows).toEqual([[expect.any(String), EPC, 'tamper', 0, null, atMs, '4-east']])
    stream.close()
  })

  it('are told to nobody of another hospital', async () => {
    const stream = await openStream(centre.server.url)
    await stream.until(({ event }) => event === 'positions')
    await centre.raise('gw-other', { tag: PUMP, room: 'R1', value: 66 }, { tag: FOREIGN_TAG, room: 'R1', value: 66 })
    await centre.raise('gw-marlow', { tag: FOREIGN_TAG, room: 'R1', value: 66 })
    const message = eventMessage('gw-other', [{ tag: PUMP, room: 'R1', value: 66 }])
    await centre.publish(topics.live('gw-marlow' as GatewayId), message)
    await centre.raise('gw-marlow', { tag: PUMP, room: 'Their room', value: 67 })
    const values = () =>
      stream.events.filter(({ event }) => event === 'alarms').flatMap(({ data }) => data.rows as unknown as unknown[][])
    await stream.until(() => values().some((row) => row[3] === 67))
    expect(values().filter((row) => row[3] === 66 || row[1] === FOREIGN_TAG)).toEqual([])
    expect(values().find((row) => row[3] === 67)).toMatchObject({ 1: PUMP, 4: null })
    const metrics = await (await fetch(`${centre.server.url}/metrics`)).text()
    expect(metrics).toContain('live_events_total{result="unknownTag"} 1\n')
    expect(metrics).toContain('live_events_total{result="unknownRoom"} 1\n')
    stream.close()
  })
})
