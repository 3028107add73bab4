import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { nodeCompression, type Outbox, openSqliteOutbox, systemClock } from '@biotrakr/agent'
import { applySite, createRecorder, withPool } from '@biotrakr/cloud'
import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import type { Fix, GatewayId, LedgerRecord, RoomId, TagEvent, TagId } from '@biotrakr/shared'
import pg from 'pg'
import { pino } from 'pino'

const TAG = 'ble:c30000000001' as TagId
const SMALLEST_STORE = 4 * 1_048_576

/** A record that is told apart by its time alone. */
export function recordAt(atMs: number, kind: 'fix' | 'bulky' | 'press'): Fix | TagEvent {
  if (kind === 'press') return { kind: 'event', tag: TAG, room: null, event: 'button', value: atMs % 1_000, atMs }
  const answer = { tag: TAG, room: 'R1' as RoomId, reason: 'none', method: 'BLE', confidence: 900 } as const
  const evidence = kind === 'bulky' && { evidence: new Uint8Array(randomBytes(250)) }
  return { kind: 'fix', ...answer, ...evidence, atMs, spanMs: 1, mapVersion: 1 }
}

/** One gateway's store through all its openings. */
export interface StoreOnDisk {
  outbox: Outbox
  /** Opens a copy of the file as it is: what a kill -9 at this moment leaves. */
  crash(): void
  restart(): void
  /** Keeps a copy; `restoreImage` goes on from the newest one. */
  takeImage(): void
  restoreImage(): void
  remove(): void
}

export function openStoreOnDisk(gateway: GatewayId): StoreOnDisk {
  const folder = mkdtempSync(join(tmpdir(), 'biotrakr-ledger-'))
  let copies = 0
  const copy = (from: string): string => {
    const to = join(folder, `store-${++copies}.sqlite`)
    for (const part of ['', '-wal']) if (existsSync(from + part)) copyFileSync(from + part, to + part)
    return to
  }
  const open = (path: string) =>
    openSqliteOutbox({
      path,
      keyFile: join(folder, 'store.key'),
      gateway,
      maxBytes: SMALLEST_STORE,
      compression: nodeCompression,
      clock: systemClock,
      onLost: () => undefined,
      onDamaged: () => undefined,
    })
  let path = join(folder, 'store.sqlite')
  let image = path
  const goOnWith = (next: string) => {
    store.outbox.close()
    path = next
    store.outbox = open(path)
  }
  const store: StoreOnDisk = {
    outbox: open(path),
    crash: () => goOnWith(copy(path)),
    restart: () => goOnWith(path),
    takeImage: () => {
      image = copy(path)
    },
    restoreImage: () => goOnWith(copy(image)),
    remove: () => {
      store.outbox.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  store.takeImage()
  return store
}

/** What the database holds of one record or run of records. */
interface Held {
  readonly epoch: string
  readonly first: number
  readonly last: number
  /** Absent for a gap. */
  readonly atMs?: number
}

export type TestRecorder = ReturnType<typeof createRecorder<RunOf>>
export interface RunOf {
  readonly gateway: GatewayId
  readonly epoch: { readonly counter: number; readonly nonce: string }
  readonly first: number
  readonly last: number
  readonly bytes: Uint8Array
  readonly content: { readonly ok: true; readonly records: readonly LedgerRecord[] }
}

export interface LedgerBench {
  recorder(): TestRecorder
  /** Ends every session of the ingesters. */
  endSessions(): Promise<void>
  /** Committed sequence number of every epoch: what a backup of this moment has. */
  backUp(gateway: string): Promise<ReadonlyMap<string, number>>
  restore(gateway: string, backup: ReadonlyMap<string, number>): Promise<void>
  held(gateway: string): Promise<readonly Held[]>
  stop(): Promise<void>
}

/** A real database with one site, and recorders on it. */
export async function startLedgerBench(gateways: readonly string[]): Promise<LedgerBench> {
  const database = await createTestDatabase()
  await withPool(database.options('owner'), (pool) =>
    applySite(pool, {
      org: { slug: 'bench', name: 'Bench' },
      facility: { code: 'bench', name: 'Bench', timeZone: 'UTC' },
      rooms: [{ code: 'R1' }],
      gateways: gateways.map((name) => ({ name })),
      tags: [{ identity: TAG }],
    }),
  )
  const pool = new pg.Pool({ ...database.options('bt_ingest'), max: 8 })
  pool.on('error', () => undefined)
  const recorders: TestRecorder[] = []
  return {
    recorder: () => {
      const recorder = createRecorder<RunOf>({
        pool,
        clock: systemClock,
        random: () => 0.01,
        compression: nodeCompression,
        log: pino({ level: 'silent' }),
        onCommit: () => undefined,
      })
      recorders.push(recorder)
      return recorder
    },
    ...administration(database),
    stop: async () => {
      for (const recorder of recorders) recorder.stop()
      await pool.end()
      await database.stop()
    },
  }
}

const STREAMS = `select w.id from rtls.watermark w join site.gateway g on g.id = w.gateway_id where g.name = $1`
const ROWS = ['location_history', 'usage_event'].map((table) => `telemetry.${table}`)

function administration({ ownerClient: owner }: TestDatabase) {
  const restore = async (gateway: string, backup: ReadonlyMap<string, number>) => {
    const marks = `select w.id, coalesce(b.hw, 0) as hw from rtls.watermark w
      left join unnest($2::text[], $3::bigint[]) as b (epoch, hw) on b.epoch = w.epoch where w.id in (${STREAMS})`
    const values = [gateway, [...backup.keys()], [...backup.values()]]
    await owner.query('begin')
    for (const [table, seq] of [...ROWS.map((name) => [name, 'seq']), ['rtls.gap', 'first_seq']]) {
      const sql = `delete from ${table} x using (${marks}) m where x.stream_id = m.id and x.${seq} > m.hw`
      await owner.query(sql, values)
    }
    await owner.query(
      `update rtls.watermark w set hw = m.hw, rows = least(w.rows, m.hw) from (${marks}) m where m.id = w.id`,
      values,
    )
    await owner.query('commit')
  }
  return {
    endSessions: async () => {
      await owner.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bt_ingest'`)
    },
    backUp: async (gateway: string) => {
      const sql = `select epoch, hw::float8 as hw from rtls.watermark where id in (${STREAMS})`
      const { rows } = await owner.query<{ epoch: string; hw: number }>(sql, [gateway])
      return new Map(rows.map(({ epoch, hw }) => [epoch, hw]))
    },
    restore,
    held: async (gateway: string) => {
      const rows = ROWS.map(
        (table) => `select stream_id, seq as first, seq as last, extract(epoch from t) * 1000 as at from ${table}`,
      )
      const all = [...rows, 'select stream_id, first_seq, last_seq, null from rtls.gap'].join(' union all ')
      const waiting = ['quarantine', 'staged'].map(
        (table) => `select stream_id, first_seq, last_seq, -1 from rtls.${table}`,
      )
      const sql = `select w.epoch, x.first::float8, x.last::float8, round(x.at)::float8 as at
        from (${[all, ...waiting].join(' union all ')}) x join rtls.watermark w on w.id = x.stream_id
        where x.stream_id in (${STREAMS})`
      const found = await owner.query<{ epoch: string; first: number; last: number; at: number | null }>(sql, [gateway])
      return found.rows.map(({ at, ...run }) => (at === null ? run : { ...run, atMs: at }))
    },
  }
}
