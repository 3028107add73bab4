import type { ClockAnchor, Epoch, GatewayId, LedgerRecord } from '@biotrakr/shared'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { listQuarantine } from './quarantine.ts'
import { retryQuarantine } from './replay.ts'
import { moveStaged } from './staged.ts'
import { createTestLedger, fix, GATEWAYS, noCompression, run, type TestLedger, testClock } from './test-ledger.ts'

const [A, B] = GATEWAYS as [GatewayId, GatewayId]
const BOOT = '00000000000000b1'
const NEXT_BOOT = '00000000000000b2'
const YEAR_MS = 365.25 * 86_400_000
const DAY_MS = 86_400_000
const second: Epoch = { counter: 2, nonce: '00000000000000bb' }

const anchor = (monoMs: number, atMs: number, other: Partial<ClockAnchor> = {}): ClockAnchor => ({
  kind: 'anchor',
  bootId: BOOT,
  monoMs,
  atMs,
  errorMs: 10,
  ...other,
})
const unset = (monoMs: number, atMs: number, bootId = BOOT) => anchor(monoMs, atMs, { bootId, unsynced: true })

describe('records of a gateway whose clock was not set, on a real PostgreSQL', () => {
  let ledger: TestLedger
  let recorder: ReturnType<TestLedger['recorder']>

  beforeAll(async () => {
    ledger = await createTestLedger()
    recorder = ledger.recorder()
  })
  afterAll(() => ledger.stop())
  beforeEach(async () => {
    await ledger.database.ownerClient.query(`truncate rtls.watermark, rtls.gap, rtls.clock_anchor, rtls.quarantine,
      rtls.staged, rtls.position, telemetry.location_history restart identity cascade`)
  })

  const record = (gateway: GatewayId, first: number, records: readonly LedgerRecord[], epoch?: Epoch) =>
    recorder.record([run(gateway, first, records, epoch)])
  const options = () => ({ pool: ledger.pool, clock: testClock, compression: noCompression })
  const move = async () => {
    for (;;) if ((await moveStaged(options())).rows === 0) return
  }
  const history = async () =>
    (
      await ledger.database.ownerClient.query<{ seq: number; at: string }>(
        `select seq::int, (extract(epoch from t) * 1000)::bigint as at from telemetry.location_history
         order by stream_id, seq`,
      )
    ).rows.map(({ seq, at }) => ({ seq, atMs: Number(at) }))
  const staged = async () => Number((await ledger.column('select count(*) from rtls.staged'))[0])

  it('wait until an anchor of their boot comes, are acknowledged meanwhile, and then stand at their true times', async () => {
    const nowMs = Date.now()
    // The box boots in 1970, and gets its time ten seconds later.
    const outcomes = await record(A, 1, [unset(500, 500), fix(1, 1_000), fix(2, 2_000)])
    expect(outcomes).toMatchObject([{ kind: 'recorded', hw: 3, quarantined: [] }])
    expect(await history()).toEqual([])
    await move()
    expect(await staged()).toBe(1)
    await record(A, 4, [fix(1, 9_000), anchor(10_000, nowMs), fix(1, nowMs + 1_000)])
    await move()
    expect(await staged()).toBe(0)
    expect(await history()).toEqual([
      { seq: 2, atMs: nowMs - 9_000 },
      { seq: 3, atMs: nowMs - 8_000 },
      { seq: 4, atMs: nowMs - 1_000 },
      { seq: 6, atMs: nowMs + 1_000 },
    ])
    expect(await ledger.column('select rows::int from rtls.watermark')).toEqual([6])
    expect(await listQuarantine(ledger.pool)).toEqual([])
  })

  it('get their times from an anchor of a later epoch of the same boot, and never from another boot or gateway', async () => {
    const nowMs = Date.now()
    await record(A, 1, [unset(500, 500), fix(1, 1_000)])
    await record(B, 1, [anchor(2_000, nowMs)])
    await record(A, 1, [anchor(2_000, nowMs, { bootId: NEXT_BOOT })], second)
    await move()
    expect(await staged()).toBe(1)
    await record(A, 2, [anchor(60_000, nowMs)], second)
    await move()
    expect(await history()).toEqual([{ seq: 2, atMs: nowMs - 59_000 }])
  })

  it('do not wait when the time of their boot is known already', async () => {
    const nowMs = Date.now()
    await record(A, 1, [anchor(1_000, nowMs - 5_000)])
    await record(A, 1, [unset(3_000, 77), fix(1, 1_077)], second)
    expect(await history()).toEqual([{ seq: 2, atMs: nowMs - 2_000 }])
    expect(await staged()).toBe(0)
  })

  it('go to the quarantine by their true times when these are out of range, and can be retried', async () => {
    const nowMs = Date.now()
    await record(A, 1, [unset(0, 0), fix(1, 0), fix(99, 40 * DAY_MS), fix(1, 40 * DAY_MS)])
    await record(A, 5, [anchor(40 * DAY_MS, nowMs)])
    await move()
    const entries = await listQuarantine(ledger.pool)
    expect(entries.map(({ first, code }) => [first, code])).toEqual([
      [2, 'TIME_RANGE'],
      [3, 'TAG_UNKNOWN'],
    ])
    expect(await history()).toEqual([{ seq: 4, atMs: nowMs }])
    await retryQuarantine('all', { ...options(), anyTime: true })
    expect((await history())[0]).toEqual({ seq: 2, atMs: nowMs - 40 * DAY_MS })
  })

  it('are not put into the future by an anchor that is there itself', async () => {
    const nowMs = Date.now()
    await record(A, 1, [unset(0, 0), fix(1, 5), anchor(10, nowMs + YEAR_MS), fix(1, nowMs + YEAR_MS + 1)])
    await move()
    expect(await staged()).toBe(2)
    expect((await listQuarantine(ledger.pool)).map(({ first, code }) => [first, code])).toEqual([[3, 'TIME_RANGE']])
    await record(A, 5, [anchor(1_010, nowMs)])
    await move()
    expect(await history()).toEqual([
      { seq: 2, atMs: nowMs - 1_005 },
      { seq: 4, atMs: nowMs - 999 },
    ])
  })

  it('leave a gap and a whole day of other records where they are in sequence', async () => {
    const nowMs = Date.now()
    await record(A, 1, [
      unset(0, 0),
      fix(1, 1_000),
      { kind: 'gap', count: 10, reason: 'evicted', fromMs: 0, toMs: 5 },
      fix(1, 2_000),
    ])
    await record(A, 14, [anchor(3_000, nowMs)])
    await move()
    expect(await history()).toEqual([
      { seq: 2, atMs: nowMs - 2_000 },
      { seq: 13, atMs: nowMs - 1_000 },
    ])
    expect(await ledger.column('select last_seq::int from rtls.gap')).toEqual([12])
  })

  it('are moved once by any number of ingesters at the same time', async () => {
    const nowMs = Date.now()
    for (let i = 0; i < 30; i++) {
      await record(A, i * 4 + 1, [unset(i * 10, i), fix(1, i + 1), fix(2, i + 2), fix(1, i + 3)])
    }
    await record(A, 121, [anchor(1_000, nowMs)])
    await Promise.all([move(), move(), move()])
    expect((await history()).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 120 }, (_, i) => i + 1).filter((seq) => seq % 4 !== 1),
    )
  })

  it('are set aside whole when the database refuses them, and hold up nobody', async () => {
    const nowMs = Date.now()
    const owner = ledger.database.ownerClient
    await record(A, 1, [unset(0, 0), fix(1, 666)])
    await record(B, 1, [unset(0, 0), fix(1, 10)])
    await owner.query(`create function telemetry.refuse() returns trigger language plpgsql as
        $$ begin if new.span_ms = 1000 and new.stream_id = 1 then raise exception 'no'; end if; return new; end $$;
      create trigger refuse before insert on telemetry.location_history for each row execute function telemetry.refuse()`)
    try {
      await record(A, 3, [anchor(1_000, nowMs)])
      await record(B, 3, [anchor(1_000, nowMs)])
      await move()
    } finally {
      await owner.query('drop trigger refuse on telemetry.location_history; drop function telemetry.refuse()')
    }
    expect(await history()).toEqual([{ seq: 2, atMs: nowMs - 990 }])
    expect(await listQuarantine(ledger.pool)).toMatchObject([{ gateway: A, first: 2, code: 'DATABASE_REFUSED' }])
  })

  it('lose nothing and keep their order whatever the clock says, from 1970 to seventy years ahead', async () => {
    const step = fc.record({
      /** Years that the clock is wrong by until it is set. */
      years: fc.integer({ min: -56, max: 70 }),
      fixes: fc.integer({ min: 1, max: 5 }),
      /** Whether somebody sets the clock in this boot. */
      isSet: fc.boolean(),
      /** A box that believes its wrong clock. */
      believes: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (boots) => {
        await ledger.database.ownerClient.query(`truncate rtls.watermark, rtls.clock_anchor, rtls.quarantine,
          rtls.staged, rtls.position, telemetry.location_history restart identity cascade`)
        const { batches, truth } = story(boots)
        for (const { first, records } of batches) await record(A, first, records)
        await move()
        const rows = await history()
        const [from, to] = [Date.now() - 35 * DAY_MS, Date.now() + 5 * 60_000]
        expect(rows.filter(({ atMs }) => atMs < from || atMs > to)).toEqual([])
        const elsewhere = [...(await quarantined()), ...(await waiting())].filter((seq) => truth.has(seq))
        const ids = [...rows.map(({ seq }) => seq), ...elsewhere].sort((a, b) => a - b)
        expect(ids).toEqual([...truth.keys()])
        if (boots.some(({ believes }) => believes)) return
        expect(rows).toEqual(rows.map(({ seq }) => ({ seq, atMs: truth.get(seq) })))
      }),
      { numRuns: 40 },
    )
  })

  const quarantined = async () => (await listQuarantine(ledger.pool)).map(({ first }) => first ?? 0)
  const waiting = async () =>
    (await ledger.column('select generate_series(first_seq, last_seq)::int from rtls.staged')).map(Number)
})

interface Boot {
  readonly years: number
  readonly fixes: number
  readonly isSet: boolean
  readonly believes: boolean
}

/** One batch per boot, a fix each second; and when each fix really happened, by its sequence number. */
function story(boots: readonly Boot[]) {
  const truth = new Map<number, number>()
  const batches: { first: number; records: LedgerRecord[] }[] = []
  let first = 1
  let trueMs = Date.now() - 3_600_000
  for (const [i, { years, fixes, isSet, believes }] of boots.entries()) {
    const bootId = `00000000000000c${i}`
    const bootMs = trueMs
    const wrongMs = Math.max(0, Math.round(trueMs + years * YEAR_MS))
    const records: LedgerRecord[] = [believes ? anchor(0, wrongMs, { bootId }) : unset(0, wrongMs, bootId)]
    for (let n = 0; n < fixes; n++) {
      trueMs += 1_000
      truth.set(first + records.length, trueMs)
      records.push(fix(1, wrongMs + trueMs - bootMs))
    }
    if (isSet) records.push(anchor(trueMs - bootMs, trueMs, { bootId }))
    batches.push({ first, records })
    first += records.length
  }
  return { batches, truth }
}
