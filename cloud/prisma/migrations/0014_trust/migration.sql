-- Who may do what, and what is kept of it for how long: accounts, roles, sessions; retention, legal holds, incidents.

set local role bt_owner;

-- Until addresses are kept in envelopes they stand here in lower case.
create table iam.account (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  email text not null check (length(email) between 3 and 254 and email = lower(email)),
  display_name text not null check (length(display_name) between 1 and 200),
  status text not null default 'invited' check (status in ('invited', 'active', 'locked')),
  password_hash text check (length(password_hash) <= 500),
  password_set_at timestamptz,
  failed_logins integer not null default 0 check (failed_logins >= 0),
  locked_until timestamptz,
  last_login_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, email),
  check (status <> 'active' or password_hash is not null)
);

create table iam.role (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  code text not null check (code ~ '^[a-z][a-z0-9_]{0,62}$'),
  name text not null check (length(name) between 1 and 200),
  system boolean not null default false,
  permissions text[] not null check (permissions <@ array[
    'org.read', 'org.manage', 'key.manage', 'account.read', 'account.invite', 'account.manage', 'role.manage',
    'site.read', 'site.edit', 'map.publish', 'gateway.read', 'gateway.enrol', 'gateway.revoke', 'calibration.run',
    'calibration.activate', 'asset.read', 'asset.edit', 'asset.retire', 'asset.import', 'asset.restore', 'tag.read',
    'tag.assign', 'tag.retire', 'location.read', 'location.history', 'person.locate', 'person.history',
    'contact.request', 'contact.approve', 'care.read', 'care.edit', 'work.read', 'work.create', 'work.assign',
    'work.close', 'work.verify', 'compliance.read', 'compliance.edit', 'recall.manage', 'finance.read',
    'finance.edit', 'budget.edit', 'alert.read', 'alert.ack', 'alert.rule.edit', 'report.run', 'report.export',
    'audit.read', 'audit.verify', 'incident.manage', 'retention.edit', 'hold.edit', 'ops.read', 'quarantine.replay',
    'purge.run', 'restore.run'
  ]),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, code)
);

-- A role of an account, in one facility or in all of them. It ends by a date: who could do what when stays known.
create table iam.account_role (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  account_id uuid not null,
  role_id uuid not null,
  facility_id integer,
  from_t timestamptz not null,
  to_t timestamptz check (to_t >= from_t),
  unique (org_id, id),
  foreign key (org_id, account_id) references iam.account (org_id, id),
  foreign key (org_id, role_id) references iam.role (org_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id)
);
create unique index account_role_once on iam.account_role (org_id, account_id, role_id, facility_id) nulls not distinct
  where to_t is null;

-- Only digests are kept: who reads these tables can sign in as nobody.
create table iam.session (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  account_id uuid not null,
  token_sha256 bytea not null check (octet_length(token_sha256) = 32),
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > created_at),
  ended_at timestamptz,
  end_reason text check (end_reason in ('logout', 'locked', 'password')),
  unique (org_id, id),
  unique (org_id, token_sha256),
  foreign key (org_id, account_id) references iam.account (org_id, id),
  check ((ended_at is null) = (end_reason is null))
);
create index session_open on iam.session (org_id, account_id) where ended_at is null;

create table iam.invitation (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  account_id uuid not null,
  digest bytea not null check (octet_length(digest) = 32),
  created_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > created_at),
  used_at timestamptz,
  unique (org_id, id),
  unique (org_id, digest),
  foreign key (org_id, account_id) references iam.account (org_id, id)
);
create index invitation_open on iam.invitation (org_id, account_id) where used_at is null;

create table iam.security_policy (
  org_id integer primary key references iam.org (id),
  min_length integer not null default 12 check (min_length between 8 and 128),
  max_failures integer not null default 5 check (max_failures between 1 and 100),
  lockout_min integer not null default 30 check (lockout_min between 1 and 10080),
  idle_min integer not null default 30 check (idle_min between 1 and 10080),
  absolute_h integer not null default 12 check (absolute_h between 1 and 720),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1
);

