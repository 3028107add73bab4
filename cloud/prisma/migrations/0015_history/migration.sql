-- Who wears which tag and when; stays and sums that jobs derive from what was heard; and every way in which the API reads
-- history.

set local role bt_owner;

-- What the list of tags shows. Battery comes from the tags' own readings, by a job; everything else from people.
alter table rtls.tag
  add column model text check (length(model) between 1 and 100),
  add column battery_percent smallint check (battery_percent between 0 and 100),
  add column battery_at timestamptz,
  add column updated_by uuid,
  add column row_version integer not null default 1,
  add check ((battery_percent is null) = (battery_at is null));
create trigger touch before update on rtls.tag for each row
  when ((old.facility_id, old.kind, old.label, old.status, old.model)
    is distinct from (new.facility_id, new.kind, new.label, new.status, new.model))
  execute function iam.touch();
grant insert on rtls.tag to bt_api;
grant update (facility_id, kind, label, status, model) on rtls.tag to bt_api;
grant select on rtls.tag to bt_jobs;
grant update (status, battery_percent, battery_at) on rtls.tag to bt_jobs;

-- History knows tags only; who wore one is said here and nowhere else, so a correction of the past is one row. A range is
-- [from_t, to_t), open when to_t is null. Of several tags of one asset, one at a time is the one that places it.
create table rtls.tag_assignment (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  tag_id integer not null,
  asset_id uuid,
  from_t timestamptz not null,
  to_t timestamptz check (to_t > from_t),
  is_primary boolean not null default true,
  reason text check (length(reason) between 1 and 500),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  constraint tag_assignment_subject check (num_nonnulls(asset_id) = 1),
  unique (org_id, id),
  foreign key (org_id, tag_id) references rtls.tag (org_id, id),
  foreign key (org_id, asset_id) references asset.asset (org_id, id),
  constraint tag_assignment_tag exclude using gist (org_id with =, tag_id with =, tstzrange(from_t, to_t) with &&),
  constraint tag_assignment_asset exclude using gist (org_id with =, asset_id with =, tstzrange(from_t, to_t) with &&)
    where (is_primary and asset_id is not null)
);
create index tag_assignment_history on rtls.tag_assignment (org_id, tag_id, from_t desc);
create index tag_assignment_worn on rtls.tag_assignment (org_id, asset_id, from_t desc) where asset_id is not null;
call iam.protect('rtls.tag_assignment');
create trigger touch before update on rtls.tag_assignment for each row execute function iam.touch();
create trigger record_change after insert or update or delete on rtls.tag_assignment
  for each row execute function audit.record_change('id');
grant select, insert on rtls.tag_assignment to bt_api;
grant update (from_t, to_t, reason) on rtls.tag_assignment to bt_api;
-- Taken back by a correction that covers all of it; the audit chain keeps what it was.
grant delete on rtls.tag_assignment to bt_api;
grant select on rtls.tag_assignment to bt_jobs;

-- Rows of the stream with t >= dirty_from and seq >= dirty_seq are not in the stays yet. The ingester lowers the two in
-- the transaction that writes; the job takes them over into deriving_* in a short transaction of its own, so that the
-- lock that makes ingest exactly once is never held for the length of a derivation.
alter table rtls.watermark
  add column dirty_from timestamptz,
  add column dirty_seq bigint,
  add column deriving_from timestamptz,
  add column deriving_seq bigint,
  add check ((dirty_from is null) = (dirty_seq is null)),
  add check ((deriving_from is null) = (deriving_seq is null));
create index watermark_dirty on rtls.watermark (id) where dirty_from is not null or deriving_from is not null;
grant select on rtls.watermark to bt_jobs;
grant update (dirty_from, dirty_seq, deriving_from, deriving_seq) on rtls.watermark to bt_jobs;

-- One stay of one tag as one gateway saw it. A fix stands until the next one of that tag and gateway, or as much of that
-- time as the next one's span_ms says; fixes of one room without a hole between them are one stay. Cut at midnight of the facility's
-- zone (`continued` marks the piece after the cut), so that a row is at most a day long: readers then know how far to look
-- back, and a tag that never moves keeps no old row open.
create table telemetry.stay (
  t timestamptz not null,
  leave_t timestamptz not null,
  org_id integer not null,
  facility_id integer not null,
  tag_id integer not null,
  room_id integer,
  stream_id integer not null,
  continued boolean not null
);

