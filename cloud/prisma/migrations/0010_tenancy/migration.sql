-- What every table with a tenant shares from here on: reach by facility, row versions, and an audit chain that the
-- database itself writes.

-- Logins of this product beyond those of 0001. `bt_jobs` runs the scheduled work of all tenants. `bt_search` cannot log
-- in: it owns the few functions that look past the tenant's row security because only they can use the index that they
-- need; each of them filters the tenant itself.
do $$
declare
  role record;
begin
  for role in
    select * from (values
      ('bt_jobs', 'login', array['lock_timeout = ''10s''', 'idle_in_transaction_session_timeout = ''60s''']),
      ('bt_search', 'nologin', array[]::text[])
    ) as wanted (name, attributes, settings)
  loop
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = role.name) then
        execute format('create role %I %s nosuperuser nocreatedb nocreaterole nobypassrls noreplication',
          role.name, role.attributes);
        for i in 1 .. coalesce(array_length(role.settings, 1), 0) loop
          execute format('alter role %I set %s', role.name, role.settings[i]);
        end loop;
      end if;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
  if not pg_catalog.pg_has_role(current_user, 'bt_search',
    case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end)
  then
    execute format('grant bt_search to %I', current_user);
  end if;
end
$$;

create schema asset authorization bt_owner;
create schema care authorization bt_owner;
create schema audit authorization bt_owner;

set local role bt_owner;

grant usage on schema iam, site, rtls, asset, care, audit to bt_api, bt_jobs;
grant usage on schema iam to bt_search;
grant usage on schema telemetry to bt_jobs;

-- Who asks, for the running transaction. Unset and empty mean nobody and nothing.
create function iam.current_user_id() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.user', true), '')::uuid;

create function iam.current_purpose() returns text
  language sql stable parallel safe
  return nullif(current_setting('app.purpose', true), '');

-- `all`, or ids such as {1,2}. Two functions, so that a policy can ask each once a statement.
create function iam.sees_all_facilities() returns boolean
  language sql stable parallel safe
  return coalesce(current_setting('app.facilities', true), '') = 'all';

create function iam.current_facilities() returns integer[]
  language sql stable parallel safe
  return case
    when coalesce(current_setting('app.facilities', true), '') in ('', 'all') then '{}'::integer[]
    else current_setting('app.facilities', true)::integer[]
  end;

-- True as soon as facilities were named at all: rows that belong to no single facility are then visible.
create function iam.has_facilities() returns boolean
  language sql stable parallel safe
  return coalesce(current_setting('app.facilities', true), '') <> '';

grant execute on function iam.current_org(), iam.current_user_id(), iam.current_purpose(), iam.sees_all_facilities(),
  iam.current_facilities(), iam.has_facilities() to bt_api, bt_jobs, bt_search;

-- Puts a table under its tenant and, where it has a facility, under the caller's facilities. The owner is held to the
-- tenant only; scheduled work sees all tenants and names them itself.
create procedure iam.protect(target regclass, facility_column name default null, tenant_column name default 'org_id')
  language plpgsql as $$
declare
  tenant text := format('%I = (select iam.current_org())', tenant_column);
  reach text := tenant;
begin
  if facility_column is not null then
    reach := format(
      '%s and ((select iam.sees_all_facilities()) or %I = any ((select iam.current_facilities())::integer[])'
        ' or (%2$I is null and (select iam.has_facilities())))',
      tenant, facility_column);
  end if;
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format('drop policy if exists tenant on %s', target);
  execute format('create policy tenant on %s to bt_owner using (%s) with check (%2$s)', target, tenant);
  execute format('create policy reach on %s to bt_api using (%s) with check (%2$s)', target, reach);
  execute format('create policy jobs on %s to bt_jobs using (true) with check (true)', target);
  execute format('create policy search on %s for select to bt_search using (true)', target);
end
$$;

call iam.protect('iam.org', tenant_column => 'id');
call iam.protect('site.facility', 'id');
call iam.protect('site.room', 'facility_id');
call iam.protect('site.gateway', 'facility_id');
call iam.protect('site.enrolment_code');
call iam.protect('site.certificate');
call iam.protect('rtls.tag', 'facility_id');
call iam.protect('rtls.position', 'facility_id');
call iam.protect('rtls.watermark');
call iam.protect('rtls.gap');
call iam.protect('rtls.clock_anchor');
call iam.protect('rtls.quarantine');
call iam.protect('rtls.store');
call iam.protect('rtls.staged');

