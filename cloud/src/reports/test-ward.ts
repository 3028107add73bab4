import { createTestDatabase, type TestDatabase } from '@biotrakr/cloud/test-database'
import pg, { type ClientBase } from 'pg'

/**
 * Two organisations on a real database. The first has a big facility `north`, a small one `south` and very many assets;
 * the second has `other`. For tests and measurements only.
 */
export interface TestWard {
  readonly database: TestDatabase
  /** Runs as bt_api in a transaction of organisation 1 (or another), in all facilities (or some). */
  as<T>(work: (client: ClientBase) => Promise<T>, scope?: WardScope): Promise<T>
  /** Runs as bt_jobs in a transaction. */
  asJob<T>(work: (client: ClientBase) => Promise<T>): Promise<T>
  stop(): Promise<void>
}

export interface WardScope {
  readonly org?: number
  /** `all`, or ids such as `{2}`. */
  readonly facilities?: string
}

/**
 * What a report is asked for: names that are in the first organisation, with asset 7 among the answers.
 * @param id of the report, for example `AS01`
 */
export function askedOf(id: string): Readonly<Record<string, string>> {
  const before = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
  const day = { from: before(24), to: before(-1) }
  const asked: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    AS01: { code: 'SN7' },
    AS03: { text: 'syringe pump 7' },
    AS06: { facility: 'north', room: 'N1', category: 'c7' },
    LO01: { asset: 'A-7' },
    LO02: { asset: 'A-7', ...day },
    LO03: { facility: 'north', room: 'N8' },
    LO04: { asset: 'A-7', at: before(2.5) },
    LO05: { facility: 'north', at: before(2.5) },
    LO06: { facility: 'north' },
    CO05: { recall: 'R-1' },
    CO06: { facility: 'north', zone: 'cold', ...day },
    CO07: { id: 'a0000000-0000-4000-8000-000000000007', ...day },
  }
  return asked[id] ?? {}
}

export async function createTestWard(assets: number): Promise<TestWard> {
  const database = await createTestDatabase()
  await database.ownerClient.query(setup(assets))
  const pools = { api: pool(database, 'bt_api'), jobs: pool(database, 'bt_jobs') }
  return {
    database,
    as: (work, { org = 1, facilities = 'all' } = {}) => within(pools.api, { org, facilities }, work),
    asJob: (work) => within(pools.jobs, { org: 1, facilities: 'all' }, work),
    stop: async () => {
      await Promise.all([pools.api.end(), pools.jobs.end()])
      await database.stop()
    },
  }
}

function pool(database: TestDatabase, role: 'bt_api' | 'bt_jobs'): pg.Pool {
  return new pg.Pool({ ...database.options(role), max: 1 })
}

async function within<T>(
  pool: pg.Pool,
  { org, facilities }: Required<WardScope>,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `select set_config('app.org', $1, true), set_config('app.facilities', $2, true), set_config('app.actor', 'test', true)`,
      [String(org), facilities],
    )
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/** An id that says what it is of and which. */
const id = (kind: string, n: string) => `('${kind}0000000-0000-4000-8000-' || lpad((${n})::text, 12, '0'))::uuid`