-- Stretches in which a tag's motion sensor said that it moved.
create table telemetry.usage_interval (
  t timestamptz not null,
  end_t timestamptz not null,
  org_id integer not null,
  facility_id integer not null,
  tag_id integer not null
);

-- Local days of a tag in a room, and of the asset that it placed then. Rebuilt for whole days.
create table telemetry.tag_day (
  org_id integer not null,
  facility_id integer not null,
  tag_id integer not null,
  asset_id uuid,
  day date not null,
  room_id integer,
  visits integer not null,
  dwell_ms bigint not null,
  moving_ms bigint not null,
  first_t timestamptz not null,
  last_t timestamptz not null
);
create index tag_day_tag on telemetry.tag_day (tag_id, day);
create index tag_day_asset on telemetry.tag_day (asset_id, day) where asset_id is not null;
create index tag_day_facility on telemetry.tag_day (facility_id, day);

-- Tags whose sums are to be made again: days from from_t on, hours from hours_from on.
create table telemetry.rollup_due (
  org_id integer not null,
  tag_id integer not null,
  from_t timestamptz not null,
  hours_from timestamptz,
  primary key (org_id, tag_id)
);

do $$
declare
  home text;
  is_hyper boolean := false;
  derived record;
begin
  select n.nspname into home
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'timescaledb';
  -- An extension that came after history was made leaves it in plain tables.
  if home is not null then
    execute 'select exists (select from timescaledb_information.hypertables'
      ' where hypertable_schema = ''telemetry'' and hypertable_name = ''location_history'')' into is_hyper;
  end if;
  if is_hyper then
    perform set_config('search_path', format('pg_catalog, %I', home), true);
    for derived in select * from (values ('stay'), ('usage_interval')) as derived (name) loop
      execute format(
        'select create_hypertable(%L, ''t'', chunk_time_interval => interval ''7 days'', create_default_indexes => false)',
        'telemetry.' || derived.name);
      if current_setting('timescaledb.license', true) = 'timescale' then
        execute format(
          'alter table telemetry.%I set (timescaledb.compress, timescaledb.compress_segmentby = ''org_id, tag_id'', '
            'timescaledb.compress_orderby = ''t desc'')', derived.name);
        -- Later than history itself: data of up to 35 days ago still rebuilds these rows.
        execute format('select add_compression_policy(%L, interval ''40 days'')', 'telemetry.' || derived.name);
      end if;
    end loop;
  end if;
  if to_regclass('telemetry.fix_hourly') is null then
    execute 'create table telemetry.fix_hourly (bucket timestamptz not null, org_id integer not null,'
      ' facility_id integer not null, tag_id integer not null, room_id integer, fixes bigint not null,'
      ' span_ms bigint not null, first_t timestamptz not null, last_t timestamptz not null)';
    execute 'create index fix_hourly_tag on telemetry.fix_hourly (tag_id, bucket)';
    execute 'create index fix_hourly_facility on telemetry.fix_hourly (facility_id, bucket)';
    execute 'grant select, insert, delete on telemetry.fix_hourly to bt_jobs';
  else
    -- The newest minutes come straight from history. Old rows go by the product's own job on every edition: a policy of
    -- the extension would not ask whether an organisation is held to keep what it has.
    for derived in
      select * from (values ('location_history'), ('sensor_reading'), ('usage_event'), ('receiver_health')) as d (name)
    loop
      execute format('select remove_retention_policy(%L, if_exists => true)', 'telemetry.' || derived.name);
    end loop;
    execute 'alter materialized view telemetry.fix_hourly set (timescaledb.materialized_only = false)';
  end if;
end
$$;

-- Fixes come in the order of time, so those of one tag lie a page apart each: four weeks of it are forty thousand pages,
-- or four hundred of an index that holds what is asked for. Pages must be known to be visible to all for that, so they
-- are looked at more often than after every fifth of the table.
drop index telemetry.location_history_tag;
create index location_history_tag on telemetry.location_history (tag_id, t desc)
  include (org_id, facility_id, room_id, span_ms, method, reason, confidence, x, y, accuracy);
alter table telemetry.location_history
  set (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 200000);

create index stay_tag on telemetry.stay (tag_id, t desc);
create index stay_facility on telemetry.stay (facility_id, t desc);
create index usage_interval_tag on telemetry.usage_interval (tag_id, t desc);

grant select on telemetry.location_history, telemetry.sensor_reading, telemetry.usage_event to bt_jobs;
grant select, insert, delete on telemetry.stay, telemetry.usage_interval, telemetry.tag_day to bt_jobs;
grant select, insert, update, delete on telemetry.rollup_due to bt_jobs;
grant select on rtls.edition, site.facility to bt_jobs;