-- Every change of a row that has a version moves it on; whoever writes names the version that was read.
create function iam.touch() returns trigger
  language plpgsql as $$
begin
  new.updated_at := now();
  new.updated_by := iam.current_user_id();
  new.row_version := old.row_version + 1;
  return new;
end
$$;

-- The chain. One row per tenant and event, in an order without holes; each hash covers the one before it.
create table audit.head (
  org_id integer primary key references iam.org (id),
  n bigint not null default 0 check (n >= 0),
  hash bytea not null default '\x' check (octet_length(hash) in (0, 32)),
  -- When the newest event came: a newer one is looked for from there on.
  at timestamptz not null default '-infinity',
  -- True within a transaction that has appended: what stands here is brought up to date at its end, once.
  open boolean not null default false
);

create table audit.event (
  org_id integer not null,
  n bigint not null,
  at timestamptz not null,
  kind text not null check (kind in ('change', 'access', 'login', 'security', 'system', 'export')),
  actor text not null check (length(actor) between 1 and 200),
  user_id uuid,
  action text not null check (length(action) between 1 and 64),
  object text not null check (length(object) between 1 and 100),
  object_id text not null check (length(object_id) <= 200),
  facility_id integer,
  purpose text check (length(purpose) <= 500),
  duration_ms integer,
  old jsonb,
  new jsonb,
  outcome text not null check (outcome in ('ok', 'refused', 'failed')),
  hash bytea not null check (octet_length(hash) = 32),
  primary key (org_id, n, at)
) partition by range (at);
create index event_at on audit.event (org_id, at);
create index event_actor on audit.event (org_id, actor, at);
create index event_object on audit.event (org_id, object, object_id, at);

call iam.protect('audit.event', 'facility_id');
call iam.protect('audit.head');

-- What a hash covers, apart from the hash before it. jsonb prints the same content in the same way always. Stable, so
-- that it is inlined: a million events are checked in one statement.
create function audit.content(e audit.event) returns bytea
  language sql stable parallel safe
  return convert_to(json_build_array(e.org_id, e.n, extract(epoch from e.at)::text, e.kind, e.actor, e.user_id, e.action,
    e.object, e.object_id, e.facility_id, e.purpose, e.duration_ms, e.old, e.new, e.outcome)::text, 'UTF8');

-- A month of the chain, made when its first event comes; two at once wait for each other.
create function audit.ensure_month(at timestamptz) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first timestamptz := date_trunc('month', at at time zone 'UTC') at time zone 'UTC';
  after timestamptz := (date_trunc('month', at at time zone 'UTC') + interval '1 month') at time zone 'UTC';
  part text := 'event_' || to_char(at at time zone 'UTC', 'YYYY_MM');
begin
  if to_regclass('audit.' || part) is not null then
    return;
  end if;
  perform pg_advisory_xact_lock(72707371);
  execute format('create table if not exists audit.%I partition of audit.event for values from (%L) to (%L)',
    part, first, after);
  execute format('alter table audit.%I enable row level security', part);
  execute format('alter table audit.%I force row level security', part);
end
$$;

-- The only way into the chain. Locks the tenant's head, so events of one tenant stand in one order. Changing the head
-- with every event would leave as many dead versions of it in a long transaction, each to be stepped over by the next.
create function audit.append(kind text, action text, object text, object_id text, facility_id integer default null,
    old jsonb default null, new jsonb default null, outcome text default 'ok', duration_ms integer default null)
  returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  actor text := nullif(current_setting('app.actor', true), '');
  head audit.head;
  newest_n bigint;
  newest_hash bytea;
  newest_at timestamptz;
  entry audit.event;