create table audit.retention_policy (
  org_id integer not null references iam.org (id),
  data_class text not null check (data_class in ('audit', 'compliance', 'fix', 'sensor', 'session')),
  days integer not null check (days between 1 and 36500),
  legal_basis text not null check (length(legal_basis) between 1 and 500),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, data_class)
);

create table audit.legal_hold (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  data_class text check (data_class in ('audit', 'compliance', 'fix', 'sensor', 'session')),
  reason text not null check (length(reason) between 1 and 500),
  from_t timestamptz not null,
  to_t timestamptz check (to_t >= from_t),
  unique (org_id, id)
);

-- Where a tenant's chain begins since its oldest months were dropped: the last event that went.
create table audit.base (
  org_id integer primary key references iam.org (id),
  n bigint not null check (n > 0),
  hash bytea not null check (octet_length(hash) = 32),
  dropped_at timestamptz not null
);

create table audit.incident (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  kind text not null check (kind in ('breach', 'loss', 'misuse', 'outage')),
  summary text not null check (length(summary) between 1 and 4000),
  discovered_at timestamptz not null,
  persons integer check (persons >= 0),
  reported_at timestamptz check (reported_at >= discovered_at),
  closed_at timestamptz check (closed_at >= discovered_at),
  unique (org_id, id)
);

create table audit.incident_note (
  id bigint generated always as identity primary key,
  org_id integer not null references iam.org (id),
  incident_id integer not null,
  at timestamptz not null,
  actor text not null check (length(actor) between 1 and 200),
  note text not null check (length(note) between 1 and 4000),
  unique (org_id, id),
  foreign key (org_id, incident_id) references audit.incident (org_id, id)
);
create index incident_note_incident on audit.incident_note (org_id, incident_id, at);

call iam.protect('iam.account');
call iam.protect('iam.role');
call iam.protect('iam.account_role', 'facility_id');
call iam.protect('iam.session');
call iam.protect('iam.invitation');
call iam.protect('iam.security_policy');
call iam.protect('audit.retention_policy');
call iam.protect('audit.legal_hold');
call iam.protect('audit.base');
call iam.protect('audit.incident');
call iam.protect('audit.incident_note');

-- Signing in touches counters of an account; that is no change of the account, and the chain has the login itself.
create trigger touched before update of email, display_name, status, password_hash on iam.account
  for each row execute function iam.touch();
create trigger touched before update on iam.role for each row execute function iam.touch();
create trigger touched before update on iam.security_policy for each row execute function iam.touch();
create trigger touched before update on audit.retention_policy for each row execute function iam.touch();
create trigger audited after insert or update of email, display_name, status, password_hash on iam.account
  for each row execute function audit.record_change('id', 'password_hash');
create trigger audited after insert or update on iam.role for each row execute function audit.record_change('id');
create trigger audited after insert or update on iam.account_role
  for each row execute function audit.record_change('id');
create trigger audited after insert or update on iam.security_policy
  for each row execute function audit.record_change('org_id');
create trigger audited after insert or update on audit.retention_policy
  for each row execute function audit.record_change('data_class');
create trigger audited after insert or update on audit.legal_hold
  for each row execute function audit.record_change('id');
create trigger audited after insert or update on audit.incident for each row execute function audit.record_change('id');
create trigger audited after insert on audit.incident_note for each row execute function audit.record_change('id');

grant select, insert, update on iam.account, iam.role, iam.account_role, iam.session, iam.invitation,
  iam.security_policy, audit.retention_policy, audit.legal_hold, audit.incident to bt_api;
grant select, insert on audit.incident_note to bt_api;
grant select on audit.base to bt_api, bt_jobs;
grant select on audit.retention_policy, audit.legal_hold, iam.org to bt_jobs;
grant select, delete on iam.session, iam.invitation to bt_jobs;

