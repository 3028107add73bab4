-- Tags, what the ingester knows of each stream, and the current position.

set local role bt_owner;

create table rtls.tag (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer,
  identity text not null check (length(identity) between 1 and 160),
  kind text not null default 'ble' check (kind in (
    'rfid_uhf', 'rfid_hf', 'ble', 'ble_sensor', 'badge', 'qr', 'legacy')),
  label text check (length(label) between 1 and 200),
  status text not null default 'active' check (status in (
    'new', 'active', 'low_battery', 'silent', 'damaged', 'lost', 'retired')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (org_id, id),
  unique (org_id, identity),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);

-- One row per gateway and epoch; its id is the stream_id of every row that came from there, and locking it is what
-- makes ingest exactly once. Everything up to and including hw is committed.
create table rtls.watermark (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  gateway_id integer not null,
  epoch text not null check (epoch ~ '^\d{1,10}-[0-9a-f]{16}$'),
  hw bigint not null default 0 check (hw >= 0),
  first_t timestamptz,
  newest_t timestamptz,
  rows bigint not null default 0 check (rows >= 0),
  quarantined bigint not null default 0 check (quarantined >= 0),
  updated_at timestamptz not null default now(),
  unique (org_id, id),
  unique (gateway_id, epoch),
  foreign key (org_id, gateway_id) references site.gateway (org_id, id)
) with (fillfactor = 50);

-- Records an agent had to let go, as it reported them.
create table rtls.gap (
  id bigint generated always as identity primary key,
  org_id integer not null references iam.org (id),
  stream_id integer not null,
  first_seq bigint not null,
  last_seq bigint not null check (last_seq >= first_seq),
  reason text not null check (reason in ('evicted', 'corrupt', 'restored')),
  from_t timestamptz not null,
  to_t timestamptz not null,
  received_at timestamptz not null default now(),
  unique (org_id, stream_id, first_seq),
  foreign key (org_id, stream_id) references rtls.watermark (org_id, id)
);

-- Ties a gateway's monotonic time to wall time.
create table rtls.clock_anchor (
  org_id integer not null references iam.org (id),
  stream_id integer not null,
  seq bigint not null,
  t timestamptz not null,
  boot_id text not null check (boot_id ~ '^[0-9a-f]{16}$'),
  mono_ms double precision not null,
  error_ms double precision not null,
  primary key (org_id, stream_id, seq),
  foreign key (org_id, stream_id) references rtls.watermark (org_id, id)
);

-- What could not be stored, kept for a person to decide. org_id and stream_id are null when the sender is unknown.
create table rtls.quarantine (
  id bigint generated always as identity primary key,
  org_id integer references iam.org (id),
  gateway_name text check (length(gateway_name) <= 200),
  stream_id integer,
  first_seq bigint,
  last_seq bigint check (last_seq >= first_seq),
  level text not null check (level in ('batch', 'row')),
  code text not null check (length(code) between 1 and 64),
  detail text not null default '' check (length(detail) <= 4000),
  payload bytea check (octet_length(payload) <= 262144),
  truncated boolean not null default false,
  received_at timestamptz not null default now(),
  state text not null default 'new' check (state in ('new', 'replayed', 'discarded')),
  decided_at timestamptz,
  check ((state = 'new') = (decided_at is null)),
  foreign key (org_id, stream_id) references rtls.watermark (org_id, id)
);
create index quarantine_undecided on rtls.quarantine (received_at) where state = 'new';
create index quarantine_stream on rtls.quarantine (org_id, stream_id, first_seq);

-- Newest known place of each tag. Room, facility and stream carry no foreign key: the ingester resolves them from these
-- tables within the same transaction, they are never deleted, and key-share locks of every writer on a few room rows
-- would cost more than they prove. Only the tag is checked, once, at insert. fillfactor and the missing index on t keep
-- updates heap-only.
create table rtls.position (
  org_id integer not null references iam.org (id),
  tag_id integer not null,
  facility_id integer not null,
  room_id integer,
  t timestamptz not null,
  since timestamptz not null,
  last_room_id integer,
  method smallint not null,
  reason smallint not null,
  confidence smallint not null check (confidence between 0 and 1000),
  x real,
  y real,
  accuracy real,
  stream_id integer not null,
  seq bigint not null,
  map_version integer not null,
  primary key (org_id, tag_id),
  foreign key (org_id, tag_id) references rtls.tag (org_id, id)
) with (fillfactor = 50);

-- What kind of server this is; one row, written by the migration runner at every run.
create table rtls.edition (
  only_row boolean primary key default true check (only_row),
  mode text not null check (mode in ('timescale', 'apache', 'plain')),
  server text not null,
  extension text,
  checked_at timestamptz not null default now()
);