-- A changed assignment changes the days of the asset.
create function rtls.mark_assignment() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  since timestamptz := least(old.from_t, new.from_t);
begin
  if tg_op = 'UPDATE' and old.from_t = new.from_t then
    since := least(coalesce(old.to_t, 'infinity'), coalesce(new.to_t, 'infinity'));
  end if;
  if since < 'infinity' then
    insert into telemetry.rollup_due as due (org_id, tag_id, from_t)
      values (coalesce(new.org_id, old.org_id), coalesce(new.tag_id, old.tag_id), since)
      on conflict (org_id, tag_id) do update set from_t = least(due.from_t, excluded.from_t);
  end if;
  return null;
end
$$;
create trigger mark_assignment after insert or update or delete on rtls.tag_assignment
  for each row execute function rtls.mark_assignment();

-- What the API reads. Barrier views filter tenant and facilities by sub-selects, which compressed chunks can use as an
-- index condition. Give each a time window: "newest N" is not pushed through a barrier view, see the functions below.
create or replace view rtls.location_history with (security_barrier = true) as
  select t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason, confidence, map_version,
    x, y, accuracy, evidence
  from telemetry.location_history
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]));

create view rtls.asset_location_history with (security_barrier = true) as
  select a.asset_id, h.t, h.org_id, h.facility_id, h.tag_id, h.room_id, h.stream_id, h.seq, h.span_ms, h.method, h.reason,
    h.confidence, h.map_version, h.x, h.y, h.accuracy
  from rtls.tag_assignment a
  join telemetry.location_history h on h.org_id = a.org_id and h.tag_id = a.tag_id
    and h.t >= a.from_t and h.t < coalesce(a.to_t, 'infinity')
  where a.org_id = (select iam.current_org()) and h.org_id = (select iam.current_org())
    and a.is_primary and a.asset_id is not null
    and ((select iam.sees_all_facilities()) or h.facility_id = any ((select iam.current_facilities())::integer[]));

create view rtls.stay_history with (security_barrier = true) as
  select t, leave_t, org_id, facility_id, tag_id, room_id, stream_id, continued
  from telemetry.stay
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]));

-- Cut at the borders of the assignment.
create view rtls.asset_stay_history with (security_barrier = true) as
  select a.asset_id, greatest(s.t, a.from_t) as t, least(s.leave_t, a.to_t) as leave_t, s.org_id, s.facility_id, s.tag_id,
    s.room_id, s.stream_id, s.continued or s.t < a.from_t as continued
  from rtls.tag_assignment a
  join telemetry.stay s on s.org_id = a.org_id and s.tag_id = a.tag_id
    and s.leave_t >= a.from_t and s.t > a.from_t - interval '26 hours' and s.t < coalesce(a.to_t, 'infinity')
  where a.org_id = (select iam.current_org()) and s.org_id = (select iam.current_org())
    and a.is_primary and a.asset_id is not null
    and ((select iam.sees_all_facilities()) or s.facility_id = any ((select iam.current_facilities())::integer[]));

create view rtls.usage_history with (security_barrier = true) as
  select t, end_t, org_id, facility_id, tag_id
  from telemetry.usage_interval
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]));

create view rtls.sensor_history with (security_barrier = true) as
  select t, org_id, facility_id, tag_id, room_id, stream_id, seq, kind, milli
  from telemetry.sensor_reading
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]));

-- Hours in UTC, in which the time between two fixes counts to the room found at its end. Exact stays in local days are in
-- the two views after it; hours of UTC would not fit zones of half an hour.
create view rtls.room_hour with (security_barrier = true) as
  select bucket as hour, org_id, facility_id, room_id, count(distinct tag_id)::integer as tags, sum(fixes)::bigint as fixes,
    sum(span_ms)::bigint as span_ms, min(first_t) as first_t, max(last_t) as last_t
  from telemetry.fix_hourly
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]))
  group by bucket, org_id, facility_id, room_id;

create view rtls.tag_day with (security_barrier = true) as
  select org_id, facility_id, tag_id, day, room_id, sum(visits)::integer as visits, sum(dwell_ms)::bigint as dwell_ms,
    sum(moving_ms)::bigint as moving_ms, min(first_t) as first_t, max(last_t) as last_t
  from telemetry.tag_day
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]))
  group by org_id, facility_id, tag_id, day, room_id;

