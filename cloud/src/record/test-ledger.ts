import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import {
  type Clock,
  type Compression,
  type Epoch,
  encodeBatch,
  type Fix,
  type GatewayId,
  type LedgerRecord,
  type RoomId,
  seqSpan,
  type TagId,
} from '@biotrakr/shared'
import { Pool } from 'pg'
import { pino } from 'pino'

import { createRecorder, type Recorder } from './recorder.ts'
import type { Run, Tally } from './transaction.ts'

/** A real database with one facility in it, and recorders on it. For tests only. */
export interface TestLedger {
  readonly database: TestDatabase
  readonly pool: Pool
  readonly tallies: Tally[]
  recorder(clock?: Clock): Recorder<Run>
  /** Values of the first column. */
  column(sql: string): Promise<unknown[]>
  stop(): Promise<void>
}

export const GATEWAYS = ['gw-a', 'gw-b', 'gw-c'] as GatewayId[]
const EPOCH: Epoch = { counter: 1, nonce: '00000000000000aa' }
export const testClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  every: (periodMs, task) => {
    const timer = setInterval(task, periodMs)
    return { cancel: () => clearInterval(timer) }
  },
}
/** Leaves bodies as they are: an encoder keeps what does not become smaller. */
export const noCompression: Compression = { deflate: (bytes) => bytes, inflate: () => undefined }

export async function createTestLedger(): Promise<TestLedger> {
  const database = await createTestDatabase()
  const owner = database.ownerClient
  await owner.query(`
    insert into iam.org (slug, name) values ('st-anna', 'St. Anna');
    insert into site.facility (org_id, code, name, time_zone) values (1, 'main', 'Main', 'Europe/Berlin');
    insert into site.gateway (org_id, facility_id, name) select 1, 1, 'gw-' || g from unnest(array['a', 'b', 'c']) g;
    insert into site.room (org_id, facility_id, code, name) select 1, 1, 'R' || i, 'Room' from generate_series(1, 9) i;
    insert into rtls.tag (org_id, identity) select 1, 'dataset:t' || i from generate_series(1, 20) i`)
  const pool = new Pool({ ...database.options('bt_ingest'), max: 8 })
  pool.on('error', () => undefined)
  const tallies: Tally[] = []
  const recorders: Recorder<Run>[] = []
  return {
    database,
    pool,
    tallies,
    recorder: (clock = testClock) => {
      const made = createRecorder<Run>({
        pool,
        clock,
        // Back-offs of a few milliseconds: tests wait for the database, not for chance.
        random: () => 0.01,
        compression: noCompression,
        log: pino({ level: 'silent' }),
        onCommit: (tally) => tallies.push(tally),
      })
      recorders.push(made)
      return made
    },
    column: async (sql) => (await owner.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]),
    stop: async () => {
      for (const recorder of recorders) recorder.stop()
      await pool.end()
      await database.stop()
    },
  }
}

export function fix(tag: number, atMs: number, other: Partial<Fix> = {}): Fix {
  return {
    kind: 'fix',
    tag: `dataset:t${tag}` as TagId,
    room: 'R1' as RoomId,
    reason: 'none',
    method: 'BLE',
    confidence: 900,
    atMs,
    spanMs: 1_000,
    mapVersion: 1,
    ...other,
  }
}

export function run(gateway: GatewayId, first: number, records: readonly LedgerRecord[], epoch: Epoch = EPOCH): Run {
  const last = first + records.reduce((sum, record) => sum + seqSpan(record), 0) - 1
  const bytes = encodeBatch({ gateway, epoch, first, last, records }, noCompression)
  return { gateway, epoch, first, last, bytes, content: { ok: true, records } }
}