/** Of ten assets nine are in `north`; every asset wears the tag of its number. Asset 7 has its own story in the tests. */
function setup(assets: number): string {
  return `begin;
  set local session_replication_role = replica;
  select set_config('app.org', '1', true), set_config('app.actor', 'test', true);
  insert into iam.org (slug, name) values ('one', 'One'), ('two', 'Two');
  insert into site.facility (org_id, code, name, time_zone) values (1, 'north', 'North', 'UTC'), (1, 'south', 'South', 'UTC'), (2, 'other', 'Other', 'UTC');
  insert into site.department (org_id, facility_id, code, name) values (1, 1, 'icu', 'ICU'), (1, 2, 'icu', 'ICU'), (2, 3, 'icu', 'ICU');
  insert into site.room (org_id, facility_id, code, name, department_id) select 1, 1, 'N' || i, 'North ' || i, 1 from generate_series(1, 60) i;
  insert into site.room (org_id, facility_id, code, name, department_id) select 1, 2, 'S' || i, 'South ' || i, 2 from generate_series(1, 20) i;
  insert into site.room (org_id, facility_id, code, name, department_id) select 2, 3, 'O' || i, 'Other ' || i, 3 from generate_series(1, 5) i;
  insert into site.adjacency (org_id, facility_id, room_a, room_b) select 1, 1, i, i + 1 from generate_series(1, 59) i;
  insert into site.zone (org_id, facility_id, code, name, kind) values (1, 1, 'cold', 'Cold store', 'cold_store'), (1, 1, 'stock', 'Stock', 'par'), (1, 1, 'empty', 'Empty', 'group');
  insert into site.zone_room (org_id, facility_id, zone_id, room_id) values (1, 1, 1, 1), (1, 1, 2, 2), (1, 1, 2, 3);
  insert into site.gateway (org_id, facility_id, name) select 1, 1 + i / 16, 'gw-' || i from generate_series(1, 20) i;
  insert into site.gateway (org_id, facility_id, name) values (2, 3, 'gw-other');
  insert into site.receiver (org_id, facility_id, gateway_id, room_id, code, kind)
    select 1, g.facility_id, g.id, null, 'rx-' || g.id || '-' || i, 'ble_adapter' from site.gateway g, generate_series(1, 3) i where g.org_id = 1;
  insert into rtls.watermark (org_id, gateway_id, epoch, newest_t, rows) select org_id, id, '1-0123456789abcdef', now() - interval '20 s', 5 from site.gateway;
  insert into rtls.gap (org_id, stream_id, first_seq, last_seq, reason, from_t, to_t) values (1, 1, 10, 19, 'evicted', now(), now());
  insert into asset.category (id, org_id, code, name, default_life_months) select ${id('c', 'i')}, 1, 'c' || i, 'Category ' || i, 120 from generate_series(0, 39) i;
  insert into asset.category (id, org_id, code, name) values (${id('d', '0')}, 2, 'c0', 'Category 0');
  insert into asset.asset (id, org_id, facility_id, department_id, category_id, asset_tag, name, manufacturer, serial_no, condition, created_at)
    select ${id('a', 'i')}, 1, 1 + (i % 10 = 0)::int, 1 + (i % 10 = 0)::int, ${id('c', 'i % 40')}, 'A-' || i, 'Syringe pump ' || i, 'Maker ' || i % 15, 'SN' || i,
      case i % 50 when 0 then 'poor' else 'good' end, now() - interval '400 days' from generate_series(1, ${assets}) i;
  insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
    select ${id('b', 'i')}, 2, 3, ${id('d', '0')}, 'A-' || i, 'Foreign pump ' || i from generate_series(1, 50) i;
  insert into rtls.tag (org_id, facility_id, identity, battery_percent, battery_at)
    select 1, 1 + (i % 10 = 0)::int, 'ble:c3' || lpad(to_hex(i), 10, '0'), case when i % 1000 = 7 then 9 else 80 end, now() from generate_series(1, ${assets}) i;
  insert into rtls.tag (org_id, facility_id, identity, kind) select 1, 1, 'ble:d3' || lpad(to_hex(i), 10, '0'), 'ble_sensor' from generate_series(1, 20) i;
  insert into rtls.tag (org_id, facility_id, identity) select 2, 3, 'ble:e3' || lpad(to_hex(i), 10, '0') from generate_series(1, 50) i;
  insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t) select ${id('e', 'i')}, 1, i, ${id('a', 'i')}, now() - interval '300 days' from generate_series(1, ${assets}) i;
  insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t) select ${id('f', 'i')}, 2, ${assets} + 20 + i, ${id('b', 'i')}, now() - interval '300 days' from generate_series(1, 50) i;
  insert into rtls.position (org_id, tag_id, facility_id, room_id, t, since, method, reason, confidence, stream_id, seq, map_version)
    select org_id, id, facility_id, case facility_id when 1 then 1 + id % 60 when 2 then 61 + id % 20 else 81 + id % 5 end,
      now() - case when id % 500 = 7 then interval '5 hours' else interval '30 s' end, now() - interval '6 hours', 2, 0, 900, 1, 1, 1
    from rtls.tag where kind = 'ble';
  insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason, confidence, map_version)
    select now() - m * interval '1 hour', g.org_id, g.facility_id, g.id, p.room_id, 1, m, 60000, 2, 0, 900, 1
    from rtls.tag g join rtls.position p on p.tag_id = g.id, generate_series(1, 4) m;
  insert into telemetry.stay (t, leave_t, org_id, facility_id, tag_id, room_id, stream_id, continued)
    select now() - m * interval '1 hour', now() - m * interval '1 hour' + interval '50 minutes', g.org_id, g.facility_id, g.id, p.room_id, 1, false
    from rtls.tag g join rtls.position p on p.tag_id = g.id, generate_series(1, 3) m;
  insert into telemetry.tag_day (org_id, facility_id, tag_id, asset_id, day, room_id, visits, dwell_ms, moving_ms, first_t, last_t)
    select g.org_id, g.facility_id, g.id, w.asset_id, current_date - m, p.room_id, 2, 7200000, case when g.id % 2 = 0 then 720000 else 0 end, now(), now()
    from rtls.tag g join rtls.position p on p.tag_id = g.id join rtls.tag_assignment w on w.tag_id = g.id, generate_series(0, 40) m where g.id % 10 < 2 or g.org_id = 2;
  insert into telemetry.sensor_reading (t, org_id, facility_id, tag_id, room_id, stream_id, seq, kind, milli)
    select now() - m * interval '5 minutes', 1, 1, ${assets} + i, i, 1, m, 1, case when i = 1 and m between 2 and 4 then 9500 else 5000 end
    from generate_series(1, 20) i, generate_series(0, 2000) m;
  insert into telemetry.receiver_health (t, org_id, facility_id, gateway_id, receiver, stream_id, seq, state, readings, errors)
    select now() - m * interval '10 minutes', 1, r.facility_id, r.gateway_id, r.code, 1, m, case r.code when 'rx-1-1' then 3 else 1 end, 5, 0
    from site.receiver r, generate_series(1, 600) m where r.code <> 'rx-1-2';
  insert into asset.asset_service (asset_id, org_id, facility_id, pm_days, next_pm_on)
    select id, 1, facility_id, 365, current_date + (2000 - substr(asset_tag, 3)::int % 2007) from asset.asset where org_id = 1;
  insert into asset.certification (id, org_id, facility_id, asset_id, kind, issuer, issued_on, valid_until)
    select id, 1, facility_id, id, 'electrical', 'Office', current_date - 1000, current_date + (substr(asset_tag, 3)::int % 1000 - 7)
    from asset.asset where org_id = 1 and substr(asset_tag, 3)::int % 5 = 2;
  insert into asset.work_order (id, org_id, facility_id, asset_id, number, kind, origin, state, title, due_on, priority, opened_at, done_at)
    select id, 1, facility_id, id, substr(asset_tag, 3)::int, 'corrective', 'manual', case when asset_tag = 'A-7' then 'open' else 'verified' end, 'Mend',
      current_date, case when asset_tag = 'A-7' then 'urgent' else 'normal' end, now() - interval '5 days', case when asset_tag <> 'A-7' then now() end
    from asset.asset where org_id = 1 and substr(asset_tag, 3)::int % 20 = 7;
  insert into asset.failure (id, org_id, facility_id, asset_id, at, detected_by, mode, severity, resolved_at)
    select id, 1, facility_id, id, now() - interval '3 days', 'user', 'stopped', 'major', now() - interval '3 days' + interval '6 hours'
    from asset.asset where org_id = 1 and substr(asset_tag, 3)::int % 100 = 7;
  insert into asset.recall (id, org_id, number, authority, class, title, manufacturer, action, issued_on)
    values (${id('9', '1')}, 1, 'R-1', 'FDA', 'I', 'Pumps stop', 'Maker 7', 'Take away', current_date), (${id('9', '2')}, 2, 'R-1', 'FDA', 'I', 'Pumps', 'M', 'Take away', current_date);
  insert into asset.recall_match (org_id, recall_id, asset_id, facility_id, matched_by)
    select 1, ${id('9', '1')}, id, facility_id, 'model' from asset.asset where org_id = 1 and substr(asset_tag, 3)::int % 1000 = 7;
  select audit.ensure_month(now());
  insert into audit.event (org_id, n, at, kind, actor, action, object, object_id, facility_id, new, outcome, hash)
    select 1, i, now() - interval '1 s', case i % 2 when 0 then 'change' else 'access' end, 'test', 'update', 'asset.asset',
      (${id('a', 'i % 10000')})::text, 1, '{"status": "x"}', 'ok', sha256('') from generate_series(1, 50000) i;
  commit;
  begin; select set_config('app.org', '1', true), set_config('app.actor', 'test', true);
  select asset.rebuild_search_words();
  commit;
  analyze`
}
