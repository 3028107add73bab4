import { tagIdOfReport } from '@biotrakr/firmware-profiles'
import { describe, expect, it } from 'vitest'

import { createFilter } from './filter/filter.ts'
import { figures, healthOf } from './health.ts'
import { openProfiles } from './profile-store.ts'
import { createMetrics } from './upkeep/metrics.ts'

const parts = {
  software: '0.1.0',
  gateway: 'ward-3-east',
  counters: { readings: 10, fixes: 4, ledgerFixes: 2, telemetry: 1, emergencies: 1 },
  filter: { ...createFilter().counters, weak: 3 },
  unmapped: 0,
  sources: [{ name: 'adapter', state: 'up', detail: 'scanning', readings: 10, errors: 0 }],
  outbox: {
    ...{ records: 3, unacknowledged: 1, bytes: 4096, evicted: 0, corrupt: 0, restored: 0, fault: undefined },
    ...{ damaged: [], isLogMissing: false, evictedBy: { telemetry: 0, sameRoom: 0, roomChange: 0 } },
  },
  sync: {
    inFlight: 1,
    connects: 1,
    nacks: 0,
    resends: 0,
    liveDropped: 0,
    liveEventsDropped: 0,
    quarantined: { total: 0, runs: [] },
    storeBehind: [],
    problem: undefined,
  },
} as unknown as Parameters<typeof healthOf>[0]