create view audit.change_log with (security_invoker = true) as
  select n, at, actor, user_id, action, object, object_id, facility_id, purpose, old, new, org_id
  from audit.event where kind = 'change';
create view audit.access_log with (security_invoker = true) as
  select n, at, actor, user_id, action, object, object_id, facility_id, purpose, duration_ms, outcome, org_id
  from audit.event where kind = 'access';
create view audit.login_history with (security_invoker = true) as
  select n, at, actor, user_id, action, object_id as account, new ->> 'address' as address, outcome, org_id
  from audit.event where kind = 'login';
grant select on audit.change_log, audit.access_log, audit.login_history to bt_api;

-- Checks a run of the tenant's chain against the event before it. `missing` is the first number that is not there,
-- `changed` the first event that does not follow from the one before it.
create function audit.check_range(first bigint, last bigint, before bytea)
  returns table (events bigint, missing bigint, changed bigint)
  language sql stable
  begin atomic
    select count(*), min(link.prior + 1) filter (where link.n > link.prior + 1),
        min(link.n) filter (where link.n <= link.prior
          or link.n = link.prior + 1 and link.hash <> sha256(link.prior_hash || link.content))
      from (select e.n, e.hash, audit.content(e) as content, lag(e.n, 1, first - 1) over w as prior,
          lag(e.hash, 1, before) over w as prior_hash
        from audit.event e
        where e.org_id = (select iam.current_org()) and e.n between first and last
        window w as (order by e.n, e.at)) as link;
  end;
grant execute on function audit.check_range(bigint, bigint, bytea) to bt_api, bt_jobs;

-- Drops the oldest month of all chains, once no tenant wants it any more and none is held. What is left begins at
-- audit.base; the chain itself says that, when and by whom.
create function audit.drop_month(month date) returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  part text := 'event_' || to_char(month, 'YYYY_MM');
  ending timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'UTC';
  org text := current_setting('app.org', true);
  tail record;
  tails jsonb := '[]';
begin
  if to_regclass('audit.' || part) is null then
    return 0;
  end if;
  if exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'audit.event'::regclass and c.relname < part)
  then
    raise exception 'an older month is still there' using errcode = 'object_not_in_prerequisite_state';
  end if;
  -- This part is read whole, past the tenants, and is gone at the end of the transaction.
  execute format('alter table audit.%I no force row level security', part);
  for tail in execute format('select distinct on (org_id) org_id, n, hash from audit.%I order by org_id, n desc', part) loop
    perform set_config('app.org', tail.org_id::text, true);
    if ending > now() - make_interval(days => coalesce(
        (select p.days from audit.retention_policy p where p.org_id = tail.org_id and p.data_class = 'audit'), 2555))
      or exists (select from audit.legal_hold h where h.org_id = tail.org_id
        and coalesce(h.data_class, 'audit') = 'audit' and h.from_t <= now() and coalesce(h.to_t > now(), true))
    then
      raise exception 'this month is to be kept' using errcode = 'object_not_in_prerequisite_state';
    end if;
    insert into audit.base as b (org_id, n, hash, dropped_at) values (tail.org_id, tail.n, tail.hash, now())
      on conflict (org_id) do update set n = tail.n, hash = tail.hash, dropped_at = now();
    tails := tails || jsonb_build_object('org', tail.org_id, 'n', tail.n, 'hash', encode(tail.hash, 'hex'));
  end loop;
  execute format('drop table audit.%I', part);
  for tail in select (t ->> 'org')::integer as org_id, t - 'org' as base from jsonb_array_elements(tails) as t loop
    perform set_config('app.org', tail.org_id::text, true);
    perform audit.append('system', 'dropped', 'audit.event', part, new => tail.base);
  end loop;
  perform set_config('app.org', coalesce(org, ''), true);
  return jsonb_array_length(tails);
end
$$;
grant execute on function audit.drop_month(date) to bt_jobs;

-- Compliance records of assets end with their time. Their own rows say when that begins to count.
grant select, delete on asset.certification, asset.inspection to bt_jobs;