create view rtls.asset_day with (security_barrier = true) as
  select org_id, facility_id, asset_id, tag_id, day, room_id, visits, dwell_ms, moving_ms, first_t, last_t
  from telemetry.tag_day
  where org_id = (select iam.current_org()) and asset_id is not null
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]));

-- How far the record of each gateway has come. Held by the row security of its tables.
create view rtls.ingest_status with (security_invoker = true) as
  select g.org_id, g.facility_id, g.id as gateway_id, g.name as gateway, g.status,
    count(w.id)::integer as streams, max(w.newest_t) as newest_t, max(w.updated_at) as updated_at,
    coalesce(sum(w.rows), 0)::bigint as rows, coalesce(sum(w.quarantined), 0)::bigint as quarantined,
    coalesce(sum(m.missing), 0)::bigint as missing,
    min(least(w.dirty_from, w.deriving_from)) as dirty_from
  from site.gateway g
  left join rtls.watermark w on w.org_id = g.org_id and w.gateway_id = g.id
  left join lateral (select sum(p.last_seq - p.first_seq + 1) as missing from rtls.gap p
    where p.org_id = w.org_id and p.stream_id = w.id) m on true
  group by g.org_id, g.id;

-- Where each asset is as far as is known now, by the tag that places it. Minutes since it was last heard.
create view asset.asset_current with (security_invoker = true) as
  select a.org_id, a.id as asset_id, a.asset_tag, a.name, a.facility_id as home_facility_id, t.id as tag_id,
    t.identity as tag, t.status as tag_status, t.battery_percent, p.facility_id, p.room_id, p.last_room_id, p.t, p.since,
    p.method, p.reason, p.confidence, p.x, p.y, p.accuracy,
    (extract(epoch from now() - p.t) / 60)::integer as minutes_unseen
  from asset.asset a
  left join rtls.tag_assignment w on w.org_id = a.org_id and w.asset_id = a.id and w.is_primary
    and w.from_t <= now() and (w.to_t is null or w.to_t > now())
  left join rtls.tag t on t.org_id = w.org_id and t.id = w.tag_id
  left join rtls.position p on p.org_id = w.org_id and p.tag_id = w.tag_id and p.t >= w.from_t
  where a.deleted_at is null;

grant select on rtls.location_history, rtls.asset_location_history, rtls.stay_history, rtls.asset_stay_history,
  rtls.usage_history, rtls.sensor_history, rtls.room_hour, rtls.tag_day, rtls.asset_day, rtls.ingest_status,
  asset.asset_current to bt_api;

-- Questions that only a function answers fast: each filters the tenant and the facilities itself, and leaves out the time
-- in which somebody other than an asset wore the tag: people are found by functions that ask for a purpose.
create function rtls.tag_history(tag integer, since timestamptz, until timestamptz, max_rows integer)
  returns table (t timestamptz, facility_id integer, tag_id integer, room_id integer, span_ms integer, method smallint,
    reason smallint, confidence smallint, x real, y real, accuracy real)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  everywhere boolean := iam.sees_all_facilities();
  reach integer[] := iam.current_facilities();
  people boolean;
begin
  if org is null then
    return;
  end if;
  select exists (select from rtls.tag_assignment a where a.org_id = org and a.tag_id = tag and a.asset_id is null)
    into people;
  return query
    select h.t, h.facility_id, h.tag_id, h.room_id, h.span_ms, h.method, h.reason, h.confidence, h.x, h.y, h.accuracy
    from telemetry.location_history h
    where h.org_id = org and h.tag_id = tag and h.t >= since and h.t < until
      and (everywhere or h.facility_id = any (reach))
      and not (people and exists (select from rtls.tag_assignment a where a.org_id = org and a.tag_id = tag
        and a.asset_id is null and a.from_t <= h.t and coalesce(a.to_t, 'infinity') > h.t))
    order by h.t desc limit max_rows;
end
$$;

create function rtls.asset_history(asset uuid, since timestamptz, until timestamptz, max_rows integer)
  returns table (t timestamptz, facility_id integer, tag_id integer, room_id integer, span_ms integer, method smallint,
    reason smallint, confidence smallint, x real, y real, accuracy real)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  everywhere boolean := iam.sees_all_facilities();
  reach integer[] := iam.current_facilities();
