-- What the ingester needs against faults: who works on which shard, which store is whose, and records without a time.

set local role bt_owner;

-- Ingesters that are alive, and the shards of the ledger each of them reads. Neither belongs to a tenant. A row whose
-- time has run out counts for nothing, so that an ingester which was killed is replaced within seconds.
create table rtls.ingester (
  instance text primary key check (length(instance) between 1 and 100),
  expires_at timestamptz not null
);
create table rtls.shard_lease (
  shard smallint primary key check (shard between 0 and 63),
  instance text not null references rtls.ingester (instance) on delete cascade
);
create index shard_lease_instance on rtls.shard_lease (instance);
grant select on rtls.ingester, rtls.shard_lease to bt_api;
grant select, insert, update, delete on rtls.ingester, rtls.shard_lease to bt_ingest;

-- Stores of gateways as their hellos named them. One per gateway is active; another box with the same name, or a copy of
-- the same store that is open at the same time, is blocked until a person decides.
create table rtls.store (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  gateway_id integer not null,
  nonce text not null check (length(nonce) between 1 and 64),
  -- Digest that stays the same when a box has to begin a new store.
  box text check (length(box) <= 64),
  status text not null check (status in ('active', 'blocked', 'retired')),
  reason text not null default '' check (length(reason) <= 64),
  -- Present, previous and refused opening of this store: epochs in text form.
  opening text,
  former_opening text,
  blocked_opening text,
  opened_at timestamptz not null default now(),
  software text not null default '' check (length(software) <= 64),
  first_seen timestamptz not null default now(),
  last_seen timestamptz not null default now(),
  decided_at timestamptz,
  unique (org_id, id),
  unique (gateway_id, nonce),
  foreign key (org_id, gateway_id) references site.gateway (org_id, id)
);
create unique index store_active on rtls.store (gateway_id) where status = 'active';

-- Records of a gateway whose clock was not set yet. `offset_ms` is what the record's time is ahead of the time since boot;
-- with an anchor of the same boot, which ties that to wall time, they move on to the history.
create table rtls.staged (
  id bigint generated always as identity primary key,
  org_id integer not null references iam.org (id),
  stream_id integer not null,
  first_seq bigint not null,
  last_seq bigint not null check (last_seq >= first_seq),
  boot_id text not null check (boot_id ~ '^[0-9a-f]{16}$'),
  offset_ms bigint not null,
  payload bytea not null check (octet_length(payload) <= 1048576),
  received_at timestamptz not null default now(),
  foreign key (org_id, stream_id) references rtls.watermark (org_id, id)
);
create index staged_stream on rtls.staged (org_id, stream_id, first_seq);
create index staged_boot on rtls.staged (boot_id);

-- An anchor may also say that the time is not known to be right: it then only ties it to the time since boot.
alter table rtls.clock_anchor add column unsynced boolean not null default false;
create index clock_anchor_boot on rtls.clock_anchor (boot_id) where not unsynced;

-- Boot and offset of the stretch without a known time that the stream is in; null while its times are right.
alter table rtls.watermark add column unsynced_boot text check (unsynced_boot ~ '^[0-9a-f]{16}$');
alter table rtls.watermark add column unsynced_offset_ms bigint;
alter table rtls.watermark add check ((unsynced_boot is null) = (unsynced_offset_ms is null));

do $$
declare
  name text;
begin
  foreach name in array array['store', 'staged'] loop
    execute format('alter table rtls.%I enable row level security', name);
    execute format('alter table rtls.%I force row level security', name);
    execute format(
      'create policy tenant on rtls.%I to bt_owner, bt_api using (org_id = (select iam.current_org()))'
        ' with check (org_id = (select iam.current_org()))', name);
    execute format('create policy ingest on rtls.%I to bt_ingest using (true) with check (true)', name);
  end loop;
end
$$;
grant select on rtls.store, rtls.staged to bt_api;
grant select, insert, update on rtls.store to bt_ingest;
-- The one table that the ingester also empties: what it holds is on its way.
grant select, insert, update, delete on rtls.staged to bt_ingest;