begin
  if org is null or actor is null then
    raise exception 'a change needs a tenant and an actor' using errcode = 'insufficient_privilege',
      hint = 'Set app.org and app.actor for the transaction.';
  end if;
  select * into head from audit.head h where h.org_id = org for update;
  if head.org_id is null then
    insert into audit.head (org_id) values (org) on conflict do nothing;
    select * into head from audit.head h where h.org_id = org for update;
  end if;
  if head.open then
    select e.n, e.hash, e.at into newest_n, newest_hash, newest_at from audit.event e
      where e.org_id = org and e.n > head.n and e.at >= head.at order by e.n desc limit 1;
    if newest_n is not null then
      head.n := newest_n;
      head.hash := newest_hash;
      head.at := newest_at;
    end if;
  else
    update audit.head h set open = true where h.org_id = org;
  end if;
  -- Never before the one before it, also when the clock of the server was set back.
  entry := row(org, head.n + 1, greatest(clock_timestamp(), head.at), kind, actor, iam.current_user_id(), action, object,
    object_id, facility_id, iam.current_purpose(), duration_ms, old, new, outcome, null)::audit.event;
  entry.hash := sha256(head.hash || audit.content(entry));
  if date_trunc('month', entry.at, 'UTC') <> date_trunc('month', head.at, 'UTC') then
    perform audit.ensure_month(entry.at);
  end if;
  insert into audit.event select entry.*;
  return entry.n;
end
$$;

-- At the end of the transaction, for each tenant that it appended to.
create function audit.close_head() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org text := current_setting('app.org', true);
begin
  perform set_config('app.org', new.org_id::text, true);
  update audit.head h set n = e.n, hash = e.hash, at = e.at, open = false
    from (select n, hash, at from audit.event
      where org_id = new.org_id and n > new.n and at >= new.at order by n desc limit 1) as e
    where h.org_id = new.org_id and h.open;
  perform set_config('app.org', coalesce(org, ''), true);
  return null;
end
$$;
create constraint trigger closed after update on audit.head deferrable initially deferred
  for each row when (new.open) execute function audit.close_head();

grant execute on function audit.content(audit.event) to bt_api, bt_jobs;
grant usage on schema audit to bt_ingest;
grant execute on function audit.append(text, text, text, text, integer, jsonb, jsonb, text, integer)
  to bt_api, bt_jobs, bt_ingest;
grant select on audit.event, audit.head to bt_api, bt_jobs;

-- Row trigger of tables whose changes are kept with old and new values. Arguments: the column that names the row, then
-- columns whose values are not to be repeated in the chain (they show as "changed").
create function audit.record_change() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  row_now jsonb := coalesce(after, before);
  org text := coalesce(current_setting('app.org', true), '');
  actor text := coalesce(current_setting('app.actor', true), '');
  secret text;
begin
  for i in 1 .. tg_nargs - 1 loop
    secret := tg_argv[i];
    if before ->> secret is not null or after ->> secret is not null then
      if before -> secret is distinct from after -> secret then
        after := case when after ->> secret is null then after else after || jsonb_build_object(secret, 'changed') end;
      else
        after := after - secret;
      end if;
      before := before - secret;
    end if;
  end loop;
  if tg_op = 'UPDATE' then
    select jsonb_object_agg(key, before -> key), jsonb_object_agg(key, after -> key) into before, after
      from (select key from jsonb_object_keys(before || after) as key
        where before -> key is distinct from after -> key
          and key not in ('updated_at', 'updated_by', 'row_version')) as changed;
    if before is null and after is null then
      return null;
    end if;
  end if;
  -- It belongs to the tenant of the row, also where one login serves them all. Only the API, behind which are people,
  -- has to say who it is; the others are known by their login.
  perform set_config('app.org', coalesce(row_now ->> 'org_id', org), true);
  if actor = '' and session_user <> 'bt_api' then
    perform set_config('app.actor', 'login:' || session_user, true);
  end if;
  perform audit.append('change', lower(tg_op), tg_table_schema || '.' || tg_table_name,
    coalesce(row_now ->> tg_argv[0], ''), (row_now ->> 'facility_id')::integer, before, after);
  perform set_config('app.org', org, true), set_config('app.actor', actor, true);
  return null;
end
$$;

-- Events stay as they were written. A superuser can pass a trigger; the chain then shows it.
create function audit.refuse() returns trigger
  language plpgsql as $$
begin
  raise exception 'the audit chain is append only' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete on audit.event for each row execute function audit.refuse();
create trigger append_only_all before truncate on audit.event for each statement execute function audit.refuse();
