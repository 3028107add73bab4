import { describe, expect, it } from 'vitest'

import { createRates } from './rates.ts'
import { createStatusView } from './status.ts'

type Health = Parameters<ReturnType<typeof createStatusView>['show']>[0]

const adapter = { receiver: 'east', target: 'hci0', alarm: false, scanning: true, silentMs: 0 }

function healthAt({ records = 0, reports = 0, outbox = {}, sources = [] as object[] }): Health {
  return {
    gateway: 'ward-3-east',
    software: '0.1.0',
    ok: true,
    problems: [],
    counters: { readings: reports, fixes: 0, ledgerFixes: records, telemetry: 0, emergencies: 0 },
    sources: [
      { name: 'radio', state: 'up', detail: '', readings: reports, adapters: [{ ...adapter, counts: { reports } }] },
      ...sources,
    ],
    outbox: { records: 0, unacknowledged: 0, bytes: 4_096, bound: 1_000_000, oldestMs: undefined, ...outbox },
    sync: { state: 'idle', since: 1, lastAckMs: 2, ackMs: {} },
  } as unknown as Health
}

function viewAt() {
  let nowMs = 0
  const view = createStatusView({ knownTags: () => 5, wallMs: () => 1_000_000 + nowMs, monoMs: () => nowMs })
  const after = (ms: number, health: Health) => {
    nowMs += ms
    view.sample(health)
    return view.show(health, 3)
  }
  return { after }
}

describe('the status that the page shows', () => {
  it('knows how long the store lasts from what it took per record, once a minute has passed', () => {
    const { after } = viewAt()
    expect(after(0, healthAt({})).buffer.hoursLeft).toBeUndefined()
    expect(after(59_000, healthAt({ records: 590 })).buffer.hoursLeft).toBeUndefined()
    // 10 records a second of 100 bytes each, and 640,000 bytes left: 640 s.
    const outbox = { records: 6_000, unacknowledged: 3_600, bytes: 600_000 }
    expect(after(1_000, healthAt({ records: 600, outbox })).buffer.hoursLeft).toBeCloseTo(640 / 3_600)
    const full = { records: 10_000, unacknowledged: 10_000, bytes: 1_000_000 }
    expect(after(1_000, healthAt({ records: 610, outbox: full })).buffer.hoursLeft).toBe(0)
  })

  it('shows rates of the last half minute, adapters instead of their source, and what failed', () => {
    const { after } = viewAt()
    const failed = { name: 'door', state: 'failed', detail: 'no such port', readings: 0, reader: {} }
    after(0, healthAt({ reports: 0 }))
    const { adapters, sources, readingsRate, tags } = after(10_000, healthAt({ reports: 25, sources: [failed] }))
    expect(adapters).toEqual([{ receiver: 'east', target: 'hci0', state: 'hearing', silentMs: 0, rate: 2.5 }])
    expect(sources).toEqual([
      { name: 'door', isReader: true, state: 'failed', detail: 'no such port', rate: undefined },
    ])
    expect([readingsRate, tags]).toEqual([2.5, { heard: 3, known: 5 }])
  })
})

describe('rates', () => {
  it('forget what is older than they keep, and take a count that starts anew for a standstill', () => {
    const rates = createRates(10_000)
    for (let s = 0; s <= 30; s += 5) rates.sample(s * 1_000, { a: s < 20 ? 1_000 : 1_000 + (s - 20) * 7 })
    expect(rates.perSecond('a')).toBe(7)
    expect(rates.perSecond('a', 10_001)).toBeUndefined()
    expect(rates.perSecond('b')).toBeUndefined()
    rates.sample(31_000, { a: 3 })
    expect(rates.perSecond('a')).toBe(0)
  })
})
