import type { GatewayId, LedgerRecord } from '@biotrakr/shared'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { type Trouble, troubleOf } from './faults.ts'
import { createTestLedger, fix, GATEWAYS, run, type TestLedger, testClock } from './test-ledger.ts'

const [A] = GATEWAYS as [GatewayId]
const fixes = (): LedgerRecord[] => [1, 2, 3].map((i) => fix(1, Date.now() - 1_000 + i))

describe('faults of a real PostgreSQL', () => {
  let ledger: TestLedger

  beforeAll(async () => {
    ledger = await createTestLedger()
  })
  afterAll(() => ledger.stop())
  beforeEach(async () => {
    await ledger.database.ownerClient.query('truncate rtls.watermark, telemetry.location_history cascade')
  })

  const owner = (sql: string) => ledger.database.ownerClient.query(sql)
  /** Sessions begin anew, with what is set for their role. */
  const reconnect = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bt_ingest'`
  const raising = (sqlstate: string, body = `raise exception 'injected' using errcode = '${sqlstate}'`) => [
    `create function telemetry.fail() returns trigger language plpgsql security definer as
       $$ begin ${body}; return new; end $$;
     create trigger fail before insert on telemetry.location_history for each statement execute function telemetry.fail()`,
    'drop trigger fail on telemetry.location_history; drop function telemetry.fail()',
  ]
  const setting = (name: string, value: string) => [
    `alter role bt_ingest set ${name} = '${value}'; ${reconnect}`,
    `alter role bt_ingest reset ${name}; ${reconnect}`,
  ]
  const faults: [Trouble, string[]][] = [
    ['disk_full', raising('53100')],
    ['read_only', setting('default_transaction_read_only', 'on')],
    [
      'too_many_connections',
      [`alter role bt_ingest connection limit 0; ${reconnect}`, 'alter role bt_ingest connection limit -1'],
    ],
    ['deadlock', raising('40P01')],
    ['serialization', raising('40001')],
    ['shutdown', raising('57P01')],
    ['privilege', ['revoke insert on rtls.watermark from bt_ingest', 'grant insert on rtls.watermark to bt_ingest']],
  ]

  it.each(faults)('%s: says so, waits, and records everything once when it is over', async (kind, [begin, end]) => {
    await owner(begin ?? '')
    const recorder = ledger.recorder()
    const recording = recorder.record([run(A, 1, fixes())])
    await expect.poll(() => recorder.status().breaker, { timeout: 15_000 }).toBe('open')
    expect(recorder.status().fault).toMatchObject({ kind, next: expect.stringMatching(/\.$/) })
    await owner(end ?? '')
    expect(await recording).toMatchObject([{ kind: 'recorded', hw: 3 }])
    expect(recorder.status()).toMatchObject({ breaker: 'closed', failures: 0, fault: undefined })
    expect(await ledger.column('select seq::int from telemetry.location_history order by 1')).toEqual([1, 2, 3])
    expect(await ledger.column('select count(*)::int from rtls.quarantine')).toEqual([0])
  })

  it.each<[Trouble, string]>([
    ['lock_timeout', 'lock_timeout'],
    ['statement_timeout', 'statement_timeout'],
  ])('%s: says so while another session holds the table, and goes on after it', async (kind, name) => {
    const [begin, end] = setting(name, '150ms')
    const blocker = new Client(ledger.database.options('owner'))
    await blocker.connect()
    await blocker.query('begin; lock table telemetry.location_history in access exclusive mode')
    await owner(begin ?? '')
    const recorder = ledger.recorder()
    const recording = recorder.record([run(A, 1, fixes())])
    await expect.poll(() => recorder.status().fault?.kind, { timeout: 15_000 }).toBe(kind)
    await blocker.query('commit')
    await blocker.end()
    expect(await recording).toMatchObject([{ kind: 'recorded', hw: 3 }])
    await owner(end ?? '')
  })

  it('tries ever more slowly, at most four times a minute in the end', async () => {
    const [begin, end] = raising('53100')
    await owner(begin ?? '')
    const delays: number[] = []
    const recorder = ledger.recorder({
      ...testClock,
      after: (delayMs, task) => {
        // The deadline of a session is no pause.
        if (delayMs >= 60_000) return testClock.after(delayMs, task)
        delays.push(delayMs)
        return testClock.after(0, task)
      },
    })
    const recording = recorder.record([run(A, 1, fixes())])
    await expect.poll(() => delays.length, { timeout: 15_000 }).toBeGreaterThan(12)
    await owner(end ?? '')
    await recording
    // Chance is 0.01 here: the bounds of the delays are a hundred times what was drawn.
    expect(delays.slice(0, 8)).toEqual([2, 4, 8, 16, 32, 64, 128, 150])
    expect(new Set(delays.slice(8))).toEqual(new Set([150]))
  })

  const one = () => fixes().slice(0, 1)

  it('takes nothing more from a gateway from the moment on at which it is blocked', async () => {
    const recorder = ledger.recorder(testClock)
    expect(await recorder.record([run(A, 1, one())])).toMatchObject([{ kind: 'recorded' }])
    await owner(`update site.gateway set status = 'blocked' where name = '${A}'`)
    expect(await recorder.record([run(A, 2, one())])).toMatchObject([{ kind: 'refused', code: 'GATEWAY_BLOCKED' }])
    await owner(`update site.gateway set status = 'pending' where name = '${A}'`)
    expect(await recorder.record([run(A, 2, one())])).toMatchObject([{ kind: 'refused', code: 'GATEWAY_BLOCKED' }])
    await owner(`update site.gateway set status = 'active' where name = '${A}'`)
    expect(await recorder.record([run(A, 2, one())])).toMatchObject([{ kind: 'recorded', hw: 2 }])
  })

  it('names a server that cannot be reached', async () => {
    const client = new Client({ host: '127.0.0.1', port: 1 })
    const error: unknown = await client.connect().catch((reason: unknown) => reason)
    expect(troubleOf(error)).toBe('unreachable')
  })
})
