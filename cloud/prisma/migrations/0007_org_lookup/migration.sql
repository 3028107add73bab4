-- What `serve` needs to know before it has a tenant.

-- It is configured with the name of its organisation, and a policy that lets it read the row whose name it gives needs no
-- function with the owner's rights. Naming one organisation shows that one and never a list.
set local role bt_owner;
create policy named on iam.org for select to bt_api
  using (slug = (select nullif(current_setting('app.org_slug', true), '')));
set local role none;

-- Health says whether this program and the schema belong together. The table is the migrating user's, not bt_owner's,
-- and is absent where a tool only tries the migrations out.
do $$
begin
  if to_regclass('public._prisma_migrations') is not null then
    grant select on public._prisma_migrations to bt_api;
  end if;
end
$$;
