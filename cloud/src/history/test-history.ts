import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import { METHOD, REASON } from '@biotrakr/shared'
import { Client, type ClientBase } from 'pg'

/** Two tenants; the first has two facilities, three gateways, nine rooms, twenty tags and three assets. For tests only. */
export interface TestHistory {
  readonly database: TestDatabase
  /** Logged in as bt_jobs. */
  readonly jobs: Client
  /** Runs `work` as bt_api in one organisation, in one transaction that is kept. */
  asApi<T>(work: (client: ClientBase) => Promise<T>, scope?: Scope): Promise<T>
  /** Values of the first column, as the superuser. */
  column(sql: string, values?: unknown[]): Promise<unknown[]>
  /** Fixes as an ingester leaves them: in the history, with the stream marked. */
  write(stream: number, fixes: readonly TestFix[]): Promise<void>
  /** Forgets all that was heard and all that was made of it. */
  clear(): Promise<void>
  stop(): Promise<void>
}

interface Scope {
  readonly org?: number
  readonly facilities?: string
}

export interface TestFix {
  readonly tag: number
  /** Wall milliseconds. */
  readonly atMs: number
  readonly room: number | null
  readonly spanMs: number
  readonly seq: number
}

/** Assets of the first tenant. */
export const ASSETS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string, string]
/** The one of the second tenant. */
export const FOREIGN_ASSET = '00000000-0000-4000-8000-000000000009'

const SETUP = `
  select set_config('app.org', '1', false), set_config('app.actor', 'test', false);
  insert into iam.org (slug, name) values ('one', 'One'), ('two', 'Two');
  insert into site.facility (org_id, code, name, time_zone)
    values (1, 'main', 'Main', 'Asia/Kolkata'), (1, 'side', 'Side', 'Europe/Berlin'), (2, 'other', 'Other', 'UTC');
  insert into site.gateway (org_id, facility_id, name)
    values (1, 1, 'gw-a'), (1, 1, 'gw-b'), (1, 2, 'gw-c'), (2, 3, 'gw-d');
  insert into site.room (org_id, facility_id, code, name) select 1, 1, 'R' || i, 'Room ' || i from generate_series(1, 9) i;
  insert into site.room (org_id, facility_id, code, name) values (1, 2, 'S1', 'Side room'), (2, 3, 'F1', 'Foreign room');
  insert into rtls.tag (org_id, facility_id, identity)
    select 1, 1, 'ble:c300000000' || lpad(i::text, 2, '0') from generate_series(1, 18) i;
  insert into rtls.tag (org_id, facility_id, identity) values (1, 2, 'ble:c30000000019'), (2, 3, 'ble:c30000000001');
  insert into rtls.watermark (org_id, gateway_id, epoch) values (1, 1, '1-0123456789abcdef'), (1, 2, '1-0123456789abcdef'),
    (1, 1, '2-0123456789abcdef'), (1, 3, '1-0123456789abcdef'), (2, 4, '1-0123456789abcdef');
  insert into asset.category (id, org_id, code, name)
    values ('00000000-0000-4000-8000-0000000000c1', 1, 'pump', 'Pump'), ('00000000-0000-4000-8000-0000000000c2', 2, 'pump', 'Pump');
  insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
    select ('00000000-0000-4000-8000-00000000000' || i)::uuid, 1, 1, '00000000-0000-4000-8000-0000000000c1', 'A-' || i, 'Pump ' || i
    from generate_series(1, 3) i;
  select set_config('app.org', '2', false);
  insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
    values ('${FOREIGN_ASSET}', 2, 3, '00000000-0000-4000-8000-0000000000c2', 'A-1', 'Foreign pump');
  select set_config('app.org', '1', false)`

const EMPTY = `truncate telemetry.location_history, telemetry.stay, telemetry.usage_interval, telemetry.usage_event,
  telemetry.sensor_reading, telemetry.tag_day, telemetry.rollup_due;
  update rtls.watermark set dirty_from = null, dirty_seq = null, deriving_from = null, deriving_seq = null;
  delete from rtls.tag_assignment; truncate telemetry.rollup_due`

/** @param server of a database of another edition; plain PostgreSQL when absent */
export async function createTestHistory(server?: string): Promise<TestHistory> {
  const database = await createTestDatabase({ server })
  const owner = database.ownerClient
  await owner.query(SETUP)
  const jobs = new Client(database.options('bt_jobs'))
  const api = new Client(database.options('bt_api'))
  await Promise.all([jobs.connect(), api.connect()])
  return {
    database,
    jobs,
    asApi: async (work, { org = 1, facilities = 'all' } = {}) => {
      await api.query('begin')
      try {
        await api.query(
          `select set_config('app.org', $1, true), set_config('app.facilities', $2, true),
             set_config('app.actor', 'test', true)`,
          [String(org), facilities],
        )
        const result = await work(api)
        await api.query('commit')
        return result
      } catch (error) {
        await api.query('rollback')
        throw error
      }
    },
    column: async (sql, values = []) =>
      (await owner.query({ text: sql, values, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]),
    write: (stream, fixes) => write(owner, stream, fixes),
    clear: async () => {
      await owner.query(EMPTY)
      const own = await owner.query(
        `select from pg_class where oid = 'telemetry.fix_hourly'::regclass and relkind = 'r'`,
      )
      if (own.rowCount) await owner.query('truncate telemetry.fix_hourly')
    },
    stop: async () => {
      await Promise.all([jobs.end(), api.end()])
      await database.stop()
    },
  }
}

async function write(owner: ClientBase, stream: number, fixes: readonly TestFix[]): Promise<void> {
  await owner.query(
    `with written as (
       insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method,
         reason, confidence, map_version)
       select to_timestamp(f.at / 1000.0), w.org_id, g.facility_id, f.tag, f.room, w.id, f.seq, f.span, $7, $8, 900, 1
       from unnest($2::int[], $3::float8[], $4::int[], $5::int[], $6::bigint[]) as f (tag, at, room, span, seq),
         rtls.watermark w join site.gateway g on g.id = w.gateway_id
       where w.id = $1 returning t, seq)
     update rtls.watermark set dirty_from = least(dirty_from, n.t), dirty_seq = least(dirty_seq, n.seq)
     from (select min(t) as t, min(seq) as seq from written) as n where id = $1`,
    [
      stream,
      fixes.map(({ tag }) => tag),
      fixes.map(({ atMs }) => atMs),
      fixes.map(({ room }) => room),
      fixes.map(({ spanMs }) => spanMs),
      fixes.map(({ seq }) => seq),
      METHOD.BLE,
      REASON.none,
    ],
  )
}
