import type { GatewayId, LedgerRecord, ReceiverId, RoomId, TagId } from '@biotrakr/shared'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { discardQuarantine, listQuarantine, showQuarantine } from './quarantine.ts'
import { retryQuarantine } from './replay.ts'
import { createTestLedger, fix, GATEWAYS, noCompression, run, type TestLedger, testClock } from './test-ledger.ts'
import type { Outcome, Run } from './transaction.ts'

const [A, B, C] = GATEWAYS as [GatewayId, GatewayId, GatewayId]
const DAY_MS = 86_400_000

describe('recording on a real PostgreSQL', () => {
  let ledger: TestLedger

  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())
  beforeEach(async () => {
    await ledger.database.ownerClient.query(`truncate rtls.watermark, rtls.gap, rtls.clock_anchor, rtls.quarantine,
      rtls.staged, rtls.store, rtls.position, telemetry.location_history, telemetry.sensor_reading, telemetry.usage_event,
      telemetry.receiver_health restart identity`)
  })

  const seqs = (gateway: GatewayId = A) =>
    ledger.column(`select seq::int from telemetry.location_history h join rtls.watermark w on w.id = h.stream_id
      join site.gateway g on g.id = w.gateway_id where g.name = '${gateway}' order by seq`)
  const hwOf = async (gateway: GatewayId = A) =>
    (
      await ledger.column(`select hw::int from rtls.watermark w join site.gateway g on g.id = w.gateway_id
        where g.name = '${gateway}'`)
    )[0]
  const codes = () => ledger.column('select code from rtls.quarantine order by first_seq')
  const fixes = (from: number, to: number, tag = 1): LedgerRecord[] =>
    Array.from({ length: to - from + 1 }, (_, i) => fix(tag, Date.now() - 60_000 + from + i))
  const retry = (which: readonly number[] | 'all' = 'all', anyTime = false) =>
    retryQuarantine(which, { pool: ledger.pool, clock: testClock, compression: noCompression, anyTime })

  const hello = (epochs: readonly string[]) => ({
    software: '1',
    store: 'feedfacecafebeef',
    epochs: epochs.map((epoch) => ({ epoch, first: 1, last: 9 })),
  })

  async function record(...runs: Run[]): Promise<readonly Outcome<Run>[]> {
    return (await ledger.recorder().record(runs)) ?? []
  }

  it('puts each kind of record into its table, with its sequence number and units', async () => {
    const atMs = Date.now() - 1_000
    const tag = 'dataset:t1' as TagId
    const evidence = Uint8Array.of(1, 2, 3)
    await record(
      run(A, 1, [
        fix(1, atMs, { xCm: 150, yCm: -25, accuracyCm: 80, evidence, spanMs: 4_000, room: null, reason: 'outside' }),
        { kind: 'sensor', tag, room: 'R2' as RoomId, sensor: 'temperature', milli: -18_500, atMs },
        { kind: 'event', tag, room: null, event: 'button', value: 7, atMs },
        { kind: 'health', receiver: 'Süd 1' as ReceiverId, state: 'silent', readings: 12, errors: 3, atMs },
        { kind: 'gap', count: 3, reason: 'evicted', fromMs: atMs - 5_000, toMs: atMs - 4_000 },
        { kind: 'anchor', bootId: '0123456789abcdef', monoMs: 1234.5, atMs, errorMs: 0.25 },
      ]),
    )
    const all = async (sql: string) => (await ledger.database.ownerClient.query(sql)).rows
    expect(await all('select * from telemetry.location_history')).toEqual([
      {
        t: new Date(atMs),
        org_id: 1,
        facility_id: 1,
        tag_id: 1,
        room_id: null,
        stream_id: 1,
        seq: '1',
        span_ms: 4_000,
        method: 2,
        reason: 4,
        confidence: 900,
        map_version: 1,
        x: 1.5,
        y: -0.25,
        accuracy: 0.8,
        evidence: Buffer.from(evidence),
      },
    ])
    expect(await all('select t, room_id, seq, kind, milli from telemetry.sensor_reading')).toEqual([
      { t: new Date(atMs), room_id: 2, seq: '2', kind: 1, milli: -18_500 },
    ])
    expect(await all('select room_id, seq, kind, value from telemetry.usage_event')).toEqual([
      { room_id: null, seq: '3', kind: 1, value: '7' },
    ])
    expect(
      await all('select gateway_id, receiver, seq, state, readings, errors from telemetry.receiver_health'),
    ).toEqual([{ gateway_id: 1, receiver: 'Süd 1', seq: '4', state: 2, readings: '12', errors: '3' }])
    expect(await all('select first_seq, last_seq, reason, from_t from rtls.gap')).toEqual([
      { first_seq: '5', last_seq: '7', reason: 'evicted', from_t: new Date(atMs - 5_000) },
    ])
    expect(await all('select seq, t, boot_id, mono_ms, error_ms from rtls.clock_anchor')).toEqual([
      { seq: '8', t: new Date(atMs), boot_id: '0123456789abcdef', mono_ms: 1234.5, error_ms: 0.25 },
    ])
    expect(await all('select hw, rows, quarantined, first_t, newest_t from rtls.watermark')).toEqual([
      { hw: '8', rows: '5', quarantined: '0', first_t: new Date(atMs), newest_t: new Date(atMs) },
    ])
  })

  it('stores each record once, however batches are repeated, overlapped or cut anew', async () => {
    const all = fixes(1, 10)
    await record(run(A, 1, all.slice(0, 4)))
    await record(run(A, 1, all.slice(0, 4)))
    const outcomes = await record(run(A, 3, all.slice(2, 7)), run(A, 1, all), run(A, 6, all.slice(5, 8)))
    expect(outcomes).toMatchObject([{ kind: 'recorded', gateway: A, hw: 10, quarantined: [] }])
    expect(await seqs()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('does not take a batch that begins too late, and names how far it is', async () => {
    await record(run(A, 1, fixes(1, 2)))
    expect(await record(run(A, 5, fixes(5, 6)))).toMatchObject([{ kind: 'early', hw: 2, run: { first: 5 } }])
    expect(await hwOf()).toBe(2)
    await record(run(A, 5, fixes(5, 6)), run(A, 3, fixes(3, 4)))
    expect(await seqs()).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('keeps epochs apart, so that a sequence number may be used again', async () => {
    const second = { counter: 2, nonce: '00000000000000bb' }
    await record(run(A, 1, fixes(1, 2)), run(A, 1, fixes(1, 1), second))
    const epochs = ['1-00000000000000aa', '2-00000000000000bb', '3-00000000000000cc']
    expect(await ledger.recorder().greet(A, hello(epochs))).toMatchObject({
      ok: true,
      epochs: [
        { epoch: '1-00000000000000aa', hw: 2 },
        { epoch: '2-00000000000000bb', hw: 1 },
        { epoch: '3-00000000000000cc', hw: 0 },
      ],
    })
  })

  it('lets two ingesters race over the same batches without storing anything twice', async () => {
    const all = fixes(1, 60)
    const batches = Array.from({ length: 20 }, (_, i) => run(A, 1 + i * 3, all.slice(i * 3, i * 3 + 3)))
    const others = GATEWAYS.slice(1).map((gateway) => run(gateway, 1, fixes(1, 30, 2)))
    const race = async () => {
      const recorder = ledger.recorder()
      for (const batch of batches) await recorder.record([...others, batch])
    }
    await Promise.all([race(), race()])
    expect(await seqs()).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(await seqs(B)).toHaveLength(30)
    expect(await seqs(C)).toHaveLength(30)
  })

  it('leaves nothing half when its connection is killed between COPY and COMMIT', async () => {
    const blocker = new Client(ledger.database.options('owner'))
    await blocker.connect()
    await blocker.query('begin; lock table rtls.quarantine in exclusive mode')
    const recording = record(run(A, 1, [...fixes(1, 50), fix(99, Date.now())]))
    const killed = `select count(pg_terminate_backend(pid))::int from pg_stat_activity
      where usename = 'bt_ingest' and wait_event_type = 'Lock' and query like '%rtls.quarantine%'`
    await expect.poll(async () => (await ledger.column(killed))[0], { timeout: 10_000 }).toBe(1)
    expect(await seqs()).toEqual([])
    expect(await hwOf()).toBe(0)
    await blocker.end()
    expect(await recording).toMatchObject([{ kind: 'recorded', hw: 51 }])
    expect(await seqs()).toHaveLength(50)
    expect(await codes()).toEqual(['TAG_UNKNOWN'])
  })

  it('sets a batch aside whole when its run is known but not its content, and goes on', async () => {
    const unreadable: Run = { ...run(A, 3, fixes(3, 9)), content: { ok: false, code: 'WIRE_CONTENT', detail: 'a\0b' } }
    const outcomes = await record(run(A, 1, fixes(1, 4)), unreadable, run(A, 10, fixes(10, 11)), run(B, 1, fixes(1, 1)))
    expect(outcomes).toMatchObject([
      { gateway: A, hw: 11, quarantined: [{ first: 5, last: 9, code: 'WIRE_CONTENT' }] },
      { gateway: B, hw: 1, quarantined: [] },
    ])
    expect(await seqs()).toEqual([1, 2, 3, 4, 10, 11])
    const [entry] = await listQuarantine(ledger.pool)
    expect(entry).toMatchObject({ gateway: A, first: 5, last: 9, level: 'batch', detail: 'a?b', truncated: false })
  })

  it('sets aside only the record that cannot be stored, with the reason', async () => {
    const now = Date.now()
    const outcomes = await record(
      run(A, 1, [
        fix(1, now),
        fix(77, now),
        fix(1, now, { room: 'attic' as RoomId }),
        fix(1, now - 36 * DAY_MS),
        fix(1, now + 6 * 60_000),
        { kind: 'opaque', code: 40, bytes: Uint8Array.of(9, 9) },
        fix(1, now, { spanMs: 2 ** 40 }),
        fix(2, now),
      ]),
    )
    expect(await codes()).toEqual([
      'TAG_UNKNOWN',
      'ROOM_UNKNOWN',
      'TIME_RANGE',
      'TIME_RANGE',
      'KIND_UNKNOWN',
      'VALUE_RANGE',
    ])
    expect(outcomes).toMatchObject([
      {
        hw: 8,
        quarantined: [
          { first: 2, last: 2, code: 'TAG_UNKNOWN' },
          { first: 3, last: 3, code: 'ROOM_UNKNOWN' },
          { first: 4, last: 5, code: 'TIME_RANGE' },
          { first: 6, last: 6, code: 'KIND_UNKNOWN' },
          { first: 7, last: 7, code: 'VALUE_RANGE' },
        ],
      },
    ])
    expect(await seqs()).toEqual([1, 8])
    const [entry] = await listQuarantine(ledger.pool)
    const shown = await showQuarantine(ledger.pool, entry?.id ?? 0, noCompression)
    expect(shown?.content).toEqual({ ok: true, records: [fix(77, now)] })
  })

  it('replays a record of an unknown tag once the tag is registered, and never twice', async () => {
    const atMs = Date.now()
    await record(run(A, 1, [fix(1, atMs - 5), fix(31, atMs), fix(32, atMs)]))
    expect(await retry()).toMatchObject({ replayed: 0, remaining: [{ code: 'TAG_UNKNOWN' }, { code: 'TAG_UNKNOWN' }] })
    await ledger.database.ownerClient.query(`insert into rtls.tag (org_id, identity) values (1, 'dataset:t31')`)
    const reports = await Promise.all([retry(), retry()])
    expect(reports.reduce((sum, report) => sum + report.records, 0)).toBe(1)
    expect(await retry([2, 1])).toMatchObject({
      replayed: 0,
      remaining: [{ code: 'NOT_REPLAYABLE' }, { code: 'TAG_UNKNOWN' }],
    })
    expect(await seqs()).toEqual([1, 2])
    expect(await ledger.column('select state from rtls.quarantine order by id')).toEqual(['replayed', 'new'])
    expect(await ledger.column('select seq::int from rtls.position order by tag_id')).toEqual([1, 2])
    await ledger.database.ownerClient.query(
      `delete from rtls.position; delete from rtls.tag where identity = 'dataset:t31'`,
    )
  })

  it('lets go of an entry that is discarded: it stays readable and is not retried', async () => {
    await record(run(A, 1, [fix(77, Date.now()), fix(78, Date.now())]))
    const [entry] = await listQuarantine(ledger.pool)
    const id = entry?.id ?? 0
    expect(await discardQuarantine(ledger.pool, [id, 999_999])).toEqual([id])
    expect(await discardQuarantine(ledger.pool, [id])).toEqual([])
    expect(await listQuarantine(ledger.pool)).toHaveLength(1)
    expect((await showQuarantine(ledger.pool, id, noCompression))?.content).toMatchObject({ ok: true })
    expect((await retry([id])).remaining).toMatchObject([{ id, code: 'NOT_REPLAYABLE' }])
  })

  it('takes a time outside the window on retry only when somebody says so', async () => {
    await record(run(A, 1, [fix(1, Date.now() - 40 * DAY_MS)]))
    expect(await retry()).toMatchObject({ replayed: 0, remaining: [{ code: 'TIME_RANGE' }] })
    expect(await retry('all', true)).toEqual({ replayed: 1, records: 1, remaining: [] })
    expect(await seqs()).toEqual([1])
  })

  it('replays of an unreadable batch what was not committed before it, and sets the rest aside by record', async () => {
    const whole = run(A, 1, [...fixes(1, 4), fix(88, Date.now())])
    await record(run(A, 1, fixes(1, 2)))
    await record({ ...whole, content: { ok: false, code: 'WIRE_VERSION', detail: 'version 2' } })
    expect(await retry()).toEqual({ replayed: 1, records: 2, remaining: [] })
    expect(await seqs()).toEqual([1, 2, 3, 4])
    expect(await listQuarantine(ledger.pool)).toMatchObject([{ first: 5, last: 5, code: 'TAG_UNKNOWN', level: 'row' }])
  })

  it('takes nothing from a gateway that is unknown or blocked', async () => {
    const stranger = 'stranger' as GatewayId
    await ledger.database.ownerClient.query(`update site.gateway set status = 'blocked' where name = 'gw-c'`)
    const outcomes = await record(run(stranger, 1, fixes(1, 2)), run(C, 1, fixes(1, 2)), run(A, 1, fixes(1, 1)))
    await ledger.database.ownerClient.query(`update site.gateway set status = 'active' where name = 'gw-c'`)
    expect(outcomes).toContainEqual({ kind: 'refused', gateway: stranger, code: 'GATEWAY_UNKNOWN' })
    expect(outcomes).toContainEqual({ kind: 'refused', gateway: C, code: 'GATEWAY_BLOCKED' })
    expect(await ledger.column('select gateway_id from rtls.watermark')).toEqual([1])
    expect(await ledger.recorder().greet(stranger, hello([]))).toEqual({ ok: false, code: 'GATEWAY_UNKNOWN' })
    expect(
      await ledger.recorder().keepStray({ gateway: stranger, code: 'X', detail: '', bytes: Uint8Array.of(1) }),
    ).toBe(false)
    expect(await codes()).toEqual([])
  })

  it('keeps bytes of no ledger as evidence that cannot be replayed', async () => {
    const bytes = new Uint8Array(300_000).fill(7)
    await ledger.recorder().keepStray({ gateway: A, code: 'FOREIGN_GATEWAY', detail: 'of gw-b', bytes })
    const [entry] = await listQuarantine(ledger.pool, { gateway: A })
    expect(entry).toMatchObject({ first: null, epoch: null, payloadBytes: 262_144, truncated: true })
    expect(await retry([entry?.id ?? 0])).toMatchObject({ replayed: 0, remaining: [{ code: 'NOT_REPLAYABLE' }] })
    expect(await retry()).toEqual({ replayed: 0, records: 0, remaining: [] })
  })

  it('advances over a gap, and over the rest of one that began before the watermark', async () => {
    const gap = (count: number): LedgerRecord => ({ kind: 'gap', count, reason: 'evicted', fromMs: 0, toMs: 1 })
    await record(run(A, 1, fixes(1, 4)))
    await record(run(A, 1, [gap(10), ...fixes(11, 12)]))
    expect(await ledger.column('select array[first_seq, last_seq]::int[] from rtls.gap')).toEqual([[5, 10]])
    expect(await seqs()).toEqual([1, 2, 3, 4, 11, 12])
    expect(await hwOf()).toBe(12)
  })

  describe('when the database refuses data', () => {
    const refuse = () =>
      ledger.database.ownerClient.query(
        'alter table telemetry.location_history add constraint no_666 check (span_ms <> 666)',
      )
    const allow = () =>
      ledger.database.ownerClient.query('alter table telemetry.location_history drop constraint no_666')

    it('finds the one record by halves; all others of the set are stored', async () => {
      await refuse()
      const poisoned = [...fixes(1, 40), fix(1, Date.now(), { spanMs: 666 }), ...fixes(42, 60)]
      const recorder = ledger.recorder()
      const outcomes = await recorder.record([run(B, 1, fixes(1, 30)), run(A, 1, poisoned), run(C, 1, fixes(1, 30))])
      await allow()
      expect(outcomes).toMatchObject([
        { gateway: A, hw: 60, quarantined: [{ first: 41, last: 41, code: 'DATABASE_REFUSED' }] },
        { gateway: B, hw: 30 },
        { gateway: C, hw: 30 },
      ])
      expect(recorder.status().bisected).toBeLessThan(12)
      expect(await seqs()).toHaveLength(59)
      expect(await seqs(B)).toHaveLength(30)
      expect(await retry()).toEqual({ replayed: 1, records: 1, remaining: [] })
      expect(await seqs()).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    })

    it('bounds the halving when everything is refused, and loses nothing by it', async () => {
      await refuse()
      const all = Array.from({ length: 1_500 }, () => fix(1, Date.now(), { spanMs: 666 }))
      const recorder = ledger.recorder()
      await recorder.record([run(A, 1, all)])
      expect(recorder.status().bisected).toBeLessThan(1_000)
      expect(await ledger.column('select sum(last_seq - first_seq + 1)::int from rtls.quarantine')).toEqual([1_500])
      expect(await hwOf()).toBe(1_500)
      expect((await retry()).replayed).toBe(0)
      await allow()
      expect(await retry()).toMatchObject({ records: 1_500, remaining: [] })
      expect(await seqs()).toHaveLength(1_500)
    })
  })

  it('keeps everybody else waiting for at most a second when it looks for what is refused, at 10 ms a transaction', async () => {
    await ledger.database.ownerClient.query(
      'alter table telemetry.location_history add constraint no_666 check (span_ms <> 666)',
    )
    let costMs = 0
    const cost = () => {
      costMs += 10
    }
    ledger.pool.on('acquire', cost)
    const all = Array.from({ length: 5_000 }, () => fix(1, Date.now(), { spanMs: 666 }))
    const recorder = ledger.recorder({ ...testClock, monoMs: () => costMs })
    const outcomes = (await recorder.record([run(B, 1, fixes(1, 30)), run(A, 1, all), run(C, 1, fixes(1, 30))])) ?? []
    ledger.pool.removeListener('acquire', cost)
    await ledger.database.ownerClient.query('alter table telemetry.location_history drop constraint no_666')
    expect(outcomes.map((outcome) => outcome.kind === 'recorded' && outcome.hw)).toEqual([5_000, 30, 30])
    expect(costMs).toBeLessThanOrEqual(1_000)
    expect(await retry()).toMatchObject({ records: 5_000, remaining: [] })
  })

  it('waits for a server that is repaired, instead of setting good data aside', async () => {
    await ledger.database.ownerClient.query('revoke insert on telemetry.location_history from bt_ingest')
    const recorder = ledger.recorder()
    const recording = recorder.record([run(A, 1, fixes(1, 3))])
    await expect.poll(() => recorder.status().breaker, { timeout: 10_000 }).toBe('open')
    expect(recorder.status().lastError).toContain('permission denied')
    await ledger.database.ownerClient.query('grant insert on telemetry.location_history to bt_ingest')
    expect(await recording).toMatchObject([{ kind: 'recorded', hw: 3 }])
    expect(recorder.status()).toMatchObject({ breaker: 'closed', failures: 0 })
    expect(await codes()).toEqual([])
  })

  it('gives up waiting when it is stopped', async () => {
    await ledger.database.ownerClient.query('revoke insert on telemetry.location_history from bt_ingest')
    const recorder = ledger.recorder()
    const recording = recorder.record([run(A, 1, fixes(1, 3))])
    await expect.poll(() => recorder.status().failures, { timeout: 10_000 }).toBeGreaterThan(0)
    recorder.stop()
    expect(await recording).toBeUndefined()
    await ledger.database.ownerClient.query('grant insert on telemetry.location_history to bt_ingest')
    expect(await seqs()).toEqual([])
  })

  it('survives deadlocks with other writers', async () => {
    const lots = (from: number) => Array.from({ length: 20 }, (_, i) => fix(1 + i, Date.now() - 1_000 + from))
    const write = async (gateway: GatewayId) => {
      const recorder = ledger.recorder()
      for (let i = 0; i < 15; i++) {
        const records = gateway === A ? lots(i) : lots(i).reverse()
        await recorder.record([run(gateway, 1 + i * 20, records)])
      }
    }
    await Promise.all([write(A), write(B), write(C)])
    for (const gateway of GATEWAYS) expect(await hwOf(gateway)).toBe(300)
    expect(await ledger.column('select count(*)::int from telemetry.location_history')).toEqual([900])
  })
})
