-- What the scheduled work leaves behind, and the login of backups.

-- A dump needs to see every row, so this login passes row security; it can only read. Where whoever migrates may not
-- give that right, `biotrakr-cloud backup` says who may.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'bt_backup') then
    begin
      create role bt_backup login bypassrls nosuperuser nocreatedb nocreaterole noreplication;
    exception when insufficient_privilege then
      create role bt_backup login nosuperuser nocreatedb nocreaterole noreplication;
    end;
    alter role bt_backup set default_transaction_read_only = on;
  end if;
exception when duplicate_object or unique_violation then
  null;
end
$$;
do $$
begin
  grant pg_read_all_data to bt_backup;
exception when insufficient_privilege then
  raise notice 'bt_backup may not read yet: grant pg_read_all_data to it as a superuser';
end
$$;

set local role bt_owner;

-- Runs of scheduled work: what the scheduler remembers, and what health and reports show. It belongs to no tenant.
create table rtls.job_run (
  id bigint generated always as identity primary key,
  job text not null check (job ~ '^[a-z][a-z0-9-]{0,62}$'),
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  -- null while it runs, or when the process ended before the job did.
  ok boolean,
  rows bigint check (rows >= 0),
  said text check (length(said) <= 4000),
  -- For programs, for example which backups there are.
  detail jsonb,
  check (ended_at is not null or ok is null)
);
create index job_run_newest on rtls.job_run (job, started_at desc);
grant select, insert, update, delete on rtls.job_run to bt_jobs;
grant select on rtls.job_run to bt_api;

-- Statistics of every table, for the planner: only its owner may gather them, and scheduled work owns nothing.
create function rtls.analyze_tables() returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target regclass;
  done integer := 0;
begin
  for target in
    select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('iam', 'site', 'asset', 'rtls', 'care', 'audit', 'telemetry') and c.relkind in ('r', 'p')
      and not c.relispartition and pg_has_role(current_user, c.relowner, 'member')
    order by 1
  loop
    execute format('analyze %s', target);
    done := done + 1;
  end loop;
  return done;
end
$$;
grant execute on function rtls.analyze_tables() to bt_jobs;

-- The one thing it writes, in a transaction that says so: when a backup was made.
grant usage on schema rtls to bt_backup;
grant insert on rtls.job_run to bt_backup;
