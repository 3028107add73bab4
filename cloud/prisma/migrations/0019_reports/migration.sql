-- What reports need beyond what other work leaves behind: wanted stock, rules that watch, what they raised, and scores.

set local role bt_owner;

-- How many things of a category should be in the rooms of a zone. The last three columns are the job's.
create table rtls.par_level (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  zone_id integer not null,
  category_id uuid not null,
  low integer not null check (low between 0 and 100000),
  high integer check (high between low and 100000),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  ended_at timestamptz,
  present integer check (present >= 0),
  state text check (state in ('within', 'below', 'above')),
  state_since timestamptz,
  unique (org_id, id),
  foreign key (org_id, facility_id, zone_id) references site.zone (org_id, facility_id, id),
  foreign key (org_id, category_id) references asset.category (org_id, id),
  check (num_nulls(present, state, state_since) in (0, 3))
);
create unique index par_level_place on rtls.par_level (org_id, zone_id, category_id) where ended_at is null;

-- What is to raise an alert. Limits of sensors are thousandths of their unit.
create table rtls.alert_rule (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  name text not null check (length(name) between 1 and 200),
  kind text not null check (kind in ('sensor_limit', 'missing')),
  severity text not null check (severity in ('info', 'warning', 'critical', 'emergency')),
  zone_id integer,
  sensor text check (sensor in ('temperature', 'humidity')),
  low integer,
  high integer check (high > low),
  category_id uuid,
  minutes integer check (minutes between 1 and 100000),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  ended_at timestamptz,
  unique (org_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  foreign key (org_id, facility_id, zone_id) references site.zone (org_id, facility_id, id),
  foreign key (org_id, category_id) references asset.category (org_id, id),
  check (kind <> 'sensor_limit' or num_nonnulls(zone_id, sensor) = 2 and num_nonnulls(low, high) > 0
    and num_nonnulls(minutes, category_id) = 0),
  check (kind <> 'missing' or minutes is not null and num_nonnulls(zone_id, sensor, low, high) = 0)
);
create unique index alert_rule_name on rtls.alert_rule (org_id, facility_id, name) where ended_at is null;

-- One for each rule and tag at a time. `worst` is the reading furthest beyond its limit, in thousandths.
create table rtls.alert (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  rule_id uuid not null,
  tag_id integer not null,
  asset_id uuid,
  room_id integer,
  state text not null check (state in ('open', 'acknowledged', 'resolved')),
  first_t timestamptz not null,
  last_t timestamptz not null check (last_t >= first_t),
  worst integer,
  ack_by text check (length(ack_by) between 1 and 200),
  ack_at timestamptz,
  note text check (length(note) between 1 and 500),
  resolved_at timestamptz,
  unique (org_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  foreign key (org_id, rule_id) references rtls.alert_rule (org_id, id),
  foreign key (org_id, tag_id) references rtls.tag (org_id, id),
  foreign key (org_id, asset_id) references asset.asset (org_id, id),
  foreign key (org_id, facility_id, room_id) references site.room (org_id, facility_id, id),
  check ((ack_by is null) = (ack_at is null)),
  check ((state = 'resolved') = (resolved_at is not null)),
  check (state <> 'acknowledged' or ack_by is not null)
);
create unique index alert_unresolved on rtls.alert (org_id, rule_id, tag_id) where state in ('open', 'acknowledged');
create index alert_open on rtls.alert (org_id, facility_id, first_t) where state in ('open', 'acknowledged');
create index alert_tag on rtls.alert (org_id, tag_id, first_t);

-- Points of the nightly formula; the parts add up to the score.
create table asset.risk_score (
  asset_id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  score integer not null check (score between 0 and 1000),
  failures integer not null,
  overdue integer not null,
  age integer not null,
  condition integer not null,
  repairs integer not null,
  computed_at timestamptz not null,
  primary key (org_id, asset_id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  check (score = failures + overdue + age + condition + repairs)
);
create index risk_score_highest on asset.risk_score (org_id, score desc);

call iam.protect('rtls.par_level', 'facility_id');
call iam.protect('rtls.alert_rule', 'facility_id');
call iam.protect('rtls.alert', 'facility_id');
call iam.protect('asset.risk_score', 'facility_id');

create trigger touch before update of low, high, ended_at on rtls.par_level
  for each row execute function iam.touch();
create trigger touch before update on rtls.alert_rule for each row execute function iam.touch();
create trigger record_change after insert or update of low, high, ended_at on rtls.par_level
  for each row execute function audit.record_change('id');
create trigger record_change after insert or update on rtls.alert_rule
  for each row execute function audit.record_change('id');
-- What people do about it; that it goes on is no change of anybody's.
create trigger record_change after update of ack_by on rtls.alert
  for each row execute function audit.record_change('id');

grant select, insert on rtls.par_level, rtls.alert_rule to bt_api;
grant update (low, high, ended_at) on rtls.par_level to bt_api;
grant update (ended_at) on rtls.alert_rule to bt_api;
grant select on rtls.alert, asset.risk_score to bt_api;
grant update (state, ack_by, ack_at, note) on rtls.alert to bt_api;

grant select on rtls.par_level, rtls.alert_rule, site.zone, site.zone_room, site.room, asset.failure to bt_jobs;
grant update (present, state, state_since) on rtls.par_level to bt_jobs;
grant select, insert, update on rtls.alert to bt_jobs;
grant select, insert, update, delete on asset.risk_score to bt_jobs;

-- Readings of a cold store are asked for by its rooms.
create index sensor_reading_room on telemetry.sensor_reading (room_id, kind, t desc);

-- Give a window, as of every history.
create view rtls.receiver_history with (security_barrier = true) as
  select t, org_id, facility_id, gateway_id, receiver, state, readings, errors
  from telemetry.receiver_health
  where org_id = (select iam.current_org())
    and ((select iam.sees_all_facilities()) or facility_id = any ((select iam.current_facilities())::integer[]));
grant select on rtls.receiver_history to bt_api;