begin
  if org is null then
    return;
  end if;
  return query
    select h.t, h.facility_id, h.tag_id, h.room_id, h.span_ms, h.method, h.reason, h.confidence, h.x, h.y, h.accuracy
    from rtls.tag_assignment a
    cross join lateral (
      select l.t, l.facility_id, l.tag_id, l.room_id, l.span_ms, l.method, l.reason, l.confidence, l.x, l.y, l.accuracy
      from telemetry.location_history l
      where l.org_id = org and l.tag_id = a.tag_id and l.t >= greatest(a.from_t, since)
        and l.t < least(coalesce(a.to_t, 'infinity'), until) and (everywhere or l.facility_id = any (reach))
      order by l.t desc limit max_rows) h
    where a.org_id = org and a.asset_id = asset and a.is_primary
      and a.from_t < until and coalesce(a.to_t, 'infinity') > since
    order by h.t desc limit max_rows;
end
$$;

-- The newest fix of each tag at that moment, one index probe a tag; a tag that was not heard for a week before is left
-- out.
create function rtls.where_at(facility integer, at timestamptz)
  returns table (tag_id integer, asset_id uuid, room_id integer, t timestamptz, method smallint, reason smallint,
    confidence smallint, x real, y real, accuracy real)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
begin
  if org is null or not (iam.sees_all_facilities() or facility = any (iam.current_facilities())) then
    return;
  end if;
  return query
    select g.id, a.asset_id, h.room_id, h.t, h.method, h.reason, h.confidence, h.x, h.y, h.accuracy
    from rtls.tag g
    cross join lateral (
      select l.facility_id, l.room_id, l.t, l.method, l.reason, l.confidence, l.x, l.y, l.accuracy
      from telemetry.location_history l
      where l.tag_id = g.id and l.t <= at and l.t > at - interval '7 days' and l.org_id = org
      order by l.t desc limit 1) h
    left join rtls.tag_assignment a on a.org_id = org and a.tag_id = g.id and a.is_primary
      and a.from_t <= at and coalesce(a.to_t, 'infinity') > at
    where g.org_id = org and h.facility_id = facility
      and not exists (select from rtls.tag_assignment p where p.org_id = org and p.tag_id = g.id and p.asset_id is null
        and p.from_t <= h.t and coalesce(p.to_t, 'infinity') > h.t)
    order by g.id;
end
$$;

-- Drops whole chunks of all tenants, as the owner because nobody else may. Null for what is not kept in chunks.
create function telemetry.drop_history(name text, before timestamptz) returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  home text;
  chunked boolean;
  dropped integer;
begin
  if name not in ('location_history', 'sensor_reading', 'usage_event', 'receiver_health', 'stay', 'usage_interval',
    'fix_hourly', 'tag_day')
  then
    raise exception 'there is no history of this name' using errcode = 'invalid_parameter_value';
  end if;
  select n.nspname into home
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'timescaledb';
  if home is null then
    return null;
  end if;
  execute 'select exists (select from timescaledb_information.hypertables'
    ' where hypertable_schema = ''telemetry'' and hypertable_name = $1'
    ' union all select from timescaledb_information.continuous_aggregates'
    ' where view_schema = ''telemetry'' and view_name = $1)' into chunked using name;
  if not chunked then
    return null;
  end if;
  execute format('select count(*) from %I.drop_chunks(%L::regclass, older_than => $1)', home, 'telemetry.' || name)
    into dropped using before;
  return dropped;
end
$$;
grant execute on function telemetry.drop_history(text, timestamptz) to bt_jobs;
grant select on telemetry.receiver_health to bt_jobs;
grant delete on telemetry.location_history, telemetry.sensor_reading, telemetry.usage_event, telemetry.receiver_health
  to bt_jobs;

grant usage on schema rtls, telemetry, site to bt_search;
grant select on telemetry.location_history, rtls.tag, rtls.tag_assignment to bt_search;
grant create on schema rtls to bt_search;
set local role none;
alter function rtls.tag_history(integer, timestamptz, timestamptz, integer) owner to bt_search;
alter function rtls.asset_history(uuid, timestamptz, timestamptz, integer) owner to bt_search;
alter function rtls.where_at(integer, timestamptz) owner to bt_search;
set local role bt_search;
revoke execute on function rtls.tag_history(integer, timestamptz, timestamptz, integer),
  rtls.asset_history(uuid, timestamptz, timestamptz, integer), rtls.where_at(integer, timestamptz) from public;
grant execute on function rtls.tag_history(integer, timestamptz, timestamptz, integer),
  rtls.asset_history(uuid, timestamptz, timestamptz, integer), rtls.where_at(integer, timestamptz) to bt_api;
set local role bt_owner;
revoke create on schema rtls from bt_search;
