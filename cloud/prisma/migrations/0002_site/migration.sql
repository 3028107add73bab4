-- Buildings and boxes. References carry org_id, so that naming another tenant's row fails like naming none.

set local role bt_owner;

create table site.facility (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  time_zone text not null check (length(time_zone) between 1 and 64),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (org_id, id),
  unique (org_id, code)
);

create table site.room (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  kind text not null default 'other' check (kind in (
    'patient', 'ward_bay', 'corridor', 'nurse_station', 'operating', 'recovery', 'icu', 'imaging', 'lab', 'storage',
    'clean_utility', 'dirty_utility', 'workshop', 'dock', 'exit', 'lift', 'stair', 'outside', 'other')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (org_id, id),
  unique (org_id, facility_id, code),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);

-- A gateway's name is its certificate name and broker user, hence unique in the whole service.
create table site.gateway (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  name text not null unique check (name ~ '^[a-z0-9][a-z0-9-]{2,62}$'),
  status text not null default 'active' check (status in ('pending', 'active', 'offline', 'blocked', 'retired')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (org_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);
create index gateway_facility on site.gateway (org_id, facility_id);
