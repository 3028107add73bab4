-- Who may see and do what, all in one place. FORCE holds the owner to the policies as well.
-- Hypertables carry no row security (TimescaleDB refuses it beside compression and aggregates, and a chunk named
-- directly would pass it by): nobody but the ingester has a grant on them, readers go through barrier views.

set local role bt_owner;

grant usage on schema iam, site, rtls to bt_api, bt_ingest;
grant usage on schema telemetry to bt_ingest;
grant execute on function iam.current_org() to bt_api, bt_ingest;

do $$
declare
  target record;
begin
  for target in
    select * from (values
      ('iam', 'org', 'id'),
      ('site', 'facility', 'org_id'),
      ('site', 'room', 'org_id'),
      ('site', 'gateway', 'org_id'),
      ('rtls', 'tag', 'org_id'),
      ('rtls', 'watermark', 'org_id'),
      ('rtls', 'gap', 'org_id'),
      ('rtls', 'clock_anchor', 'org_id'),
      ('rtls', 'quarantine', 'org_id'),
      ('rtls', 'position', 'org_id')
    ) as target (schema, name, tenant_column)
  loop
    execute format('alter table %I.%I enable row level security', target.schema, target.name);
    execute format('alter table %I.%I force row level security', target.schema, target.name);
    execute format(
      'create policy tenant on %I.%I to bt_owner, bt_api using (%I = (select iam.current_org()))'
        ' with check (%3$I = (select iam.current_org()))',
      target.schema, target.name, target.tenant_column);
    -- One ingester serves every tenant; the broker-verified gateway decides whose row it is.
    execute format('create policy ingest on %I.%I to bt_ingest using (true) with check (true)',
      target.schema, target.name);
    execute format('grant select on %I.%I to bt_api, bt_ingest', target.schema, target.name);
  end loop;
end
$$;

-- Tenants themselves are made and found by the operator of the service, who acts as the owner.
create policy operator on iam.org to bt_owner using (true) with check (true);

grant insert, update on rtls.watermark, rtls.gap, rtls.quarantine, rtls.position to bt_ingest;
grant insert on rtls.clock_anchor to bt_ingest;
grant select on rtls.edition to bt_api, bt_ingest;
grant insert on telemetry.location_history, telemetry.sensor_reading, telemetry.usage_event, telemetry.receiver_health
  to bt_ingest;

-- Give a time window or a tag: "newest N" is not pushed through a barrier view.
create view rtls.location_history with (security_barrier = true) as
  select t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason, confidence, map_version,
    x, y, accuracy, evidence
  from telemetry.location_history
  where org_id = (select iam.current_org());
grant select on rtls.location_history to bt_api;
