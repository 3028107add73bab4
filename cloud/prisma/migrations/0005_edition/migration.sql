-- What the server can do decides how history is stored. TimescaleDB, either licence: hypertables in chunks of 7 days.
-- Community licence also: compression after 30 days, an hourly aggregate, retention. Plain PostgreSQL: ordinary tables.
-- Everything beyond plain DDL is in DO blocks with EXECUTE, so that each server parses only what it knows.

do $$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'timescaledb') then
    return;
  end if;
  -- The extension reports to its maker by default; a hospital's server does not. Some versions let only a superuser set
  -- this, and then it is for the server's own configuration to say.
  begin
    execute format('alter database %I set timescaledb.telemetry_level = off', current_database());
  exception when insufficient_privilege then
    null;
  end;
  -- TimescaleDB runs jobs as the owner of the hypertable and refuses an owner without LOGIN. A connection limit of 0
  -- still keeps everyone else from logging in by this role, since background workers are not counted.
  if current_setting('timescaledb.license', true) = 'timescale'
    and not (select rolcanlogin from pg_catalog.pg_roles where rolname = 'bt_owner')
  then
    alter role bt_owner login connection limit 0;
  end if;
end
$$;

set local role bt_owner;

do $$
declare
  history record;
  home text;
begin
  select n.nspname into home
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'timescaledb';
  if home is null then
    return;
  end if;
  perform set_config('search_path', format('pg_catalog, %I', home), true);

  for history in
    select * from (values
      ('location_history', 'org_id, tag_id', interval '400 days'),
      ('sensor_reading', 'org_id, tag_id, kind', interval '400 days'),
      ('usage_event', 'org_id, tag_id', interval '400 days'),
      ('receiver_health', 'org_id, gateway_id, receiver', interval '90 days')
    ) as history (name, segment_by, keep)
  loop
    execute format(
      'select create_hypertable(%L, ''t'', chunk_time_interval => interval ''7 days'', create_default_indexes => false)',
      'telemetry.' || history.name);
    if current_setting('timescaledb.license', true) = 'timescale' then
      execute format(
        'alter table telemetry.%I set (timescaledb.compress, timescaledb.compress_segmentby = %L, '
          'timescaledb.compress_orderby = ''t desc'')',
        history.name, history.segment_by);
      execute format('select add_compression_policy(%L, interval ''30 days'')', 'telemetry.' || history.name);
      execute format('select add_retention_policy(%L, %L::interval)', 'telemetry.' || history.name, history.keep);
    end if;
  end loop;

  if current_setting('timescaledb.license', true) = 'timescale' then
    execute
      'create materialized view telemetry.fix_hourly with (timescaledb.continuous, timescaledb.materialized_only = true)'
      ' as select time_bucket(interval ''1 hour'', t) as bucket, org_id, facility_id, tag_id, room_id,'
      ' count(*) as fixes, sum(span_ms) as span_ms, min(t) as first_t, max(t) as last_t'
      ' from telemetry.location_history group by 1, 2, 3, 4, 5 with no data';
    -- As far back as late data is accepted (35 days): a late hour outside the window would never appear.
    execute
      'select add_continuous_aggregate_policy(''telemetry.fix_hourly'', start_offset => interval ''36 days'','
      ' end_offset => interval ''15 minutes'', schedule_interval => interval ''15 minutes'')';
  end if;
end
$$;

create index location_history_tag on telemetry.location_history (tag_id, t desc);
create index location_history_t on telemetry.location_history using brin (t);
create index sensor_reading_tag on telemetry.sensor_reading (tag_id, kind, t desc);
create index usage_event_tag on telemetry.usage_event (tag_id, t desc);
create index receiver_health_receiver on telemetry.receiver_health (gateway_id, receiver, t desc);
