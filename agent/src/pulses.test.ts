import { describe, expect, it } from 'vitest'

import type { SourceStatus } from './acquire/source.ts'
import { createMemoryOutbox } from './outbox/memory-outbox.ts'
import type { OutboxStatus } from './outbox/outbox.ts'
import { agentPulses } from './pulses.ts'

const clean: OutboxStatus = createMemoryOutbox({
  gateway: 'gw-0001' as Parameters<typeof createMemoryOutbox>[0]['gateway'],
  clock: { wallMs: () => 0 },
  maxRecords: 400,
}).status()
const quiet: SourceStatus = { state: 'up', detail: '', readings: 0, errors: 0, watchesSilence: true }

function pulsesOf({ outbox = clean, status = quiet, speed = 1 } = {}) {
  const source = { name: 'door', receivers: [], start: async () => {}, stop: async () => {}, status: () => status }
  const pulses = agentPulses({ sources: [source], outbox: () => outbox, rounds: { windows: 0, commits: 0 }, speed })
  return (name: string) => {
    const pulse = pulses.find((each) => each.name === name)
    if (!pulse) throw new Error(`no pulse ${name}`)
    return { ...pulse, excused: pulse.isExcused?.() ?? false }
  }
}

describe('what must move in an agent', () => {
  it('is the store only while records wait for the disk and no fault of it is known', () => {
    const fault = { code: 'OUTBOX_FULL' as const, detail: 'full', next: '', sinceMs: 0 }
    expect(pulsesOf()('store').excused).toBe(true)
    expect(pulsesOf({ outbox: { ...clean, open: 3 } })('store').excused).toBe(false)
    expect(pulsesOf({ outbox: { ...clean, open: 3, fault } })('store').excused).toBe(true)
  })

  it('is a source while it is up and watches its own silence', () => {
    expect(pulsesOf()('source door').excused).toBe(false)
    expect(pulsesOf({ status: { ...quiet, state: 'failed' } })('source door').excused).toBe(true)
    expect(pulsesOf({ status: { ...quiet, watchesSilence: false } })('source door').excused).toBe(true)
  })

  it('takes anything that a source hears, and any attempt to hear, for a sign of life', () => {
    const still = pulsesOf()('source door').mark()
    const reader = { frames: 1, bytesDropped: 0, badChecksum: 0, resyncs: 0, tags: 0, unknownTags: 0, personalTags: 0 }
    expect(pulsesOf()('source door').mark()).toBe(still)
    for (const change of [
      { readings: 1 },
      { errors: 1 },
      { reader: { ...reader, reconnects: 0, restarts: 0 } },
      { strangers: { adverts: { apple: 4 }, devices: 1, evicted: 0 } },
    ]) {
      expect(pulsesOf({ status: { ...quiet, ...change } })('source door').mark()).not.toBe(still)
    }
  })

  it('gives a replay that runs slower than the world longer for its windows', () => {
    expect(pulsesOf()('windows').limitMs).toBe(15_000)
    expect(pulsesOf({ speed: 0.01 })('windows').limitMs).toBe(500_000)
  })
})
