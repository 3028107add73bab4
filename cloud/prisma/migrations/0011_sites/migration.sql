-- The building: where rooms are, what joins them, whose they are, what hangs in them, and the maps that were published.
-- References within a facility carry its id as well, so that nothing can point into another house.

set local role bt_owner;

create table site.building (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  unique (org_id, facility_id, code),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);

-- The code is the name of the storey in site maps.
create table site.floor (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  building_id integer not null,
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  level integer not null check (level between -20 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  unique (org_id, facility_id, code),
  unique (org_id, building_id, level) deferrable initially deferred,
  foreign key (org_id, facility_id, building_id) references site.building (org_id, facility_id, id)
);

create table site.department (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  parent_id integer check (parent_id <> id),
  cost_center text check (length(cost_center) between 1 and 64),
  phone text check (length(phone) between 1 and 64),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  unique (org_id, facility_id, code),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  foreign key (org_id, facility_id, parent_id) references site.department (org_id, facility_id, id)
);

-- Coordinates are metres from the map's origin, per floor.
alter table site.room
  add column floor_id integer,
  add column department_id integer,
  add column polygon jsonb check (jsonb_typeof(polygon) = 'array' and pg_column_size(polygon) <= 8192),
  add column x double precision check (x between -10000 and 10000),
  add column y double precision check (y between -10000 and 10000),
  add column area_m2 double precision check (area_m2 between 0 and 1000000),
  add column capacity integer check (capacity between 0 and 10000),
  add column is_tracked boolean not null default true,
  add column updated_by uuid,
  add column row_version integer not null default 1,
  add check ((x is null) = (y is null)),
  add unique (org_id, facility_id, id),
  add foreign key (org_id, facility_id, floor_id) references site.floor (org_id, facility_id, id),
  add foreign key (org_id, facility_id, department_id) references site.department (org_id, facility_id, id);
create index room_floor on site.room (org_id, floor_id);
create index room_department on site.room (org_id, department_id);

create table site.bed (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  room_id integer not null,
  code text not null check (length(code) between 1 and 64),
  state text not null default 'open' check (state in ('open', 'closed')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  unique (org_id, room_id, code),
  foreign key (org_id, facility_id, room_id) references site.room (org_id, facility_id, id)
);

-- Where a thing can pass between two rooms. A door that was walled up stays, as `closed`. A portal is a doorway with
-- antennas; theirs is the order in which something passes them from room_a to room_b.
create table site.adjacency (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  room_a integer not null,
  room_b integer not null check (room_a <> room_b),
  door text not null default 'door' check (door in ('open', 'door', 'badge', 'stairs', 'lift', 'closed')),
  distance_m double precision check (distance_m between 0 and 10000),
  x double precision check (x between -10000 and 10000),
  y double precision check (y between -10000 and 10000),
  portal text check (length(portal) between 1 and 64),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  check ((x is null) = (y is null)),
  unique (org_id, id),
  unique (org_id, facility_id, portal) deferrable initially deferred,
  foreign key (org_id, facility_id, room_a) references site.room (org_id, facility_id, id),
  foreign key (org_id, facility_id, room_b) references site.room (org_id, facility_id, id)
);
create unique index adjacency_pair on site.adjacency (org_id, least(room_a, room_b), greatest(room_a, room_b));
create index adjacency_room_a on site.adjacency (org_id, room_a);
create index adjacency_room_b on site.adjacency (org_id, room_b);

create table site.zone (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  kind text not null default 'group' check (kind in (
    'group', 'storage', 'forbidden', 'exit', 'cleaning', 'service', 'staff_only', 'cold_store', 'par')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  unique (org_id, facility_id, code),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);

create table site.zone_room (
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  zone_id integer not null,
  room_id integer not null,
  primary key (org_id, zone_id, room_id),
  foreign key (org_id, facility_id, zone_id) references site.zone (org_id, facility_id, id),
  foreign key (org_id, facility_id, room_id) references site.room (org_id, facility_id, id)
);
create index zone_room_room on site.zone_room (org_id, room_id);

alter table site.gateway
  add column room_id integer,
  add column updated_by uuid,
  add column row_version integer not null default 1,
  add foreign key (org_id, room_id) references site.room (org_id, id);

-- The code is the receiver's name in site maps; of a room beacon and an LF exciter it is the mark that tags pass on.
create table site.receiver (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  gateway_id integer,
  room_id integer,
  code text not null check (length(code) between 1 and 64),
  kind text not null check (kind in (
    'rfid_antenna', 'rfid_portal', 'ble_adapter', 'room_beacon', 'lf_exciter', 'wired_dock')),
  status text not null default 'active' check (status in ('active', 'retired')),
  x double precision check (x between -10000 and 10000),
  y double precision check (y between -10000 and 10000),
  z double precision check (z between -10000 and 10000),
  is_exact boolean not null default false,
  portal text check (length(portal) between 1 and 64),
  portal_place integer check (portal_place between 1 and 8),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  check ((x is null) = (y is null) and (y is null) = (z is null)),
  check ((portal is null) = (portal_place is null)),
  unique (org_id, id),
  unique (org_id, facility_id, code),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  foreign key (org_id, gateway_id) references site.gateway (org_id, id),
  foreign key (org_id, facility_id, room_id) references site.room (org_id, facility_id, id)
);
create index receiver_gateway on site.receiver (org_id, gateway_id);
create index receiver_room on site.receiver (org_id, room_id);

-- What was published, for good: fixes name the version that they were computed with.
create table site.map_version (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  version integer not null check (version >= 1),
  document jsonb not null check (jsonb_typeof(document) = 'object'),
  sha256 bytea not null check (octet_length(sha256) = 32),
  note text check (length(note) between 1 and 4000),
  published_at timestamptz not null default now(),
  published_by text not null check (length(published_by) between 1 and 200),
  unique (org_id, id),
  unique (org_id, facility_id, version),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);

create function site.refuse_map_change() returns trigger
  language plpgsql as $$
begin
  raise exception 'a published map does not change' using errcode = 'insufficient_privilege',
    hint = 'Publish another version.';
end
$$;
create trigger frozen before update or delete on site.map_version
  for each row execute function site.refuse_map_change();
create trigger frozen_all before truncate on site.map_version
  for each statement execute function site.refuse_map_change();

-- The version that its gateways work with.
alter table site.facility
  add column map_version integer,
  add column updated_by uuid,
  add column row_version integer not null default 1,
  add foreign key (org_id, id, map_version) references site.map_version (org_id, facility_id, version);

do $$
declare
  name text;
begin
  foreach name in array array['building', 'floor', 'department', 'bed', 'adjacency', 'zone', 'zone_room', 'receiver',
    'map_version']
  loop
    execute format('call iam.protect(%L, ''facility_id'')', 'site.' || name);
    execute format('grant select on site.%I to bt_api', name);
  end loop;
  foreach name in array array['facility', 'building', 'floor', 'room', 'department', 'bed', 'adjacency', 'zone',
    'receiver', 'gateway']
  loop
    execute format('create trigger touch before update on site.%I for each row execute function iam.touch()', name);
    execute format('create trigger audited after insert or update or delete on site.%I'
      ' for each row execute function audit.record_change(''id'')', name);
  end loop;
end
$$;
create trigger audited after insert or update or delete on site.zone_room
  for each row execute function audit.record_change('zone_id');
-- Those that ended long ago are taken away unrecorded.
create trigger audited after insert or update on site.certificate
  for each row execute function audit.record_change('serial');
create trigger audited after insert on site.map_version
  for each row execute function audit.record_change('id', 'document');

grant insert, update on site.department, site.bed, site.zone to bt_api;
grant update on site.room to bt_api;
grant insert, delete on site.zone_room to bt_api;
grant insert on site.map_version to bt_api;
grant update (map_version) on site.facility to bt_api;

-- The enrolment service changes gateways and thereby their row versions.
grant execute on function iam.current_user_id() to bt_ca;
