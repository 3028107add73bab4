-- Roles, schemas and the tenant function. Roles belong to the whole cluster, so another database of it may have made
-- them already, or may be making them at this moment. Login roles get no password here: an operator sets one.

do $$
declare
  role record;
begin
  for role in
    select * from (values
      ('bt_owner', 'nologin', array[]::text[]),
      ('bt_ingest', 'login', array['statement_timeout = ''30s''', 'lock_timeout = ''10s''']),
      ('bt_api', 'login connection limit 40',
        array['statement_timeout = ''15s''', 'lock_timeout = ''2s''', 'idle_in_transaction_session_timeout = ''10s'''])
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
  -- Whoever migrates acts as bt_owner from here on. A superuser may do so without being a member; since PostgreSQL 16
  -- the creator of a role is a member of it, but may not act as it.
  if not pg_catalog.pg_has_role(current_user, 'bt_owner',
    case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end)
  then
    execute format('grant bt_owner to %I', current_user);
  end if;
end
$$;

create schema iam authorization bt_owner;
create schema site authorization bt_owner;
create schema rtls authorization bt_owner;
create schema telemetry authorization bt_owner;

set local role bt_owner;

-- PostgreSQL lets PUBLIC execute every new function unless told otherwise.
alter default privileges for role bt_owner revoke execute on functions from public;

-- Tenant of the running transaction, from set_config('app.org', ..., true); null when unset. After the transaction the
-- setting reads as '', not null. Policies call it as (select iam.current_org()): evaluated once, usable by an index.
create function iam.current_org() returns integer
  language sql stable parallel safe
  return nullif(current_setting('app.org', true), '')::integer;

create table iam.org (
  id integer generated always as identity primary key,
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