describe('the health of the agent', () => {
  it('is good when no stage has a problem', () => {
    expect(healthOf(parts)).toMatchObject({ ok: true, problems: [] })
  })

  it('gathers every problem with its code and the next step', () => {
    const problem = { code: 'BROKER_UNREACHABLE', message: 'nothing listens there', next: 'Start the broker.' }
    const fault = { code: 'OUTBOX_FULL', detail: 'the disk is full', next: 'Free some space.', sinceMs: 1 }
    const { ok, problems } = healthOf({
      ...parts,
      unmapped: 7,
      sources: [{ name: 'adapter', state: 'failed', detail: 'no such device', readings: 0, errors: 1 }],
      outbox: { ...parts.outbox, evicted: 200, fault } as typeof parts.outbox,
      sync: { ...parts.sync, problem } as typeof parts.sync,
    })
    expect(ok).toBe(false)
    const codes = problems.map(({ code }) => code)
    expect(codes).toEqual(['SOURCE_FAILED', 'OUTBOX_FULL', 'OUTBOX_GAPS', 'BROKER_UNREACHABLE', 'RECEIVER_UNMAPPED'])
    for (const { message, next } of problems) expect(`${message} ${next}`).toMatch(/^\S.* \S.*\.$/)
  })

  it('says what the centre keeps back or has lost, that the store was put back, and that the clock is wrong', () => {
    const runs = [{ epoch: '1-00000000000000aa', first: 3, last: 9, code: 'TAG_UNKNOWN' }]
    const { problems } = healthOf({
      ...parts,
      outbox: { ...parts.outbox, restored: 12 } as typeof parts.outbox,
      sync: {
        ...parts.sync,
        quarantined: { total: 7, runs },
        storeBehind: ['1-00000000000000aa'],
      } as typeof parts.sync,
      clock: { state: 'synced', source: 'centre', aheadMs: -3_600_000, isWrong: true },
    })
    expect(problems.map(({ code }) => code)).toEqual([
      'CENTRE_QUARANTINE',
      'CENTRE_RESTORED',
      'STORE_RESTORED',
      'CLOCK_WRONG',
    ])
    expect(problems[0]?.message).toBe('7 records of this gateway wait in quarantine at the centre (TAG_UNKNOWN).')
    for (const { message, next } of problems) expect(`${message} ${next}`).toMatch(/^\S.* \S.*\.$/)
  })

  it('names one adapter that is deaf and one that is degraded while the others hear', async () => {
    const adapter = { alarm: false, silentMs: 0, scanning: true, verdict: 'ok', failures: 0, counts: { reports: 5 } }
    const adapters = [
      { ...adapter, receiver: 'east', target: 'hci0' },
      { ...adapter, receiver: 'west', target: 'hci1', alarm: true, verdict: 'deaf', silentMs: 31_000 },
      { ...adapter, receiver: 'south', target: 'hci2', degraded: 'another version' },
    ]
    const strangers = { adverts: { apple: 7 }, devices: 2, evicted: 0 }
    const source = { ...parts.sources[0], adapters, strangers }
    const health = healthOf({ ...parts, sources: [source] as unknown as typeof parts.sources })
    expect(health.problems.map(({ code }) => code)).toEqual(['ADAPTER_DEAF', 'ADAPTER_DEGRADED'])
    expect(health.problems[0]?.message).toBe('adapter west (hci1): it has heard nothing for 31 s.')
    const text = await createMetrics(figures(() => health)).metrics()
    for (const line of [
      'ble_adapter_deaf{receiver="west"} 1',
      'ble_adapter_adverts_total{receiver="east"} 5',
      'ble_strangers_adverts_total{class="apple"} 7',
      'ble_strangers 2',
      'filter_dropped_total{why="weak"} 3',
    ]) {
      expect(text).toContain(`biotrakr_agent_${line}\n`)
    }
  })

  it('has figures of each reader, by its name in the configuration', async () => {
    const reader = { frames: 9, bytesDropped: 7, badChecksum: 1, resyncs: 2, tags: 6, unknownTags: 3, personalTags: 1 }
    const sources = ['door-3', 'bed-7'].map((name, n) => {
      return { ...parts.sources[0], name, reader: { ...reader, reconnects: n, restarts: 0 } }
    }) as unknown as typeof parts.sources
    const text = await createMetrics(figures(() => healthOf({ ...parts, sources }))).metrics()
    for (const line of [
      'frames_total{reader="door-3"} 9',
      'bytes_dropped_total{reader="bed-7"} 7',
      'bad_checksum_total{reader="door-3"} 1',
      'resyncs_total{reader="door-3"} 2',
      'tags_total{reader="bed-7"} 6',
      'personal_tags_total{reader="door-3"} 1',
      'reconnects_total{reader="bed-7"} 1',
    ]) {
      expect(text).toContain(`biotrakr_agent_reader_${line}\n`)
    }
  })

  it('has figures of what is remembered of tags, by their numbers and by their names', async () => {
    const metrics = createMetrics(figures(() => healthOf(parts)))
    const remembered = async () => {
      const text = await metrics.metrics()
      return ['numbers', 'names'].flatMap((what) =>
        ['hits', 'misses', 'evictions'].map((which) => {
          const line = new RegExp(`^biotrakr_agent_tag_${what}_${which}_total (\\d+)$`, 'm').exec(text)
          return Number(line?.[1])
        }),
      )
    }
    const driver = openProfiles().load('feig-obid-hf')
    const before = await remembered()
    const frame = driver.reader.encodeTags([{ epc: 'E004010000C0FFEE', band: 'hf' }])
    const tags = [1, 2, 3].flatMap(() => driver.decode(frame).tags.map(tagIdOfReport))
    expect(tags).toEqual(['hf:e004010000c0ffee', 'hf:e004010000c0ffee', 'hf:e004010000c0ffee'])
    const after = await remembered()
    expect(after.map((count, n) => count - (before[n] ?? Number.NaN))).toEqual([2, 1, 0, 2, 1, 0])
  })

  it('is what the metrics read', async () => {
    const text = await createMetrics(figures(() => healthOf(parts))).metrics()
    for (const line of ['ok 1', 'readings_total 10', 'outbox_unacknowledged 1', 'sync_in_flight 1']) {
      expect(text).toContain(`biotrakr_agent_${line}\n`)
    }
  })
})
