-- Who a gateway is: the codes that let a box enrol, and the certificates that were signed for it.

-- The login of the enrolment service and of `gateways add` and `gateways revoke`. It serves every tenant, like the
-- ingester, but sees no tag, no room and no record.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'bt_ca') then
    create role bt_ca login nosuperuser nocreatedb nocreaterole nobypassrls noreplication;
    alter role bt_ca set statement_timeout = '15s';
    alter role bt_ca set lock_timeout = '5s';
    alter role bt_ca set idle_in_transaction_session_timeout = '20s';
  end if;
exception when duplicate_object or unique_violation then
  null;
end
$$;

set local role bt_owner;

-- Only the digest is kept: who reads the table can enrol nobody.
create table site.enrolment_code (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  gateway_id integer not null,
  digest bytea not null check (octet_length(digest) = 32),
  expires_at timestamptz not null,
  used_at timestamptz,
  unique (org_id, id),
  foreign key (org_id, gateway_id) references site.gateway (org_id, id)
);
create index enrolment_code_gateway on site.enrolment_code (org_id, gateway_id);

create table site.certificate (
  id integer generated always as identity primary key,
  org_id integer not null references iam.org (id),
  gateway_id integer not null,
  serial text not null check (serial ~ '^[0-9a-f]{32}$'),
  not_before timestamptz not null,
  not_after timestamptz not null check (not_after > not_before),
  revoked_at timestamptz,
  unique (org_id, id),
  unique (org_id, serial),
  foreign key (org_id, gateway_id) references site.gateway (org_id, id)
);
create index certificate_gateway on site.certificate (org_id, gateway_id);
create index certificate_revoked on site.certificate (not_after) where revoked_at is not null;

do $$
declare
  name text;
begin
  foreach name in array array['enrolment_code', 'certificate'] loop
    execute format('alter table site.%I enable row level security', name);
    execute format('alter table site.%I force row level security', name);
    execute format(
      'create policy tenant on site.%I to bt_owner, bt_api using (org_id = (select iam.current_org()))'
        ' with check (org_id = (select iam.current_org()))', name);
    execute format('create policy authority on site.%I to bt_ca using (true) with check (true)', name);
    execute format('grant select, insert, update, delete on site.%I to bt_ca', name);
  end loop;
  foreach name in array array['iam.org', 'site.facility', 'rtls.store'] loop
    execute format('create policy authority on %s for select to bt_ca using (true)', name);
    execute format('grant select on %s to bt_ca', name);
  end loop;
end
$$;

grant usage on schema iam, site, rtls to bt_ca;
create policy authority on site.gateway to bt_ca using (true) with check (true);
grant select, insert, update on site.gateway to bt_ca;
-- `gateways list` names the certificate in use.
create policy ingest on site.certificate for select to bt_ingest using (true);
grant select on site.certificate to bt_ingest;
