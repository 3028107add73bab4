import type pg from 'pg'

/** One organisation with 50,000 assets, 2,500 of them tagged, and four weeks in which 10 million fixes were heard. */
export const HOUSE = { assets: 50_000, tags: 2_500, busyTags: 100, days: 28 } as const

/** A busy tag is heard every minute, the others every sixteen. */
const BUSY_S = 60
const QUIET_S = 968

/**
 * Written by the server itself, day by day as it would have come, the tag index afterwards: less than two minutes and two
 * gigabytes. Triggers are off: 50,000 audited inserts are not what is measured.
 * @param pool superuser of a migrated database in which organisation 1, facility 1 and its rooms and gateway are
 */
export async function loadHouse(pool: pg.Pool, say: (text: string) => void): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query(
      `set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '256MB'`,
    )
    await client.query(PEOPLE_THE_HOUSE)
    const found = await client.query<{ definition: string }>(
      `select pg_get_indexdef('telemetry.location_history_tag'::regclass) as definition`,
    )
    const definition = found.rows[0]?.definition ?? ''
    await client.query('drop index telemetry.location_history_tag')
    for (let day = HOUSE.days; day > 0; day--) {
      await client.query(ONE_DAY, [day, HOUSE.busyTags, BUSY_S, QUIET_S])
      if (day % 7 === 0) say(`${day} days to go`)
    }
    await client.query(definition)
    await client.query(POSITIONS)
    await client.query('vacuum analyze telemetry.location_history')
    await client.query('analyze rtls.tag, rtls.tag_assignment, rtls.position, asset.asset')
    await client.query('reset session_replication_role; reset synchronous_commit')
  } finally {
    client.release(true)
  }
}

const PEOPLE_THE_HOUSE = `
insert into site.room (org_id, facility_id, code, name) select 1, 1, 'B' || i, 'Bench room' from generate_series(1, 200) i;
insert into rtls.tag (org_id, facility_id, identity, label)
  select 1, 1, 'dataset:bench' || i, i::text from generate_series(1, ${HOUSE.tags}) i;
insert into rtls.watermark (org_id, gateway_id, epoch) values (1, 1, '9-00000000000000bb');
insert into asset.category (id, org_id, code, name) values ('00000000-0000-4000-8000-00000000cccc', 1, 'bench', 'Bench');
insert into asset.asset (id, org_id, facility_id, category_id, asset_tag, name)
  select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 1, 1, '00000000-0000-4000-8000-00000000cccc',
    'B-' || i, 'Bench asset' from generate_series(1, ${HOUSE.assets}) i;
insert into rtls.tag_assignment (id, org_id, tag_id, asset_id, from_t)
  select gen_random_uuid(), 1, t.id, ('00000000-0000-4000-8000-' || lpad(t.label, 12, '0'))::uuid, now() - interval '60 days'
  from rtls.tag t where t.identity like 'dataset:bench%'`

/** Two rooms an hour for a busy tag, one a day for another. */
const ONE_DAY = `
insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason,
  confidence, map_version, x, y, accuracy)
select at.t, 1, 1, g.id, rooms.ids[1 + (g.id + extract(epoch from at.t)::bigint / case when busy then 1800 else 86400 end) % 200],
  w.id, 1, every * 1000, 2, 0, 900, 1, 1.5, 2.5, 1
from rtls.tag g
cross join lateral (select g.label::int <= $2 as busy, case when g.label::int <= $2 then $3::int else $4::int end as every) kind
cross join lateral generate_series(date_trunc('minute', now()) - $1 * interval '1 day',
  date_trunc('minute', now()) - ($1 - 1) * interval '1 day' - interval '1 s', every * interval '1 s') as at (t)
cross join (select array_agg(id order by id) as ids from site.room where code like 'B%') rooms
join rtls.watermark w on w.epoch = '9-00000000000000bb'
where g.identity like 'dataset:bench%'
order by at.t`

const POSITIONS = `
insert into rtls.position (org_id, tag_id, facility_id, room_id, t, since, method, reason, confidence, stream_id, seq, map_version)
select 1, g.id, 1, h.room_id, h.t, h.t, 2, 0, 900, h.stream_id, h.seq, 1
from rtls.tag g cross join lateral (select * from telemetry.location_history l where l.tag_id = g.id order by l.t desc limit 1) h
where g.identity like 'dataset:bench%'`
